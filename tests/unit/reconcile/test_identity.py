"""What the policy on who asks is worth is looked up now and then; a change is told once, and wakes the claims."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import pytest
from structlog.testing import capture_logs

from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.identity import Stamping
from ocdp_operator.model.template import CatalogAnswer, CatalogQuestion
from ocdp_operator.reconcile import identity
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.identity import IdentityWatch
from ocdp_operator.reconcile.queue import ClaimQueue
from tests.support import builders
from tests.support.pipeline_world import World, app

IN_PLACE = Stamping(datetime(2026, 1, 1, tzinfo=UTC), ())
WEAK = Stamping(None, ("the binding is not there",))
AWAY = Waiting(Reason.CLUSTER_UNAVAILABLE, "The API server does not answer.")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("_EVERY", "_RETRY", "_SPREAD"):
        monkeypatch.setattr(identity, pause, 0.001)


class Policy:
    """What is found, one look after another; the last of it for ever."""

    def __init__(self, *found: Stamping | Waiting) -> None:
        self.found = list(found)
        self.looks = 0

    async def __call__(self) -> Stamping:
        self.looks += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Waiting):
            raise found
        return found


def watch(policy: Policy) -> tuple[IdentityWatch, ClaimQueue]:
    claims, queue = ClaimStore(), ClaimQueue(asyncio.get_running_loop().time)
    claims.put(builders.claim())
    return IdentityWatch(claims, queue, policy), queue


async def ran(watch: IdentityWatch, until: Callable[[], bool]) -> None:
    task = asyncio.create_task(watch.run(Random(1)))
    async with asyncio.timeout(60):
        while not until():  # noqa: ASYNC110 - a predicate on the watch
            await asyncio.sleep(0.001)
    task.cancel()


async def test_before_an_answer_nothing_is_known_and_then_no_answer_changes_nothing():
    policy = Policy(AWAY, AWAY, IN_PLACE, AWAY)
    watched, _ = watch(policy)
    assert watched.stamping is None
    assert not watched.verified
    await ran(watched, lambda: policy.looks > 5)
    assert watched.stamping == IN_PLACE
    assert watched.verified


async def test_what_is_found_is_told_once_and_again_only_when_it_changed():
    policy = Policy(WEAK, WEAK, WEAK, IN_PLACE, IN_PLACE, WEAK)
    watched, _ = watch(policy)
    with capture_logs() as told:
        await ran(watched, lambda: policy.looks > 8)
    assert [line["log_level"] for line in told] == ["warning", "info", "warning"]
    assert told[0]["faults"] == ["the binding is not there"]
    assert not watched.verified


async def test_a_change_wakes_the_claims():
    policy = Policy(WEAK, WEAK, IN_PLACE)
    watched, queue = watch(policy)
    await ran(watched, lambda: watched.stamping == WEAK)
    assert await queue.take() == builders.claim().key
    queue.done(builders.claim().key)
    await ran(watched, lambda: watched.verified)
    assert await queue.take() == builders.claim().key


async def test_no_claim_is_judged_before_it_is_known():
    world = World(app())
    world.reconciler.stamping = lambda: None
    world.ask_for()
    await world.reconcile(3)
    assert (await world.claim()).status.conditions == ()
    assert world.cluster.writes == 0


async def test_access_is_checked_again_at_every_reconcile(monkeypatch: pytest.MonkeyPatch):
    """To whom the template is bound, and whether it is proven who asks, is asked each time; what runs goes on."""
    world = World(app())
    bound = {"alice"}

    async def ask(_: World, question: CatalogQuestion) -> CatalogAnswer:
        assert question.users == ("alice",)
        return builders.answer(world.revision, granted=False, granted_users=frozenset(bound))

    async def code() -> str:
        failure = (await world.claim()).status.failure
        return failure.code if failure else ""

    monkeypatch.setattr(World, "ask", ask)
    found = Stamping(datetime(2020, 1, 1, tzinfo=UTC), ())
    world.reconciler.stamping = lambda: found
    alice = {"username": "alice"}
    world.ask_for(requestedBy=alice, changedBy=alice)
    await world.settle()
    assert await code() == ""
    live = world.live()
    assert "Deployment/ide-web" in live

    found = WEAK
    await world.reconcile()
    assert await code() == Reason.IDENTITY_UNVERIFIED

    found = IN_PLACE
    await world.reconcile()
    assert await code() == Reason.IDENTITY_UNVERIFIED, "the claim is older than the policy by now"

    found = Stamping(datetime(2020, 1, 1, tzinfo=UTC), ())
    await world.reconcile()
    assert await code() == ""

    bound.clear()
    await world.reconcile()
    assert await code() == Reason.ACCESS_REVOKED
    assert world.live() == live
