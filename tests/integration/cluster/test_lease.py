"""Whose turn it is, judged by each process's own clock, which these tests turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.cluster import KubeClient, Leadership, LeaseTerms
from ocdp_operator.adapters.cluster.lease import since_boot
from ocdp_operator.errors import LeaseLost, Waiting
from tests.support.cluster_worlds import RealWorld, until
from tests.support.faulty_proxy import FaultyProxy

SECONDS = 3
FOR_EVER = 10**6


class Clock:
    """Seconds that go by only when somebody says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Candidate(Leadership):
    """One that wants the Lease, with its clock."""

    def __init__(self, client: KubeClient, namespace: str, identity: str, seconds: int = SECONDS) -> None:
        self.clock = Clock()
        super().__init__(client, LeaseTerms(namespace, identity, seconds), clock=self.clock)


Candidates = Callable[..., Candidate]


@pytest.fixture
def candidate(world: RealWorld, client: KubeClient) -> Candidates:
    def make(identity: str, through: KubeClient = client, seconds: int = SECONDS) -> Candidate:
        return Candidate(through, world.namespace, identity, seconds)

    return make


@asynccontextmanager
async def doing(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    """It goes on while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LeaseLost):
            await task


async def spec(world: RealWorld) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await world.kubectl("get", "lease", "ocdp-operator", "-o", "json"))
    return found["spec"]


async def write(world: RealWorld, **changes: Any) -> None:
    """Somebody else's hand in the Lease."""
    patch = json.dumps({"spec": changes})
    await world.kubectl("patch", "lease", "ocdp-operator", "--type=merge", "-p", patch)


async def ask_once(candidate: Candidate) -> bool:
    return await candidate._try_to_take()


async def test_the_first_takes_it_and_says_who_it_is(world: RealWorld, candidate: Candidates) -> None:
    first = candidate("first")
    assert not first.held
    await first.take()
    assert first.held
    found = await spec(world)
    assert found["holderIdentity"] == "first"
    assert found["leaseDurationSeconds"] == SECONDS
    assert found["leaseTransitions"] == 0
    assert found["acquireTime"]
    assert found["renewTime"]


async def test_of_many_one_takes_it(candidate: Candidates) -> None:
    several = [candidate(f"number-{number}") for number in range(8)]
    assert sum(await asyncio.gather(*map(ask_once, several))) == 1
    assert sum(each.held for each in several) == 1


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
async def test_only_what_we_saw_for_long_enough_is_over_whatever_the_record_says(
    world: RealWorld, candidate: Candidates, stamp: str
) -> None:
    await candidate("first").take()
    await write(world, renewTime=stamp, acquireTime=stamp)
    second = candidate("second")
    assert not await ask_once(second)
    second.clock.seconds += SECONDS - 0.1
    assert not await ask_once(second)
    second.clock.seconds += 0.2
    assert await ask_once(second)
    found = await spec(world)
    assert (found["holderIdentity"], found["leaseTransitions"]) == ("second", 1)


async def test_the_holder_s_duration_counts(world: RealWorld, candidate: Candidates) -> None:
    await candidate("first").take()
    await write(world, leaseDurationSeconds=100)
    second = candidate("second")
    assert not await ask_once(second)
    second.clock.seconds += 99
    assert not await ask_once(second)
    second.clock.seconds += 2
    assert await ask_once(second)


async def test_a_lease_that_is_renewed_is_never_over(candidate: Candidates) -> None:
    first, second = candidate("first"), candidate("second")
    await first.take()
    for _ in range(5):
        assert not await ask_once(second)
        second.clock.seconds += SECONDS - 1
        first.clock.seconds += 1
        assert await first._renewed()


async def test_a_released_lease_is_the_next_one_s_at_once(world: RealWorld, candidate: Candidates) -> None:
    first, second = candidate("first", seconds=FOR_EVER), candidate("second")
    await first.take()
    assert not await ask_once(second)
    await first.release()
    assert not first.held
    assert "holderIdentity" not in await spec(world)
    assert await ask_once(second)
    assert (await spec(world))["leaseTransitions"] == 1


async def test_who_does_not_hold_it_releases_nothing(world: RealWorld, candidate: Candidates) -> None:
    first, second = candidate("first"), candidate("second")
    await first.take()
    await second.release()
    assert (await spec(world))["holderIdentity"] == "first"


async def test_a_container_that_is_started_again_takes_its_own_lease_at_once(
    world: RealWorld, candidate: Candidates
) -> None:
    killed, again = candidate("pod-1", seconds=FOR_EVER), candidate("pod-1", seconds=FOR_EVER)
    await killed.take()
    before = await spec(world)
    assert await ask_once(again)
    after = await spec(world)
    assert {**after, "renewTime": ""} == {**before, "renewTime": ""}
    with pytest.raises(LeaseLost, match="pod-1 holds it"):  # should the other one live after all
        await killed._renewed()


async def test_it_is_renewed_while_it_is_kept(world: RealWorld, candidate: Candidates) -> None:
    first = candidate("first", seconds=1)
    await first.take()
    before = await spec(world)
    async with doing(first.keep()):
        while (await spec(world))["renewTime"] == before["renewTime"]:
            pass
    assert first.held
    assert (await spec(world))["acquireTime"] == before["acquireTime"]


async def test_who_was_frozen_writes_nothing_more_and_knows_it_at_once(
    world: RealWorld, client: KubeClient, candidate: Candidates
) -> None:
    frozen = candidate("frozen")
    await frozen.take()
    async with KubeClient.connect(world.control_plane.kubeconfig) as working:
        working.may_write = lambda: frozen.held
        path = f"/api/v1/namespaces/{world.namespace}/configmaps"
        body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"a-"}}'
        assert (await working.send("POST", path, body)).ok
        frozen.clock.seconds += SECONDS
        with pytest.raises(Waiting, match="Lease is over"):
            await working.send("POST", path, body)
        assert (await working.send("GET", path)).ok
    writes = client.writes
    with pytest.raises(LeaseLost, match="not renewed in time"):
        await frozen.keep()
    assert client.writes == writes


async def test_work_ends_before_anybody_else_may_begin(candidate: Candidates) -> None:
    first, second = candidate("first"), candidate("second")
    await first.take()
    assert not await ask_once(second)
    for each in (first, second):
        each.clock.seconds += SECONDS * 0.7
    assert not first.held
    assert not await ask_once(second)


@pytest.mark.parametrize("seconds", [SECONDS, FOR_EVER])
async def test_who_finds_another_holder_ends(world: RealWorld, candidate: Candidates, seconds: int) -> None:
    first = candidate("first", seconds=seconds)
    await first.take()
    await write(world, holderIdentity="somebody-else")
    with pytest.raises(LeaseLost, match="somebody-else holds it"):
        await first._renewed()


async def test_who_finds_no_lease_ends(world: RealWorld, candidate: Candidates) -> None:
    first = candidate("first", seconds=1)
    await first.take()
    await world.kubectl("delete", "lease", "ocdp-operator")
    with pytest.raises(LeaseLost, match="nobody holds it"):
        await first.keep()
    assert not first.held
    assert await ask_once(candidate("first"))


async def test_a_renewal_whose_answer_was_lost_is_known_again(
    world: RealWorld, candidate: Candidates, proxy: FaultyProxy, tmp_path: Path
) -> None:
    async with KubeClient.connect(proxy.kubeconfig(tmp_path / "config")) as shaky:
        first = candidate("first", shaky)
        await first.take()
        before = (await spec(world))["renewTime"]
        proxy.break_next = 1
        assert not await first._renewed()
        assert (await spec(world))["renewTime"] != before
        assert await first._renewed()
        assert first.held


async def test_an_api_server_that_is_away_is_asked_until_the_time_is_over(
    candidate: Candidates, proxy: FaultyProxy, tmp_path: Path
) -> None:
    async with KubeClient.connect(proxy.kubeconfig(tmp_path / "config")) as shaky:
        first = candidate("first", shaky, seconds=1)
        await first.take()
        proxy.refuse("/leases", 503)
        async with doing(first.keep()) as keeping:
            asked = len(proxy.requests)
            await until(lambda: len(proxy.requests) > asked + 3, "it asks again and again")
            assert not keeping.done()
            first.clock.seconds += 1
            with pytest.raises(LeaseLost, match="not renewed in time"):
                await keeping


async def test_who_may_not_have_it_says_so_and_stands_by(
    candidate: Candidates, proxy: FaultyProxy, tmp_path: Path
) -> None:
    async with KubeClient.connect(proxy.kubeconfig(tmp_path / "config")) as shaky:
        first = candidate("first", shaky, seconds=1)
        proxy.refuse("/leases", 403, times=3)
        await first.take()
        assert first.held


async def test_no_lease_is_no_wait(client: KubeClient, world: RealWorld, candidate: Candidates) -> None:
    laptop = candidate("laptop", seconds=0)
    writes = client.writes
    await laptop.take()
    async with doing(laptop.keep()):
        assert laptop.held
    await laptop.release()
    assert client.writes == writes


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    assert since_boot() > 0
    assert since_boot() <= since_boot()
