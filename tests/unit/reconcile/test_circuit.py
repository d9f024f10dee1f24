"""Two managers that fight do not do so for ever: the object is left alone, and tried again now and then."""

from __future__ import annotations

from collections import Counter

import pytest

from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.telemetry import Tally
from ocdp_operator.plan.drift import LEFT_ALONE
from ocdp_operator.reconcile.circuit import HOLDS, MOST_REPAIRS, WINDOW
from tests.support import builders
from tests.support.pipeline_world import KEY, PASSWORD, World, app, service

DEPLOYMENT = builders.ref("Deployment", "ide-web")
SERVICE = builders.ref("Service", "ide-web")


class Counting:
    """A telemetry that remembers what was counted."""

    def __init__(self) -> None:
        self.tallies: Counter[Tally] = Counter()

    def observed(self, *_: object) -> None: ...

    def finished(self, *_: object) -> None: ...

    def counted(self, tally: Tally, label: str = "", amount: int = 1) -> None:
        self.tallies[tally] += amount


@pytest.fixture
async def world() -> World:
    """A claim that is Ready."""
    made = World(app())
    made.ask_for()
    await made.settle()
    made.cluster.events.clear()
    made.reconciler.telemetry = Counting()
    return made


def scale(world: World, count: int = 5) -> None:
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, {"spec": {"replicas": count}}, manager="rival")


def replicas(world: World) -> int:
    return world.raw("Deployment", "ide-web")["spec"]["replicas"]


def told(world: World, reason: Reason) -> list[str]:
    return [event.message for event in world.cluster.events if event.reason == reason]


async def fight(world: World) -> None:
    """Until the operator leaves the object alone."""
    for _ in range(MOST_REPAIRS):
        scale(world)
        await world.settle()
        assert replicas(world) == 1
        world.seconds += 10
    scale(world)
    await world.settle()
    assert replicas(world) == 5


async def test_a_fight_ends_with_a_condition_one_warning_and_no_write(world: World):
    await fight(world)
    drifted = (await world.claim()).status.condition_set.get("Drifted")
    assert drifted is not None
    assert (drifted.status, drifted.reason) == (Truth.TRUE, Reason.WATCH_CIRCUIT_OPEN)
    for word in ("Deployment/ide-web", "spec.replicas", "rival"):
        assert word in drifted.message
    assert len(told(world, Reason.DRIFT_CORRECTED)) == MOST_REPAIRS
    assert len(told(world, Reason.WATCH_CIRCUIT_OPEN)) == 1
    assert world.reconciler.telemetry.tallies[Tally.CIRCUIT_OPENED] == 1
    writes = world.cluster.writes
    for _ in range(5):
        scale(world, 7)
        scale(world, 5)
        world.make_healthy()
        await world.reconcile()
    assert world.cluster.writes == writes


async def test_a_fight_does_not_end_ready_nor_the_repair_of_others(world: World):
    await fight(world)
    world.make_healthy()
    await world.settle()
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.status is Truth.TRUE
    world.cluster.edit(
        builders.NAMESPACE, SERVICE, {"spec": {"selector": {"app.kubernetes.io/instance": "x"}}}
    )
    await world.settle()
    assert world.raw("Service", "ide-web")["spec"]["selector"] == {"app.kubernetes.io/instance": "ide"}
    assert replicas(world) == 5


async def test_after_a_while_there_is_one_try_which_a_rival_undoes(world: World):
    await fight(world)
    world.seconds += LEFT_ALONE
    await world.reconcile()
    assert replicas(world) == 1
    assert (await world.claim()).status.condition_set.get("Drifted") is not None
    scale(world)
    world.seconds += 1
    await world.settle()
    assert replicas(world) == 5
    assert len(told(world, Reason.WATCH_CIRCUIT_OPEN)) == 1
    assert world.reconciler.telemetry.tallies[Tally.CIRCUIT_OPENED] == 2


async def test_a_try_that_holds_closes_the_circuit(world: World):
    await fight(world)
    world.seconds += LEFT_ALONE
    await world.settle()
    world.seconds += HOLDS
    await world.settle()
    assert (await world.claim()).status.condition_set.get("Drifted") is None
    scale(world)
    await world.settle()
    assert replicas(world) == 1


async def test_an_object_that_the_rival_puts_right_is_left_alone_no_longer(world: World):
    await fight(world)
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, {"spec": {"replicas": 1}}, manager="rival")
    world.seconds += LEFT_ALONE
    await world.settle()
    world.seconds += HOLDS
    await world.settle()
    assert (await world.claim()).status.condition_set.get("Drifted") is None


@pytest.mark.parametrize("by", ["an edit of the claim", "a request"])
async def test_an_edit_or_a_request_tries_at_once(world: World, by: str):
    await fight(world)
    if by == "a request":
        world.cluster.annotate_claim(KEY, **{"ocdp.io/reconcile-requested-at": "now"})
    else:
        world.ask_for(values={"greeting": "new"})
    await world.settle()
    assert replicas(world) == 1
    assert (await world.claim()).status.condition_set.get("Drifted") is None


async def test_repairs_that_are_far_between_never_open_it(world: World):
    for _ in range(3 * MOST_REPAIRS):
        scale(world)
        await world.settle()
        assert replicas(world) == 1
        world.seconds += WINDOW / MOST_REPAIRS + 1
    assert told(world, Reason.WATCH_CIRCUIT_OPEN) == []


async def test_drift_is_told_with_field_value_and_manager(world: World):
    scale(world)
    await world.settle()
    assert told(world, Reason.DRIFT_CORRECTED) == [
        "Corrected: Deployment/ide-web: spec.replicas was 5, set by rival; is 1 again."
    ]
    counted = world.reconciler.telemetry.tallies
    assert (counted[Tally.DRIFT_DETECTED], counted[Tally.DRIFT_CORRECTED]) == (1, 1)


async def test_a_try_that_is_refused_is_not_made_again_at_once(world: World):
    await fight(world)
    world.cluster.refuse[DEPLOYMENT] = Waiting(Reason.APPLY_FAILED, "A webhook refuses it.")
    world.seconds += LEFT_ALONE
    await world.reconcile(2)
    writes = world.cluster.writes
    for _ in range(5):
        world.seconds += 1
        await world.reconcile()
    assert world.cluster.writes == writes
    assert world.reconciler.circuits.due(await world.claim()) > LEFT_ALONE / 2


async def test_a_claim_whose_objects_are_not_looked_at_is_not_hurried(world: World):
    await fight(world)
    world.cluster.namespaces[builders.NAMESPACE]["labels"] = {}
    world.seconds += 2 * LEFT_ALONE
    assert world.reconciler.circuits.due(await world.claim()) >= LEFT_ALONE


async def test_a_fight_ends_also_while_another_object_is_refused(world: World):
    world.manifests = app(service("ide-more"))
    world.cluster.refuse[builders.ref("Service", "ide-more")] = Waiting(Reason.APPLY_FAILED, "No quota.")
    world.revision = builders.template(**PASSWORD, revision=2)
    world.ask_for(values={"more": True}, templateRevision=2)
    await world.reconcile(3)
    for _ in range(MOST_REPAIRS):
        scale(world)
        await world.reconcile()
        assert replicas(world) == 1
    scale(world)
    await world.reconcile(2)
    assert replicas(world) == 5
    drifted = (await world.claim()).status.condition_set.get("Drifted")
    assert drifted is not None
    assert "spec.replicas is changed by rival" in drifted.message


async def test_what_is_left_alone_is_not_counted_as_found_at_each_look(world: World):
    await fight(world)
    counted = world.reconciler.telemetry.tallies
    for _ in range(3):
        await world.reconcile()
    assert counted[Tally.DRIFT_DETECTED] == counted[Tally.DRIFT_CORRECTED] == MOST_REPAIRS


async def test_a_claim_whose_pods_a_rival_took_away_is_not_ready(world: World):
    for _ in range(MOST_REPAIRS):
        scale(world, 0)
        await world.settle()
        world.seconds += 10
    scale(world, 0)
    await world.settle()
    assert replicas(world) == 0
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == (Truth.FALSE, Reason.NO_PODS)
    assert ready.message == "Deployment/ide-web: its replicas were set to 0, and not by the claim."
    world.seconds += LEFT_ALONE
    await world.settle()
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.status is Truth.TRUE


@pytest.mark.parametrize(
    ("spec", "truth", "reason"),
    [
        pytest.param({"suspend": True}, Truth.FALSE, Reason.NO_PODS, id="suspended"),
        pytest.param({"suspend": True, "running": False}, Truth.UNKNOWN, Reason.STOPPED, id="stopped and suspended"),
    ],
)  # fmt: skip
async def test_health_of_a_suspended_claim_that_was_scaled_to_none(
    world: World, spec: dict[str, bool], truth: Truth, reason: Reason
):
    world.ask_for(running=spec.get("running", True))
    await world.settle()
    world.ask_for(**spec)
    await world.settle()
    scale(world, 0)
    await world.settle()
    healthy = (await world.claim()).status.condition_set.get("Healthy")
    assert healthy is not None
    assert (healthy.status, healthy.reason) == (truth, reason)
