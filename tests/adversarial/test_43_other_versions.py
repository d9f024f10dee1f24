"""Row 43: the operator is upgraded and downgraded under live claims: nothing is written that did not change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from tests.support.audit import Audit
from tests.support.fix_operator import QUICK
from tests.support.world import Claim, Team, eventually, is_ready

NEWER_FIELDS = ("specDigest", "renderingDigest", "lastHandledReconcileAt")
"""What an operator did not write some time ago."""
OWN = {"workloadclaims/status", "workloads", "workloads/status", "events"}
"""Where an operator tells what it knows, and which runs nothing."""


@pytest.fixture
async def next_version(
    platform: Platform, operator: OperatorProcess, tmp_path: Path
) -> AsyncIterator[OperatorProcess]:
    """An operator that renders otherwise, and is not started yet; the session's own is stopped."""
    settings = await platform.operator_settings(**QUICK)
    made = OperatorProcess(
        tmp_path / "next", settings, platform.reader_dsn, module="tests.support.next_version"
    )
    await operator.stop()
    yield made
    await made.stop()


@pytest.fixture
def audit(audit_log: Path) -> Audit:
    return Audit(audit_log)


async def patch_status(team: Team, name: str, change: dict[str, Any]) -> None:
    await team.platform.kubectl(
        "patch", "wc", name, "-n", team.namespace, "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": change}),
    )  # fmt: skip


async def looked(team: Team, operator: OperatorProcess, name: str, *, times: int = 2) -> Claim:
    """The claim after that operator has looked at it so often; it logs at debug."""

    def looks() -> int:
        lines = operator.log.read_text().splitlines()
        return sum('"reconciled"' in line and f'"{team.namespace}/{name}"' in line for line in lines)

    start = looks()

    async def enough() -> bool:
        return looks() >= start + times

    await eventually(enough, f"{times} looks at {name}", seconds=90)
    return await team.ready(name)


DEBUG = {"logLevel": "debug", "resyncSeconds": 1}


async def test_another_version_that_renders_the_same_writes_no_object_and_neither_does_the_way_back(
    team: Team, operator: OperatorProcess, next_version: OperatorProcess, audit: Audit
):
    await operator.start(**DEBUG)
    await team.claim("ide")
    await team.ready("ide")
    # A second rendering: it is the one that says once which class the API server chose for the volume.
    await team.claim("ide", values={"guarded": "yes"})
    before = await team.ready("ide")
    await looked(team, operator, "ide")
    versions = await team.versions()
    inventory = before["status"]["inventory"]
    for current, last in ((next_version, operator), (operator, next_version)):
        await last.stop()
        audit.begin()
        await current.start(**DEBUG)
        found = await looked(team, current, "ide", times=3)
        assert {each.resource for each in audit.changes(team.namespace)} <= OWN
        assert await team.versions() == versions
        assert found["status"]["inputDigest"]
        ids = [(entry["id"], entry["uid"]) for entry in found["status"]["inventory"]]
        assert ids == [(entry["id"], entry["uid"]) for entry in inventory]
        audit.begin()
        await looked(team, current, "ide", times=2)
        assert audit.changes(team.namespace) == [], "it comes to rest"
    await team.assert_no_orphan()


async def test_a_status_of_an_older_version_costs_no_object_a_write(
    team: Team, operator: OperatorProcess, audit: Audit
):
    await operator.restart(**DEBUG)
    await team.claim("ide")
    await team.ready("ide")
    await looked(team, operator, "ide")
    await operator.stop()
    versions = await team.versions()
    await patch_status(
        team, "ide", dict.fromkeys(NEWER_FIELDS) | {"template": {"upgradePolicy": None, "immutable": None}}
    )
    audit.begin()
    await operator.start(**DEBUG)
    await looked(team, operator, "ide")
    assert await team.versions() == versions
    assert {each.resource for each in audit.changes(team.namespace)} <= OWN
    audit.begin()
    await looked(team, operator, "ide")
    assert audit.changes(team.namespace) == []


async def test_what_a_newer_version_wrote_and_this_one_cannot_read_does_no_harm(
    team: Team, operator: OperatorProcess, audit: Audit
):
    await operator.restart(**DEBUG)
    await team.claim("ide", deletionPolicy="Delete")
    ready = await team.ready("ide")
    await looked(team, operator, "ide")
    await operator.stop()
    versions = await team.versions()
    future = {
        "type": "Enchanted", "status": "True", "reason": "OfTheFuture", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    own = [
        each | ({"reason": "OfTheFuture"} if each["type"] == "Healthy" else {})
        for each in ready["status"]["conditions"]
    ]
    await patch_status(team, "ide", {"conditions": [*own, future], "somethingNew": {"of": "the future"}})
    audit.begin()
    await operator.start(**DEBUG)
    found = await looked(team, operator, "ide")
    assert is_ready(found)
    assert "Enchanted" not in {each["type"] for each in found["status"]["conditions"]}
    assert await team.versions() == versions
    assert {each.resource for each in audit.changes(team.namespace)} <= OWN
    await team.delete("ide")
    await team.gone("ide")
    assert await team.marked(ready["metadata"]["uid"]) == set()
