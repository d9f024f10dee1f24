"""A mark can be copied and a record forged: neither alone makes an object the claim's."""

from __future__ import annotations

from copy import deepcopy

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.names import ADOPT, OWNER
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

NAMESPACE = builders.NAMESPACE


@pytest.fixture
async def world() -> World:
    """A claim that is Ready, to be deleted with everything."""
    made = World(app())
    made.ask_for(deletionPolicy="Delete")
    await made.settle()
    return made


def copied(world: World, name: str) -> None:
    """Somebody's Service with the mark and the labels that this claim's would have."""
    ours = world.raw("Service", "ide-web")["metadata"]
    mark = ours["annotations"][OWNER].replace("Service/ide-web", f"Service/{name}")
    metadata = {"name": name, "annotations": {OWNER: mark}, "labels": dict(ours["labels"])}
    world.cluster.put(NAMESPACE, dict(builders.manifest("Service", name, metadata=metadata, spec={}).body))


def inventory(world: World) -> list[dict]:
    found: list[dict] = world.cluster.claims[KEY]["status"]["inventory"]
    return found


async def settle(world: World) -> None:
    """What was forged is a write like any other: the watch tells of it."""
    world.cluster.annotate_claim(KEY, touched=str(world.cluster.writes))
    await world.settle()


async def test_a_copy_is_left_by_a_release_with_and_without_the_record(world: World):
    copied(world, "ide-copy")
    world.cluster.claims[KEY]["status"].clear()
    world.restart()
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    assert world.live() == {"Service/ide-copy"}


async def test_a_copy_in_the_place_of_an_object_of_ours_is_a_conflict_and_stays(world: World):
    world.cluster.remove(NAMESPACE, builders.ref("Service", "ide-web"))
    ours = {"metadata": {"labels": {}, "annotations": {OWNER: ""}}}
    uid = world.cluster.claims[KEY]["metadata"]["uid"]
    ours["metadata"]["annotations"][OWNER] = f"{uid} {NAMESPACE}/ide core/Service/ide-web"
    ours["metadata"]["labels"]["ocdp.io/claim-uid"] = uid
    body = builders.manifest("Service", "ide-web", metadata=ours["metadata"], spec={})
    world.cluster.put(NAMESPACE, dict(body.body))
    before = deepcopy(world.raw("Service", "ide-web"))
    await world.reconcile(3)
    claim = await world.claim()
    assert claim.status.failure is not None
    assert claim.status.failure.code is Reason.OWNERSHIP_CONFLICT
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    assert world.raw("Service", "ide-web") == before


async def test_a_record_of_an_object_that_others_made_takes_nothing_over(world: World):
    theirs = builders.manifest("Service", "ide-more", spec={"ports": [{"port": 1}]})
    raw = world.cluster.put(NAMESPACE, dict(theirs.body))
    world.manifests = app(builders.manifest("Service", "ide-more", spec={"ports": [{"port": 2}]}))
    inventory(world).append(
        {"id": "ide-more__Service", "wave": 2, "uid": raw["metadata"]["uid"], "sent": "x"}
    )
    before = deepcopy(raw)
    world.ask_for(deletionPolicy="Delete", values={"more": True})
    await world.reconcile(2)
    assert (await world.claim()).status.failure is not None
    assert world.raw("Service", "ide-more") == before


async def test_conditions_of_others_take_no_room_in_the_status(world: World):
    odd = {
        "status": "True",
        "reason": "Available",
        "message": "",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }
    conditions = world.cluster.claims[KEY]["status"]["conditions"]
    conditions += [{"type": f"Odd{number}", **odd} for number in range(6)]
    await settle(world)
    found = {condition.type for condition in (await world.claim()).status.conditions}
    assert found == {"Ready", "TemplateResolved", "Applied", "Healthy"}


async def test_a_record_of_an_object_of_another_claim_takes_nothing_over(world: World):
    other = ClaimKey(NAMESPACE, "other")
    mark = f"uid-of-other {NAMESPACE}/other core/Service/ide-web"
    change = {"metadata": {"annotations": {OWNER: mark}}}
    world.cluster.edit(NAMESPACE, builders.ref("Service", "ide-web"), change)
    raw = deepcopy(world.cluster.claims[KEY])
    raw["metadata"] |= {"name": "other", "uid": "uid-of-other"}
    before = deepcopy(world.raw("Service", "ide-web"))
    world.ask_for(deletionPolicy="Delete", values={"more": True})
    world.manifests = [*(each for each in app() if each.ref.kind != "Service"), service("ide-web")]
    world.restart()
    world.claims.put(WorkloadClaim.parse(raw))
    await world.reconcile(2)
    assert world.claims.get(other) is not None
    claim = await world.claim()
    assert claim.status.failure is not None
    assert claim.status.failure.code is Reason.OWNERSHIP_CONFLICT
    assert world.raw("Service", "ide-web") == before


@pytest.mark.parametrize("kept", [0, 3], ids=["nothing is left of it", "half of it is left"])
async def test_a_record_that_lost_entries_gets_them_back(world: World, kept: int):
    before = {entry["id"]: entry["uid"] for entry in inventory(world)}
    del inventory(world)[kept:]
    await settle(world)
    assert {entry["id"]: entry["uid"] for entry in inventory(world)} == before
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.status is Truth.TRUE


async def test_what_the_record_lost_is_released_with_the_rest(world: World):
    del inventory(world)[3:]
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    assert world.live() == set()


async def test_what_the_record_lost_and_nobody_wants_is_pruned(world: World):
    world.manifests = app(builders.manifest("Service", "ide-more", spec={}))
    world.ask_for(deletionPolicy="Delete", values={"more": True})
    await world.settle()
    inventory(world)[:] = [entry for entry in inventory(world) if entry["id"] != "ide-more__Service"]
    world.manifests = app()
    await settle(world)
    assert "Service/ide-more" not in world.live()


@pytest.mark.parametrize(
    "id_", ["", "garbage", "a_b_c_d", "__", "ide-x__Pod", "x_new.io_Gadget", "ide-r_rbac_Role"]
)
async def test_a_record_of_what_we_never_write_holds_up_nothing(world: World, id_: str):
    inventory(world).append({"id": id_, "wave": 1, "uid": "u", "desired": False})
    world.restart()
    await world.settle()
    assert id_ not in {entry["id"] for entry in inventory(world)}
    inventory(world).append({"id": id_, "wave": 1, "uid": "u"})
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    assert KEY not in world.cluster.claims
    assert world.live() == set()


async def test_a_forged_mark_takes_no_object_that_another_claim_has_on_record(world: World):
    """Not even with the adoption that it was forged for."""
    mark = f"former {NAMESPACE}/ide core/Service/ide-next-web"
    theirs = builders.manifest(
        "Service", "ide-next-web", metadata={"name": "ide-next-web", "annotations": {OWNER: mark}}, spec={}
    )
    made = world.cluster.put(NAMESPACE, dict(theirs.body), manager="ocdp-operator")
    other = deepcopy(world.cluster.claims[KEY])
    other["metadata"] |= {"name": "ide-next", "uid": "uid-of-next"}
    entry = {"id": "ide-next-web__Service", "wave": 2, "uid": made["metadata"]["uid"]}
    other["status"]["inventory"] = [entry]
    world.claims.put(WorkloadClaim.parse(other))
    before = deepcopy(world.raw("Service", "ide-next-web"))
    world.manifests = app(service("ide-next-web"))
    world.cluster.annotate_claim(KEY, **{ADOPT: "former"})
    world.ask_for(deletionPolicy="Delete", values={"more": True})
    await world.reconcile(2)
    failure = (await world.claim()).status.failure
    assert failure is not None
    assert failure.code is Reason.OWNERSHIP_CONFLICT
    assert "belongs to the claim ns-a/ide-next" in failure.message
    assert world.raw("Service", "ide-next-web") == before
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    assert world.raw("Service", "ide-next-web") == before
