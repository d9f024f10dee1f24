"""What users see: the columns of kubectl get, the events of kubectl describe, and metadata that is theirs alone."""

from __future__ import annotations

import re

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.world import Team, eventually


def columns(table: str) -> list[str]:
    return table.splitlines()[0].split()


async def test_the_columns_of_a_claim(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    table = await team.platform.kubectl("get", "wc", "-n", team.namespace)
    assert columns(table) == ["NAME", "TEMPLATE", "READY", "REASON", "URL", "AGE"]
    row = table.splitlines()[1].split()
    assert row[:5] == ["ide", team.template_id, "True", "Available", f"http://ide-web.{team.namespace}.svc"]
    wide = await team.platform.kubectl("get", "wc", "-n", team.namespace, "-o", "wide")
    assert columns(wide)[6:] == ["WORKSPACE", "REVISION", "HEALTHY", "STATUS"]
    assert "All 6 objects are applied and healthy." in wide


async def test_the_columns_of_a_workload(team: Team):
    await team.claim("ide")
    await team.ready("ide")

    async def told() -> bool:
        return " True " in await team.platform.kubectl("get", "wl", "ide", "-n", team.namespace)

    await eventually(told, "the Workload shows its conditions")
    table = await team.platform.kubectl("get", "wl", "-n", team.namespace)
    assert columns(table) == ["NAME", "TEMPLATE", "REVISION", "APPLIED", "HEALTHY", "AGE"]
    assert table.splitlines()[1].split()[1:5] == [team.template_id, "1", "True", "True"]


async def test_each_thing_is_told_once(team: Team):
    await team.claim("ide")
    await team.ready("ide")

    async def told() -> list[tuple[str, str]]:
        found = await team.platform.get("events", "-n", team.namespace)
        mine = [e for e in found["items"] if e["involvedObject"]["kind"] == "WorkloadClaim"]
        return sorted((event["type"], event["reason"]) for event in mine)

    expected = [("Normal", "ApplySucceeded"), ("Normal", "HealthCheckSucceeded")]

    async def both() -> bool:
        return len(await told()) >= 2

    await eventually(both, "both events are there")
    assert await told() == expected
    shown = await team.platform.kubectl("describe", "wc", "ide", "-n", team.namespace)
    assert re.search(
        r"Normal +ApplySucceeded .*ocdp-operator +Revision 1: .*Deployment/ide-web created", shown
    )


async def test_nothing_is_persisted_on_a_claim_but_our_finalizer_and_our_hint(
    team: Team, operator: OperatorProcess
):
    await team.claim("ide")
    claim = await team.ready("ide")
    assert claim["metadata"]["finalizers"] == ["ocdp.io/cleanup"]
    annotations = set(claim["metadata"]["annotations"]) - {"kubectl.kubernetes.io/last-applied-configuration"}
    assert annotations == {"ocdp.io/in-force"}
    assert not any("kopf" in key for key in claim["status"])
    assert await operator.healthy()


async def test_every_field_of_a_claim_is_explained(team: Team):
    for path in ("wc.spec", "wc.status", "wc.status.failure", "wc.status.inventory", "wl.spec", "wl.status"):
        text = await team.platform.kubectl("explain", path, "--recursive=false")
        fields = re.findall(r"^  (\w+)\t", text, re.MULTILINE)
        assert fields, path
        assert "<no description>" not in text, path
