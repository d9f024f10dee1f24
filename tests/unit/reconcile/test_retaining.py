"""What a deleted claim leaves says whose it was, and is taken back when its successor asks for it, and never by itself."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.names import ADOPT, RETAINED
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app

VOLUME, SECRET, OF_SET = (
    ("PersistentVolumeClaim", "ide-data"),
    ("Secret", "ide-credentials"),
    ("PersistentVolumeClaim", "data-ide-db-0"),
)
_SELECTOR = {"app.kubernetes.io/instance": "ide", "app.kubernetes.io/name": "db"}


def database(replicas: int = 1) -> Any:
    template = {"metadata": {"labels": _SELECTOR}, "spec": builders.pod_spec()}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": _SELECTOR},
        "template": template,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
    }
    return builders.manifest("StatefulSet", "ide-db", spec=spec)


@pytest.fixture
async def world() -> World:
    """A claim that is Ready, with a StatefulSet whose controller made a volume."""
    made = World(app(database()))
    made.ask_for()
    await made.settle()
    put_volume(made)
    made.cluster.set_status(
        builders.NAMESPACE, builders.ref("StatefulSet", "ide-db"), observedGeneration=1, replicas=1, readyReplicas=1,
        updatedReplicas=1, currentRevision="1", updateRevision="1", availableReplicas=1,
    )  # fmt: skip
    await made.settle()
    return made


def put_volume(world: World, name: str = "data-ide-db-0", **metadata: Any) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": _SELECTOR, **metadata},
        "spec": {},
    }
    world.cluster.put(builders.NAMESPACE, body, manager="kube-controller-manager")


def said(world: World, kind: str, name: str) -> dict[str, Any]:
    metadata = world.raw(kind, name)["metadata"]
    text = metadata.get("annotations", {}).get(RETAINED, "{}")
    assert (metadata.get("labels", {}).get(RETAINED) == "true") == (text != "{}")
    found: dict[str, Any] = json.loads(text)
    return found


async def delete(world: World) -> str:
    """Deletes the claim; returns its UID."""
    uid = (await world.claim()).uid
    world.cluster.delete_claim(KEY)
    for _ in range(10):
        if KEY not in world.cluster.claims:
            return uid
        await world.reconcile()
        settle_stateful_sets(world)
    raise AssertionError("the claim never goes")


def settle_stateful_sets(world: World) -> None:
    for (namespace, ref), raw in list(world.cluster.objects.items()):
        if ref.kind == "StatefulSet":
            world.cluster.set_status(namespace, ref, observedGeneration=raw["metadata"]["generation"])


async def failure(world: World) -> Any:
    await world.reconcile(2)
    return (await world.claim()).status.failure


@pytest.mark.parametrize("place", [VOLUME, SECRET, OF_SET], ids=["volume", "credentials", "volume of a set"])
async def test_what_is_kept_says_whose_it_was(world: World, place: tuple[str, str]):
    uid = await delete(world)
    assert said(world, *place) == {
        "claim": "ns-a/ide", "uid": uid, "template": "code-server", "revision": 1, "workspace": "team-a",
        "since": "2026-01-01T00:00:00Z",
    }  # fmt: skip


async def test_each_object_is_written_once(world: World):
    written: list[str] = []
    annotate = world.cluster.annotate

    async def counted(namespace: str, observed: Any, **change: Any) -> Any:
        written.append(str(observed.ref))
        return await annotate(namespace, observed, **change)

    world.cluster.annotate = counted  # type: ignore[method-assign]
    world.raw("Deployment", "ide-web")["metadata"]["finalizers"] = ["x/y"]
    world.cluster.delete_claim(KEY)
    for _ in range(4):
        await world.reconcile()
        settle_stateful_sets(world)
    world.restart()
    metadata = world.raw("Deployment", "ide-web")["metadata"]
    del metadata["finalizers"], metadata["deletionTimestamp"]
    world.cluster.remove(builders.NAMESPACE, builders.ref("Deployment", "ide-web"))
    for _ in range(4):
        await world.reconcile()
    assert KEY not in world.cluster.claims
    assert sorted(written) == sorted("/".join(place) for place in (VOLUME, SECRET, OF_SET))


async def test_a_volume_of_the_sets_name_without_its_labels_is_left_alone(world: World):
    put_volume(world, "data-ide-db-1", labels={"app": "somebody's"})
    before = copy.deepcopy(world.raw("PersistentVolumeClaim", "data-ide-db-1"))
    await delete(world)
    assert world.raw("PersistentVolumeClaim", "data-ide-db-1") == before


async def test_under_delete_nothing_is_kept_and_nothing_says_so(world: World):
    world.ask_for(deletionPolicy="Delete")
    await world.reconcile(2)
    await delete(world)
    assert {"/".join(VOLUME), "/".join(SECRET)}.isdisjoint(world.live())
    assert said(world, *OF_SET) == {}  # its controller deletes it, by the policy that it was told


async def test_an_object_whose_mark_was_taken_away_gets_no_tombstone(world: World):
    world.raw(*VOLUME)["metadata"]["annotations"].pop("ocdp.io/owner")
    await delete(world)
    assert said(world, *VOLUME) == {}


async def test_data_is_taken_back_when_the_claim_asks_and_is_the_same(world: World):
    before = {place: copy.deepcopy(world.raw(*place)) for place in (VOLUME, SECRET, OF_SET)}
    uid = await delete(world)
    world.ask_for()
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert f"{ADOPT}={uid}" in refused.remedy
    assert "ocdp claim adopt ide" in refused.remedy
    assert "StatefulSet/ide-db" not in world.live()
    world.cluster.annotate_claim(KEY, **{ADOPT: uid})
    assert await failure(world) is None
    for place in (VOLUME, SECRET, OF_SET):
        assert said(world, *place) == {}
        assert world.raw(*place)["metadata"]["uid"] == before[place]["metadata"]["uid"]
    assert world.raw(*SECRET)["data"] == before[SECRET]["data"]
    assert (await world.claim()).uid in world.raw(*VOLUME)["metadata"]["annotations"]["ocdp.io/owner"]


async def test_a_set_takes_no_volume_of_a_former_claim_by_its_name_alone():
    """Nothing but the set's volume was kept: its controller would take it without asking anybody."""
    world = World([database()])
    world.revision = builders.template()
    world.ask_for()
    await world.settle()
    put_volume(world)
    uid = await delete(world)
    world.ask_for()
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "PersistentVolumeClaim/data-ide-db-0" in refused.message
    assert "StatefulSet/ide-db" not in world.live()
    world.cluster.annotate_claim(KEY, **{ADOPT: uid})
    assert await failure(world) is None
    assert "StatefulSet/ide-db" in world.live()
    assert said(world, *OF_SET) == {}


TOMBSTONE = {
    "claim": "ns-a/ide",
    "uid": "former",
    "template": "t",
    "revision": 1,
    "workspace": "w",
    "since": "x",
}


@pytest.mark.parametrize("adopt", [None, "former"], ids=["not asked for", "asked for"])
async def test_a_tombstone_alone_gives_nothing_to_anybody(adopt: str | None):
    world = World(app())
    put_volume(
        world,
        "ide-data",
        annotations={RETAINED: json.dumps(TOMBSTONE)},
        labels={**_SELECTOR, RETAINED: "true"},
    )
    before = copy.deepcopy(world.raw(*VOLUME))
    world.ask_for()
    if adopt:
        world.cluster.annotate_claim(KEY, **{ADOPT: adopt})
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "was not made by a claim" in refused.message
    assert world.raw(*VOLUME) == before


@pytest.mark.parametrize(
    "forged",
    [{"claim": "ns-a/other"}, {"claim": "ns-b/ide"}, {"uid": "another"}],
    ids=["another claim's", "another namespace's", "another UID"],
)
async def test_a_volume_of_a_set_is_taken_back_for_this_claim_and_this_uid_alone(forged: dict[str, str]):
    world = World([database()])
    world.revision = builders.template()
    text = json.dumps({**TOMBSTONE, **forged})
    put_volume(world, annotations={RETAINED: text}, labels={**_SELECTOR, RETAINED: "true"})
    before = copy.deepcopy(world.raw(*OF_SET))
    world.ask_for()
    world.cluster.annotate_claim(KEY, **{ADOPT: "former"})
    assert (await failure(world)).code is Reason.OWNERSHIP_CONFLICT
    assert world.raw(*OF_SET) == before
    assert "StatefulSet/ide-db" not in world.live()


async def test_a_tombstone_that_somebody_writes_on_a_living_claims_data_changes_nothing(world: World):
    world.cluster.edit(
        builders.NAMESPACE, builders.ref(*VOLUME),
        {"metadata": {"annotations": {RETAINED: json.dumps(TOMBSTONE)}, "labels": {RETAINED: "true"}}},
    )  # fmt: skip
    before = {name for name in world.live() if not name.startswith("Workload")}
    await world.settle()
    assert before <= world.live()
    assert (await world.claim()).status.failure is None
