"""The queue hands out each claim once, when it is due, in turn between namespaces."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.reconcile.queue import ClaimQueue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def key(name: str, namespace: str = "team-a") -> ClaimKey:
    return ClaimKey(namespace, name)


async def taken(queue: ClaimQueue) -> list[ClaimKey]:
    """Everything that is due now; the keys are let go at once."""
    keys = []
    while queue.depth:
        keys.append(await queue.take())
    for each in keys:
        queue.done(each)
    return keys


async def test_a_key_added_many_times_is_handed_out_once():
    queue = ClaimQueue(Clock())
    for _ in range(5):
        queue.add(key("ide"))
    assert await taken(queue) == [key("ide")]
    assert await taken(queue) == []


async def test_the_earlier_of_two_due_times_wins():
    clock = Clock()
    queue = ClaimQueue(clock)
    queue.add(key("ide"), after=100)
    queue.add(key("ide"), after=5)
    queue.add(key("ide"), after=50)
    clock.now = 4.9
    assert await taken(queue) == []
    clock.now = 5.0
    assert await taken(queue) == [key("ide")]
    clock.now = 200.0
    assert await taken(queue) == []


async def test_a_key_added_while_a_worker_holds_it_is_handed_out_after_that():
    queue = ClaimQueue(Clock())
    queue.add(key("ide"))
    held = await queue.take()
    queue.add(held)
    assert queue.depth == 0
    queue.done(held)
    assert await queue.take() == held


async def test_a_crowded_namespace_does_not_delay_another():
    queue = ClaimQueue(Clock())
    for number in range(100):
        queue.add(key(f"ide-{number}", "crowded"))
    queue.add(key("ide", "quiet"))
    assert key("ide", "quiet") in [await queue.take(), await queue.take()]


async def test_a_forgotten_key_is_not_handed_out():
    queue = ClaimQueue(Clock())
    queue.add(key("ide"))
    assert queue.depth == 1
    queue.forget(key("ide"))
    assert await taken(queue) == []


async def test_a_waiting_worker_wakes_for_a_new_key():
    queue = ClaimQueue(asyncio.get_running_loop().time)
    queue.add(key("later"), after=3600)
    waiter = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(key("now"))
    async with asyncio.timeout(60):
        assert await waiter == key("now")


async def test_the_oldest_wait_is_told():
    clock = Clock()
    queue = ClaimQueue(clock)
    queue.add(key("a"))
    clock.now = 7.0
    queue.add(key("b"))
    assert queue.oldest_wait == pytest.approx(7.0)


names = st.sampled_from([key(name, space) for name in "ab" for space in ("x", "y")])
steps = st.lists(st.tuples(st.sampled_from(["add", "take", "done"]), names, st.floats(0, 10)), max_size=60)


@given(steps)
async def test_no_key_is_ever_lost_or_held_twice(steps):
    clock = Clock()
    queue, held, owed = ClaimQueue(clock), set(), set()
    for step, each, seconds in steps:
        clock.now += seconds / 2
        if step == "add":
            queue.add(each, seconds)
            owed.add(each)
        elif step == "take" and queue.depth:
            got = await queue.take()
            assert got not in held
            held.add(got)
            owed.discard(got)
        elif step == "done" and held:
            queue.done(held.pop())
    clock.now += 100
    for each in held:
        queue.done(each)
    assert owed <= set(await taken(queue))
