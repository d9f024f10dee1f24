"""Who asks: what the API server writes into a claim of the users who make and change it, whatever they write there themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocdp_operator.adapters.cluster import KubeClient, KubeIdentityPolicy
from ocdp_operator.dev.admission import AS_OPERATOR, install_admission, remove_admission
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.model.kinds import CLAIM
from ocdp_operator.model.names import FINALIZER
from tests.support.cluster_worlds import PROJECT, Raw, RealWorld
from tests.support.world import eventually

PORTAL = "system:serviceaccount:portal:server"
GITOPS = "system:serviceaccount:flux-system:kustomize-controller"
ALICE = {"username": "alice", "groups": ["data", "system:authenticated"]}
BOB = {"username": "bob", "groups": ["ops", "system:authenticated"]}
CAROL = {"username": "carol", "groups": ["board"]}
FORGED = {"requestedBy": CAROL, "changedBy": CAROL}


@pytest.fixture(scope="module")
async def stamping(served: Cluster) -> AsyncIterator[Cluster]:
    """The policies, for this module."""
    await served.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await install_admission(served, ingress_domains=(), trusted_accounts=(PORTAL, "mallory"))
    yield served
    await remove_admission(served)


@pytest.fixture
async def world(world: RealWorld, stamping: Cluster) -> RealWorld:
    """A namespace in which everybody may write claims."""
    rules = [{"apiGroups": ["ocdp.io"], "resources": ["workloadclaims"], "verbs": ["*"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "claims"}}
    await world.create({**role, "rules": rules})
    await world.kubectl("create", "rolebinding", "claims", "--role=claims", "--group=system:authenticated")
    return world


def who(user: Raw) -> tuple[str, ...]:
    """kubectl's flags to be somebody."""
    return (f"--as={user['username']}", *(f"--as-group={g}" for g in user["groups"] if ":" not in g))


def account(name: str) -> Raw:
    groups = [
        "system:serviceaccounts",
        f"system:serviceaccounts:{name.split(':')[2]}",
        "system:authenticated",
    ]
    return {"username": name, "groups": groups}


def body(name: str = "ide", **spec: Any) -> Raw:
    return {
        "apiVersion": CLAIM.api_version,
        "kind": CLAIM.kind,
        "metadata": {"name": name},
        "spec": {"templateId": "t", "workspaceId": "w", **spec},
    }


async def write(world: RealWorld, verb: str, user: Raw, claim: Raw, *flags: str) -> None:
    await world.kubectl(verb, *who(user), *flags, "-f", "-", stdin=json.dumps(claim))


async def patch(world: RealWorld, user: Raw, spec: Raw) -> None:
    change = json.dumps({"spec": spec})
    await world.kubectl("patch", "wc", "ide", "--type=merge", "-p", change, *who(user))


async def stamps(world: RealWorld) -> tuple[Raw | None, Raw | None]:
    """Who made the claim ``ide``, and who changed it last."""
    spec = json.loads(await world.kubectl("get", "wc", "ide", "-o", "json"))["spec"]
    return spec.get("requestedBy"), spec.get("changedBy")


async def test_what_is_installed_is_what_the_operator_looks_for(stamping: Cluster):
    kubeconfig = await stamping.service_account_kubeconfig("ocdp-system", "ocdp-operator")
    patch = ("patch", "mutatingadmissionpolicy", "ocdp-claim-identity", "--type=merge", "-p")
    async with KubeClient.connect(kubeconfig) as account:
        policy = KubeIdentityPolicy(account)
        found = await policy.read()
        assert found.faults == ()
        assert found.since is not None
        await stamping.kubectl(*patch, '{"spec": {"failurePolicy": "Ignore"}}')
        assert "failurePolicy" in (await policy.read()).faults[0]
        await stamping.kubectl(*patch, '{"spec": {"failurePolicy": "Fail"}}')
        assert await policy.read() == found


async def test_the_one_who_makes_a_claim_is_stamped(world: RealWorld):
    await write(world, "create", ALICE, body())
    assert await stamps(world) == (ALICE, ALICE)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(FORGED, id="both"),
        pytest.param({"requestedBy": CAROL}, id="requestedBy"),
        pytest.param({"changedBy": {}}, id="an empty one"),
        pytest.param({"requestedBy": None, "changedBy": None}, id="null"),
    ],
)
async def test_what_is_forged_at_creation_is_overwritten(world: RealWorld, forged: Raw):
    await write(world, "create", BOB, body(**forged), "--validate=ignore")
    assert await stamps(world) == (BOB, BOB)


@pytest.mark.parametrize("as_type", ["text", ["a list"], 7], ids=["text", "list", "number"])
async def test_a_stamp_of_a_wrong_type_is_not_stored(world: RealWorld, as_type: Any):
    try:
        await write(world, "create", BOB, body(requestedBy=as_type), "--validate=ignore")
    except LocalEnvironmentError:
        return  # refused is as good as overwritten
    assert await stamps(world) == (BOB, BOB)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"values": {"a": 1}}, id="values"),
        pytest.param({"templateRevision": 2}, id="a new field"),
        pytest.param({"upgradePolicy": "Auto", **FORGED}, id="and forges"),
    ],
)
async def test_the_one_who_changes_a_claim_is_stamped(world: RealWorld, change: Raw):
    await write(world, "create", ALICE, body())
    await patch(world, BOB, change)
    assert await stamps(world) == (ALICE, BOB)


async def test_a_field_that_is_taken_away_is_a_change(world: RealWorld):
    await write(world, "create", ALICE, body(values={"a": 1}))
    await patch(world, BOB, {"values": None})
    assert await stamps(world) == (ALICE, BOB)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(FORGED, id="another"),
        pytest.param({"requestedBy": None, "changedBy": None}, id="none"),
        pytest.param({"requestedBy": {"groups": ["board"]}}, id="another group"),
    ],
)
async def test_an_update_that_changes_nothing_else_forges_nothing(world: RealWorld, forged: Raw):
    await write(world, "create", ALICE, body())
    before = json.loads(await world.kubectl("get", "wc", "ide", "-o", "json"))["metadata"]
    await patch(world, BOB, forged)
    assert await stamps(world) == (ALICE, ALICE)
    after = json.loads(await world.kubectl("get", "wc", "ide", "-o", "json"))["metadata"]
    assert after["generation"] == before["generation"]


async def test_a_replace_that_leaves_the_stamps_out_keeps_who_asked(world: RealWorld):
    await write(world, "create", ALICE, body())
    await write(world, "replace", BOB, body())
    assert await stamps(world) == (ALICE, ALICE)
    await write(world, "replace", BOB, body(values={"a": 1}))
    assert await stamps(world) == (ALICE, BOB)


async def test_a_gitops_account_asks_itself_and_applies_again_without_a_change(world: RealWorld):
    flux = account(GITOPS)
    apply = ("--server-side", "--field-manager=flux")
    await write(world, "apply", flux, body(values={"a": 1}), *apply)
    assert await stamps(world) == (flux, flux)
    first = json.loads(await world.kubectl("get", "wc", "ide", "-o", "json"))["metadata"]
    await write(world, "apply", flux, body(values={"a": 1}), *apply)
    again = json.loads(await world.kubectl("get", "wc", "ide", "-o", "json"))["metadata"]
    assert again["resourceVersion"] == first["resourceVersion"]
    await patch(world, BOB, {"values": {"a": 2}})
    await write(world, "apply", flux, body(values={"a": 1}), *apply, "--force-conflicts")
    assert await stamps(world) == (flux, flux)


async def test_metadata_and_status_leave_the_stamps_alone(world: RealWorld):
    await write(world, "create", ALICE, body())
    finalizers = json.dumps({"metadata": {"finalizers": [FINALIZER], "annotations": {"a": "b"}}})
    await world.kubectl("patch", "wc", "ide", "--type=merge", "-p", finalizers, *AS_OPERATOR)
    status = '{"status": {"observedGeneration": 1}}'
    await world.kubectl(
        "patch", "wc", "ide", "--type=merge", "--subresource=status", "-p", status, *AS_OPERATOR
    )
    await world.kubectl("label", "wc", "ide", "of=bob", *who(BOB))
    assert await stamps(world) == (ALICE, ALICE)
    await world.kubectl("patch", "wc", "ide", "--type=merge", "-p", '{"metadata": {"finalizers": []}}')


async def test_a_trusted_account_speaks_for_others(world: RealWorld):
    portal = account(PORTAL)
    await write(world, "create", portal, body(requestedBy=ALICE, changedBy=ALICE))
    assert await stamps(world) == (ALICE, ALICE)
    await patch(world, portal, {"values": {"a": 1}, "changedBy": BOB})
    assert await stamps(world) == (ALICE, BOB)
    await patch(world, portal, {"requestedBy": CAROL})
    assert await stamps(world) == (CAROL, BOB)


async def test_a_trusted_account_that_names_nobody_asks_itself(world: RealWorld):
    portal = account(PORTAL)
    await write(world, "create", portal, body())
    assert await stamps(world) == (portal, portal)
    await patch(world, BOB, {"values": {"a": 1}})
    await write(world, "replace", portal, body(values={"a": 1}))
    assert await stamps(world) == (portal, BOB)
    await write(world, "replace", portal, body(values={"a": 2}))
    assert await stamps(world) == (portal, portal)


@pytest.mark.parametrize("name", [f"{PORTAL}x", PORTAL[:-1], "system:serviceaccount:portal:", "mallory"])
async def test_no_other_account_speaks_for_others(world: RealWorld, name: str):
    caller = account(name) if name.startswith("system:") else {**BOB, "username": name}
    await write(world, "create", caller, body(**FORGED))
    made, changed = await stamps(world)
    assert made == changed
    assert made is not None
    assert made["username"] == name


async def test_nobody_becomes_the_one_who_asked_for_an_unstamped_claim(world: RealWorld, stamping: Cluster):
    await remove_admission(stamping)
    try:
        await write(world, "create", BOB, body())
    finally:
        await install_admission(stamping, ingress_domains=(), trusted_accounts=(PORTAL, "mallory"))
    assert await stamps(world) == (None, None)
    await patch(world, BOB, FORGED)
    assert await stamps(world) == (None, None)
    await patch(world, BOB, {**FORGED, "values": {"a": 1}})
    assert await stamps(world) == (None, BOB)


async def test_a_claim_without_a_spec_is_refused_by_its_schema(world: RealWorld):
    with pytest.raises(LocalEnvironmentError, match="spec"):
        await write(world, "create", BOB, {**body(), "spec": None}, "--validate=ignore")


async def test_without_its_settings_no_claim_is_written(world: RealWorld, stamping: Cluster):
    await stamping.kubectl("delete", "configmap", "ocdp-operator-admission", "-n", "ocdp-system")
    try:

        async def refused() -> bool:
            try:
                await write(world, "create", ALICE, body(), "--dry-run=server")
            except LocalEnvironmentError as error:
                return "no params found" in str(error)
            return False

        await eventually(refused, "the API server noticed that the settings are gone")
    finally:
        await install_admission(stamping, ingress_domains=(), trusted_accounts=(PORTAL, "mallory"))
