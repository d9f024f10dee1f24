"""Row 29: the machine's clock is an hour off, jumps, or is set back; what is scheduled goes by a clock that nobody sets."""

from __future__ import annotations

import ast
import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import ocdp_operator
from ocdp_operator.adapters.claim_metrics import claim_families
from ocdp_operator.adapters.cluster import KubeClient, Leadership, LeaseTerms
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.errors import LeaseLost, Reason, Waiting
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.plan.health import Verdict
from ocdp_operator.plan.release import waiting_message
from tests.support.builders import observed
from tests.support.pipeline_world import World, app
from tests.support.pods import NOW, ago, pod, running, waiting
from tests.support.world import eventually
from tests.unit.plan.test_pod_health import deployment, well

HOUR = timedelta(hours=1)
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"])
STAMPS_ONLY = {"composition.py", "adapters/cluster/cluster.py", "adapters/cluster/lease.py"}
"""Where the wall clock is read: for what is told and written, never for what is due."""
WALL_CLOCKS = {"datetime.now", "datetime.utcnow", "time.time"}


class Clock:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def started(clock: Clock) -> World:
    """A world by this clock, with a claim in it."""
    world = World(manifests=app())
    world.reconciler.now = clock
    world.reconciler.rollouts.now = clock
    world.ask_for(values={})
    return world


def delays(world: World) -> list[float]:
    """Every delay from now on after which a claim is to be looked at again."""
    found: list[float] = []
    add = world.reconciler.queue.add

    def heard(key: Any, after: float = 0.0) -> None:
        found.append(after)
        add(key, after)

    world.reconciler.queue.add = heard  # type: ignore[method-assign]
    return found


async def failing(world: World) -> list[float]:
    async def broken(*_: Any) -> Any:
        raise Waiting(Reason.BUILD_FAILED, "kustomize was killed.")

    world.render = broken  # type: ignore[method-assign]
    return delays(world)


@JUMPS
async def test_29_a_jump_in_the_middle_of_a_backoff_changes_no_delay(jump: timedelta):
    clock, steady = Clock(), Clock()
    jumping, reference = started(clock), started(steady)
    found, wanted = await failing(jumping), await failing(reference)
    for attempt in range(8):
        if attempt == 3:
            clock.time += jump
        await jumping.reconcile()
        await reference.reconcile()
    assert found == wanted
    assert len(found) >= 8
    assert all(earlier < later for earlier, later in pairwise(found)), "it grows"
    assert min(found) > 0.5, "and is no storm"


@JUMPS
async def test_29_a_claim_at_rest_is_not_written_because_of_a_clock(jump: timedelta):
    clock = Clock()
    world = started(clock)
    await world.settle()
    assert (await world.claim()).status.condition_set.get("Ready") is not None
    before = world.cluster.writes
    for _ in range(4):
        clock.time += jump
        await world.reconcile()
    assert world.cluster.writes == before


@JUMPS
async def test_29_a_change_under_another_clock_converges(jump: timedelta):
    clock = Clock()
    world = started(clock)
    await world.settle()
    clock.time += jump
    world.manifests = app(greeting="other12345")
    world.restart()
    world.reconciler.now = clock
    world.ask_for(values={}, templateRevision=1)
    await world.settle()
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.status == "True"


@JUMPS
def test_29_ages_are_never_negative(jump: timedelta):
    leaving = observed(
        "Deployment", "ide-web", deletion_timestamp=(NOW + jump).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    said = waiting_message([leaving], now=NOW)
    assert "-" not in said.replace("ide-web", "")
    assert ("an hour" in said) == (jump < timedelta())
    raw = {
        "metadata": {"name": "ide", "namespace": "team-a", "uid": "1", "resourceVersion": "1", "generation": 1,
                     "creationTimestamp": ago(hours=2), "deletionTimestamp": (NOW + jump).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "spec": {"templateId": "code-server", "workspaceId": "team-a"},
    }  # fmt: skip
    families = claim_families([WorkloadClaim.parse(raw)], NOW, per_claim=True)
    assert all(sample.value >= 0 for family in families for sample in family.samples)


def test_29_a_pod_of_the_future_is_not_believed_to_start_for_an_hour():
    other = pod(running(ready=True), ready=True)
    starting = pod(waiting("ContainerCreating"), name="b", born=ago(hours=-1))
    assert well(deployment(1, wanted=2), other, starting).verdict is Verdict.FAILED
    soon = pod(waiting("ContainerCreating"), name="b", born=ago(seconds=-5))
    assert well(deployment(1, wanted=2), other, soon).verdict is Verdict.HEALTHY, "a few seconds are no jump"


def test_29_the_wall_clock_is_read_for_stamps_alone():
    root = Path(ocdp_operator.__file__).parent
    readers = set()
    for path in root.rglob("*.py"):
        place = str(path.relative_to(root))
        if place.startswith(("dev/", "cli/")):
            continue
        readers |= {
            place for node in ast.walk(ast.parse(path.read_text())) if ast.unparse(node) in WALL_CLOCKS
        }
    assert readers == STAMPS_ONLY


def test_29_stamps_are_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        stamp = Leadership(None, LeaseTerms("a", "b", 15))._stamp()  # type: ignore[arg-type]
    finally:
        monkeypatch.undo()
        time.tzset()
    written = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)


async def test_29_replicas_whose_clocks_differ_never_hold_the_lease_together(control_plane: Cluster):
    terms = {who: LeaseTerms("default", who, 3, name="ocdp-clocks") for who in ("ahead", "behind")}
    skew = {"ahead": HOUR, "behind": -HOUR}
    stop, held_together = asyncio.Event(), []
    turns: list[str] = []

    async def passed_on(who: str) -> bool:
        return stop.is_set() or any(each.held for other, each in leaderships.items() if other != who)

    async def work(who: str, client: KubeClient) -> None:
        leadership = Leadership(client, terms[who], now=lambda: datetime.now(UTC) + skew[who])
        leaderships[who] = leadership
        while not stop.is_set():
            await leadership.take()
            turns.append(who)
            keeping = asyncio.create_task(leadership.keep())
            await asyncio.wait({keeping}, timeout=4)  # several renewals, and longer than the Lease lasts
            held_together.append(sum(each.held for each in leaderships.values()))
            keeping.cancel()
            with suppress(asyncio.CancelledError, LeaseLost):
                await keeping
            await leadership.release()
            await eventually(lambda: passed_on(who), "the other one has its turn")

    leaderships: dict[str, Leadership] = {}
    async with (
        KubeClient.connect(control_plane.kubeconfig) as one,
        KubeClient.connect(control_plane.kubeconfig) as other,
    ):
        tasks = [
            asyncio.create_task(work(who, client)) for who, client in zip(terms, (one, other), strict=True)
        ]

        async def both() -> bool:
            return {"ahead", "behind"} <= set(turns) and len(turns) >= 4

        await eventually(both, "each had its turn")
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert held_together
    assert max(held_together) == 1
