"""Somebody changes an object as often as it is put right: the fight ends, is told, and harms nothing beside it."""

from __future__ import annotations

import json
from pathlib import Path

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.reconcile.circuit import MOST_REPAIRS
from tests.adversarial.conftest import Tenant, assert_truthful, events, told
from tests.support.audit import Audit
from tests.support.looks import looked_at
from tests.support.observed import Telling
from tests.support.world import Team, condition, eventually, is_ready


async def rival(tenant: Tenant, count: int) -> None:
    """Another manager that wants another number of pods, and has it by force."""
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ide-web"},
        "spec": {"replicas": count},
    }
    text = json.dumps(wanted)
    await tenant.kubectl(
        "apply", "--server-side", "--force-conflicts", "--field-manager=rival", "-f", "-", stdin=text
    )


async def replicas(team: Team) -> int:
    return int((await team.platform.get("deploy", "ide-web", "-n", team.namespace))["spec"]["replicas"])


async def until_replicas(team: Team, count: int, *, seconds: float = 20) -> None:
    async def there() -> bool:
        return await replicas(team) == count

    await eventually(there, f"there are {count} replicas", seconds=seconds)


async def test_37_two_managers_do_not_fight_for_ever(
    team: Team, tenant: Tenant, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=2, logLevel="debug")
    opens = (await Telling(operator.url).metrics()).value("ocdp_circuit_breaker_opens_total")
    await team.claim("ide")
    await team.ready("ide")
    for _ in range(MOST_REPAIRS):
        await rival(tenant, 5)
        await until_replicas(team, 1)
    await rival(tenant, 5)

    found = await team.until("ide", "Drifted", "True", "WatchCircuitOpen", seconds=20)
    message = condition(found, "Drifted")["message"]
    for word in ("Deployment/ide-web", "spec.replicas", "rival"):
        assert word in message
    event = await told(team, "ide", "WatchCircuitOpen")
    assert event["type"] == "Warning"
    telling = Telling(operator.url)
    assert (await telling.metrics()).value("ocdp_circuit_breaker_opens_total") == opens + 1

    # It is left alone, whatever the rival does with it, and the claim is as ready as its pods are.
    audit = Audit(audit_log)
    for count in (6, 7, 5):
        await rival(tenant, count)
        await looked_at(operator, [f"{team.namespace}/ide"], 2)
    assert await replicas(team) == 5
    assert not audit.counted(team.namespace, "patch", 200)["deployments/ide-web"]
    await team.ready("ide")
    assert len([each for each in await events(team, "ide") if each["reason"] == "WatchCircuitOpen"]) == 1

    # Other objects go on being put right.
    await tenant.kubectl("annotate", "service", "ide-web", "ocdp.io/owner-")

    async def marked() -> bool:
        return "Service/ide-web" in await team.marked()

    await eventually(marked, "the Service has its mark again", seconds=20)
    assert await replicas(team) == 5

    # Who asks for a look, has it tried at once; nobody fights any more, so it holds.
    await tenant.kubectl("annotate", "wc", "ide", "ocdp.io/reconcile-requested-at=now")
    await until_replicas(team, 1)

    async def closed() -> bool:
        claim = await team.get_claim("ide")
        return not condition(claim, "Drifted") and is_ready(claim)

    await eventually(closed, "the claim is no longer said to have drifted")
    await assert_truthful(team)
