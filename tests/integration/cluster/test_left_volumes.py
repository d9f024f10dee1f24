"""What the admission policy lets the operator do to a StatefulSet's volumes at the end: keep them from it, or delete them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from ocdp_operator.adapters.cluster import KubeClient
from ocdp_operator.dev.admission import AS_OPERATOR, install_admission, remove_admission
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.cluster_worlds import CLAIM_UID_OF_TESTS, OTHER_UID, PROJECT, Raw, RealWorld
from tests.support.fix_controlplane import Namespaces

pytestmark = pytest.mark.usefixtures("fences")


@pytest.fixture(scope="module")
async def fences(served: Cluster) -> AsyncIterator[None]:
    """The policies, for this module."""
    await served.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await install_admission(served, ingress_domains=())
    yield
    await remove_admission(served)


@pytest.fixture
async def world(served: Cluster, client: KubeClient, namespace: Namespaces) -> RealWorld:
    """A workspace's namespace: made as one, since the policies may hear later of a label that comes later."""
    return RealWorld(served, client, await namespace(labels={"ocdp.io/workspace": "team-a"}))


async def test_a_volume_is_taken_from_its_stateful_set_with_its_tombstone_alone(world: RealWorld):
    await world.create(of_set(owners=("StatefulSet", "ConfigMap")))

    async def patch(metadata: Raw) -> str:
        body = json.dumps({"metadata": metadata})
        return await world.kubectl(
            *AS_OPERATOR, "patch", "pvc", "data-ide-web-0", "--type=strategic", "-p", body
        )

    taken = {"ownerReferences": [{"uid": OTHER_UID, "$patch": "delete"}]}
    of_others = {"ownerReferences": [{"uid": CLAIM_UID_OF_TESTS, "$patch": "delete"}]}
    added = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}
    said = {"labels": {"ocdp.io/retained": "true"}, "annotations": {"ocdp.io/retained": "{}"}}
    for refused in (taken, {**said, **of_others}, {**said, **added}):
        with pytest.raises(LocalEnvironmentError, match="does not carry the annotation"):
            await patch(refused)
    await patch({**said, **taken})


async def test_a_volume_without_a_mark_is_deleted_where_a_claims_stateful_set_made_it(world: RealWorld):
    await world.create(of_set())
    await world.create(of_set("ide-web-data"))
    await world.create(of_set("data-other-web-0"))
    for name in ("ide-web-data", "data-other-web-0"):
        with pytest.raises(LocalEnvironmentError, match="does not carry the operator's mark"):
            await world.kubectl(*AS_OPERATOR, "delete", "pvc", name)
    await world.kubectl(*AS_OPERATOR, "delete", "pvc", "data-ide-web-0")


def of_set(name: str = "data-ide-web-0", owners: tuple[str, ...] = ()) -> Raw:
    """A volume as the controller of the claim's StatefulSet makes it."""
    uids = (OTHER_UID, CLAIM_UID_OF_TESTS)
    owning = [
        {
            "apiVersion": "apps/v1" if kind == "StatefulSet" else "v1",
            "kind": kind,
            "name": "ide-web",
            "uid": uid,
        }
        for kind, uid in zip(owners, uids, strict=False)
    ]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/instance": "ide"},
            "ownerReferences": owning,
            "finalizers": ["x.test/held"] if owners else [],
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
