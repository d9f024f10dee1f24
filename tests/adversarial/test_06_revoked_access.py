"""Row 6: a binding is revoked and restored: no update is applied meanwhile, and then all of it."""

from __future__ import annotations

import pytest

from tests.support.apps import app_files, deployment, document
from tests.support.world import Team, condition, eventually, is_ready


@pytest.mark.parametrize("policy", ["Manual", "Auto"])
async def test_what_runs_goes_on_without_updates_until_access_is_back(team: Team, policy: str):
    await team.claim("ide", upgradePolicy=policy)
    await team.ready("ide")
    before = await team.versions()
    binding = ("binding", "disable", team.template_id, "--workspace", team.workspace)
    await team.platform.ocdp(*binding)
    found = await team.until("ide", "TemplateResolved", "False", "AccessRevoked")
    assert condition(found, "Ready")["status"] == "True", "what was asked for runs"
    assert condition(found, "Healthy")["status"] == "True"

    body = deployment()
    body["spec"]["minReadySeconds"] = 1
    await team.publish(app_files(deployment=document(body)))
    await team.claim("ide", values={"greeting": "not yet"}, upgradePolicy=policy)
    found = await team.until("ide", "Ready", "False", "AccessRevoked")
    assert found["status"]["failure"]["actor"] == "Platform"
    assert found["status"]["template"]["revision"] == 1
    assert await team.versions() == before

    await team.platform.ocdp(binding[0], "enable", *binding[2:])
    await team.ready("ide")
    expected = 2 if policy == "Auto" else 1

    async def arrived() -> bool:
        found = await team.get_claim("ide")
        return is_ready(found) and found["status"]["template"]["revision"] == expected

    await eventually(arrived, f"ide is Ready on revision {expected}")
    assert "not yet" in str((await team.platform.get("configmap", "-n", team.namespace))["items"])
    await team.until("ide", "TemplateResolved", "True")
    await team.assert_no_orphan()
