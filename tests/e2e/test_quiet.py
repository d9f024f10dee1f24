"""A converged claim costs nothing: no write of anybody in its namespace, none of the operator anywhere."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import claim
from tests.support.looks import looked_at
from tests.support.world import Team, eventually, is_ready

OPERATOR = "system:serviceaccount:ocdp-system:ocdp-operator"
LEASE = ("leases", "ocdp-system", "ocdp-operator")
"""The one object that the operator writes at rest."""
SERIES = ("system:kube-scheduler", "patch", "events")
"""The scheduler closes the series of an event minutes after what it tells of: that Pod was placed long ago."""
ROUNDS = 12
CLAIMS = 100


def mutating(audit_log: Path, team: Team, since: int) -> Counter[str]:
    """Mutating requests by verb and object, dry-run or not: of anybody in the namespace, of the operator anywhere."""
    found: Counter[str] = Counter()
    for line in audit_log.read_text().splitlines()[since:]:
        event = json.loads(line)
        ref = event.get("objectRef", {})
        if (ref.get("resource"), ref.get("namespace"), ref.get("name")) == LEASE:
            continue
        if (event["user"]["username"], event["verb"], ref.get("resource")) == SERIES:
            continue
        if ref.get("namespace") == team.namespace or event["user"]["username"] == OPERATOR:
            found[f"{event['user']['username']} {event['verb']} {event['requestURI']}"] += 1
    return found


def length(audit_log: Path) -> int:
    return len(audit_log.read_text().splitlines())


async def rounds(operator: OperatorProcess, team: Team, wanted: int) -> None:
    """Returns when the operator, at log level debug, has looked at the team's claim that many times more."""

    def looks() -> int:
        lines = operator.log.read_text().splitlines()
        return sum('"reconciled"' in line and f'"{team.namespace}/ide"' in line for line in lines)

    start = looks()

    async def enough() -> bool:
        return looks() >= start + wanted

    await eventually(enough, f"{wanted} looks at the claim", seconds=90)


async def alone(team: Team) -> None:
    """Returns when no claim of an earlier test leaves any more: its release is written by the operator too."""

    async def none_leaves() -> bool:
        found = (await team.platform.get("wc", "-A"))["items"]
        return not any("deletionTimestamp" in each["metadata"] for each in found)

    await eventually(none_leaves, "no claim of an earlier test leaves any more", seconds=120)


async def test_twelve_resync_rounds_and_a_restart_write_nothing(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=1, logLevel="debug")
    await team.claim("ide", values={"guarded": "yes"})
    await team.ready("ide")
    await alone(team)
    await rounds(operator, team, 2)  # what became ready last has been told
    since = length(audit_log)
    await rounds(operator, team, ROUNDS)
    assert mutating(audit_log, team, since) == Counter()
    await operator.restart(resyncSeconds=1, logLevel="debug")
    await rounds(operator, team, 2)
    assert mutating(audit_log, team, since) == Counter()


@pytest.mark.timeout(480)  # a hundred claims on a busy machine
async def test_twelve_resync_rounds_of_a_hundred_claims_write_nothing(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    names = [f"quiet-{number}" for number in range(CLAIMS)]
    claims = [claim(name, team.namespace, team.template_id, team.workspace) for name in names]
    await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(claims))

    async def ready() -> bool:
        found = (await team.platform.get("wc", "-n", team.namespace))["items"]
        return len(found) == CLAIMS and all(map(is_ready, found))

    await eventually(ready, f"{CLAIMS} claims are ready", seconds=180, every=1)
    await operator.restart(resyncSeconds=4, logLevel="debug")
    keys = [f"{team.namespace}/{name}" for name in names]
    await alone(team)
    await looked_at(operator, keys, 1)
    since = length(audit_log)
    await looked_at(operator, keys, ROUNDS, seconds=180)
    assert mutating(audit_log, team, since) == Counter()


async def test_a_new_claim_stays_within_its_write_budget(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await alone(team)
    since = length(audit_log)
    await team.claim("ide")
    await team.ready("ide")

    async def told() -> bool:
        return " True " in await team.platform.kubectl("get", "wl", "ide", "-n", team.namespace)

    await eventually(told, "the Workload shows its conditions, which are written last")

    own = Counter(
        {line: count for line, count in mutating(audit_log, team, since).items() if line.startswith(OPERATOR)}
    )
    # Deployment, Service, ServiceAccount, PVC, ConfigMap and the Secret, and 8: finalizer, three of the claim's status,
    # the Workload and its status, two events (design 7).
    assert own.total() <= 6 + 8, "\n".join(f"{count} {line}" for line, count in sorted(own.items()))
