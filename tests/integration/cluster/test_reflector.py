"""The reflector on a real API server, and through a proxy that does what networks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ocdp_operator.adapters.cluster import KubeClient, Reflector
from ocdp_operator.adapters.cluster.trimming import trimmed
from ocdp_operator.adapters.cluster.watch import Patience
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import CONFIG_MAP, DEPLOYMENT, POD, SECRET, WATCHED_KINDS, WORKLOAD, Kind
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID
from ocdp_operator.model.objects import ObjectRef, Observed
from tests.support.cluster_worlds import (
    CLAIM_UID_OF_TESTS,
    RealWorld,
    config_map,
    deployment,
    marked,
    secret,
    until,
)
from tests.support.faulty_proxy import FaultyProxy

CONFIG = ObjectRef("", "ConfigMap", "ide-config")
APP = ObjectRef("apps", "Deployment", "ide")


class Watcher:
    """A running reflector and what it told."""

    def __init__(self, client: KubeClient, kinds: tuple[Kind, ...], patience: Patience | None) -> None:
        self.told: list[tuple[str, str]] = []
        self.reflector = Reflector(
            client,
            lambda namespace, claim: self.told.append((namespace, claim)),
            kinds=kinds,
            patience=patience,
        )

    def sees(self, ref: ObjectRef, namespace: str) -> Observed | None:
        return self.reflector.of_claim(namespace, CLAIM_UID_OF_TESTS).get(ref)

    async def settle(self, world: RealWorld) -> None:
        """Everything that was done before is seen: an object made now came through the watch, in the same order."""
        marker = marked(config_map("marker"), world.namespace, claim="marker", claim_uid=CLAIM_UID_OF_TESTS)
        await world.cluster.apply(world.namespace, marker, uid="")
        await until(lambda: (world.namespace, "marker") in self.told, "the marker is seen")


@asynccontextmanager
async def watching(
    client: KubeClient, *kinds: Kind, patience: Patience | None = None
) -> AsyncIterator[Watcher]:
    kinds = kinds or (CONFIG_MAP,)
    watcher = Watcher(client, kinds, patience)
    running = asyncio.create_task(watcher.reflector.run())
    try:
        await until(lambda: all(map(watcher.reflector.is_listed, kinds)), "every kind is listed")
        yield watcher
        assert not running.done()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def watching_through(
    proxy: FaultyProxy, directory: Path, *kinds: Kind, patience: Patience | None = None
) -> AsyncIterator[Watcher]:
    async with (
        KubeClient.connect(proxy.kubeconfig(directory / "config")) as client,
        watching(client, *kinds, patience=patience) as watcher,
    ):
        yield watcher


async def put(world: RealWorld, body: dict[str, object], uid: str = "") -> Observed:
    """Applies an object of a claim; returns what of the answer is kept."""
    return trimmed(await world.cluster.apply(world.namespace, marked(body, world.namespace), uid=uid))


async def test_every_kind_gets_listed(client: KubeClient) -> None:
    async with watching(client, *WATCHED_KINDS) as watcher:
        assert all(map(watcher.reflector.is_listed, WATCHED_KINDS))
        await until(
            lambda: watcher.reflector.is_listed(WORKLOAD), "a kind that is fed from outside is listed too"
        )
        assert watcher.reflector.is_listed(SECRET)
        assert max(pulse.silent_for for pulse in watcher.reflector.pulses.values()) < 20


async def test_nothing_is_listed_before_it_runs(client: KubeClient) -> None:
    reflector = Reflector(client, lambda *_: None)
    assert not any(map(reflector.is_listed, (*WATCHED_KINDS, WORKLOAD)))


def test_secrets_are_refused(client: KubeClient) -> None:
    with pytest.raises(ValueError, match="never listed"):
        Reflector(client, lambda *_: None, kinds=(SECRET,))


@pytest.mark.parametrize(
    "label", [f"{CLAIM_UID}-", f"{CLAIM_NAME}-", f"{CLAIM_UID}=another", f"{CLAIM_NAME}=another"]
)
async def test_a_label_of_ours_that_somebody_changes_wakes_the_claim_that_lost_it(
    client: KubeClient, world: RealWorld, label: str
) -> None:
    async with watching(client) as watcher:
        await put(world, config_map())
        await watcher.settle(world)
        watcher.told.clear()
        await world.kubectl("label", "configmap", "ide-config", "--overwrite", label)
        await until(lambda: (world.namespace, "ide") in watcher.told, "its claim is told")


async def test_creation_change_and_deletion_are_seen_and_told(client: KubeClient, world: RealWorld) -> None:
    async with watching(client, patience=Patience(settle=0.0)) as watcher:
        created = await put(world, config_map(a="1"))
        await until(lambda: watcher.sees(CONFIG, world.namespace), "it came")
        changed = await put(world, config_map(b="2"), created.uid)
        await until(lambda: watcher.sees(CONFIG, world.namespace) == changed, "it changed")
        await world.remove(CONFIG)
        await until(lambda: not watcher.sees(CONFIG, world.namespace), "it went")
        await until(lambda: watcher.told.count((world.namespace, "ide")) == 3, "each was told")


async def test_what_was_there_before_is_seen(client: KubeClient, world: RealWorld) -> None:
    created = await put(world, config_map(a="1"))
    async with watching(client) as watcher:
        assert watcher.sees(CONFIG, world.namespace) == created


async def test_object_without_our_label_is_not_seen(client: KubeClient, world: RealWorld) -> None:
    async with watching(client) as watcher:
        await world.create(config_map())
        await watcher.settle(world)
        assert (world.namespace, "ide") not in watcher.told


async def test_object_that_loses_its_label_counts_as_gone(client: KubeClient, world: RealWorld) -> None:
    async with watching(client) as watcher:
        await put(world, config_map(a="1"))
        await until(lambda: watcher.sees(CONFIG, world.namespace), "it came")
        await world.edit(CONFIG, {"metadata": {"labels": {CLAIM_UID: None}}})
        await until(lambda: not watcher.sees(CONFIG, world.namespace), "it is no longer ours")
        seen = await world.cluster.get(world.namespace, CONFIG)
        assert seen is not None
        watcher.reflector.record(seen)
        assert not watcher.sees(CONFIG, world.namespace)
        again = await put(world, config_map(a="1"), seen.uid)
        watcher.reflector.record(again)
        assert watcher.sees(CONFIG, world.namespace) == again
        await watcher.settle(world)
        assert watcher.sees(CONFIG, world.namespace) == again


async def test_echo_of_an_own_write_wakes_nobody(client: KubeClient, world: RealWorld) -> None:
    patience = Patience(settle=3.0)  # a busy machine must not make this test fail
    async with watching(client, patience=patience) as watcher:
        for data in ({"a": "1"}, {"a": "2"}, {"a": "3"}):
            known = watcher.sees(CONFIG, world.namespace)
            watcher.reflector.record(await put(world, config_map(**data), known.uid if known else ""))
        await watcher.settle(world)
        assert (world.namespace, "ide") not in watcher.told
        await world.edit(CONFIG, {"data": {"a": "theirs"}})
        await until(lambda: (world.namespace, "ide") in watcher.told, "a write of somebody else is told")


async def test_what_comes_together_is_told_once(client: KubeClient, world: RealWorld) -> None:
    async with watching(client, patience=Patience(settle=3.0)) as watcher:
        await asyncio.gather(*(put(world, config_map(name)) for name in ("a", "b", "c")))
        await watcher.settle(world)
        assert watcher.told.count((world.namespace, "ide")) == 1


async def test_late_answer_does_not_bring_back_what_is_gone(client: KubeClient, world: RealWorld) -> None:
    async with watching(client) as watcher:
        answer = await put(world, config_map())
        await until(lambda: watcher.sees(CONFIG, world.namespace), "it came")
        await world.remove(CONFIG)
        await until(lambda: not watcher.sees(CONFIG, world.namespace), "it went")
        assert not watcher.reflector.record(answer)
        assert not watcher.sees(CONFIG, world.namespace)


async def test_pods_and_status_are_seen_and_told(client: KubeClient, world: RealWorld) -> None:
    key = ClaimKey(world.namespace, "ide")
    async with watching(client, DEPLOYMENT, POD) as watcher:
        await put(world, deployment())

        def available() -> bool:
            seen = watcher.sees(APP, world.namespace)
            return seen is not None and seen.body.get("status", {}).get("availableReplicas") == 1

        await until(available, "the Deployment is available", seconds=90)

        def phases() -> list[str]:
            return [pod.body["status"].get("phase") for pod in watcher.reflector.pods_of_claim(key)]

        # Each kind has a watch of its own: that of pods may be the later one.
        await until(lambda: phases() == ["Running"], "its pod is seen to run")
        pods = watcher.reflector.pods_of_claim(key)
        assert pods[0].body["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
        assert pods[0].ref not in watcher.reflector.of_claim(world.namespace, CLAIM_UID_OF_TESTS)
        await world.remove(APP)
        await until(lambda: not watcher.reflector.pods_of_claim(key), "the pods went", seconds=90)


async def test_values_of_an_environment_are_not_kept(client: KubeClient, world: RealWorld) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "hunter2"}]
    async with watching(client, DEPLOYMENT) as watcher:
        watcher.reflector.record(await put(world, body))
        seen = watcher.sees(APP, world.namespace)
        assert seen is not None
        assert "hunter2" not in str(seen.body)
        assert seen.body["spec"]["replicas"] == 1


async def test_recorded_secret_is_not_kept(client: KubeClient, world: RealWorld) -> None:
    reflector = Reflector(client, lambda *_: None)
    assert not reflector.record(await put(world, secret(A="YQ==")))
    assert reflector.of_claim(world.namespace, CLAIM_UID_OF_TESTS) == {}


class TestBadDays:
    """``Patience`` is shorter here than anybody would set it."""

    async def test_stalled_watch_is_started_anew(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path
    ) -> None:
        async with watching_through(proxy, tmp_path, CONFIG_MAP, patience=Patience(silence=0.5)) as watcher:
            created = await put(world, config_map(a="1"))
            await until(lambda: watcher.sees(CONFIG, world.namespace), "it came")
            proxy.silent = True
            changed = await put(world, config_map(b="2"), created.uid)
            proxy.silent = False  # what was held back is lost
            await until(lambda: watcher.sees(CONFIG, world.namespace) == changed, "the change was found")

    async def test_object_that_vanished_unseen_is_reported(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path
    ) -> None:
        async with watching_through(proxy, tmp_path, CONFIG_MAP, patience=Patience(silence=0.5)) as watcher:
            answer = await put(world, config_map())
            await until(lambda: watcher.sees(CONFIG, world.namespace), "it came")
            await until(lambda: watcher.told.count((world.namespace, "ide")) == 1, "it is told")
            proxy.silent = True
            await world.remove(CONFIG)
            proxy.silent = False
            await until(lambda: not watcher.sees(CONFIG, world.namespace), "it is known to be gone")
            await until(lambda: watcher.told.count((world.namespace, "ide")) == 2, "that is told too")
            assert not watcher.reflector.record(answer)

    async def test_broken_connection_goes_on_where_it_was(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path
    ) -> None:
        async with watching_through(proxy, tmp_path) as watcher:
            await watcher.settle(world)
            proxy.requests.clear()
            proxy.cut()
            await put(world, config_map())
            await until(lambda: watcher.sees(CONFIG, world.namespace), "it came after the break")
            resumed = [request for request in proxy.requests if "configmaps" in request]
            assert "sendInitialEvents" not in resumed[0]

    async def test_too_old_a_version_leads_to_a_new_list(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path
    ) -> None:
        async with watching_through(proxy, tmp_path) as watcher:
            proxy.refuse("&resourceVersion=", 410, times=1)
            proxy.cut()
            await put(world, config_map())
            await until(lambda: watcher.sees(CONFIG, world.namespace), "it came after the new list")

    async def test_refusals_are_outlived(self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path) -> None:
        proxy.refuse("configmaps", 503, times=1)
        proxy.refuse("configmaps", 403, times=1)
        proxy.refuse("configmaps", 401, times=1)
        async with (
            KubeClient.connect(proxy.kubeconfig(tmp_path / "config")) as client,
            watching(client) as watcher,
        ):
            await put(world, config_map())
            await until(lambda: watcher.sees(CONFIG, world.namespace), "it came")

    async def test_server_without_streamed_lists_is_listed_page_by_page(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path
    ) -> None:
        proxy.refuse("sendInitialEvents", 422)
        there = await put(world, config_map())
        async with watching_through(proxy, tmp_path, CONFIG_MAP, DEPLOYMENT) as watcher:
            assert watcher.sees(CONFIG, world.namespace) == there
            await put(world, deployment())
            await until(lambda: watcher.sees(APP, world.namespace), "the watch goes on from the list")

    async def test_list_that_breaks_half_way_starts_over(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ocdp_operator.adapters.cluster.pages._PAGE", 1)
        proxy.refuse("sendInitialEvents", 422)
        proxy.refuse("continue=", 503, times=1)
        created = [await put(world, config_map(name)) for name in ("a", "b", "c")]
        async with watching_through(proxy, tmp_path) as watcher:
            assert all(watcher.sees(each.ref, world.namespace) == each for each in created)

    async def test_own_fault_does_not_end_a_watch(
        self, client: KubeClient, world: RealWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with watching(client) as watcher:
            with monkeypatch.context() as patch:
                patch.setattr(watcher.reflector._store, "put", lambda _: 1 / 0)
                await put(world, config_map())
                await until(lambda: not watcher.reflector._watches["ConfigMap"]._version, "it fell over")
            await until(lambda: watcher.sees(CONFIG, world.namespace), "it stood up again")

    async def test_api_server_restart_is_outlived(self) -> None:
        async with ControlPlane.start() as plane, KubeClient.connect(plane.kubeconfig) as client:
            await plane.kubectl("create", "namespace", "a")
            world = RealWorld(plane, client, "a")
            async with watching(client, CONFIG_MAP, DEPLOYMENT) as watcher:
                gone = await put(world, config_map("gone"))
                await until(lambda: watcher.sees(gone.ref, "a"), "it came")
                await plane.stop_apiserver()
                await plane.start_apiserver()
                await world.remove(gone.ref)
                kept = await put(world, config_map())
                await until(lambda: watcher.sees(CONFIG, "a") == kept, "it came after the restart")
                await until(lambda: not watcher.sees(gone.ref, "a"), "what went is gone")
                pulses = watcher.reflector.pulses.values()
                await until(lambda: max(pulse.silent_for for pulse in pulses) < 30, "each watch is back")
