"""Orphans are told of once, after a while, when one GET confirms it; deleting them is asked for."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.kinds import SERVICE
from ocdp_operator.reconcile.sweeping import OrphanSweeping
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

DATA = {"PersistentVolumeClaim/ide-data", "Secret/ide-credentials"}


class Sweeper:
    """A sweeper over a world, with a clock of the test's own."""

    def __init__(self, world: World, *, delete: bool = False) -> None:
        self.now, self.world = 0.0, world
        self.sweeping = OrphanSweeping(
            world.claims,
            world.cluster.observations,
            world.cluster,
            lambda: self.now,
            after=600,
            delete=delete,  # type: ignore[arg-type]
        )

    async def at(self, seconds: float) -> int:
        """How many are found then."""
        self.now = seconds
        await self.sweeping.sweep()
        return self.sweeping.count

    @property
    def told(self) -> list[str]:
        events = self.world.cluster.events
        return [event.message for event in events if event.reason is Reason.ORPHANS_FOUND]


@pytest.fixture
async def world() -> World:
    """A claim was Ready, and is gone with its finalizer taken away."""
    made = World(app(service("ide-more")))
    made.ask_for()
    await made.settle()
    claim = made.cluster.claims.pop(KEY)
    made.claims.remove(KEY, claim["metadata"]["uid"])
    return made


async def test_orphans_are_told_of_once_and_stay(world: World):
    sweeper, before = Sweeper(world), world.live()
    assert await sweeper.at(0) == 0
    assert await sweeper.at(599) == 0
    assert await sweeper.at(600) == 5
    assert await sweeper.at(1300) == 5
    assert len(sweeper.told) == 1
    assert "Service/ide-more" in sweeper.told[0]
    assert not any(name in sweeper.told[0] for name in DATA)
    assert world.live() == before


async def test_orphans_are_deleted_where_that_is_wanted_and_data_stays(world: World):
    sweeper = Sweeper(world, delete=True)
    await sweeper.at(0)
    await sweeper.at(600)
    assert world.live() == DATA
    assert await sweeper.at(1300) == 0


async def test_a_claim_that_the_store_does_not_know_is_asked_for(world: World):
    sweeper = Sweeper(world, delete=True)
    uid = next(each.labels["ocdp.io/claim-uid"] for each in _seen(world))
    world.ask_for()
    world.cluster.claims[KEY]["metadata"]["uid"] = uid
    await sweeper.at(0)
    assert await sweeper.at(600) == 0
    assert sweeper.told == []
    assert "Service/ide-more" in world.live()


async def test_nothing_is_deleted_while_another_claim_has_the_name(world: World):
    sweeper = Sweeper(world, delete=True)
    world.ask_for()
    await sweeper.at(0)
    assert await sweeper.at(600) == 5
    assert len(sweeper.told) == 1
    assert "Service/ide-more" in world.live()


async def test_nothing_is_judged_before_everything_is_listed(world: World):
    sweeper = Sweeper(world)
    world.cluster.observations.unlisted.add(SERVICE.kind)
    await sweeper.at(0)
    assert await sweeper.at(600) == 0
    world.cluster.observations.unlisted.clear()
    await sweeper.at(700)
    assert await sweeper.at(1299) == 0
    assert await sweeper.at(1300) == 5


def _seen(world: World) -> list:
    observations = world.cluster.observations
    return [each for owner in observations.owners() for each in observations.of_claim(*owner).values()]


async def test_an_object_that_was_replaced_meanwhile_is_left_alone(world: World):
    sweeper = Sweeper(world, delete=True)
    await sweeper.at(0)
    world.cluster.observations.lagging = True
    ref = builders.ref("Service", "ide-more")
    world.cluster.remove(builders.NAMESPACE, ref)
    theirs = builders.manifest("Service", "ide-more", spec={"ports": [{"port": 1}]})
    world.cluster.put(builders.NAMESPACE, dict(theirs.body))
    await sweeper.at(600)
    assert world.live() == {*DATA, "Service/ide-more"}
