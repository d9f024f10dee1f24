"""What one party does changes nothing for another."""

from __future__ import annotations

import asyncio

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.apps import claim, document
from tests.support.world import Team, condition, eventually


async def test_two_workspaces_cannot_see_each_other(new_team):
    one, two = await new_team("one"), await new_team("two")
    await asyncio.gather(one.claim("ide"), two.claim("ide"))
    await one.ready("ide")
    await two.ready("ide")
    await one.assert_no_orphan()
    await two.assert_no_orphan()

    # A user of the one, with every right in its namespace, reads nothing of the other.
    await one.platform.kubectl("create", "serviceaccount", "tenant", "-n", one.namespace)
    await one.platform.kubectl(
        "create", "rolebinding", "tenant", "-n", one.namespace, "--clusterrole=admin",
        f"--serviceaccount={one.namespace}:tenant",
    )  # fmt: skip
    as_tenant = f"--as=system:serviceaccount:{one.namespace}:tenant"
    await eventually(lambda: may_read(one, as_tenant), "the API server has heard of the binding")
    for kind in ("secrets", "deployments", "workloadclaims.ocdp.io"):
        with pytest.raises(LocalEnvironmentError, match="orbidden"):
            await one.platform.kubectl("get", kind, "-n", two.namespace, as_tenant)

    # Nor can it claim in the name of the other, or use the other's template.
    await one.platform.kubectl(
        "apply", "-f", "-", stdin=_yaml(claim("thief", one.namespace, one.template_id, two.workspace))
    )
    await one.until("thief", "TemplateResolved", "False", "WorkspaceMismatch")
    await one.platform.kubectl(
        "apply", "-f", "-", stdin=_yaml(claim("borrower", one.namespace, two.template_id, one.workspace))
    )
    await one.until("borrower", "TemplateResolved", "False", "TemplateNotAvailable")


async def test_a_claim_in_a_namespace_that_was_never_placed_gets_no_finalizer(team: Team, namespace):
    elsewhere = await namespace()
    body = claim("ide", elsewhere, team.template_id, team.workspace)
    await team.platform.kubectl("apply", "-f", "-", stdin=_yaml(body))

    async def judged() -> dict:
        found = await team.platform.get("wc", "ide", "-n", elsewhere)
        return found if condition(found, "Ready") else None

    found = await eventually(judged, "the claim is judged")
    assert condition(found, "Ready")["reason"] == "WorkspaceMismatch"
    assert "finalizers" not in found["metadata"]


async def test_an_object_of_somebody_else_stays_as_it_is(team: Team):
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ide-web", "namespace": team.namespace},
        "spec": {"ports": [{"port": 1}], "selector": {"theirs": "yes"}},
    }
    await team.platform.kubectl("apply", "-f", "-", stdin=_yaml(theirs))
    before = await team.platform.get("service", "ide-web", "-n", team.namespace)
    await team.claim("ide", deletionPolicy="Delete")
    found = await team.until("ide", "Applied", "False", "OwnershipConflict")
    assert "Service/ide-web" in condition(found, "Applied")["message"]
    await team.delete("ide")
    await team.gone("ide")
    after = await team.platform.get("service", "ide-web", "-n", team.namespace)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_retained_data_is_adopted_only_when_the_user_says_so(team: Team):
    await team.claim("ide", deletionPolicy="RetainData")
    first = await team.ready("ide")
    await team.delete("ide")
    await team.gone("ide")
    secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)

    await team.claim("ide", deletionPolicy="RetainData")
    found = await team.until("ide", "Applied", "False", "OwnershipConflict")
    remedy = found["status"]["failure"]["remedy"]
    assert f"ocdp.io/adopt={first['metadata']['uid']}" in remedy
    kept = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    assert kept["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"]

    command = remedy.split("kubectl ", 1)[1].split()
    await team.platform.kubectl(*command)
    adopted = await team.ready("ide")
    after = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    assert after["data"] == secret["data"]
    assert after["metadata"]["uid"] == secret["metadata"]["uid"]
    await team.assert_no_orphan()
    assert adopted["metadata"]["uid"] in after["metadata"]["annotations"]["ocdp.io/owner"]


async def may_read(team: Team, as_whom: str) -> bool:
    """Whether the Secrets of the team's own namespace are shown."""
    try:
        await team.platform.kubectl("get", "secrets", "-n", team.namespace, as_whom)
    except LocalEnvironmentError as error:
        if "orbidden" in str(error):
            return False
        raise
    return True


def _yaml(body: dict) -> str:
    return document(body).decode()
