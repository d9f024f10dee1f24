"""Row 31: rights taken away, the account gone, its token rotated or expired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, PROJECT, Platform
from tests.support.audit import Audit
from tests.support.world import Team, condition, eventually

RECOVERY = 90.0
UNACCEPTED = "does not accept the operator's login"


@pytest.fixture
async def rights_again(platform: Platform) -> AsyncIterator[None]:
    """After the test the rights and the account are as config/ says, whatever the test did."""
    yield
    await platform.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await platform.cluster.renew_token(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)


@pytest.fixture
def audit(audit_log: Path) -> Audit:
    return Audit(audit_log)


async def running(team: Team) -> dict[str, str]:
    """Version of every object that runs; the claim's account of it and the Workload left out."""
    objects = await team.objects()
    return {
        name: f"{item['metadata']['uid']} {item['metadata'].get('generation', item['metadata']['resourceVersion'])}"
        for name, item in objects.items()
        if not name.startswith("Workload/")
    }


class Log:
    """What the operator says from now on."""

    def __init__(self, operator: OperatorProcess) -> None:
        self._log = operator.log
        self._from = len(self._log.read_text())

    async def says(self, *words: str) -> str:
        async def found() -> str:
            lines = self._log.read_text()[self._from :].splitlines()
            return next((line for line in lines if all(word in line for word in words)), "")

        return str(await eventually(found, f"the log says {words}", seconds=RECOVERY))


async def test_31_without_its_own_rights_it_says_which_and_changes_nothing(
    team: Team, operator: OperatorProcess, platform: Platform, audit: Audit, rights_again: None
):
    await team.claim("ide")
    await team.ready("ide")
    before, pid = await running(team), operator.pid
    log = Log(operator)
    await platform.kubectl("delete", "clusterrolebinding", "ocdp-operator")
    await team.claim("ide", values={"greeting": "without rights"})
    assert "no right to get namespaces" in await log.says("Forbidden", f"{team.namespace}/ide")
    assert await running(team) == before
    await platform.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await team.ready("ide", seconds=RECOVERY)
    assert operator.pid == pid


async def test_31_without_rights_in_a_namespace_the_claim_says_so_and_others_go_on(
    new_team, operator: OperatorProcess, platform: Platform
):
    team, other = await new_team("without"), await new_team("with")
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")
    before = await running(team)
    await platform.kubectl("delete", "rolebinding", "ocdp-applier", "-n", team.namespace)
    await team.claim("ide", values={"greeting": "without rights"}, deletionPolicy="Delete")
    told = await team.until("ide", "Applied", "False", "Forbidden")
    message = condition(told, "Applied")["message"]
    assert "the operator has no right to get secrets" in message
    assert team.namespace in message
    assert told["status"]["failure"]["actor"] == "ClusterOperator"
    assert await running(team) == before
    await other.claim("ide")
    await other.ready("ide")
    await team.delete("ide")

    async def waits() -> bool:
        return condition(await team.get_claim("ide"), "Deleting").get("reason") == "Forbidden"

    await eventually(waits, "the deletion waits for the right")
    assert await running(team) == before
    await platform.place(team.workspace, team.namespace)
    await team.gone("ide", seconds=RECOVERY)
    assert await team.marked() == set()


async def test_31_without_its_account_it_waits_and_goes_on_when_the_account_is_back(
    team: Team, operator: OperatorProcess, platform: Platform, rights_again: None
):
    await team.claim("ide")
    await team.ready("ide")
    before, pid = await running(team), operator.pid
    log = Log(operator)
    await platform.kubectl("delete", "serviceaccount", OPERATOR_ACCOUNT, "-n", OPERATOR_NAMESPACE)
    await log.says(UNACCEPTED)  # until then the API server remembers that it accepted the token
    await team.claim("ide", values={"greeting": "without an account"})
    assert await running(team) == before
    await platform.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await platform.cluster.renew_token(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)  # as the kubelet does
    await team.ready("ide", seconds=RECOVERY)
    assert operator.pid == pid


async def test_31_a_token_that_is_rotated_is_used_and_one_that_is_over_is_exchanged(
    team: Team, operator: OperatorProcess, platform: Platform, rights_again: None
):
    """A token that is bound to a Secret is over when the Secret goes: nobody need wait ten minutes."""
    await platform.kubectl("create", "secret", "generic", "short", "-n", OPERATOR_NAMESPACE)
    bound = await platform.kubectl(
        "create",
        "token",
        OPERATOR_ACCOUNT,
        "-n",
        OPERATOR_NAMESPACE,
        "--bound-object-kind=Secret",
        "--bound-object-name=short",
    )
    kubeconfig = yaml.safe_load(await asyncio.to_thread(operator.kubeconfig.read_text))
    file = Path(kubeconfig["users"][0]["user"]["tokenFile"])
    await operator.stop()
    await asyncio.to_thread(file.write_text, bound)
    await operator.start()
    await team.claim("ide")
    await team.ready("ide")
    pid, log = operator.pid, Log(operator)
    await platform.kubectl("delete", "secret", "short", "-n", OPERATOR_NAMESPACE)
    await log.says(UNACCEPTED)
    before = await running(team)
    await team.claim("ide", values={"greeting": "without a token"})
    assert await running(team) == before
    await platform.cluster.renew_token(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    await team.ready("ide", seconds=RECOVERY)
    assert operator.pid == pid
