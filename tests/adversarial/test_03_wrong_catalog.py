"""Row 3: the catalog answers zero rows, or as it was some time ago, or with another schema: nothing that lives is touched."""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, deployment, document
from tests.support.audit import Audit
from tests.support.catalog_by_hand import WITHOUT_THE_TEMPLATE, changed_by_hand
from tests.support.world import Claim, Team, condition, eventually, is_ready

NOWHERE: dict[str, LiteralString] = {
    "an empty counter": "DELETE FROM ocdp.counter",
    "no version": "DELETE FROM ocdp.schema_version",
    "an older schema": "UPDATE ocdp.schema_version SET version_num = '0000'",
    "a column that is gone": "ALTER TABLE ocdp.workload_templates RENAME COLUMN disabled_at TO other",
}
UNDO: dict[str, tuple[LiteralString, ...]] = {
    "a column that is gone": ("ALTER TABLE ocdp.workload_templates RENAME COLUMN other TO disabled_at",)
}


@pytest.mark.parametrize("fault", NOWHERE)
async def test_a_catalog_that_cannot_be_read_is_an_outage_and_says_what_to_do(
    team: Team, fault: str, audit_log: Path
):
    await team.claim("steady")
    await team.claim("leaving", deletionPolicy="Delete")
    await team.ready("steady")
    leaving = await team.ready("leaving")
    before = await team.versions()
    audit = Audit(audit_log)
    async with changed_by_hand(team.platform, NOWHERE[fault], undo=UNDO.get(fault, ())):
        await team.claim("steady", values={"greeting": "meanwhile"})
        found = await team.until("steady", "TemplateResolved", "Unknown", "CatalogUnavailable")
        assert "ocdp catalog migrate" in found["status"]["failure"]["remedy"]
        if fault == "an older schema":
            assert "at version 0000, which is too old" in found["status"]["failure"]["message"]
        assert condition(found, "Healthy")["status"] == "True"
        assert await team.versions() == before
        touched = {each.resource for each in audit.changes(team.namespace)}
        assert touched <= {"workloadclaims/status", "events"}
        await team.delete("leaving")
        await team.gone("leaving")
        assert await team.marked(leaving["metadata"]["uid"]) == set()
    await team.ready("steady")


async def test_a_newer_schema_serves(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    async with changed_by_hand(team.platform, "UPDATE ocdp.schema_version SET version_num = '9999'"):
        await team.claim("ide", values={"greeting": "from a newer catalog"})
        await team.ready("ide")


@pytest.mark.parametrize("policy", ["Manual", "Auto"])
async def test_a_stale_catalog_takes_no_claim_back(team: Team, policy: str, operator: OperatorProcess):
    """A replica that has not seen the newest revision, or a backup: the claim runs on a revision that it does not have."""
    await team.claim("ide", upgradePolicy=policy)
    await team.ready("ide")
    body = deployment()
    body["spec"]["minReadySeconds"] = 1
    await team.publish(app_files(deployment=document(body)))
    await team.claim("ide", upgradePolicy=policy, templateRevision=None if policy == "Auto" else 2)

    async def moved() -> bool:
        found = await team.get_claim("ide")
        return is_ready(found) and found["status"]["template"]["revision"] == 2

    await eventually(moved, "ide is Ready on revision 2")
    before = await team.versions()
    async with changed_by_hand(
        team.platform,
        "DELETE FROM ocdp.workload_template_revisions WHERE revision = 2 AND template_id = %(template)s",
        template=team.template_id,
    ):
        found = await team.until("ide", "TemplateResolved", "False", "RevisionNotFound")
        assert condition(found, "Ready")["status"] == "True"
        assert found["status"]["template"]["revision"] == 2
        await operator.restart()
        await team.until("ide", "TemplateResolved", "False", "RevisionNotFound")
        assert await team.versions() == before
    await team.until("ide", "TemplateResolved", "True")
    assert await team.versions() == before


async def test_a_catalog_without_the_template_leaves_what_runs_and_takes_it_up_again(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    before = await team.versions()

    async def runs_on() -> Claim | None:
        found = await team.get_claim("ide")
        return found if condition(found, "TemplateResolved")["status"] == "False" else None

    async with changed_by_hand(
        team.platform,
        *WITHOUT_THE_TEMPLATE,
        template=team.template_id,
    ):
        found = await eventually(runs_on, "the claim says that it has no template")
        assert condition(found, "TemplateResolved")["reason"] == "AccessRevoked"
        assert condition(found, "Ready")["status"] == "True"
        assert await team.versions() == before
    await team.until("ide", "TemplateResolved", "True")
    assert await team.versions() == before
