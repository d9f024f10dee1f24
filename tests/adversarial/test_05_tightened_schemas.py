"""Row 5: a schema is tightened under live claims: the old revision stays applied, and paths alone are told."""

from __future__ import annotations

from typing import Any

from ocdp_operator.dev.operator import OperatorProcess
from tests.adversarial.conftest import told
from tests.support.apps import app_files, template
from tests.support.world import Team, condition, eventually

CANARY = "canary-7f3a-never-told"


async def tighten(team: Team, *, most: int) -> None:
    """Publishes a revision whose schema takes shorter greetings alone."""
    schema: dict[str, Any] = template(team.template_id, team.repository_url)["schema"]
    schema["properties"]["greeting"]["maxLength"] = most
    files = app_files()
    files["web/base/settings.yaml"] = f"greeting: hello\nlimits:\n  requests: {most}\n".encode()
    await team.record(files, tag="v1", schema=schema)


async def config(team: Team) -> str:
    found = await team.platform.get("configmap", "-n", team.namespace)
    return str([item["data"] for item in found["items"] if item["metadata"]["name"].startswith("ide-")])


async def assert_not_told(team: Team, operator: OperatorProcess) -> None:
    found = await team.get_claim("ide")
    events = await team.platform.get("events", "-n", team.namespace)
    assert CANARY not in str(found["status"]) + str(events) + operator.log.read_text()


async def test_under_manual_the_old_revision_stays_and_fixed_values_take_the_new_one(
    team: Team, operator: OperatorProcess
):
    await team.claim("ide", values={"greeting": CANARY})
    await team.ready("ide")
    before = await team.versions()
    await tighten(team, most=5)
    event = await told(team, "ide", "UpdateAvailable")
    assert "/greeting: maxLength lowered from 200 to 5" in event["message"]
    await team.claim("ide", values={"greeting": CANARY}, templateRevision=2)
    found = await team.until("ide", "TemplateResolved", "False", "InvalidValues")
    assert found["status"]["failure"]["valuePath"] == "/spec/values/greeting"
    assert condition(found, "Ready")["status"] == "False", "the pin is a wish that is not fulfilled"
    assert found["status"]["template"]["revision"] == 1
    assert await team.versions() == before
    await assert_not_told(team, operator)
    await team.claim("ide", values={"greeting": "short"}, templateRevision=2)
    ready = await team.ready("ide")
    assert ready["status"]["template"]["revision"] == 2
    assert '"greeting": "short"' in await config(team)


async def test_under_auto_the_claim_stays_ready_on_the_old_revision_until_a_newer_one_fits(
    team: Team, operator: OperatorProcess
):
    await team.claim("ide", values={"greeting": CANARY}, upgradePolicy="Auto")
    await team.ready("ide")
    before = await team.versions()
    await tighten(team, most=5)
    event = await told(team, "ide", "UpgradeFailed")
    assert "Revision 2 is not taken: back to 1." in event["message"]
    assert "/greeting" in event["message"]

    async def stays() -> bool:
        found = await team.get_claim("ide")
        return "Revision 2 is not taken" in condition(found, "TemplateResolved")["message"]

    await eventually(stays, "the claim says that it stays")
    found = await team.ready("ide")
    assert (found["status"]["template"]["revision"], found["status"]["template"]["failed"]) == (1, 2)
    assert "failure" not in found["status"]
    assert await team.versions() == before
    await assert_not_told(team, operator)
    await tighten(team, most=100)

    async def moved() -> bool:
        return (await team.get_claim("ide"))["status"]["template"]["revision"] == 3

    await eventually(moved, "the claim takes the revision that fits")
    ready = await team.ready("ide")
    assert "failed" not in ready["status"]["template"]
    assert CANARY in await config(team)
