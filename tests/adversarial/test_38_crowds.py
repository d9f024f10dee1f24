"""Many claims, most of them one tenant's and many of them failing for ever: nobody else waits for them.

The numbers are small so that the test is short; ``python -m benchmarks.scale --claims 2000`` is the same at full size.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, claim, deployment, document
from tests.support.audit import Audit
from tests.support.world import Team, condition, eventually, is_ready

CROWD = 240
"""Claims of one tenant that can be applied."""
WRONG = 30
"""Beside them, claims of the same tenant that nothing helps but an edit."""
REFUSED = 30
"""Claims of another tenant that the cluster refuses again and again."""
OBJECTS = 4
"""Deployment, Service, ServiceAccount, ConfigMap; no pods, no volume, no credentials."""
WRITES = OBJECTS + 8
"""Of a new claim (design 7)."""
MEMORY_MIB = 200.0
WAITING = 50
"""So many claims of the crowd at least still wait when a newcomer of a small tenant is served."""


async def crowded(new_team: Any, name: str) -> Team:
    team: Team = await new_team(name, publish=False)
    body = deployment()
    body["spec"]["replicas"] = 0
    pod = body["spec"]["template"]["spec"]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "data"]
    container = pod["containers"][0]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "data"]
    del container["env"]
    mapping = {
        "from": "values.greeting",
        "configFile": {"configMap": "web-config", "file": "settings.yaml", "pointer": "/greeting"},
    }
    properties = {
        "greeting": {"type": "string", "title": "Greeting", "description": "Shown first.", "maxLength": 20}
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    await team.publish(
        app_files(deployment=document(body), volume=b""),
        mappings=[mapping], schema=schema, components=[], examples=[{"greeting": "hi"}],
    )  # fmt: skip
    await team.platform.bind(team.template_id, team.workspace)
    return team


def bodies(team: Team, prefix: str, count: int, greeting: str) -> list[dict[str, Any]]:
    values = {"greeting": greeting}
    return [
        claim(f"{prefix}-{n}", team.namespace, team.template_id, team.workspace, values=values)
        for n in range(count)
    ]


async def submit(team: Team, *claims: dict[str, Any]) -> None:
    await team.platform.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(claims))


async def waiting(team: Team, prefix: str) -> int:
    """Claims of these names that are not Ready for what is asked of them."""
    found = (await team.platform.get("wc", "-n", team.namespace))["items"]
    return sum(each["metadata"]["name"].startswith(prefix) and not is_ready(each) for each in found)


async def all_ready(team: Team, prefix: str) -> None:
    async def none_waits() -> bool:
        return await waiting(team, prefix) == 0

    await eventually(none_waits, f"every {prefix} is ready", seconds=240, every=1.0)


async def served_among(newcomer: Team, name: str, crowd: Team) -> None:
    """A claim of a small tenant is Applied at once, though hundreds of another tenant's wait."""
    await newcomer.claim(name)
    await newcomer.until(name, "Applied", "True", seconds=30)
    assert await waiting(crowd, "c-") >= WAITING


def peak_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


@pytest.mark.timeout(420)
async def test_38_a_crowd_and_claims_that_fail_for_ever_delay_no_other_tenant(
    new_team: Any, operator: OperatorProcess, audit_log: Path
):
    crowd, refused, small = [await crowded(new_team, name) for name in ("crowd", "refused", "small")]
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/deployments.apps": "0"}},
    }
    await crowd.platform.kubectl("apply", "-n", refused.namespace, "-f", "-", stdin=yaml.safe_dump(quota))
    audit = Audit(audit_log)

    # They were made while nobody was there: the start has all of them before it.
    await operator.stop()
    await submit(refused, *bodies(refused, "r", REFUSED, "hello"))
    await submit(
        crowd, *bodies(crowd, "w", WRONG, "far more than twenty letters"), *bodies(crowd, "c", CROWD, "hello")
    )
    await operator.start()
    await served_among(small, "first", crowd)
    await all_ready(crowd, "c-")
    for n in (0, WRONG - 1):
        wrong = await crowd.until(f"w-{n}", "Ready", "False", "InvalidValues")
        assert condition(wrong, "Stalled")["status"] == "True"
    await refused.until(f"r-{REFUSED - 1}", "Ready", "False", "QuotaExceeded")
    writes = [each for each in audit.changes(crowd.namespace) if each.code < 300]
    assert len(writes) <= CROWD * WRITES + WRONG * 3

    # All of them at once ask for something else.
    await submit(crowd, *bodies(crowd, "c", CROWD, "good day"))
    await served_among(small, "second", crowd)
    await all_ready(crowd, "c-")
    await small.ready("first")
    assert peak_mib(operator.pid) < MEMORY_MIB

    # A restart has nothing to write where all is as it should be, and those that fail for ever fail in silence.
    audit.begin()
    await operator.restart(resyncSeconds=10, logLevel="debug")
    since = operator.log.stat().st_size

    async def all_looked_at() -> bool:
        with operator.log.open() as log:
            log.seek(since)
            seen = {line.partition('"claim":')[2].split(",")[0] for line in log if '"reconciled"' in line}
        return sum(crowd.namespace in each for each in seen) >= CROWD + WRONG

    await eventually(all_looked_at, "every claim is looked at", seconds=120)
    assert audit.changes(crowd.namespace) == []
    assert audit.changes(small.namespace) == []
    await small.claim("third")
    await small.until("third", "Applied", "True", seconds=30)
    assert peak_mib(operator.pid) < MEMORY_MIB
