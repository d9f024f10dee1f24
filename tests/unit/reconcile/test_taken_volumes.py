"""A StatefulSet's controller mounts whatever has the name: so no set is sent where that is not its claim's."""

from __future__ import annotations

import copy
import json

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.names import ADOPT, RETAINED
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app
from tests.support.set_world import OF_SET, SELECTOR, TOMBSTONE, database, failure, put_volume, with_a_volume


@pytest.fixture
async def world() -> World:
    """A claim with a set of one pod, whose volume is there."""
    return await with_a_volume()


async def test_a_set_takes_no_volume_that_somebody_made_by_its_name_alone():
    """Its controller would mount it, and under Delete take it along."""
    world = World([database()])
    world.revision = builders.template()
    put_volume(world, labels={"app": "somebody's"})
    before = copy.deepcopy(world.raw(*OF_SET))
    world.ask_for()
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "PersistentVolumeClaim/data-ide-db-0 exists already" in refused.message
    assert world.raw(*OF_SET) == before
    assert "StatefulSet/ide-db" not in world.live()

    assert "kubectl label pvc -n ns-a data-ide-db-0 app.kubernetes.io/instance=ide" in refused.remedy
    world.raw(*OF_SET)["metadata"]["labels"]["app.kubernetes.io/instance"] = "ide"
    assert await failure(world) is None
    assert "StatefulSet/ide-db" in world.live()


@pytest.mark.parametrize("adopted", [False, True], ids=["as it is", "with a forged tombstone"])
async def test_a_set_takes_no_volume_of_another_claim_that_lives(adopted: bool):
    world = World([database()])
    world.revision = builders.template()
    kept = {RETAINED: json.dumps(TOMBSTONE)} if adopted else {}
    mark = "1 ns-a/data-ide core/PersistentVolumeClaim/data-ide-db-0"
    put_volume(world, annotations={"ocdp.io/owner": mark, **kept})
    before = copy.deepcopy(world.raw(*OF_SET))
    world.ask_for()
    world.cluster.annotate_claim(KEY, **{ADOPT: "former"})
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert refused.remedy == "Rename the claim, or remove the object that is in the way."
    assert world.raw(*OF_SET) == before
    assert "StatefulSet/ide-db" not in world.live()


NEXT = ("PersistentVolumeClaim", "data-ide-db-1")


async def test_a_set_that_grows_takes_no_volume_that_somebody_made(world: World):
    """Under Delete its controller would take that one along with its own."""
    put_volume(world, NEXT[1], labels={"app": "somebody's"})
    before = copy.deepcopy(world.raw(*NEXT))
    world.manifests = app(database(replicas=2))
    world.ask_for(values={"greeting": "other"})
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "PersistentVolumeClaim/data-ide-db-1 exists already" in refused.message
    assert world.raw("StatefulSet", "ide-db")["spec"]["replicas"] == 1
    assert world.raw(*NEXT) == before

    del world.cluster.objects[(builders.NAMESPACE, builders.ref(*NEXT))]
    assert await failure(world) is None
    assert world.raw("StatefulSet", "ide-db")["spec"]["replicas"] == 2


async def test_a_set_that_is_made_anew_takes_its_own_volumes_and_no_other(world: World):
    world.raw(*OF_SET)["metadata"]["labels"] = {"app": "somebody's"}
    before = copy.deepcopy(world.raw(*OF_SET))
    world.cluster.remove(builders.NAMESPACE, builders.ref("StatefulSet", "ide-db"))
    assert (await failure(world)).code is Reason.OWNERSHIP_CONFLICT
    assert "StatefulSet/ide-db" not in world.live()
    assert world.raw(*OF_SET) == before
    world.raw(*OF_SET)["metadata"]["labels"] = dict(SELECTOR)
    assert await failure(world) is None
    assert "StatefulSet/ide-db" in world.live()


async def test_a_volume_beyond_its_pods_is_in_no_sets_way():
    world = World([database()])
    world.revision = builders.template()
    put_volume(world)
    put_volume(world, NEXT[1], labels={"app": "somebody's"})
    world.ask_for()
    assert await failure(world) is None
    assert "StatefulSet/ide-db" in world.live()


async def test_a_volume_that_is_labelled_as_anothers_is_not_offered(world: World):
    others = World([database()])
    others.revision = builders.template()
    put_volume(others, labels={"app.kubernetes.io/instance": "somebody's"})
    others.ask_for()
    refused = await failure(others)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "kubectl label" not in refused.remedy
