"""A tenant writes tombstones on objects: nothing is taken or deleted that the claim does not rightfully own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.adversarial.conftest import Decoys, Tenant, assert_truthful
from tests.support.apps import app_files, claim, document, stateful_set
from tests.support.commands import Ocdp
from tests.support.world import Team, eventually

FORMER = "11111111-2222-4333-8444-555555555555"
"""The UID of a claim that never was."""


def tombstone(team: Team, claim_name: str, uid: str = FORMER) -> dict[str, Any]:
    said = {
        "claim": f"{team.namespace}/{claim_name}",
        "uid": uid,
        "template": team.template_id,
        "revision": 1,
    }
    said |= {"workspace": team.workspace, "since": "2026-01-01T00:00:00Z"}
    return {"annotations": {"ocdp.io/retained": json.dumps(said)}, "labels": {"ocdp.io/retained": "true"}}


async def bury(tenant: Tenant, name: str, claim_name: str, uid: str = FORMER) -> None:
    """The tenant writes on an object that it was kept from a claim of this name."""
    patch = json.dumps({"metadata": tombstone(tenant.team, claim_name, uid)})
    await tenant.kubectl("patch", *name.split("/"), "--type=merge", "-p", patch)


def volume(name: str) -> dict[str, Any]:
    """Of no class: nobody but its owner ever writes it."""
    size = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": size, "storageClassName": ""}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


async def ask_to_adopt(team: Team, tenant: Tenant, name: str, uid: str = FORMER) -> None:
    """The tenant makes a claim that asks for what the claim of this UID left."""
    body = claim(name, team.namespace, team.template_id, team.workspace, deletionPolicy="Delete")
    body["metadata"]["annotations"] = {"ocdp.io/adopt": uid}
    await tenant.kubectl("create", "-f", "-", stdin=yaml.safe_dump(body))


@pytest.fixture
async def stored(team: Team) -> Team:
    """A template with a volume of its own, one more, and those that a StatefulSet makes."""
    more = volume("next-data")
    del more["spec"]["storageClassName"]
    await team.publish(app_files(deployment=document(stateful_set()), more=document(more)))
    return team


async def test_21_a_forged_tombstone_gives_away_nothing_that_somebody_made(
    stored: Team, tenant: Tenant, tmp_path: Path
):
    team = stored
    ways = {"sec": "secret/sec-credentials", "vol": "pvc/vol-data", "set": "pvc/data-set-web-0"}
    theirs = [volume("vol-data"), volume("data-set-web-0"), volume("payroll"),
              {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sec-credentials"}, "stringData": {"PASSWORD": "theirs"}}]  # fmt: skip
    await team.platform.kubectl("apply", "-n", team.namespace, "-f", "-", stdin=yaml.safe_dump_all(theirs))
    for name, way in ways.items():
        await bury(tenant, way, name)
    await bury(tenant, "pvc/payroll", "set")
    decoys = await Decoys.of(team, *ways.values(), "pvc/payroll")
    ocdp = Ocdp(tenant.kubeconfig, team.namespace, tmp_path)
    for name, way in ways.items():
        await ask_to_adopt(team, tenant, name)
        refused = await team.until(name, "Stalled", "True", "OwnershipConflict")
        assert way.partition("/")[2] in refused["status"]["failure"]["message"]
        assert "theirs" not in json.dumps(refused)
        await tenant.kubectl("annotate", "wc", name, "ocdp.io/adopt-")
        asked = await ocdp.claim("adopt", name, "--yes", "--no-wait")
        assert asked.code == 0, asked.err
        version = (await team.get_claim(name))["status"]["failure"]
        assert version["code"] == "OwnershipConflict"
        await decoys.assert_untouched()
    assert await team.find("statefulset", "set-web") is None
    await tenant.kubectl("delete", "wc", *ways, "--wait=false")
    for name in ways:
        await team.gone(name)
    await decoys.assert_untouched()
    assert await team.find("pvc", "payroll") is not None
    await assert_truthful(team)


async def test_21_a_tombstone_that_is_written_over_gives_away_nothing_that_was_kept(
    stored: Team, tenant: Tenant, tmp_path: Path
):
    team = stored
    await team.claim("old")
    uid = (await team.ready("old"))["metadata"]["uid"]
    kept = ("pvc/old-data", "secret/old-credentials", "pvc/data-old-web-0")
    before = {name: await team.find(*name.split("/")) for name in kept}
    await team.delete("old")
    await team.gone("old")
    for name in kept:
        await bury(tenant, name, "thief")
    decoys = await Decoys.of(team, *kept)
    await ask_to_adopt(team, tenant, "thief")
    await team.ready("thief")
    await decoys.assert_untouched()
    await tenant.kubectl("delete", "wc", "thief", "--wait=false")
    await team.gone("thief")
    await decoys.assert_untouched()

    # Its successor is found by the marks; the volume that has none waits until nothing else is said of it.
    await team.claim("old")
    await team.until("old", "Stalled", "True", "OwnershipConflict")
    ocdp = Ocdp(tenant.kubeconfig, team.namespace, tmp_path)
    taken = await ocdp.claim("adopt", "old", "--yes", "--no-wait")
    assert taken.code == 0, taken.err
    assert (await team.get_claim("old"))["metadata"]["annotations"]["ocdp.io/adopt"] == uid

    async def refused() -> bool:
        failure = (await team.get_claim("old"))["status"].get("failure", {})
        return "data-old-web-0 was kept from another claim, thief" in failure.get("message", "")

    await eventually(refused, "the volume that was kept from another claim is refused")
    assert await team.find("statefulset", "old-web") is None
    await tenant.kubectl("annotate", "pvc", "data-old-web-0", "ocdp.io/retained-")
    await tenant.kubectl("annotate", "wc", "old", "ocdp.io/reconcile-requested-at=now")
    await team.ready("old")
    for name, was in before.items():
        found = await team.find(*name.split("/"))
        assert was is not None
        assert found is not None
        assert found["metadata"]["uid"] == was["metadata"]["uid"]
        assert found.get("data") == was.get("data")
    await assert_truthful(team)


async def test_21_a_forged_mark_and_tombstone_give_away_nothing_of_a_claim_that_lives(
    stored: Team, tenant: Tenant
):
    """A volume whose name fits two claims: it stays with the one that has it on record."""
    team = stored
    await team.claim("ide-next", deletionPolicy="Delete")
    await team.ready("ide-next")
    before = await team.find("pvc", "ide-next-data")
    assert before is not None
    mark = f"{FORMER} {team.namespace}/ide core/PersistentVolumeClaim/ide-next-data"
    forged = tombstone(team, "ide")
    forged["annotations"]["ocdp.io/owner"] = mark
    patch = json.dumps({"metadata": forged})
    await tenant.kubectl("patch", "pvc", "ide-next-data", "--type=merge", "-p", patch)
    # Its own claim does not write over a mark of another claim either: admission refuses that.
    held = await team.until("ide-next", "Stalled", "True", "ApplyFailed")
    assert f"belongs to the claim {team.namespace}/ide." in held["status"]["failure"]["message"]
    decoys = await Decoys.of(team, "pvc/ide-next-data")
    for adopted in (FORMER, before["metadata"]["uid"]):
        await ask_to_adopt(team, tenant, "ide", adopted)
        refused = await team.until("ide", "Stalled", "True", "OwnershipConflict")
        assert (
            f"PersistentVolumeClaim/ide-next-data exists already and belongs to the claim {team.namespace}/ide-next"
            in refused["status"]["failure"]["message"]
        )
        await team.delete("ide")
        await team.gone("ide")
        await decoys.assert_untouched()

    await tenant.kubectl("annotate", "pvc", "ide-next-data", "ocdp.io/owner-")

    async def its_own() -> bool:
        found = await team.find("pvc", "ide-next-data")
        assert found is not None
        assert found["metadata"]["uid"] == before["metadata"]["uid"]
        annotations = found["metadata"]["annotations"]
        return f"{team.namespace}/ide-next " in annotations.get("ocdp.io/owner", "")

    await eventually(its_own, "the volume carries the mark of its claim again")
    await team.ready("ide-next")
    await assert_truthful(team)
