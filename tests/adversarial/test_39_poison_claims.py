"""A claim made to break the operator breaks nothing but itself, and it can be deleted like any other."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.model.names import FINALIZER
from tests.adversarial.conftest import Decoys, Tenant, assert_truthful, config_map, marked, told
from tests.support.apps import claim
from tests.support.world import Team, condition, eventually

LIMIT = 256 * 1024
"""Bytes of keys and values of all annotations of an object (apimachinery)."""
KOPF = {
    "malformed": {"kopf.zalando.org/last-handled-configuration": "{", "kopf.zalando.org/claims": "]"},
    "done": {
        f"{prefix}/{handler}": json.dumps({"started": "2020-01-01T00:00:00", "purpose": purpose, "success": True})
        for prefix, purpose in (("kopf.zalando.org", "create"), ("kopf.dev", "delete"))
        for handler in ("claims", "see_claim", "release")
    },
    "delayed": {
        "kopf.zalando.org/claims": '{"delayed":"2999-01-01T00:00:00","purpose":"delete"}',
        "kopf.zalando.org/touch-dummy": "2999-01-01T00:00:00",
    },
    "handled": {"kopf.zalando.org/last-handled-configuration": '{"spec":{"running":true}}\n'},
}  # fmt: skip


def padding(bytes_used: int) -> dict[str, str]:
    key = "example.test/padding"
    return {key: "x" * (LIMIT - bytes_used - len(key))}


async def test_39_forged_annotations_and_huge_ones_spoil_one_claim_at_most(
    team: Team, tenant: Tenant, new_team: Any, operator: OperatorProcess
):
    pid, other = operator.pid, await new_team("beside")
    poison = []
    for name, forged in KOPF.items():
        body = claim(name, team.namespace, team.template_id, team.workspace, deletionPolicy="Delete")
        body["metadata"] |= {
            "annotations": forged,
            "finalizers": ["kopf.zalando.org/KopfFinalizerMarker"],
        }
        body["status"] = {"kopf": {"progress": {"claims": {"success": True}}}}
        body["spec"]["unknown"] = {"deep": [{"a": None}]}
        poison.append(body)
    huge = claim("huge", team.namespace, team.template_id, team.workspace, deletionPolicy="Delete")
    huge["metadata"]["annotations"] = padding(20)
    await tenant.kubectl("create", "--validate=false", "-f", "-", stdin=yaml.safe_dump_all([*poison, huge]))
    await other.claim("ide")
    await other.ready("ide")
    for name in KOPF:
        await team.ready(name)

    # No room for what the operator has to write there: said so, and nothing is applied without our finalizer.
    found = await team.until("huge", "Ready", "False", "InvalidClaim")
    assert found["status"]["failure"]["actor"] == "User"
    assert found["status"]["failure"]["valuePath"] == "/metadata/annotations"
    assert FINALIZER not in found["metadata"].get("finalizers", ())
    assert not await team.marked(found["metadata"]["uid"])
    await tenant.kubectl("annotate", "wc", "huge", "example.test/padding-")
    ready = await team.ready("huge")

    # Full again, and then deleted; the others lose a finalizer that is not ours.
    used = sum(len(key) + len(value) for key, value in ready["metadata"]["annotations"].items())
    await tenant.patch("huge", {"metadata": {"annotations": padding(used)}})
    for name in KOPF:
        await tenant.patch(name, {"metadata": {"finalizers": [FINALIZER]}})
    for name in ("huge", *KOPF):
        await tenant.kubectl("delete", "wc", name, "--wait=false")
    for name in ("huge", *KOPF):
        await team.gone(name)
    assert not await team.marked()
    assert operator.pid == pid
    assert operator.running
    await assert_truthful(team)
    await assert_truthful(other)


async def test_39_a_huge_status_is_put_right_and_holds_up_no_deletion(
    team: Team, tenant: Tenant, new_team: Any, operator: OperatorProcess
):
    pid, other = operator.pid, await new_team("beside")
    names = ("healed", "released")
    for name in names:
        await team.claim(name, deletionPolicy="Delete")
    before = {name: await team.ready(name) for name in names}
    if tenant.has_status:
        for name in names:
            await tenant.forge_status(name, **_huge(before[name]["status"]["inventory"]))
            if name == "released":
                await tenant.kubectl("delete", "wc", name, "--wait=false")
    else:
        await tenant.kubectl("delete", "wc", "released", "--wait=false")
    await other.claim("ide")
    await other.ready("ide")
    await team.gone("released")

    async def healed() -> bool:
        found = await team.get_claim("healed")
        types = {c["type"] for c in found["status"]["conditions"]}
        recorded = {e["id"]: e.get("uid") for e in found["status"]["inventory"]}
        known = {e["id"]: e["uid"] for e in before["healed"]["status"]["inventory"]}
        return condition(found, "Ready").get("status") == "True" and recorded == known and len(types) == 4

    await eventually(healed, "the status is true again")
    assert (operator.pid, operator.running) == (pid, True)
    await assert_truthful(team)
    await assert_truthful(other)


def _huge(inventory: list[dict[str, Any]]) -> dict[str, Any]:
    """As much as the schema lets in, of things that the operator never writes."""
    room = 200 - len(inventory)
    moment = "2020-01-01T00:00:00Z"
    return {
        "inventory": [*inventory, *({"id": f"x{n}_{'g' * 60}_K", "wave": n, "uid": "u" * 64} for n in range(room))],
        "endpoints": [{"name": f"e{n}", "url": "http://" + "u" * 1500} for n in range(500)],
        "conditions": [
            {"type": f"Odd{n}", "status": "True", "reason": "Available", "message": "m" * 32000,
             "observedGeneration": 2**53, "lastTransitionTime": moment}
            for n in range(10)
        ],
        "history": [
            {"revision": 2**53, "commit": "c" * 64, "inputDigest": "d" * 128, "firstApplied": moment}
            for _ in range(5)
        ],
        "credentialsVersion": 2**53,
    }  # fmt: skip


async def test_39_objects_of_a_claim_whose_finalizer_was_removed_are_reported_and_deleted_only_if_wanted(
    team: Team, tenant: Tenant, operator: OperatorProcess
):
    for name in ("alive", "left", "again", "kept"):
        await team.claim(name, deletionPolicy="RetainData" if name == "kept" else "Delete")
    claims = {name: await team.ready(name) for name in ("alive", "left", "again", "kept")}
    # From a living claim it is taken in vain.
    await tenant.patch("alive", {"metadata": {"finalizers": None}})

    async def held() -> bool:
        return FINALIZER in (await team.get_claim("alive"))["metadata"].get("finalizers", ())

    await eventually(held, "our finalizer is back")
    await team.delete("kept")
    await team.gone("kept")

    await operator.stop()
    for name in ("left", "again"):
        await tenant.make(marked(config_map(f"{name}-copy"), claims[name]))
        await tenant.patch(name, {"metadata": {"finalizers": None}})
        await tenant.kubectl("delete", "wc", name)
    await operator.start(orphanSeconds=1)
    await team.claim("again", deletionPolicy="Delete")
    for name in ("left", "again"):
        event = await told(team, name, "OrphansFound")
        assert event["type"] == "Warning"
        for kind in ("Deployment", "Service", "ServiceAccount"):
            assert f"{kind}/{name}-web" in event["message"]
        for part in ("PersistentVolumeClaim", "Secret", "copy"):
            assert part not in event["message"]
    lines = [line for line in operator.log.read_text().splitlines() if "orphans found" in line]
    assert len([line for line in lines if team.namespace in line]) == 2
    assert {"Deployment/left-web", "Service/left-web"} <= (await team.objects()).keys()

    decoys = await Decoys.of(
        team, "configmap/left-copy", "configmap/again-copy", "service/alive-web", "service/again-web",
        "pvc/left-data", "pvc/kept-data", "secret/left-credentials", "secret/kept-credentials",
    )  # fmt: skip
    await operator.restart(orphanSeconds=1, deleteOrphans=True)

    async def swept() -> bool:
        return (
            not {"Deployment/left-web", "Service/left-web", "ServiceAccount/left-web"}
            & (await team.objects()).keys()
        )

    await eventually(swept, "what was left is deleted")
    # A claim of that name exists: it says itself what is in its way.
    await team.until("again", "Applied", "False", "OwnershipConflict")
    await decoys.assert_untouched()
    await team.delete("again")
    await team.gone("again")
    await team.gone("again-web", kind="deploy")
    await tenant.kubectl("delete", "configmap", "left-copy", "again-copy")
    await team.ready("alive")
    await assert_truthful(team)
