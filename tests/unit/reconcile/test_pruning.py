"""A guarded prune waits for its approval; nothing goes by another one, twice by the same, or because of an error."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.claim import PendingPrune
from ocdp_operator.model.names import APPROVE_PRUNE
from ocdp_operator.model.objects import Manifest
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

VOLUME = "PersistentVolumeClaim/ide-data"
BIG = ("Service/ide-1", "Service/ide-2", "Service/ide-3", "Service/ide-web")


def whole() -> list[Manifest]:
    return app(*(service(f"ide-{n}") for n in (1, 2, 3)))


def only(*names: str) -> list[Manifest]:
    """A part of the rendering; without its volume the Deployment uses none."""
    kept = [
        each for each in whole() if str(each.ref) in names or each.ref.kind in ("Deployment", "ConfigMap")
    ]
    if VOLUME in names:
        return kept
    place = "/spec/template/spec/volumes/1"
    return [
        builders.changed(each, place, {"name": "data", "emptyDir": {}})
        if each.ref.kind == "Deployment"
        else each
        for each in kept
    ]


@pytest.fixture
async def world() -> World:
    """A claim that is Ready."""
    made = World(whole())
    made.ask_for()
    await made.settle()
    return made


async def leave(world: World, *names: str) -> PendingPrune:
    """The set that waits once only these objects are rendered."""
    world.manifests = only(*names)
    world.ask_for(values={"greeting": " ".join(names)})
    await world.settle()
    pending = (await world.claim()).status.pending_prune
    assert pending is not None
    return pending


async def approve(world: World, digest: str) -> None:
    world.cluster.annotate_claim(KEY, **{APPROVE_PRUNE: digest})
    await world.settle()


def told(world: World, reason: Reason) -> list[str]:
    return [event.message for event in world.cluster.events if event.reason is reason]


async def test_the_approved_set_goes_and_the_event_lists_it(world: World):
    pending = await leave(world, *BIG)
    assert VOLUME in world.live()
    await approve(world, pending.digest)
    claim = await world.claim()
    assert VOLUME not in world.live()
    assert set(BIG) < world.live()
    assert told(world, Reason.PRUNED) == [f"Pruned {VOLUME}."]
    assert claim.status.pending_prune is None
    assert APPROVE_PRUNE not in claim.annotations
    assert not claim.status.recorded.undesired


async def test_a_blocked_prune_says_how_it_is_approved(world: World):
    await leave(world, *BIG)
    applied = (await world.claim()).status.condition_set.get("Applied")
    assert applied is not None
    assert re.search(r": ocdp claim approve ide -n \S+[^.]$", applied.message)


async def test_an_approval_that_came_late_approves_nothing_and_says_so_once(world: World):
    first = await leave(world, *BIG)
    second = await leave(world)
    await approve(world, first.digest)
    claim = await world.claim()
    assert {VOLUME, *BIG} < world.live()
    assert claim.status.pending_prune == second
    assert APPROVE_PRUNE not in claim.annotations
    named = [message for message in told(world, Reason.PRUNE_BLOCKED) if "approved nothing" in message]
    assert len(named) == 1
    assert second.digest in named[0]


async def test_an_approval_of_nothing_that_waits_is_used_up(world: World):
    pending = await leave(world, *BIG)
    world.manifests = whole()
    world.ask_for()
    await world.settle()
    await approve(world, pending.digest)
    assert (
        await leave(world, *BIG)
    ).digest == pending.digest  # the same objects, and nobody approved it again
    assert VOLUME in world.live()


async def test_an_approval_counts_once(world: World):
    """The set was approved, and could not be deleted; wanted and left out again, it waits again."""
    pending = await leave(world, *BIG)
    world.cluster.objects[builders.NAMESPACE, builders.ref(*VOLUME.split("/"))]["metadata"]["finalizers"] = [
        "x/y"
    ]
    await refuse_deletes(world, lambda: approve(world, pending.digest))
    world.manifests = whole()
    world.ask_for()
    await world.settle()
    assert (await leave(world, *BIG)).digest == pending.digest
    assert not world.raw(*VOLUME.split("/"))["metadata"].get("deletionTimestamp")


async def refuse_deletes(world: World, act: Any) -> None:
    deleted = world.cluster.delete

    async def refused(*_: Any, **__: Any) -> None:
        raise Waiting(Reason.FORBIDDEN, "A rule of the cluster refuses it.")

    world.cluster.delete = refused  # type: ignore[method-assign]
    await act()
    world.cluster.delete = deleted  # type: ignore[method-assign]


async def test_an_approval_waits_while_the_applies_fail(world: World):
    pending = await leave(world, *BIG)
    refused = builders.ref("Deployment", "ide-web")
    world.cluster.refuse[refused] = Waiting(Reason.QUOTA_EXCEEDED, "The quota is used up.")
    world.ask_for(values={"greeting": "more"})
    world.manifests = [
        builders.changed(m, "/spec/replicas", 2) if m.ref == refused else m for m in world.manifests
    ]
    world.cluster.annotate_claim(KEY, **{APPROVE_PRUNE: pending.digest})
    await world.reconcile(2)
    assert VOLUME in world.live()
    assert (await world.claim()).annotations[APPROVE_PRUNE] == pending.digest
    world.cluster.refuse.clear()
    await world.settle()
    assert VOLUME not in world.live()


async def test_a_volume_that_something_holds_is_told_of_once(world: World):
    pending = await leave(world, *BIG)
    world.raw(*VOLUME.split("/"))["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    await approve(world, pending.digest)
    await world.reconcile(3)
    assert told(world, Reason.PRUNED) == [f"Pruned {VOLUME}."]
    assert VOLUME in {str(entry.ref) for entry in (await world.claim()).status.recorded}


PARTS = [VOLUME, *BIG]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("render"), st.sets(st.sampled_from(PARTS))),
        st.tuples(st.just("catalog"), st.booleans()),
        st.tuples(st.just("git"), st.booleans()),
        st.tuples(st.just("refuse"), st.booleans()),
        st.tuples(st.just("empty"), st.booleans()),
        st.tuples(st.just("approve"), st.sampled_from(["waiting", "former", "any"])),
        st.tuples(st.just("restart"), st.booleans()),
    ),
    min_size=1,
    max_size=12,
)


class Sequence:
    """Runs steps, and asserts after every reconcile that what went was allowed to go."""

    def __init__(self) -> None:
        self.world = World(whole())
        self.waiting = self.former = "0" * 16
        self.approved: set[str] = set()
        """Objects of sets that were approved while they waited."""
        self.count = 0

    async def run(self, steps: list[tuple[str, Any]]) -> None:
        self.world.ask_for()
        await self.world.settle()
        for step, what in steps:
            await getattr(self, step)(what)
            for _ in range(2):
                await self.look()
                self.world.make_healthy()

    async def look(self) -> None:
        before = self.world.live()
        await self.world.reconcile()
        claim = await self.world.claim()
        gone = {name for name in before - self.world.live() if not name.startswith("ConfigMap/")}
        assert not (gone and claim.status.failure), f"{gone} went, and {claim.status.failure} was the matter"
        assert {name for name in gone if name.startswith("Persistent")} <= self.approved
        assert gone <= self.approved or 2 * len(gone) <= len(before), f"{gone} of {before} went unasked"
        assert "Secret/ide-credentials" in self.world.live()
        pending = claim.status.pending_prune
        if pending is not None and pending.digest != self.waiting:
            self.former, self.waiting = self.waiting, pending.digest
            self.objects = set(pending.objects)

    async def render(self, names: set[str]) -> None:
        self.count += 1
        self.world.manifests = only(*names)
        self.world.ask_for(values={"count": self.count})
        if APPROVE_PRUNE not in (await self.world.claim()).annotations:
            self.approved.clear()  # the approval was used up

    async def empty(self, really: bool) -> None:
        self.count += 1
        self.world.manifests = [] if really else whole()
        self.world.ask_for(values={"count": self.count})

    async def catalog(self, away: bool) -> None:
        self.world.away = away
        if not away:
            await self.world.catalog_is_back()

    async def git(self, away: bool) -> None:
        self.world.git_away = away

    async def refuse(self, on: bool) -> None:
        error = Waiting(Reason.QUOTA_EXCEEDED, "The quota is used up.")
        self.world.cluster.refuse = {builders.ref("Deployment", "ide-web"): error} if on else {}

    async def approve(self, which: str) -> None:
        digest = {"waiting": self.waiting, "former": self.former, "any": "f" * 16}[which]
        pending = (await self.world.claim()).status.pending_prune
        if pending is not None and pending.digest == digest:
            self.approved |= set(pending.objects)
        self.world.cluster.annotate_claim(KEY, **{APPROVE_PRUNE: digest})

    async def restart(self, _: bool) -> None:
        self.world.restart()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_nothing_is_pruned_by_an_error_or_by_an_approval_of_something_else(steps: list[tuple[str, Any]]):
    asyncio.run(Sequence().run(steps))
