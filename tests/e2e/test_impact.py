"""What ``impact`` says of each claim is what publishing then does to it, on a real control plane.

``OCDP_IMPACT_CLAIMS`` is the number of claims: 24 of every sort are enough for each day, 200 are for the record.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.audit import Audit
from tests.support.commands import Ocdp
from tests.support.fix_operator import TeamFactory
from tests.support.impact_world import (
    SECRET_WORDS,
    SORTS,
    Asking,
    Snapshot,
    Sort,
    commit,
    make_claims,
    names,
    refused_for,
    sort_of,
    template_of,
    until_all,
    written,
)
from tests.support.world import Claim, Team, condition, is_ready

CLAIMS = int(os.environ.get("OCDP_IMPACT_CLAIMS", str(2 * len(SORTS))))
PATIENCE = 120 + 3 * CLAIMS

REPLACES = "replaces "

pytestmark = pytest.mark.timeout(3 * PATIENCE)


@pytest.fixture
async def team(new_team: TeamFactory) -> Team:
    """A workspace that may use a template of which the first revision is the one before."""
    made = await new_team(publish=False)
    await publish(made, after=False)
    await made.platform.bind(made.template_id, made.workspace)
    return made


@pytest.fixture
async def asking(team: Team, tmp_path: Path) -> Asking:
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(await team.platform.operator_settings()))
    ocdp = Ocdp(team.platform.cluster.kubeconfig, team.namespace, tmp_path)
    return Asking(team, ocdp, str(settings))


async def publish(team: Team, *, after: bool) -> None:
    await commit(team, after=after)
    await team.platform.ocdp(
        "template",
        "publish",
        "--allow-breaking",
        "-f",
        "-",
        stdin=yaml.safe_dump(template_of(team, after=after)),
    )


async def test_what_is_said_of_a_template_is_what_publishing_it_does(
    team: Team, asking: Asking, audit_log: Path
):
    await make_claims(team, {name: sort_of(name) for name in names(CLAIMS)})
    await commit(team, after=True)
    audit = Audit(audit_log)

    said = await asking.json("template", "-", stdin=template_of(team, after=True))
    by_claim = {each["name"]: each for each in said["claims"]}
    assert set(by_claim) == set(names(CLAIMS))
    assert {name: each["impact"] for name, each in by_claim.items()} == {
        name: sort_of(name).impact for name in by_claim
    }
    assert {name: each.get("waits", "") for name, each in by_claim.items()} == {
        name: sort_of(name).waits for name in by_claim
    }
    assert written(audit.changes(team.namespace), set(by_claim)) == {}

    before = await Snapshot.of(team)
    audit.begin()
    await publish(team, after=True)
    await move_the_others(team)
    moved = await until_all(team, is_at_rest, "every claim moved or was refused", seconds=PATIENCE)
    objects = written(audit.changes(team.namespace), set(by_claim))
    after = await Snapshot.of(team)
    for name, claim in moved.items():
        agrees(by_claim[name], claim, objects.get(name, set()))
        survives(by_claim[name], name, before, after)

    for text in asking.printed:
        assert SECRET_WORDS not in text


async def move_the_others(team: Team) -> None:
    """Every claim that waits is moved by its user."""
    waiting = (name for name in names(CLAIMS) if sort_of(name).waits)

    async def users() -> None:
        for name in waiting:
            await team.platform.kubectl(
                "patch", "wc", name, "-n", team.namespace, "--type=merge",
                "-p", json.dumps({"spec": {"templateRevision": 2}}),
            )  # fmt: skip

    await asyncio.gather(*(users() for _ in range(4)))


def is_at_rest(_: str, claim: Claim) -> bool:
    """Refused for good, or applied from the second revision and healthy: Ready alone may still speak of the first."""
    applied = claim["status"].get("history") or [{"revision": 0}]
    return (
        bool(condition(claim, "Stalled"))
        or went_back(claim)
        or (applied[0]["revision"] == 2 and is_ready(claim))
    )


def went_back(claim: Claim) -> bool:
    """Its policy had moved it, and it is on the first revision again."""
    template = claim["status"]["template"]
    return template.get("failed") == 2 and template["revision"] == 1 and is_ready(claim)


def agrees(said: dict[str, Any], claim: Claim, written: set[str]) -> None:
    """The claim's end, and the objects that were written, are those that were told."""
    impact, reason = said["impact"], refused_for(claim)
    objects = {each["object"] for each in said.get("objects", ())}
    replaced = {
        note.removeprefix(REPLACES) for each in said.get("objects", ()) if (note := each.get("note", ""))
    }
    name = said["name"]
    if impact in ("unchanged", "change", "restart", "recreate"):
        assert (name, reason) == (name, "")
        assert (name, written - replaced) == (name, objects), "what is replaced goes once no pod uses it"
        return
    if impact == "invalid values":
        assert (name, said["failure"]["valuePath"]) == (name, "/spec/values/greeting")
        assert (name, written) == (name, set())
    if said["movesByItself"]:
        assert (name, went_back(claim)) == (name, True)
    else:
        expected = "InvalidValues" if impact == "invalid values" else "ImmutableFieldConflict"
        assert (name, reason) == (name, expected)


def survives(said: dict[str, Any], name: str, before: Snapshot, after: Snapshot) -> None:
    """Pods and volumes."""
    assert (name, after.sizes[name]) == (name, before.sizes[name])
    changed = after.templates[name] != before.templates[name]
    assert (name, changed) == (name, said["impact"] == "restart")
    if said["impact"] in ("unchanged", "change", "recreate", "invalid values"):
        assert (name, after.pods[name]) == (name, before.pods[name])


# -- profiles -------------------------------------------------------------------------------------------------------

_BALANCED = {"storageGi": 3, "balanced": "yes"}
_AUTO = {"upgradePolicy": "Auto"}
PROFILED = {
    "plain-0": Sort("unchanged"),
    "plain-1": Sort("unchanged", {}, _AUTO),
    "balanced-0": Sort("change", _BALANCED),
    "balanced-1": Sort("change", _BALANCED, _AUTO),
    "balanced-2": Sort("change", _BALANCED, {**_AUTO, "templateRevision": 1}),
}


def profile(team: Team, **fields: Any) -> dict[str, Any]:
    kind = {"kind": "EnvironmentProfile", "id": team.workspace, "workspace": team.workspace}
    return kind | {"storageClass": "local"} | fields


async def test_what_is_said_of_a_profile_is_what_applying_it_does(
    team: Team, asking: Asking, audit_log: Path
):
    await team.platform.profile(profile(team))
    await make_claims(team, PROFILED)
    audit = Audit(audit_log)

    pool = profile(team, loadBalancer={"annotations": {"example.test/pool": "east"}})
    site = pool | {"labels": {"example.test/site": "east"}}
    await takes(team, asking, audit, pool, {name: sort.impact for name, sort in PROFILED.items()})
    await takes(team, asking, audit, site, dict.fromkeys(PROFILED, "restart"))
    assert (await asking.json("profile", team.workspace))["summary"]["unchanged"] == len(PROFILED)
    missing = await asking("profile", team.workspace, "--revision", "9")
    assert (missing.code, "revision 9" in missing.err) == (1, True)


async def takes(
    team: Team, asking: Asking, audit: Audit, candidate: dict[str, Any], expected: dict[str, str]
) -> None:
    """What is said of the candidate is expected, and is what happens to each claim once it is applied."""
    said = await asking.json("profile", "-", stdin=candidate)
    by_claim = {each["name"]: each for each in said["claims"]}
    assert {name: each["impact"] for name, each in by_claim.items()} == expected
    auto = {name for name, sort in PROFILED.items() if sort.spec.get("upgradePolicy") == "Auto"}
    assert {name for name, each in by_claim.items() if each["movesByItself"]} == auto
    before = await Snapshot.of(team)
    audit.begin()
    await team.platform.profile(candidate)
    for name in PROFILED:
        if name not in auto:
            await toggle_pin(team, name)
    newest = (await asking.json("profile", team.workspace))["candidate"].split()[3].rstrip(",")
    moved = await until_all(
        team, lambda _, claim: runs_with(claim, int(newest)), "every claim took it", seconds=PATIENCE
    )
    objects = written(audit.changes(team.namespace), set(by_claim))
    after = await Snapshot.of(team)
    for name, claim in moved.items():
        agrees(by_claim[name], claim, objects.get(name, set()))
        survives(by_claim[name], name, before, after)


async def toggle_pin(team: Team, name: str) -> None:
    """A claim under Manual takes the newest profiles when its pin changes."""
    pinned = (await team.get_claim(name))["spec"].get("templateRevision")
    change = {"spec": {"templateRevision": None if pinned else 1}}
    await team.platform.kubectl(
        "patch", "wc", name, "-n", team.namespace, "--type=merge", "-p", json.dumps(change)
    )


def runs_with(claim: Claim, revision: int) -> bool:
    """Applied completely with this revision of the profile, and healthy."""
    status = claim["status"]
    profiles = [each["revision"] for each in status.get("profiles", ())]
    return profiles == [revision] and bool(status.get("inputDigest")) and is_ready(claim)
