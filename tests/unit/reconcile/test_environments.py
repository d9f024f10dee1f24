"""A claim in its environment: profiles reach what it runs, under its upgrade policy, and change nothing that cannot change."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.names import ADOPT, IN_FORCE
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app


def publish(world: World, revision: int, **body: object) -> None:
    """The cluster's profile says this from now on."""
    world.every_profile.append(builders.profile("cluster", "local", revision=revision, **body))


async def started(**spec: object) -> World:
    """A claim that is Ready, in an environment with a profile."""
    world = World(app())
    publish(world, 1, storageClass="first", labels={"x/site": "east"}, registry={"prefix": "r.test"})
    world.ask_for(**spec)
    await world.settle()
    return world


async def profiles(world: World) -> list[str]:
    return [str(ref) for ref in (await world.claim()).status.profiles]


def site(world: World) -> str | None:
    return world.raw("Deployment", "ide-web")["spec"]["template"]["metadata"]["labels"].get("x/site")


async def test_a_new_claim_takes_the_newest_profiles_and_records_them():
    world = await started()
    assert await profiles(world) == ["local@1"]
    assert world.raw("PersistentVolumeClaim", "ide-data")["spec"]["storageClassName"] == "first"
    pod = world.raw("Deployment", "ide-web")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "r.test/library/app:1"
    assert world.raw("Workload", "ide")["spec"]["profiles"] == [{"id": "local", "revision": 1}]
    assert site(world) == "east"


async def test_under_manual_a_profile_waits_for_the_pin():
    world = await started()
    publish(world, 2, labels={"x/site": "west"})
    writes = world.cluster.writes
    await world.reconcile(3)
    assert (await profiles(world), site(world)) == (["local@1"], "east")
    assert world.cluster.writes == writes + 2, "its status and one event"
    world.ask_for(templateRevision=1)
    await world.settle()
    assert (await profiles(world), site(world)) == (["local@2"], "west")
    assert (await world.claim()).status.available_profiles == ()


async def test_under_manual_a_profile_waits_for_the_policy():
    world = await started()
    publish(world, 2, labels={"x/site": "west"})
    await world.settle()
    world.ask_for(upgradePolicy="Auto")
    await world.settle()
    assert (await profiles(world), site(world)) == (["local@2"], "west")


async def test_under_auto_a_profile_reaches_the_claim():
    world = await started(upgradePolicy="Auto")
    publish(world, 2, labels={"x/site": "west"})
    await world.settle()
    assert (await profiles(world), site(world)) == (["local@2"], "west")
    assert not [event for event in world.cluster.events if event.reason is Reason.UPDATE_AVAILABLE]


@pytest.mark.parametrize("body", [{"storageClass": "second"}, {}], ids=["another class", "no class"])
async def test_a_volume_keeps_its_class_under_another_profile(body: dict[str, str]):
    world = await started(upgradePolicy="Auto")
    publish(world, 2, labels={"x/site": "west"}, **body)
    await world.settle()
    assert await profiles(world) == ["local@2"]
    assert world.raw("PersistentVolumeClaim", "ide-data")["spec"]["storageClassName"] == "first"
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.status is Truth.TRUE


async def test_a_volume_keeps_its_class_when_no_profile_is_left():
    world = await started(upgradePolicy="Auto")
    world.every_profile.clear()
    await world.settle()
    assert await profiles(world) == []
    world.ask_for(upgradePolicy="Auto", values={"storageGi": 21})
    await world.settle()
    assert world.raw("PersistentVolumeClaim", "ide-data")["spec"]["storageClassName"] == "first"
    assert site(world) is None


async def test_a_volume_that_lives_with_the_default_class_keeps_it():
    """The class that the API server chose is sent once with the next rendering, and nothing after that."""
    world = World(app())
    world.ask_for()
    await world.settle()
    volume = builders.ref("PersistentVolumeClaim", "ide-data")
    world.cluster.edit(builders.NAMESPACE, volume, {"spec": {"storageClassName": "standard"}})
    world.ask_for(values={"storageGi": 21})
    await world.settle()
    assert world.raw("PersistentVolumeClaim", "ide-data")["spec"]["storageClassName"] == "standard"
    writes, renders = world.cluster.writes, world.renders
    world.restart()
    await world.settle()
    assert (world.cluster.writes, world.renders) == (writes, renders)


async def test_a_volume_that_is_taken_over_keeps_its_class():
    world = await started()
    uid = (await world.claim()).uid
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    publish(world, 2, storageClass="second")
    world.ask_for()
    world.cluster.claims[KEY]["metadata"]["annotations"] = {ADOPT: uid}
    await world.settle()
    assert await profiles(world) == ["local@2"]
    assert world.raw("PersistentVolumeClaim", "ide-data")["spec"]["storageClassName"] == "first"


async def test_profiles_that_the_catalog_lost_stop_updates_and_not_what_runs():
    world = await started()
    before = world.live()
    world.every_profile.clear()
    await world.reconcile(2)
    status = (await world.claim()).status
    assert status.failure is not None
    assert status.failure.code == Reason.REVISION_NOT_FOUND
    assert "local@1" in status.failure.message
    assert world.live() == before
    assert await profiles(world) == ["local@1"]


async def test_a_settled_claim_is_left_alone():
    world = await started()
    writes, renders = world.cluster.writes, world.renders
    world.restart()
    await world.reconcile(3)
    assert (world.cluster.writes, world.renders) == (writes, renders)


NEEDS_A_CLASS = {
    "from": "profile.storageClass",
    "patch": {"kind": "PersistentVolumeClaim", "name": "data", "pointer": "/spec/storageClassName"},
}


async def test_a_new_claim_that_was_refused_takes_the_next_revision():
    world = World(app(), revision=builders.template(schema={"type": "object"}, mappings=[NEEDS_A_CLASS]))
    world.ask_for()
    await world.reconcile(2)
    claim = await world.claim()
    assert claim.status.failure is not None
    assert claim.status.failure.code == Reason.PROFILE_INCOMPLETE
    assert not claim.finalizers
    assert IN_FORCE not in claim.annotations
    world.revision = builders.template(2, schema={"type": "object"})
    await world.settle()
    claim = await world.claim()
    assert claim.status.template is not None
    assert claim.status.template.revision == 2
    assert claim.annotations[IN_FORCE] == f"2@{builders.COMMIT}"
    assert claim.has_finalizer


async def test_a_new_claim_that_was_refused_takes_the_next_profile():
    world = World(app())
    publish(world, 1, labels={"ocdp.io/bad": "a"})
    world.ask_for()
    await world.reconcile(2)
    assert (await world.claim()).status.failure is not None
    publish(world, 2, labels={"x/site": "a"})
    await world.settle()
    assert (await profiles(world), site(world)) == (["local@2"], "a")


async def test_a_running_claim_that_is_refused_gets_its_finalizer_back_all_the_same():
    """What is on record must be released."""
    world = await started(upgradePolicy="Auto")
    world.cluster.claims[KEY]["metadata"]["finalizers"] = []
    world.restart()
    publish(world, 2, labels={"ocdp.io/bad": "a"})
    await world.reconcile()
    assert [event.reason for event in world.cluster.events][-1] is Reason.UPGRADE_FAILED
    claim = await world.claim()
    assert claim.has_finalizer
    assert site(world) == "east"


async def test_an_immutable_value_may_be_changed_until_something_was_applied():
    schema = {"properties": {"cls": {"type": "string", "x-ocdp": {"immutable": True}}}}
    world = World(app(), revision=builders.template(schema={"type": "object", **schema}))
    volume = builders.ref("PersistentVolumeClaim", "ide-data")
    world.cluster.refuse[volume] = Stalled(Reason.APPLY_FAILED, "no such class")
    world.ask_for(values={"cls": "typo"})
    await world.reconcile(2)
    world.cluster.refuse.clear()
    world.ask_for(values={"cls": "right"})
    await world.settle()
    assert (await world.claim()).status.failure is None
    world.ask_for(values={"cls": "other"})
    await world.reconcile(2)
    failure = (await world.claim()).status.failure
    assert failure is not None
    assert failure.code == Reason.INVALID_VALUES
