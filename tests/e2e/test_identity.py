"""Alice and bob on a real API server: bindings to people, what they forge, what they change of each other's, and GitOps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.admission import install_admission, remove_admission
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import INGRESS_DOMAINS, Platform
from tests.support.apps import claim
from tests.support.observed import Telling
from tests.support.world import Claim, Team, condition, eventually

GRACE = timedelta(seconds=6)
"""A stamp counts on a claim that is so much younger than the policy."""


@dataclass
class Person:
    """Somebody who makes claims in a team's namespace."""

    team: Team
    name: str
    groups: tuple[str, ...] = ()

    async def kubectl(self, *arguments: str, body: Any = None) -> str:
        flags = (f"--as={self.name}", *(f"--as-group={group}" for group in self.groups))
        stdin = None if body is None else json.dumps(body)
        return await self.team.platform.kubectl(*arguments, "-n", self.team.namespace, *flags, stdin=stdin)

    async def apply(self, name: str, *flags: str, workspace: str = "", **spec: Any) -> None:
        team = self.team
        body = claim(name, team.namespace, team.template_id, workspace or team.workspace, **spec)
        await self.kubectl("apply", *flags, "-f", "-", body=body)

    async def replace(self, name: str, **spec: Any) -> None:
        """Once more when the operator wrote between kubectl's read and its write, as the refusal asks for."""
        team = self.team
        body = claim(name, team.namespace, team.template_id, team.workspace, **spec)

        async def written() -> bool:
            try:
                await self.kubectl("replace", "-f", "-", body=body)
            except LocalEnvironmentError as error:
                if "(Conflict)" not in str(error):
                    raise
                return False
            return True

        await eventually(written, f"{name} is replaced")


async def bind(team: Team, *, disabled: bool = False, **subject: str) -> None:
    document = {
        "kind": "AccessBinding",
        "template": team.template_id,
        **subject,
        **({"disabled": True} if disabled else {}),
    }
    await team.platform.ocdp("binding", "apply", "-f", "-", stdin=yaml.safe_dump(document))


@pytest.fixture
async def team(new_team: Any, platform: Platform) -> Team:
    """A workspace whose template nobody may use yet, and in whose namespace everybody may write claims."""
    made: Team = await new_team(publish=False)
    await made.publish()
    rules = ("--verb=get,list,watch,create,update,patch,delete", "--resource=workloadclaims.ocdp.io")
    await platform.kubectl("create", "role", "claims", "-n", made.namespace, *rules)
    everybody = ("--role=claims", "--group=system:authenticated")
    await platform.kubectl("create", "rolebinding", "claims", "-n", made.namespace, *everybody)
    await proven(platform)
    return made


@pytest.fixture
def alice(team: Team) -> Person:
    return Person(team, f"alice-{team.namespace}")


@pytest.fixture
def bob(team: Team) -> Person:
    return Person(team, f"bob-{team.namespace}", ("ops",))


async def proven(platform: Platform) -> None:
    """Returns when stamps on a new claim count."""

    async def old_enough() -> bool:
        made = [
            (await platform.get(kind, "ocdp-claim-identity"))["metadata"]["creationTimestamp"]
            for kind in ("mutatingadmissionpolicy", "mutatingadmissionpolicybinding")
        ]
        return datetime.now(UTC) > datetime.fromisoformat(max(made)) + GRACE

    await eventually(old_enough, "the policy is older than any claim from now on")


async def failed(team: Team, name: str, reason: str) -> Claim:
    return await team.until(name, "TemplateResolved", "False", reason)


async def greeting(team: Team) -> str:
    """What the running workload of the claim ``ide`` was told to say."""
    found = await team.objects()
    maps = [item for name, item in found.items() if name.startswith("ConfigMap/ide-")]
    return "\n".join(text for item in maps for text in item.get("data", {}).values())


async def test_a_user_by_name_and_a_group_may_use_what_they_are_bound_to_and_nobody_else(
    team: Team, alice: Person, bob: Person
):
    carol = Person(team, "carol", ("data", "others"))
    await bind(team, user=alice.name)
    await bind(team, group="data")

    await alice.apply("hers")
    await carol.apply("carols")
    await bob.apply("his")
    made = await team.ready("hers")
    assert made["spec"]["requestedBy"] == made["spec"]["changedBy"]
    assert made["spec"]["requestedBy"]["username"] == alice.name
    await team.ready("carols")
    refused = await failed(team, "his", "TemplateNotAvailable")
    assert bob.name in condition(refused, "TemplateResolved")["message"]
    assert "inventory" not in refused["status"]


async def test_a_forged_identity_is_overwritten_and_grants_nothing(team: Team, alice: Person, bob: Person):
    await bind(team, user=alice.name)
    forged = {"username": alice.name, "groups": ["data"]}
    await bob.apply("his", requestedBy=forged, changedBy=forged)
    refused = await failed(team, "his", "TemplateNotAvailable")
    assert refused["spec"]["requestedBy"] == refused["spec"]["changedBy"]
    assert refused["spec"]["requestedBy"]["username"] == bob.name
    change = json.dumps({"spec": {"requestedBy": forged, "changedBy": forged}})
    await bob.kubectl("patch", "wc", "his", "--type=merge", "-p", change)
    assert (await team.get_claim("his"))["spec"] == refused["spec"]


async def test_bobs_change_of_alices_claim_is_refused_by_name_and_nothing_of_it_applied(
    team: Team, alice: Person, bob: Person
):
    await bind(team, user=alice.name)
    await alice.apply("ide", values={"greeting": "alice was here"})
    await team.ready("ide")
    before = {name: item["metadata"]["resourceVersion"] for name, item in (await team.objects()).items()}

    change = json.dumps({"spec": {"values": {"greeting": "bob was here"}}})
    await bob.kubectl("patch", "wc", "ide", "--type=merge", "-p", change)
    refused = await failed(team, "ide", "AccessRevoked")
    assert f"changed by {bob.name}, who may not use" in condition(refused, "TemplateResolved")["message"]
    assert refused["status"]["failure"]["valuePath"] == "/spec/templateId"
    after = {name: item["metadata"]["resourceVersion"] for name, item in (await team.objects()).items()}
    workload = {f"Workload/{refused['metadata']['name']}"}
    assert {name for name in before if before[name] != after.get(name)} <= workload
    assert "alice was here" in await greeting(team)

    await alice.apply("ide", values={"greeting": "alice is back"})
    await team.ready("ide")
    assert "alice is back" in await greeting(team)


async def test_the_id_of_another_workspace_helps_nobody(team: Team, new_team: Any, alice: Person):
    other: Team = await new_team("other")
    await bind(team, user=alice.name)
    await alice.apply("ide", workspace=other.workspace)
    await failed(team, "ide", "WorkspaceMismatch")


async def test_access_that_ends_keeps_what_runs_and_stops_what_is_new(team: Team, alice: Person):
    await bind(team, user=alice.name)
    await alice.apply("ide", values={"greeting": "first"})
    await team.ready("ide")
    await bind(team, user=alice.name, disabled=True)
    await failed(team, "ide", "AccessRevoked")
    await alice.apply("ide", values={"greeting": "second"})
    refused = await failed(team, "ide", "AccessRevoked")
    assert alice.name in condition(refused, "TemplateResolved")["message"]
    assert "first" in await greeting(team)

    await bind(team, user=alice.name)
    await team.ready("ide")
    assert "second" in await greeting(team)


async def test_replace_and_gitops_keep_who_asked(team: Team, alice: Person, platform: Platform):
    await bind(team, user=alice.name)
    await alice.apply("ide")
    await alice.replace("ide", values={"greeting": "replaced"})
    replaced = await team.ready("ide")
    assert replaced["spec"]["requestedBy"]["username"] == alice.name
    assert "replaced" in await greeting(team)

    account = f"system:serviceaccount:{team.namespace}:flux"
    await platform.kubectl("create", "serviceaccount", "flux", "-n", team.namespace)
    flux = Person(team, account, ("system:serviceaccounts", "system:authenticated"))
    apply = ("--server-side", "--field-manager=flux")
    await flux.apply("synced", *apply)
    await failed(team, "synced", "TemplateNotAvailable")
    await bind(team, user=account)
    first = await team.ready("synced")
    await flux.apply("synced", *apply)
    again = await team.get_claim("synced")
    assert again["metadata"]["generation"] == first["metadata"]["generation"]
    await flux.apply("synced", *apply, values={"greeting": "synced"})
    synced = await team.ready("synced")
    assert synced["spec"]["requestedBy"]["username"] == account


@pytest.fixture
async def portal(platform: Platform, team: Team) -> AsyncIterator[Person]:
    """A ServiceAccount that may make claims for others."""
    account = f"system:serviceaccount:{team.namespace}:portal"

    async def trust(accounts: str) -> None:
        data = json.dumps({"data": {"trustedAccounts": accounts}})
        settings = ("configmap", "ocdp-operator-admission", "-n", "ocdp-system")
        await platform.kubectl("patch", *settings, "--type=merge", "-p", data)

    await platform.kubectl("create", "serviceaccount", "portal", "-n", team.namespace)
    await trust(account)
    yield Person(team, account, ("system:serviceaccounts", "system:authenticated"))
    await trust("")


async def test_a_trusted_account_makes_claims_for_others_and_no_other_account_does(
    team: Team, alice: Person, bob: Person, portal: Person, platform: Platform
):
    await bind(team, user=alice.name)
    forged = {"username": alice.name, "groups": []}
    people = {"requestedBy": forged, "changedBy": forged}
    body = claim("probe", team.namespace, team.template_id, team.workspace, **people)

    async def trusted() -> bool:
        said = await portal.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", body=body)
        return bool(json.loads(said)["spec"]["requestedBy"]["username"] == alice.name)

    await eventually(trusted, "the API server trusts the account")
    await portal.apply("hers", **people)
    await team.ready("hers")

    untrusted = Person(team, f"{portal.name}x", portal.groups)
    await untrusted.apply("forged", **people)
    refused = await failed(team, "forged", "TemplateNotAvailable")
    assert refused["spec"]["requestedBy"]["username"] == untrusted.name


@pytest.fixture
async def policies_again(platform: Platform, operator: OperatorProcess) -> AsyncIterator[None]:
    yield
    await install_admission(platform.cluster, ingress_domains=INGRESS_DOMAINS)
    await operator.restart()
    await proven(platform)


async def test_without_the_policy_bindings_to_people_do_not_count_and_those_of_workspaces_do(
    team: Team, alice: Person, operator: OperatorProcess, platform: Platform, policies_again: None
):
    await bind(team, user=alice.name)
    await alice.apply("ide", values={"greeting": "proven"})
    await team.ready("ide")
    telling = Telling(operator.url)
    assert (await telling.metrics()).value("ocdp_identity_verified") == 1

    await remove_admission(platform.cluster)
    await operator.restart()
    refused = await failed(team, "ide", "IdentityUnverified")
    assert refused["status"]["failure"]["actor"] == "ClusterOperator"
    assert (await telling.metrics()).value("ocdp_identity_verified") == 0
    assert "proven" in await greeting(team)

    forged = {"username": alice.name, "groups": []}
    bob = Person(team, "bob")
    await bob.apply("his", requestedBy=forged, changedBy=forged)
    await failed(team, "his", "IdentityUnverified")

    await platform.bind(team.template_id, team.workspace)
    await team.ready("ide")
    await team.ready("his")
