"""Requests on bad days, and logins that change; the API server is real, the proxy before it is not kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import kopf
import pytest
import yaml
from kubernetes.aio.config import incluster_config

from ocdp_operator.adapters.cluster import KubeClient, KubeCluster, Login
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.ports import free_port
from ocdp_operator.errors import Reason, SettingsError, Waiting
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.events import ClaimEvent
from ocdp_operator.model.objects import ObjectRef
from tests.support.cluster_worlds import OTHER_UID, RealWorld, config_map, marked
from tests.support.faulty_proxy import FaultyProxy

CONFIG = ObjectRef("", "ConfigMap", "ide-config")


@pytest.fixture
async def through(proxy: FaultyProxy, tmp_path: Path) -> AsyncIterator[KubeClient]:
    async with KubeClient.connect(proxy.kubeconfig(tmp_path / "config")) as client:
        yield client


class TestBadDays:
    async def test_answer_that_was_lost_is_asked_for_again(
        self, proxy: FaultyProxy, through: KubeClient, world: RealWorld
    ) -> None:
        cluster, manifest = KubeCluster(through), marked(config_map(a="1"), world.namespace)
        created = await cluster.apply(world.namespace, manifest, uid="")
        proxy.break_next = 1
        again = await cluster.apply(world.namespace, manifest, uid=created.uid)
        assert again == created
        assert through.writes == 3

    async def test_connection_that_breaks_twice_is_waited_for(
        self, proxy: FaultyProxy, through: KubeClient, world: RealWorld
    ) -> None:
        proxy.break_next = 2
        with pytest.raises(Waiting) as caught:
            await KubeCluster(through).apply(
                world.namespace, marked(config_map(), world.namespace), uid=OTHER_UID
            )
        assert caught.value.reason is Reason.CLUSTER_UNAVAILABLE

    async def test_event_is_not_posted_twice(
        self, proxy: FaultyProxy, through: KubeClient, world: RealWorld
    ) -> None:
        claim = await world.create_claim("ide", templateId="t", workspaceId="w")
        proxy.break_next = 1
        event = ClaimEvent(claim.key, claim.uid, Reason.PRUNED, "Pruned one.")
        await KubeCluster(through).emit(event)
        assert (await world.told("ide")).count("Pruned one.") == 1

    async def test_retry_after_is_obeyed(
        self, proxy: FaultyProxy, through: KubeClient, world: RealWorld
    ) -> None:
        proxy.refuse("configmaps", 429, times=1, **{"Retry-After": "1"})
        started = time.monotonic()
        assert await KubeCluster(through).get(world.namespace, CONFIG) is None
        assert time.monotonic() - started >= 1.0

    async def test_longer_retry_after_is_handed_to_who_asked(
        self, proxy: FaultyProxy, through: KubeClient, world: RealWorld
    ) -> None:
        proxy.refuse("configmaps", 429, **{"Retry-After": "30"})
        started = time.monotonic()
        with pytest.raises(Waiting) as caught:
            await KubeCluster(through).get(world.namespace, CONFIG)
        assert caught.value.not_before == 30.0
        assert time.monotonic() - started < 20.0
        assert len(proxy.requests) == 1

    async def test_server_that_stays_busy_is_waited_for(
        self, proxy: FaultyProxy, through: KubeClient
    ) -> None:
        proxy.refuse("configmaps", 429, **{"Retry-After": "0"})
        with pytest.raises(Waiting, match="more requests") as caught:
            await KubeCluster(through).get("team-a", CONFIG)
        assert caught.value.reason is Reason.CLUSTER_UNAVAILABLE
        assert len(proxy.requests) == 3

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    async def test_broken_server_is_waited_for(
        self, proxy: FaultyProxy, through: KubeClient, status: int
    ) -> None:
        proxy.refuse("configmaps", status)
        with pytest.raises(Waiting) as caught:
            await KubeCluster(through).get("team-a", CONFIG)
        assert caught.value.reason is Reason.CLUSTER_UNAVAILABLE

    async def test_not_found_by_something_in_between_is_no_absence(
        self, proxy: FaultyProxy, through: KubeClient
    ) -> None:
        proxy.rules.append(_plain_404)
        with pytest.raises(Waiting):
            await KubeCluster(through).get("team-a", CONFIG)

    async def test_server_that_is_away_is_waited_for(self, proxy: FaultyProxy, tmp_path: Path) -> None:
        proxy.server = f"http://127.0.0.1:{free_port()}"
        async with KubeClient.connect(proxy.kubeconfig(tmp_path / "config")) as client:
            with pytest.raises(Waiting, match="does not answer") as caught:
                await KubeCluster(client).get("team-a", CONFIG)
            assert caught.value.reason is Reason.CLUSTER_UNAVAILABLE
            await KubeCluster(client).emit(ClaimEvent(ClaimKey("a", "b"), OTHER_UID, Reason.PRUNED, ""))

    async def test_server_that_says_nothing_is_given_up(self, tmp_path: Path, served: Cluster) -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1024):
                pass
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        proxy = FaultyProxy(served)
        proxy.server = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        login = Login(proxy.kubeconfig(tmp_path / "config"))
        async with KubeClient(login, request_seconds=0.2) as client:
            with pytest.raises(Waiting, match="in time"):
                await KubeCluster(client).get("team-a", CONFIG)
        server.close()
        await server.wait_closed()

    async def test_certificate_of_another_authority_is_refused(self, served: Cluster, tmp_path: Path) -> None:
        document = yaml.safe_load(served.kubeconfig.read_text())
        document["clusters"][0]["cluster"].pop("certificate-authority-data")
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(document))
        async with KubeClient.connect(path) as client:
            with pytest.raises(Waiting, match="Certificate"):
                await KubeCluster(client).get("team-a", CONFIG)


class TestLogin:
    async def test_token_that_was_exchanged_is_read_anew(
        self, proxy: FaultyProxy, world: RealWorld, tmp_path: Path
    ) -> None:
        path = proxy.kubeconfig(tmp_path / "config", token="old")
        async with KubeClient.connect(path) as client:
            with pytest.raises(Waiting, match="login") as caught:
                await KubeCluster(client).get(world.namespace, CONFIG)
            assert caught.value.reason is Reason.FORBIDDEN
            proxy.kubeconfig(path)
            client._renewed_at = float("-inf")  # as if some seconds had gone by
            assert await KubeCluster(client).get(world.namespace, CONFIG) is None

    async def test_login_that_is_never_accepted_is_not_read_for_each_request(
        self, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with KubeClient.connect(proxy.kubeconfig(tmp_path / "config", token="old")) as client:
            loads = []
            load = client._login.load
            monkeypatch.setattr(client._login, "load", lambda: loads.append(1) or load())
            for _ in range(5):
                with pytest.raises(Waiting, match="login"):
                    await KubeCluster(client).get("team-a", CONFIG)
            assert len(loads) == 1

    async def test_pod_reads_its_rotated_token(
        self, served: Cluster, world: RealWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = yaml.safe_load(served.kubeconfig.read_text())["users"][0]["user"]["token"]
        file = tmp_path / "token"
        file.write_text(f"{token}\n")
        host, _, port = served.server.removeprefix("https://").rpartition(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(file))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(served.ca_file))
        async with KubeClient.connect() as client:
            assert await KubeCluster(client).get(world.namespace, CONFIG) is None
            assert client.connection_info()["token"] == token
            file.write_text("rotated")
            await client._login.load()
            assert client.connection_info()["token"] == "rotated"
            file.unlink()
            with pytest.raises(SettingsError):
                await client._login.load()
            assert client.connection_info()["token"] == "rotated"

    async def test_event_source_gets_a_login_that_works(self, served: Cluster) -> None:
        async with KubeClient.connect(served.kubeconfig) as client:
            info = kopf.ConnectionInfo(**client.connection_info())
        async with aiohttp.ClientSession() as session:
            answer = await session.get(
                f"{info.server}/version", ssl=info.as_ssl_context(), headers=info.as_http_headers()
            )
            assert answer.status == 200

    async def test_context_is_chosen_by_name(self, served: Cluster, tmp_path: Path) -> None:
        document = yaml.safe_load(served.kubeconfig.read_text())
        wanted = document["current-context"]
        other = {"name": "other", "context": {"cluster": "other", "user": "nobody"}}
        document["contexts"].append(other)
        document["users"].append({"name": "nobody", "user": {"token": "x"}})
        document["clusters"].append({"name": "other", "cluster": {"server": "https://other.test"}})
        document["current-context"] = "other"
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(document))
        for context, server in ((None, "https://other.test"), (wanted, served.server)):
            login = Login(path, context)
            await login.load()
            assert login.server == server

    @pytest.mark.parametrize(
        "content", ["", "[]", "a: {", "{clusters: [], contexts: []}", "{current-context: nowhere}"]
    )
    async def test_unusable_kubeconfig_is_named(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "broken.kubeconfig"
        path.write_text(content)
        with pytest.raises(SettingsError, match=r"broken\.kubeconfig") as caught:
            await Login(path).load()
        assert str(tmp_path) not in str(caught.value)

    async def test_missing_kubeconfig_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"missing\.kubeconfig"):
            await Login(tmp_path / "missing.kubeconfig").load()

    async def test_no_kubeconfig_outside_of_a_pod_says_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(SettingsError, match="name a kubeconfig"):
            await Login().load()


def _plain_404(_: aiohttp.web.Request) -> aiohttp.web.Response:
    return aiohttp.web.Response(status=404, text="no such site")
