"""The operator runs as itself: no right that it does not need, and none whose loss would go unnoticed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.cli.workspace import OperatorAccount, workspace_objects
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import CLUSTER_ID, Platform
from ocdp_operator.model.template import Placement
from tests.support.apps import claim
from tests.support.fix_operator import TeamFactory
from tests.support.observed import Telling
from tests.support.rights import (
    RBAC,
    RecordingProxy,
    Right,
    Rule,
    documents,
    publish_every_kind,
    rights,
    role,
    without,
)
from tests.support.world import Team, condition, eventually, is_ready

OPERATOR_RULES: list[Rule] = role("ocdp-operator")["rules"]
APPLIER_RULES: list[Rule] = role("ocdp-applier-base")["rules"]
LEASE_RULES: list[Rule] = role("ocdp-operator-lease", "Role")["rules"]
UNSEEN = {
    Right("update", "ocdp.io", "workloadclaims/finalizers"): "asked for only where the admission plugin "
    "OwnerReferencesPermissionEnforcement is on, which the local control plane leaves off",
}
"""Rights that nothing here uses, each with its reason."""
READS = {"get", "list", "watch"}
EVENTS = Right("list", "", "events")
"""Used where a StatefulSet gets no pods for some seconds; and without it the log alone says so."""


@pytest.fixture
async def proxy(platform: Platform) -> AsyncIterator[RecordingProxy]:
    async with RecordingProxy.started(platform.cluster) as started:
        yield started


@pytest.fixture
async def rights_again(platform: Platform) -> AsyncIterator[None]:
    """After the test the rights are as config/ says, whatever the test did."""
    yield
    await platform.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(RBAC))


def test_no_rule_is_wide():
    for found in documents():
        for rule in found.get("rules", ()):
            assert not any("*" in value for values in rule.values() for value in values), rule
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), rule
            if "secrets" in rule["resources"]:
                assert not {"list", "watch", "deletecollection"} & set(rule["verbs"]), rule


def test_cluster_wide_it_writes_claims_and_events_alone():
    assert {str(right) for right in rights(*OPERATOR_RULES) if right.verb not in READS} == {
        "patch workloadclaims.ocdp.io",
        "patch workloadclaims/status.ocdp.io",
        "create events",
    }
    assert not any(right.resource == "secrets" for right in rights(*OPERATOR_RULES))


async def test_elsewhere_it_can_write_claims_events_and_its_lease_alone(
    platform: Platform, operator: OperatorProcess
):
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    found = {}
    for namespace in ("default", "kube-system", "ocdp-system"):
        said = await platform.kubectl(
            "create",
            "--as=system:serviceaccount:ocdp-system:ocdp-operator",
            "--as-group=system:serviceaccounts",
            "--as-group=system:authenticated",
            "-o",
            "json",
            "-f",
            "-",
            stdin=json.dumps({**review, "spec": {"namespace": namespace}}),
        )
        found[namespace] = {
            str(right)
            for right in rights(*json.loads(said)["status"]["resourceRules"])
            if right.verb not in READS and not right.group.startswith(("authorization.", "authentication."))
        }
    elsewhere = {"patch workloadclaims.ocdp.io", "patch workloadclaims/status.ocdp.io", "create events"}
    assert found["default"] == found["kube-system"] == elsewhere
    assert found["ocdp-system"] == elsewhere | {
        "create leases.coordination.k8s.io",
        "update leases.coordination.k8s.io",
    }


async def live_through_everything(team: Team, operator: OperatorProcess, proxy: RecordingProxy) -> None:
    """One claim's life, with drift, a conflict, a lost inventory and both policies."""
    kubectl, ns = team.platform.kubectl, team.namespace
    for name, policy in (("going", "Delete"), ("staying", "RetainData"), ("lost", "Delete")):
        await team.claim(name, values={"guarded": "yes"}, deletionPolicy=policy)
    for name in ("going", "staying", "lost"):
        await team.ready(name)
    proxy.refuse(f"/{ns}/workloadclaims/going/status", 409, times=1)
    await team.claim("going", values={"greeting": "again", "storageGi": 2}, deletionPolicy="Delete")
    await team.ready("going")
    await kubectl("delete", "service", "going-web", "-n", ns)

    async def repaired() -> bool:
        return await team.find("service", "going-web") is not None

    await eventually(repaired, "the service is back")
    await lose_a_pod(team, proxy)
    await operator.stop()
    await kubectl("delete", "lease", "ocdp-operator", "-n", "ocdp-system")
    await kubectl(
        "patch", "wc", "lost", "-n", ns, "--subresource=status", "--type=merge", "-p", '{"status": null}'
    )
    await kubectl("delete", "wc", "going", "staying", "lost", "-n", ns, "--wait=false")
    proxy.refuse("sendInitialEvents", 400)  # an API server that is older than streamed lists
    await operator.start(kubeconfig=str(proxied(operator, proxy)))
    for name in ("going", "staying", "lost"):
        await team.gone(name)


def quota(namespace: str, **hard: int) -> dict[str, Any]:
    spec = {"hard": {resource: str(most) for resource, most in hard.items()}}
    metadata = {"name": "small", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}


async def in_force(platform: Platform, *quotas: dict[str, Any]) -> None:
    """Applies quotas; returns when they are gone by, which they are once they are counted."""
    await platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(quotas))

    async def counted() -> bool:
        found = [await platform.get("quota", "small", "-n", each["metadata"]["namespace"]) for each in quotas]
        return all(each.get("status", {}).get("hard") == each["spec"]["hard"] for each in found)

    await eventually(counted, "the quotas count")


async def lose_a_pod(team: Team, proxy: RecordingProxy) -> None:
    """A StatefulSet whose pod goes and is refused anew: only events tell why."""
    await in_force(team.platform, quota(team.namespace, pods=0))
    await team.platform.kubectl("delete", "pod", "going-store-0", "-n", team.namespace, "--wait=false")

    async def asked() -> bool:
        return EVENTS in proxy.used

    await eventually(asked, "events are asked for")
    await team.platform.kubectl("delete", "quota", "small", "-n", team.namespace)


def proxied(operator: OperatorProcess, proxy: RecordingProxy) -> Path:
    return proxy.in_place_of(operator.kubeconfig, operator.work.parent / "proxied.kubeconfig")


@pytest.mark.timeout(300)
async def test_every_right_is_used_or_has_its_reason(
    new_team: TeamFactory, operator: OperatorProcess, proxy: RecordingProxy
):
    team = await new_team(publish=False)
    await publish_every_kind(team)
    await team.platform.bind(team.template_id, team.workspace)
    await operator.restart(kubeconfig=str(proxied(operator, proxy)))
    await live_through_everything(team, operator, proxy)
    granted = set(rights(*OPERATOR_RULES, *APPLIER_RULES, *LEASE_RULES))
    unused = granted - proxy.used
    assert {str(right) for right in unused - set(UNSEEN)} == set()
    assert {str(right) for right in set(UNSEEN) - granted} == set()
    assert {str(right) for right in proxy.used - granted} == set()


class Workspaces:
    """Many workspaces of one template at once, each with rights of its own."""

    def __init__(self, team: Team, names: Iterable[str]) -> None:
        self.team = team
        self.platform = team.platform
        self.names = tuple(names)

    async def place(self) -> None:
        """Registered, bound, and with their namespaces; the operator has no rights there yet."""
        entries = [
            {
                "kind": "Workspace",
                "id": name,
                "customer": "acme",
                "placements": [{"cluster": CLUSTER_ID, "namespace": name}],
            }
            for name in self.names
        ]
        bindings = [
            {"kind": "AccessBinding", "template": self.team.template_id, "workspace": name}
            for name in self.names
        ]
        namespaces = [
            workspace_objects(
                Placement(workspace_id=name, customer="acme", namespace=name), OperatorAccount()
            )[0]
            for name in self.names
        ]
        await self.platform.ocdp("workspace", "apply", "-f", "-", stdin=yaml.safe_dump_all(entries))
        await self.platform.ocdp("binding", "apply", "-f", "-", stdin=yaml.safe_dump_all(bindings))
        await self.apply(namespaces)

    async def apply(self, objects: list[dict[str, Any]]) -> None:
        await self.platform.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))

    async def claims(self) -> dict[str, dict[str, Any]]:
        """The claim of each workspace."""
        found = (await self.platform.get("wc", "-A"))["items"]
        return {c["metadata"]["namespace"]: c for c in found if c["metadata"]["namespace"] in self.names}

    async def remove(self) -> None:
        """Everything, without waiting: the namespaces first lose what binds the operator, and then it lets go."""
        await self.platform.kubectl("delete", "namespace", "--wait=false", *self.names)


def binding(namespace: str, cluster_role: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "ocdp-applier", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"kind": "ServiceAccount", "name": "ocdp-operator", "namespace": "ocdp-system"}],
    }


@pytest.mark.timeout(400)
async def test_without_any_one_right_in_its_namespace_a_claim_fails_and_names_it(
    new_team: TeamFactory, operator: OperatorProcess
):
    team = await new_team(publish=False)
    await publish_every_kind(team)
    lacking = {
        f"{team.namespace}-{number}": right
        for number, right in enumerate(r for r in rights(*APPLIER_RULES) if r not in UNSEEN)
    }
    workspaces = Workspaces(team, lacking)
    await workspaces.place()
    roles = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": without(APPLIER_RULES, right),
        }
        for name, right in lacking.items()
    ]
    # Its StatefulSet gets no volume, and so no pod: only then events are asked for.
    without_events = next(name for name, right in lacking.items() if right == EVENTS)
    await in_force(team.platform, quota(without_events, persistentvolumeclaims=1))
    try:
        await workspaces.apply([*roles, *(binding(name, name) for name in lacking)])
        await workspaces.apply(
            [
                claim("ide", name, team.template_id, name, deletionPolicy="Delete", values={"guarded": "yes"})
                for name in lacking
            ]
        )
        await all_told(workspaces, operator, lacking)
    finally:
        await workspaces.remove()
        await team.platform.kubectl("delete", "clusterrole", *lacking)


async def all_told(workspaces: Workspaces, operator: OperatorProcess, lacking: dict[str, Right]) -> None:
    """Returns when each claim, or the log of it, named the right; what became ready nevertheless was deleted."""
    silent = dict(lacking)

    async def check() -> bool:
        claims = await workspaces.claims()
        log = await asyncio.to_thread(operator.log.read_text)
        for name, right in lacking.items():
            words = f"no right to {right.verb} {right.resource} in namespace {name}"
            said = json.dumps(claims.get(name, {}).get("status", {})) + log
            if words in said:
                silent.pop(name, None)
        leaving = [
            name
            for name in silent
            if name in claims
            and is_ready(claims[name])
            and "deletionTimestamp" not in claims[name]["metadata"]
        ]
        for name in leaving:
            await workspaces.platform.kubectl("delete", "wc", "ide", "-n", name, "--wait=false")
        return not silent

    try:
        await eventually(check, "every claim names what it lacks", seconds=150, every=1)
    except AssertionError as error:
        raise AssertionError(f"{error}; silent: {', '.join(map(str, silent.values()))}") from None


def named(rule: Rule) -> str:
    return "+".join(rule["resources"])


async def edit(platform: Platform, kind: str, name: str, rules: list[Rule]) -> None:
    where = ("-n", "ocdp-system") if kind == "role" else ()
    await platform.kubectl("patch", kind, name, *where, "--type=merge", "-p", json.dumps({"rules": rules}))


async def says_forbidden(operator: OperatorProcess, since: int, rule: Rule) -> bool:
    """In our words, or in those of kopf, which watches the CRDs."""
    log = (await asyncio.to_thread(operator.log.read_text))[since:]
    ours = any(f"no right to {right.verb} {right.resource}" in log for right in rights(rule))
    return ours or any(
        "Forbidden" in line and right.resource in line for line in log.splitlines() for right in rights(rule)
    )


QUIET = {"events", "customresourcedefinitions", "mutatingadmissionpolicies", "storageclasses"}
"""Without these a claim is served all the same: its events are missing, a CRD that comes back is not noticed, bindings to users
and groups don't count, and whether a volume may grow is for the API server to say."""


@pytest.mark.timeout(600)
async def test_without_any_one_rule_it_is_not_ready_or_the_claim_is_not_and_the_right_is_named(
    team: Team, operator: OperatorProcess, platform: Platform, rights_again: None
):
    await team.claim("ide")
    await team.ready("ide")
    telling = Telling(operator.url)
    for number, rule in enumerate(OPERATOR_RULES):
        await edit(platform, "clusterrole", "ocdp-operator", [r for r in OPERATOR_RULES if r is not rule])
        await operator.kill()
        since = len(await asyncio.to_thread(operator.log.read_text))
        await operator.start()
        await team.claim("ide", values={"greeting": f"number {number}", "storageGi": 2 + number})

        async def told(since: int = since, rule: Rule = rule) -> bool:
            return await says_forbidden(operator, since, rule)

        await eventually(told, f"the lack of {named(rule)} is told", seconds=90)
        if not QUIET & set(rule["resources"]):
            assert not (await telling.ready() and is_ready(await team.get_claim("ide"))), named(rule)
    await edit(platform, "clusterrole", "ocdp-operator", OPERATOR_RULES)
    await operator.restart()
    await team.ready("ide")


async def test_without_a_right_on_its_lease_it_stands_by(
    team: Team, operator: OperatorProcess, platform: Platform, rights_again: None
):
    telling = Telling(operator.url)
    for rule in LEASE_RULES:
        await operator.stop()
        await platform.kubectl("delete", "lease", "ocdp-operator", "-n", "ocdp-system", "--ignore-not-found")
        await edit(platform, "role", "ocdp-operator-lease", [r for r in LEASE_RULES if r is not rule])
        since = len(await asyncio.to_thread(operator.log.read_text))
        await operator.start()

        async def told(since: int = since, rule: Rule = rule) -> bool:
            return await says_forbidden(operator, since, rule)

        await eventually(told, f"the lack of {rule['verbs']} is told")
        assert await telling.healthy()
        assert not await telling.ready()
    await edit(platform, "role", "ocdp-operator-lease", LEASE_RULES)
    await eventually(telling.ready, "it takes the Lease")
    await team.claim("ide")
    await team.ready("ide")
    assert condition(await team.get_claim("ide"), "Ready")["status"] == "True"
