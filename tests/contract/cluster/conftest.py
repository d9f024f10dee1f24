"""Both worlds: the fake, and a namespace of a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocdp_operator.adapters.cluster import KubeClient
from ocdp_operator.dev.cluster import Cluster as LocalCluster
from tests.support.cluster_worlds import (
    FakeWorld,
    RealWorld,
    World,
    install_crds,
)
from tests.support.fakes_cluster import FakeCluster
from tests.support.fix_controlplane import Namespaces


@pytest.fixture(scope="module")
async def client(control_plane: LocalCluster) -> AsyncIterator[KubeClient]:
    await install_crds(control_plane)
    async with KubeClient.connect(control_plane.kubeconfig) as connected:
        yield connected


@pytest.fixture
def fake_world() -> World:
    return FakeWorld(FakeCluster("team-a"), "team-a")


@pytest.fixture
async def real_world(control_plane: LocalCluster, client: KubeClient, namespace: Namespaces) -> World:
    return RealWorld(control_plane, client, await namespace())


@pytest.fixture(params=["fake_world", "real_world"])
def world(request: pytest.FixtureRequest) -> World:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]
