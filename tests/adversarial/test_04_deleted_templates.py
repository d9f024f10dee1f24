"""Row 4: a template is disabled, or deleted by hand, under live claims: they are kept, and can still be deleted."""

from __future__ import annotations

from tests.support.catalog_by_hand import WITHOUT_THE_TEMPLATE, changed_by_hand
from tests.support.world import Team, condition, inventory


async def test_a_disabled_template_goes_on_for_its_claims_and_takes_no_new_one(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    await team.platform.ocdp("template", "disable", team.template_id)
    await team.claim("new")
    found = await team.until("new", "TemplateResolved", "False", "TemplateDisabled")
    assert not inventory(found)
    await team.claim("ide", values={"greeting": "still there"})
    ready = await team.ready("ide")
    assert condition(ready, "TemplateResolved")["status"] == "True"
    await team.platform.ocdp("template", "enable", team.template_id)
    await team.ready("new")


async def test_a_template_that_is_deleted_by_hand_leaves_its_claims_and_lets_them_be_deleted(team: Team):
    await team.claim("steady")
    await team.claim("kept", deletionPolicy="RetainData")
    await team.claim("leaving", deletionPolicy="Delete")
    for name in ("steady", "kept"):
        await team.ready(name)
    leaving = await team.ready("leaving")
    before = {name: item["metadata"]["uid"] for name, item in (await team.objects()).items()}
    async with changed_by_hand(
        team.platform,
        *WITHOUT_THE_TEMPLATE,
        template=team.template_id,
    ):
        found = await team.until("steady", "TemplateResolved", "False", "AccessRevoked")
        assert condition(found, "Ready")["status"] == "True"
        await team.claim("steady", values={"greeting": "not applied"})
        found = await team.until("steady", "TemplateResolved", "False", "AccessRevoked")
        assert condition(found, "Ready")["status"] == "False"
        await team.delete("kept")
        await team.delete("leaving")
        await team.gone("kept")
        await team.gone("leaving")
        assert await team.marked(leaving["metadata"]["uid"]) == set()
        after = {name: item["metadata"]["uid"] for name, item in (await team.objects()).items()}
        assert {name: uid for name, uid in before.items() if "steady" in name}.items() <= after.items()
        assert after["PersistentVolumeClaim/kept-data"] == before["PersistentVolumeClaim/kept-data"]
        live = await team.platform.get("configmap", "-n", team.namespace)
        assert "not applied" not in str(live)
    await team.ready("steady")
