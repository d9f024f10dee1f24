"""An apply that stops half way leaves nothing behind that a later revision cannot clear away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adversarial.conftest import assert_truthful, config_map, refuse_objects
from tests.support.apps import app_files, document
from tests.support.world import Team, condition, eventually, inventory

PLAIN = ("one", "two", "three")


@pytest.mark.parametrize("refusal", ["policy", "quota"])
async def test_34_what_a_refused_apply_created_is_pruned_when_the_template_drops_it(team: Team, refusal: str):
    maps = {name: document(config_map(name)) for name in PLAIN}
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "path": "web/base"}
    await team.publish(
        app_files(**maps, last=document(config_map("zz"))), tag="v2", source=source | {"ref": "v2"}
    )
    reason, refuse = ("ApplyFailed", _by_policy) if refusal == "policy" else ("QuotaExceeded", _by_quota)
    async with refuse(team):
        await team.claim("ide", templateRevision=2, deletionPolicy="Delete")
        found = await team.until("ide", "Applied", "False", reason)
        assert "ConfigMap/ide-zz" in condition(found, "Applied")["message"]

        async def recorded() -> set[str] | None:
            claim, live = await team.get_claim("ide"), await team.marked()
            return live if len(live) >= 7 and live <= inventory(claim) else None

        created = await eventually(recorded, "what was created is on record")
        assert {f"ConfigMap/ide-{name}" for name in PLAIN} <= created
        assert "ConfigMap/ide-zz" not in created
        # The next revision has none of them, and so nothing that is refused.
        await team.publish(app_files(), tag="v3", source=source | {"ref": "v3"})
        await team.claim("ide", templateRevision=3, deletionPolicy="Delete")
        ready = await team.ready("ide")

        async def pruned() -> bool:
            return not {f"ConfigMap/ide-{name}" for name in PLAIN} & (await team.objects()).keys()

        await eventually(pruned, "the leftovers are pruned")
        assert "pendingPrune" not in ready["status"]
    await team.assert_no_orphan()
    await assert_truthful(team)


def _by_policy(team: Team) -> Any:
    return refuse_objects(team, "CREATE", "configmaps", "ide-zz")


def _by_quota(team: Team) -> Any:
    return _Quota(team)


class _Quota:
    """Room for four ConfigMaps of the claim beside the cluster's own; the fifth in order is refused."""

    def __init__(self, team: Team) -> None:
        self._team = team

    async def __aenter__(self) -> None:
        kubectl, namespace = self._team.platform.kubectl, self._team.namespace
        hard = 1 + len(PLAIN) + 1
        await kubectl("create", "quota", "few", f"--hard=count/configmaps={hard}", "-n", namespace)

        async def counted() -> bool:
            found = await self._team.find("quota", "few")
            return bool(found) and found["status"].get("used", {}).get("count/configmaps") == "1"

        await eventually(counted, "the quota counts")

    async def __aexit__(self, *_: object) -> None:
        await self._team.platform.kubectl("delete", "quota", "few", "-n", self._team.namespace)
