"""What a deleted claim leaves is listed, and taken back by its successor: the same volumes, the same password."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.apps import app_files, document, stateful_set
from tests.support.commands import Ocdp
from tests.support.world import Team, eventually

KEPT = ("PersistentVolumeClaim/data-ide-web-0", "PersistentVolumeClaim/ide-data", "Secret/ide-credentials")


@pytest.fixture
async def team(new_team) -> Team:
    """A template with a volume of its own beside those that a StatefulSet makes."""
    made: Team = await new_team("kept", publish=False)
    await made.publish(app_files(deployment=document(stateful_set())))
    await made.platform.bind(made.template_id, made.workspace)
    return made


@pytest.fixture
def ocdp(team: Team, tmp_path: Path) -> Ocdp:
    return Ocdp(team.platform.cluster.kubeconfig, team.namespace, tmp_path)


async def live(team: Team) -> dict[str, dict[str, Any]]:
    found = await team.objects()
    return {name: found[name] for name in KEPT}


def tombstones(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: json.loads(item["metadata"]["annotations"]["ocdp.io/retained"])
        for name, item in found.items()
        if item["metadata"].get("labels", {}).get("ocdp.io/retained") == "true"
    }


async def test_what_was_kept_is_listed_and_taken_back(team: Team, ocdp: Ocdp):
    await team.claim("ide")
    first = await team.ready("ide")
    before = await live(team)
    await team.delete("ide")
    await team.gone("ide")

    said = tombstones(await live(team))
    assert said.keys() == set(KEPT)
    for each in said.values():
        assert (each["claim"], each["uid"]) == (f"{team.namespace}/ide", first["metadata"]["uid"])
        assert (each["template"], each["revision"]) == (team.template_id, 1)
    listed = await ocdp.claim("retained")
    assert listed.code == 0, listed.err
    assert [line[:4] for line in listed.lines[1:]] == [
        ["ide", "PersistentVolumeClaim", "data-ide-web-0", "1Gi"],
        ["ide", "PersistentVolumeClaim", "ide-data", "1Gi"],
        ["ide", "Secret", "ide-credentials", "-"],
    ]
    everywhere = await ocdp("claim", "retained", "-A", "-o", "json")
    assert [team.namespace] * 3 == [
        each["namespace"] for each in json.loads(everywhere.out) if each["namespace"] == team.namespace
    ]

    await team.claim("ide")
    await team.until("ide", "Stalled", "True", "OwnershipConflict")
    assert (await live(team)).keys() == before.keys()
    second = await team.get_claim("ide")
    wrong = await ocdp.claim("adopt", "ide", "--yes", "--from", "11111111-2222-4333-8444-555555555555")
    assert (wrong.code, wrong.out) == (1, "")
    itself = await ocdp.claim("adopt", "ide", "--yes", "--from", second["metadata"]["uid"])
    assert itself.code == 1
    assert "still exists" in itself.err
    assert "ocdp.io/adopt" not in (await team.get_claim("ide"))["metadata"].get("annotations", {})

    taken = await ocdp.claim("adopt", "ide", "--yes")
    assert taken.code == 0, taken.err + taken.out
    assert [line[:2] for line in taken.lines[1:4]] == [name.split("/") for name in KEPT]
    after = await live(team)
    for name in KEPT:
        assert after[name]["metadata"]["uid"] == before[name]["metadata"]["uid"]
    assert after["Secret/ide-credentials"]["data"] == before["Secret/ide-credentials"]["data"]
    assert tombstones(after) == {}
    assert (await ocdp.claim("retained")).out == ""
    await team.assert_no_orphan()


async def test_a_claim_that_meets_nothing_takes_nothing_back(team: Team, ocdp: Ocdp):
    await team.claim("ide")
    await team.ready("ide")
    refused = await ocdp.claim("adopt", "ide", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert "No object of an earlier claim stands in the way of claim ide" in refused.err


async def test_a_set_takes_no_volume_that_was_kept_before_its_claim_asks(new_team):
    team: Team = await new_team("sets", publish=False)
    mappings = [{"from": "values.password", "secret": {"key": "PASSWORD"}}]
    await team.publish(app_files(deployment=document(stateful_set()), volume=b""), mappings=mappings)
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide")
    await team.ready("ide")
    await team.delete("ide")
    await team.gone("ide")
    await team.platform.kubectl("delete", "secret", "ide-credentials", "-n", team.namespace)
    await team.claim("ide")
    stalled = await team.until("ide", "Stalled", "True", "OwnershipConflict")
    assert "PersistentVolumeClaim/data-ide-web-0" in stalled["status"]["failure"]["message"]
    assert await team.find("statefulset", "ide-web") is None
    adopt = stalled["status"]["failure"]["remedy"].rpartition("ocdp.io/adopt=")[2]
    await team.platform.kubectl("annotate", "wc", "ide", "-n", team.namespace, f"ocdp.io/adopt={adopt}")
    await team.ready("ide")

    async def taken() -> bool:
        volume = await team.find("pvc", "data-ide-web-0")
        return volume is not None and "ocdp.io/retained" not in volume["metadata"].get("annotations", {})

    await eventually(taken, "the tombstone is gone")
