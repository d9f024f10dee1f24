"""Killed before or after any mutating request, a new process ends in the state of a run without faults."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.names import ADOPT, APPROVE_PRUNE, RETAINED, ROTATE
from ocdp_operator.model.objects import Manifest
from tests.support import builders
from tests.support.pipeline_world import KEY, Killed, Scenario, World, app, service


async def create(world: World) -> None:
    world.ask_for()


async def update(world: World) -> None:
    await ready(world)
    world.manifests = app(service("ide-more"), greeting="2222222222")
    world.ask_for(values={"greeting": "new"})


async def prune(world: World) -> None:
    world.manifests = app(service("ide-more"))
    await ready(world)
    world.manifests = app()
    world.ask_for(values={"more": False})


async def approved_prune(world: World) -> None:
    """A volume and more than half of the rest: a part of the set that is gone makes nobody forget the approval."""
    world.manifests = app(*(service(f"ide-more-{n}") for n in range(3)))
    await ready(world)
    world.manifests = without_volume()
    world.ask_for(values={"more": False})
    await world.settle()
    pending = (await world.claim()).status.pending_prune
    assert pending is not None
    assert len(pending.objects) == 4
    world.cluster.annotate_claim(KEY, **{APPROVE_PRUNE: pending.digest})


def without_volume() -> list[Manifest]:
    return [
        builders.changed(each, "/spec/template/spec/volumes/1", {"name": "data", "emptyDir": {}})
        if each.ref.kind == "Deployment"
        else each
        for each in app()
        if each.ref.kind != "PersistentVolumeClaim"
    ]


async def replace_before_it_was_ever_ready(world: World) -> None:
    world.manifests = app(service("ide-more"))
    world.ask_for()
    await world.reconcile()
    world.manifests = app()
    world.ask_for(values={"more": False})


async def repair(world: World) -> None:
    await ready(world)
    world.cluster.remove(builders.NAMESPACE, builders.ref("Deployment", "ide-web"))
    world.cluster.edit(builders.NAMESPACE, builders.ref("Service", "ide-web"), {"spec": {"ports": []}})


async def stop(world: World) -> None:
    await ready(world)
    world.ask_for(running=False)


async def start(world: World) -> None:
    world.ask_for(running=False)
    await world.settle()
    world.restart()
    world.ask_for()


async def stop_with_new_values(world: World) -> None:
    await ready(world)
    world.manifests = app(service("ide-more"), greeting="2222222222")
    world.ask_for(running=False, values={"greeting": "new"})


async def release(world: World) -> None:
    await ready(world)
    world.cluster.delete_claim(KEY)


async def release_all(world: World) -> None:
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    world.restart()
    world.cluster.delete_claim(KEY)


async def adopt(world: World) -> None:
    """Data comes back, its tombstones go; dead between the two, a new process takes them away."""
    await release(world)
    while KEY in world.cluster.claims:
        await world.reconcile()
    former = world.raw("Secret", "ide-credentials")["metadata"]["labels"]["ocdp.io/claim-uid"]
    world.ask_for()
    await world.reconcile(2)
    world.cluster.annotate_claim(KEY, **{ADOPT: former})


async def repair_then_release(world: World) -> None:
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    world.restart()
    world.cluster.remove(builders.NAMESPACE, builders.ref("Deployment", "ide-web"))
    world.then = lambda: world.cluster.delete_claim(KEY)


async def repair_then_prune(world: World) -> None:
    world.manifests = app(service("ide-more"))
    await ready(world)
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-more"))

    def left_out() -> None:
        world.manifests = app()
        world.ask_for(values={"more": False})

    world.then = left_out


async def rotate(world: World) -> None:
    """The Secret says which request it follows: whoever dies between its values and the pods rotates no second time."""
    reader = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "ide-credentials", "key": "PASSWORD"}}}
    ]
    world.manifests = [
        builders.changed(each, "/spec/template/spec/containers/0/env", reader)
        if each.ref.kind == "Deployment"
        else each
        for each in world.manifests
    ]
    await ready(world)
    world.cluster.annotate_claim(KEY, **{ROTATE: "token"})


async def ready(world: World) -> None:
    world.ask_for()
    await world.settle()
    world.restart()


SCENARIOS: dict[str, Scenario] = {
    each.__name__: each
    for each in (
        create,
        update,
        prune,
        approved_prune,
        replace_before_it_was_ever_ready,
        repair,
        repair_then_release,
        repair_then_prune,
        rotate,
        stop,
        start,
        stop_with_new_values,
        release,
        release_all,
        adopt,
    )
}


async def run(
    scenario: Scenario, *, before: int | None = None, after: int | None = None
) -> tuple[World, int]:
    """The world after the scenario came to rest; killed once at a mutating request, if one is given."""
    world = World(app())
    await scenario(world)
    world.restart()
    writes = world.cluster.writes
    world.kill_before, world.kill_after = before, after
    try:
        await world.settle()
        world.then()
        await world.settle()
    except Killed:
        world.kill_before = world.kill_after = None
        world.then()  # what the user does next does not wait for us
        world.restart()
        await world.settle()
    return world, world.cluster.writes - writes


def state(world: World) -> object:
    """What must be equal, whatever happened on the way: the objects, and the claim's account of them."""

    def labels(raw: Any) -> Any:
        tombstone = RETAINED in raw["metadata"].get("annotations", {})
        return {**raw["metadata"].get("labels", {}), **({"says": "whose it was"} if tombstone else {})}

    objects = {
        str(ref): (raw.get("spec"), raw.get("data"), labels(raw))
        for (_, ref), raw in world.cluster.objects.items()
    }
    for name, (_, data, said) in objects.items():
        if name.startswith("Secret/"):
            objects[name] = (None, sorted(data), said)  # which password it is does not matter
    claim = world.cluster.claims.get(KEY)
    status = claim.get("status", {}) if claim else {}
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", ())}
    recorded = sorted(entry["id"] for entry in status.get("inventory", ()))
    handled = status.get("lastHandledRotation")
    annotations = sorted((claim or {}).get("metadata", {}).get("annotations", {}))
    return without_uids(objects), conditions, recorded, status.get("inputDigest"), handled, annotations


def without_uids(objects: dict) -> dict:
    return {
        name: (
            spec,
            data,
            {key: value for key, value in (labels or {}).items() if key != "ocdp.io/claim-uid"},
        )
        for name, (spec, data, labels) in objects.items()
    }


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_crash_at_any_write_changes_nothing_in_the_end(name: str):
    undisturbed, writes = await run(SCENARIOS[name])
    assert writes > 0
    for number in range(1, writes + 1):
        for point in ("before", "after"):
            world, _ = await run(SCENARIOS[name], **{point: number})
            assert state(world) == state(undisturbed), f"killed {point} write {number} of {writes}"


@pytest.mark.parametrize("name", SCENARIOS)
async def test_no_marked_object_is_ever_missing_from_the_record(name: str):
    """What a crash leaves behind can be found: it is on record, or the claim is not there any more."""
    _, writes = await run(SCENARIOS[name])
    for number in range(1, writes + 1):
        world = World(app())
        await SCENARIOS[name](world)
        world.restart()
        world.kill_after = number
        try:
            await world.settle()
            world.then()
            await world.settle()
        except Killed:
            claim = world.cluster.claims.get(KEY)
            recorded = {entry["id"] for entry in (claim or {}).get("status", {}).get("inventory", ())}
            assert claim is None or {ref.id for _, ref in world.cluster.objects} <= recorded


async def test_a_claim_that_was_let_go_is_left_alone_before_any_watch_tells_of_its_end():
    world = World(app())
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    world.cluster.delete_claim(KEY)
    while KEY in world.cluster.claims:
        await world.reconcile()
    writes = world.cluster.writes
    await world.reconciler.reconcile(KEY)  # woken by the last of its objects, whose end is told first
    assert world.cluster.writes == writes
