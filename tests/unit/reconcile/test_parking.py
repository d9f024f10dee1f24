"""Claims that wait for a dependency cost one probe together, and wake when it answers."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from ocdp_operator.errors import CATALOG, Dependency, Reason, Waiting
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.reconcile.parking import Parking
from ocdp_operator.reconcile.queue import ClaimQueue

AWAY = Waiting(Reason.CATALOG_UNAVAILABLE, "away")
GIT = Dependency("source", "https://git.example.test/apps.git")


class Probed:
    """A catalog and sources that are away until ``back`` names them; counts the probes."""

    def __init__(self) -> None:
        self.back: set[Dependency] = set()
        self.probes: list[Dependency] = []

    async def counter(self) -> int:
        await self._answer(CATALOG)
        return 1

    async def probe(self, repository_url: str) -> None:
        await self._answer(Dependency("source", repository_url))

    async def _answer(self, dependency: Dependency) -> None:
        self.probes.append(dependency)
        if dependency not in self.back:
            raise Waiting(Reason.CATALOG_UNAVAILABLE, "away", dependency=dependency)


@pytest.fixture
def world() -> Probed:
    return Probed()


def keys(count: int) -> list[ClaimKey]:
    return [ClaimKey("team-a", f"ide-{number}") for number in range(count)]


async def probed_once(parking: Parking, world: Probed) -> None:
    """Lets the parking probe until it has asked for something once more."""
    before = len(world.probes)
    task = asyncio.create_task(parking.run(every=0.001))
    async with asyncio.timeout(60):
        while len(world.probes) == before:  # noqa: ASYNC110 - a predicate on the fake
            await asyncio.sleep(0.001)
    task.cancel()


def parked(world: Probed, queue: ClaimQueue) -> Parking:
    return Parking(queue, world, world, Random(1))  # type: ignore[arg-type]


async def test_many_claims_cost_one_probe(world: Probed):
    queue = ClaimQueue(asyncio.get_running_loop().time)
    parking = parked(world, queue)
    for key in keys(50):
        parking.park(key, CATALOG, AWAY)
    await probed_once(parking, world)
    assert set(world.probes) == {CATALOG}
    assert queue.depth == 0


async def test_claims_wake_when_their_dependency_answers_and_no_others(world: Probed):
    queue = ClaimQueue(asyncio.get_running_loop().time)
    parking = parked(world, queue)
    first, second = keys(2)
    parking.park(first, CATALOG, AWAY)
    parking.park(second, GIT, AWAY)
    world.back = {GIT}
    await probed_once(parking, world)
    async with asyncio.timeout(60):
        assert await queue.take() == second
    assert queue.depth == 0


async def test_a_claim_that_left_is_not_woken(world: Probed):
    queue = ClaimQueue(asyncio.get_running_loop().time)
    parking = parked(world, queue)
    gone, stays = keys(2)
    parking.park(gone, CATALOG, AWAY)
    parking.park(stays, CATALOG, AWAY)
    parking.leave(gone)
    world.back = {CATALOG}
    await probed_once(parking, world)
    async with asyncio.timeout(60):
        assert await queue.take() == stays
    assert queue.depth == 0


async def test_a_claim_waits_for_the_last_thing_it_was_parked_on(world: Probed):
    queue = ClaimQueue(asyncio.get_running_loop().time)
    parking = parked(world, queue)
    (key,) = keys(1)
    parking.park(key, CATALOG, AWAY)
    parking.park(key, GIT, AWAY)
    world.back = {CATALOG}
    await probed_once(parking, world)
    assert set(world.probes) == {GIT}


async def test_a_known_outage_lasts_until_a_probe_is_answered(world: Probed):
    parking = parked(world, ClaimQueue(asyncio.get_running_loop().time))
    (key,) = keys(1)
    assert parking.outage_of(CATALOG) is None
    parking.park(key, CATALOG, AWAY)
    parking.leave(key)
    assert parking.outage_of(CATALOG) is AWAY
    parking.park(key, CATALOG, AWAY)
    world.back = {CATALOG}
    await probed_once(parking, world)
    assert parking.outage_of(CATALOG) is None


async def test_a_probe_that_falls_over_ends_no_other_and_is_made_again(world: Probed):
    queue = ClaimQueue(asyncio.get_running_loop().time)
    parking = parked(world, queue)
    first, second = keys(2)
    parking.park(first, CATALOG, AWAY)
    parking.park(second, GIT, AWAY)
    world.back = {CATALOG, GIT}
    answer, left = world._answer, [3]

    async def falls_over(dependency: Dependency) -> None:
        await answer(dependency)
        if dependency == CATALOG and left[0]:
            left[0] -= 1
            raise RuntimeError("our own fault")

    world._answer = falls_over  # type: ignore[method-assign]
    running = asyncio.create_task(parking.run(every=0.001))
    async with asyncio.timeout(60):
        taken = {await queue.take(), await queue.take()}
    assert taken == {first, second}
    assert not running.done()
    running.cancel()
