"""A client of the session's control plane, and a namespace of it for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocdp_operator.adapters.cluster import KubeClient
from ocdp_operator.dev.cluster import Cluster
from tests.support.cluster_worlds import RealWorld, install_crds
from tests.support.faulty_proxy import FaultyProxy
from tests.support.fix_controlplane import Namespaces


@pytest.fixture(scope="session")
async def served(control_plane: Cluster) -> Cluster:
    """The control plane with our CRDs."""
    await install_crds(control_plane)
    return control_plane


@pytest.fixture(scope="session")
async def client(served: Cluster) -> AsyncIterator[KubeClient]:
    async with KubeClient.connect(served.kubeconfig) as connected:
        yield connected


@pytest.fixture
async def world(served: Cluster, client: KubeClient, namespace: Namespaces) -> RealWorld:
    return RealWorld(served, client, await namespace())


@pytest.fixture
async def proxy(served: Cluster) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy.started(served) as started:
        yield started
