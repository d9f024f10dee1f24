"""A complete look finds what the watches missed; a changed catalog is noticed by its counter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from ocdp_operator.errors import CATALOG, Reason, Waiting
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.listing import CatalogWatch, Listing
from ocdp_operator.reconcile.queue import ClaimQueue


def claim(name: str, version: int = 1) -> WorkloadClaim:
    return WorkloadClaim.parse(
        {
            "metadata": {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": str(version)},
            "spec": {"templateId": "web", "workspaceId": "team-a"},
        }
    )


async def ran(coroutine: Awaitable[None], until: Callable[[], bool]) -> None:
    task = asyncio.ensure_future(coroutine)
    async with asyncio.timeout(60):
        while not until():  # noqa: ASYNC110 - a predicate on the store
            await asyncio.sleep(0.001)
    task.cancel()


def setup() -> tuple[ClaimStore, ClaimQueue]:
    return ClaimStore(), ClaimQueue(asyncio.get_running_loop().time)


async def test_nothing_is_judged_before_the_first_list_is_complete():
    store, queue = setup()
    assert not store.listed

    async def listed() -> tuple[WorkloadClaim, ...]:
        return (claim("a"), claim("b"))

    await ran(Listing(store, queue, listed).run(3600, Random(1)), lambda: store.listed)
    assert {await queue.take(), await queue.take()} == {ClaimKey("team-a", "a"), ClaimKey("team-a", "b")}


async def test_a_list_wakes_only_what_is_news_and_forgets_what_is_gone():
    store, queue = setup()
    for known in (claim("same"), claim("changed"), claim("gone")):
        store.put(known)

    async def listed() -> tuple[WorkloadClaim, ...]:
        return (claim("same"), claim("changed", 2), claim("new"))

    await ran(Listing(store, queue, listed).run(3600, Random(1)), lambda: store.listed)
    woken = {await queue.take() for _ in range(queue.depth)}
    assert {key.name for key in woken} == {"changed", "gone", "new"}
    assert store.get(ClaimKey("team-a", "gone")) is None


async def test_a_claim_that_came_while_the_list_was_on_its_way_is_kept():
    store, queue = setup()

    async def listed() -> tuple[WorkloadClaim, ...]:
        store.put(claim("just made"))
        return ()

    await ran(Listing(store, queue, listed).run(3600, Random(1)), lambda: store.listed)
    assert store.get(ClaimKey("team-a", "just made")) is not None


async def test_a_failed_list_says_nothing_about_any_claim():
    store, queue = setup()
    store.put(claim("known"))
    tries = 0

    async def listed() -> tuple[WorkloadClaim, ...]:
        nonlocal tries
        tries += 1
        raise Waiting(Reason.CLUSTER_UNAVAILABLE, "away")

    await ran(Listing(store, queue, listed).run(3600, Random(1)), lambda: tries > 0)
    assert not store.listed
    assert store.get(ClaimKey("team-a", "known")) is not None


async def test_a_catalog_write_wakes_every_claim_and_silence_wakes_none():
    store, queue = setup()
    store.put(claim("a"))
    answers = iter([7, 7, None, 7, 8])
    asked = 0

    async def counter() -> int:
        nonlocal asked
        asked += 1
        answer = next(answers, 8)
        if answer is None:
            raise Waiting(Reason.CATALOG_UNAVAILABLE, "away", dependency=CATALOG)
        if answer == 8 and asked == 5:
            assert queue.depth == 0
        return answer

    await ran(CatalogWatch(store, queue, counter).run(0.001, Random(1)), lambda: asked >= 6)
    async with asyncio.timeout(60):
        assert await queue.take() == ClaimKey("team-a", "a")


@pytest.mark.parametrize(("claims", "seconds"), [(1, 10.01), (500, 15.0), (2000, 30.0)])
async def test_a_change_of_the_catalog_reaches_every_claim_within_the_stated_time(
    monkeypatch: pytest.MonkeyPatch, claims: int, seconds: float
):
    """The default poll, and the time until the last claim is due after it."""
    clock, counters, slept = 0.0, [1, 2], []
    store, queue = ClaimStore(), ClaimQueue(lambda: clock)
    for number in range(claims):
        store.put(claim(f"c{number}"))

    async def counter() -> int:
        if not counters:
            await asyncio.Event().wait()
        return counters.pop(0)

    async def sleep(wait: float) -> None:
        slept.append(wait)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    watch = asyncio.ensure_future(CatalogWatch(store, queue, counter).run(10, Random(claims)))
    while len(slept) < 2:
        await asyncio.wait([watch], timeout=0.01)
    watch.cancel()
    clock = seconds - slept[0]
    assert queue.depth == claims
    assert slept[0] <= 10
