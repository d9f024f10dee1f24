"""Environment profiles on the real control plane: they reach claims under their upgrade policy, and cost no data."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.world import Team, eventually, inventory, is_ready

MIRROR = "mirror.example.test/team"
PROFILE: dict[str, Any] = {
    "labels": {"example.test/site": "east"},
    "registry": {"prefix": MIRROR, "pullSecrets": ["mirror"]},
    "proxy": {"https": "http://proxy.example.test:3128", "noProxy": [".svc"]},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "example.test/team", "operator": "Exists", "effect": "NoSchedule"}],
}


async def publish(team: Team, **changes: Any) -> str:
    """The profile of the team's workspace says this from now on."""
    document = {"kind": "EnvironmentProfile", "id": team.workspace, "workspace": team.workspace}
    document |= PROFILE | changes
    return await team.platform.ocdp("profile", "apply", "-f", "-", stdin=yaml.safe_dump(document))


async def template_of(team: Team, claim: str) -> dict[str, Any]:
    live = await team.platform.get("deploy", f"{claim}-web", "-n", team.namespace)
    found: dict[str, Any] = live["spec"]["template"]
    return found


async def site(team: Team, claim: str) -> str | None:
    return (await template_of(team, claim))["metadata"]["labels"].get("example.test/site")


async def runs_with(team: Team, claim: str, revision: int) -> None:
    """Waits until the claim is Ready with this revision of the profile."""

    async def does() -> bool:
        found = await team.get_claim(claim)
        recorded = [each["revision"] for each in found.get("status", {}).get("profiles", [])]
        return recorded == [revision] and is_ready(found)

    await eventually(does, f"{claim} is Ready with revision {revision} of its profile")


async def test_a_new_claim_is_made_in_its_environment(team: Team):
    await publish(team, storageClass="local")
    await team.claim("ide")
    claim = await team.ready("ide")
    assert claim["status"]["profiles"] == [{"id": team.workspace, "revision": 1}]
    template = await template_of(team, "ide")
    pod, (container,) = template["spec"], template["spec"]["containers"]
    assert container["image"] == f"{MIRROR}/web:1.0.0"
    assert pod["imagePullSecrets"] == [{"name": "mirror"}]
    assert pod["nodeSelector"] == PROFILE["nodeSelector"]
    assert PROFILE["tolerations"][0] in pod["tolerations"]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.example.test:3128"} in container["env"]
    assert {"name": "no_proxy", "value": ".svc"} in container["env"]
    objects = await team.objects()
    own = [objects[name] for name in inventory(claim) if not name.startswith(("Workload/", "Secret/"))]
    assert {each["metadata"]["labels"]["example.test/site"] for each in own} == {"east"}
    assert objects["PersistentVolumeClaim/ide-data"]["spec"]["storageClassName"] == "local"
    assert objects["Workload/ide"]["spec"]["profiles"] == claim["status"]["profiles"]


async def test_a_profile_reaches_claims_under_auto_and_waits_for_pin_or_policy_under_manual(team: Team):
    await publish(team)
    for name, spec in {"auto": {"upgradePolicy": "Auto"}, "pin": {}, "policy": {}}.items():
        await team.claim(name, **spec)
    for name in ("auto", "pin", "policy"):
        await runs_with(team, name, 1)
    await publish(team, labels={"example.test/site": "west"})
    await runs_with(team, "auto", 2)
    assert await site(team, "auto") == "west"

    async def both_see_it() -> bool:
        seen = [await team.get_claim(name) for name in ("pin", "policy")]
        return all(
            each["status"].get("availableProfiles") == [{"id": team.workspace, "revision": 2}]
            for each in seen
        )

    await eventually(both_see_it, "the claims say that a newer profile is available")

    async def both_are_told() -> list[str]:
        events = (await team.platform.get("events", "-n", team.namespace))["items"]
        told = [each["involvedObject"]["name"] for each in events if each["reason"] == "UpdateAvailable"]
        return told if len(told) >= 2 else []

    assert sorted(await eventually(both_are_told, "both are told of it")) == ["pin", "policy"]
    for name in ("pin", "policy"):
        await runs_with(team, name, 1)
        assert await site(team, name) == "east"

    await team.claim("pin", templateRevision=1)
    await team.claim("policy", upgradePolicy="Auto")
    for name in ("pin", "policy"):
        await runs_with(team, name, 2)
        assert await site(team, name) == "west"
        assert "availableProfiles" not in (await team.get_claim(name))["status"]


async def test_volumes_keep_their_class_when_the_profile_names_another_or_none(team: Team):
    await publish(team, storageClass="local")
    await team.claim("ide", upgradePolicy="Auto")
    await runs_with(team, "ide", 1)
    before = await team.platform.get("pvc", "ide-data", "-n", team.namespace)
    for revision, class_ in ((2, "elsewhere"), (3, None)):
        await publish(team, storageClass=class_, labels={"example.test/site": f"r{revision}"})
        await runs_with(team, "ide", revision)
        assert await site(team, "ide") == f"r{revision}"
        after = await team.platform.get("pvc", "ide-data", "-n", team.namespace)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["spec"] == before["spec"]


async def test_a_disabled_profile_leaves_claims_under_auto_as_their_template_says(team: Team):
    await publish(team)
    await team.claim("ide", upgradePolicy="Auto")
    await runs_with(team, "ide", 1)
    await team.platform.ocdp("profile", "disable", team.workspace)

    async def plain() -> bool:
        claim = await team.get_claim("ide")
        return "profiles" not in claim["status"] and is_ready(claim)

    await eventually(plain, "the claim is Ready without a profile")
    template = await template_of(team, "ide")
    assert template["spec"]["containers"][0]["image"] == "registry.example.test/web:1.0.0"
    assert "nodeSelector" not in template["spec"]
    assert [each["name"] for each in template["spec"]["containers"][0]["env"]] == ["PASSWORD"]


async def test_nothing_is_stored_of_a_profile_that_says_what_no_profile_can(team: Team):
    with pytest.raises(LocalEnvironmentError, match=r"labels: ocdp\.io/x is not the profile's to set"):
        await publish(team, labels={"ocdp.io/x": "1"})
    assert team.workspace not in await team.platform.ocdp("profile", "list")
