"""The operator under its own account: what it may do, and what it must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from ocdp_operator.adapters.cluster import KubeClient, KubeCluster, Reflector
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.errors import Actor, Reason, Waiting
from ocdp_operator.model.claim import ClaimStatus
from ocdp_operator.model.events import ClaimEvent
from ocdp_operator.model.kinds import CONFIG_MAP, WATCHED_KINDS, WORKLOAD
from ocdp_operator.model.names import FINALIZER
from ocdp_operator.model.objects import ObjectRef
from tests.support.cluster_worlds import (
    CLAIM_UID_OF_TESTS,
    PROJECT,
    RealWorld,
    config_map,
    deployment,
    marked,
    secret,
    until,
    workload,
)
from tests.support.world import eventually

ACCOUNT = "system:serviceaccount:ocdp-system:ocdp-operator"


@pytest.fixture(scope="session")
async def account(served: Cluster) -> AsyncIterator[KubeClient]:
    await served.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    kubeconfig = await served.service_account_kubeconfig("ocdp-system", "ocdp-operator")
    async with KubeClient.connect(kubeconfig) as client:
        yield client


@pytest.fixture
def cluster(account: KubeClient) -> KubeCluster:
    return KubeCluster(account)


async def bind(world: RealWorld) -> None:
    """What `ocdp workspace manifest` gives a workspace's namespace."""
    await world.kubectl(
        "create",
        "rolebinding",
        "ocdp-applier",
        "--clusterrole=ocdp-applier",
        "--serviceaccount=ocdp-system:ocdp-operator",
    )
    await may(world, "create", "configmaps", yes=True)


async def may(world: RealWorld, verb: str, resource: str, *, yes: bool) -> None:
    """Returns when the API server's view of our rights is as it should be."""

    async def answer() -> bool:
        try:
            plain, _, part = resource.partition("/")
            said = await world.kubectl(
                "auth", "can-i", verb, plain, f"--subresource={part}", f"--as={ACCOUNT}"
            )
        except LocalEnvironmentError:
            return not yes
        return said.strip().startswith("yes") is yes

    await eventually(answer, f"{verb} {resource} is {'' if yes else 'not '}allowed")


async def test_everything_a_claim_needs_is_allowed_where_it_is_bound(
    world: RealWorld, cluster: KubeCluster
) -> None:
    await bind(world)
    claim = await world.create_claim("ide", templateId="t", workspaceId="w")
    claim = await cluster.patch_claim(claim, finalizers=[FINALIZER], annotations={})
    claim = await cluster.patch_claim_status(claim, ClaimStatus(observed_generation=1))
    for body in (config_map(), secret(), deployment(), workload().body):
        manifest = marked(dict(body), world.namespace)
        created = await cluster.apply(world.namespace, manifest, uid="")
        again = await cluster.apply(world.namespace, manifest, uid=created.uid)
        seen = await cluster.get(world.namespace, manifest.ref)
        assert seen is not None
        assert created.applied_digest == again.applied_digest == seen.applied_digest
    await cluster.apply_status(world.namespace, workload().ref, {"observedGeneration": 1})
    assert await cluster.get_secret(world.namespace, "ide-credentials") is not None
    assert len(await cluster.list_labelled(world.namespace, CONFIG_MAP, CLAIM_UID_OF_TESTS)) == 1
    assert await cluster.events_about(world.namespace, claim.uid) == ()
    assert await cluster.namespace(world.namespace) is not None
    assert claim.key in {each.key for each in await cluster.list_claims()}
    await cluster.emit(ClaimEvent(claim.key, claim.uid, Reason.PRUNED, "Pruned."))
    assert "Pruned." in await world.told("ide")
    for ref in (ObjectRef("", "Secret", "ide-credentials"), workload().ref):
        live = await cluster.get(world.namespace, ref)
        assert live is not None
        await cluster.delete(world.namespace, ref, uid=live.uid)
        assert await cluster.get(world.namespace, ref) is None
    await cluster.patch_claim(claim, finalizers=[], annotations={})


async def test_owner_that_blocks_may_be_named(world: RealWorld, cluster: KubeCluster) -> None:
    await bind(world)
    claim = await world.create_claim("ide", templateId="t", workspaceId="w")
    owner = {
        "apiVersion": WORKLOAD.api_version,
        "kind": "WorkloadClaim",
        "name": "ide",
        "uid": claim.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    body = dict(workload().body)
    body["metadata"] = {**body["metadata"], "ownerReferences": [owner]}
    assert (await cluster.apply(world.namespace, marked(body, world.namespace), uid="")).uid
    await may(world, "update", "workloadclaims.ocdp.io/finalizers", yes=True)


async def test_unbound_namespace_is_forbidden_and_the_remedy_is_named(
    world: RealWorld, cluster: KubeCluster
) -> None:
    with pytest.raises(Waiting) as caught:
        await cluster.apply(world.namespace, marked(config_map(), world.namespace), uid="")
    assert caught.value.reason is Reason.FORBIDDEN
    assert caught.value.actor is Actor.CLUSTER_OPERATOR
    assert "no right to patch configmaps" in caught.value.message
    assert world.namespace in caught.value.message
    assert "ocdp-applier" in caught.value.remedy


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("list", "secrets"),
        ("watch", "secrets"),
        ("create", "pods"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("deletecollection", "configmaps"),
        ("create", "workloadclaims.ocdp.io"),
        ("delete", "workloadclaims.ocdp.io"),
        ("create", "pods/exec"),
        ("create", "serviceaccounts/token"),
    ],
)
async def test_nothing_else_is_allowed_where_it_is_bound(world: RealWorld, verb: str, resource: str) -> None:
    await bind(world)
    await may(world, verb, resource, yes=False)


async def test_everything_that_is_watched_may_be_watched(account: KubeClient) -> None:
    reflector = Reflector(account, lambda *_: None)
    running = asyncio.create_task(reflector.run())
    await until(lambda: all(map(reflector.is_listed, (*WATCHED_KINDS, WORKLOAD))), "every kind is listed")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
