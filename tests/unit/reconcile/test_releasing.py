"""A deleted claim goes whatever state it was in, and names everything that holds it up."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled, Waiting
from ocdp_operator.model.objects import ObjectRef
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

KEPT = {"PersistentVolumeClaim/ide-data", "Secret/ide-credentials"}


async def ready(**spec: Any) -> World:
    world = World(app(service("ide-more")))
    world.ask_for(**spec)
    await world.settle()
    return world


async def delete(world: World, looks: int = 6) -> None:
    world.cluster.delete_claim(KEY)
    for _ in range(looks):
        await world.reconcile()


@pytest.mark.parametrize(
    "spec", [{"suspend": True}, {"running": False}, {"suspend": True, "running": False}],
    ids=["suspended", "stopped", "both"],
)  # fmt: skip
@pytest.mark.parametrize("away", [False, True], ids=["catalog-and-git-there", "both-away"])
async def test_a_claim_that_is_held_still_is_released(spec: dict[str, bool], away: bool):
    world = await ready()
    world.ask_for(**spec)
    await world.reconcile(2)
    world.away = world.git_away = away
    await delete(world)
    assert KEY not in world.cluster.claims
    assert world.live() == KEPT


async def test_a_claim_that_was_suspended_from_the_beginning_goes():
    world = World(app())
    world.ask_for(suspend=True)
    await world.reconcile()
    await delete(world)
    assert KEY not in world.cluster.claims


def refuse(world: World, **errors: Exception) -> None:
    """Deletes of these Services are refused."""
    done = world.cluster.delete

    async def deleted(namespace: str, ref: ObjectRef, *, uid: str) -> None:
        error = errors.get(ref.name.replace("-", "_"))
        if error is not None and ref.kind == "Service":
            raise error
        await done(namespace, ref, uid=uid)

    world.cluster.delete = deleted  # type: ignore[method-assign]


async def message(world: World) -> str:
    condition = (await world.claim()).status.condition_set.get("Deleting")
    assert condition is not None
    return condition.message


async def test_what_is_refused_is_named_with_everything_else_in_the_way_and_the_rest_of_the_wave_goes():
    world = await ready()
    world.manifests = app(*(service(f"ide-{n}") for n in "abc"))
    world.ask_for(values={"more": True})
    await world.settle()
    world.raw("Service", "ide-b")["metadata"]["finalizers"] = ["example.test/held"]
    refuse(
        world,
        ide_a=Stalled(Reason.PRUNE_FAILED, "Service/ide-a: the webhook refuses its deletion."),
        ide_web=Waiting(Reason.FORBIDDEN, "Service/ide-web: the operator has no right to delete services."),
    )
    await delete(world)
    said = await message(world)
    for part in (
        "Service/ide-a: the webhook",
        "Service/ide-web: the operator",
        "Service/ide-b (finalizers example.test/held",
    ):
        assert part in said
    assert "Service/ide-c" not in world.live()
    assert "Deployment/ide-web" not in world.live()
    assert world.live() > KEPT  # the waves below wait


async def test_a_right_that_was_taken_away_is_told_once():
    world = await ready()
    right = Waiting(Reason.FORBIDDEN, "Service/ide-web: the operator has no right to delete services")
    refuse(world, ide_web=right)
    await delete(world)
    await world.reconcile(3)
    assert [event.message for event in world.cluster.events if event.reason is Reason.FORBIDDEN] == [
        f"{right.message}. Bind the ClusterRole ocdp-applier in the workspace's namespace."
    ]


@pytest.mark.parametrize("count", [1, 2])
async def test_one_webhook_that_is_away_holds_up_nothing_beside_it_but_a_second_is_not_waited_for(count: int):
    world = await ready()
    away = Waiting(Reason.CLUSTER_UNAVAILABLE, "The webhook does not answer.")
    names = ("ide_web", "ide_more")[:count]
    refuse(world, **dict.fromkeys(names, away))
    await delete(world)
    left = {name for name in world.live() if name.startswith("Service/")}
    assert left == {f"Service/{name.replace('_', '-')}" for name in names}
    assert "does not answer" in await message(world)


async def test_an_object_of_a_kind_that_is_not_served_any_more_is_gone():
    """What the API server says of it is that there is none."""
    world = await ready()
    del world.cluster.objects[builders.NAMESPACE, builders.ref("Workload", "ide")]
    world.restart()
    await delete(world)
    assert KEY not in world.cluster.claims


async def test_a_namespace_that_is_gone_or_going_lets_the_claim_go():
    for state in ("going", "gone"):
        world = await ready()
        if state == "going":
            world.cluster.namespaces[builders.NAMESPACE]["terminating"] = True
        else:
            del world.cluster.namespaces[builders.NAMESPACE]
        before = world.live()
        await delete(world)
        assert KEY not in world.cluster.claims
        assert world.live() == before
