"""What the admission policy lets the operator do to volumes' claims that a StatefulSet's controller made: they may grow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocdp_operator.dev.admission import AS_OPERATOR, install_admission, remove_admission
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.cluster_worlds import PROJECT, RealWorld
from tests.support.live_objects import volume

pytestmark = pytest.mark.usefixtures("fences")

LABELS = {"app.kubernetes.io/instance": "ide", "app.kubernetes.io/name": "store"}


@pytest.fixture(scope="module")
async def fences(served: Cluster) -> AsyncIterator[None]:
    """The policies, for this module."""
    await served.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await install_admission(served, ingress_domains=())
    yield
    await remove_admission(served)


async def made(world: RealWorld, name: str, labels: dict[str, str]) -> None:
    """A bound claim for a volume, as the controller makes one: without a mark."""
    await world.control_plane.kubectl(
        "label", "namespace", world.namespace, "ocdp.io/workspace=team-a", "--overwrite"
    )
    body = volume(name)
    body["metadata"]["labels"] = labels
    await world.create(body)
    await world.bound(name)


def sized(size: str) -> dict[str, Any]:
    return {"spec": {"resources": {"requests": {"storage": size}}}}


async def patched(world: RealWorld, name: str, patch: dict[str, Any]) -> None:
    await world.kubectl(*AS_OPERATOR, "patch", "pvc", name, "--type=merge", "-p", json.dumps(patch))


async def test_it_may_grow(world: RealWorld) -> None:
    await made(world, "data-ide-store-0", LABELS)
    await patched(world, "data-ide-store-0", sized("3Gi"))
    found = json.loads(await world.kubectl("get", "pvc", "data-ide-store-0", "-o", "json"))
    assert found["spec"]["resources"]["requests"]["storage"] == "3Gi"


REFUSED: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "nothing grows": ("data-ide-store-0", LABELS, {"metadata": {"annotations": {"a": "b"}}}),
    "something else changes too": (
        "data-ide-store-0",
        LABELS,
        sized("3Gi") | {"metadata": {"labels": {"more": "yes"}}},
    ),
    "a finalizer comes": (
        "data-ide-store-0",
        LABELS,
        sized("3Gi") | {"metadata": {"finalizers": ["x.test/y"]}},
    ),
    "of no claim": ("data-ide-store-0", {"app.kubernetes.io/name": "store"}, sized("3Gi")),
    "of another claim's name": ("data-other-store-0", LABELS, sized("3Gi")),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_nothing_else_may_be_done_to_it(world: RealWorld, case: str) -> None:
    name, labels, patch = REFUSED[case]
    await made(world, name, labels)
    with pytest.raises(LocalEnvironmentError, match="ValidatingAdmissionPolicy 'ocdp-operator-writes'"):
        await patched(world, name, patch)
