"""A claim under Auto takes a newer revision, and goes back to the last good one when that fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.claim import TemplateInForce
from ocdp_operator.model.conditions import Truth
from ocdp_operator.reconcile.rollout import Terms
from tests.support import builders
from tests.support.pipeline_world import PASSWORD, World, app

TIGHT = {**PASSWORD, "schema": {**PASSWORD["schema"], "required": ["size"]}}
START = datetime(2026, 1, 1, tzinfo=UTC)


def revision(number: int, **body: Any) -> Any:
    return builders.template(number, commit=f"{number}" * 40, **(PASSWORD | body))


@pytest.fixture
async def world() -> World:
    """A claim that follows its template and is Ready on revision 1."""
    made = World(app(), revision=revision(1))
    made.ask_for(upgradePolicy="Auto")
    await made.settle()
    return made


async def template(world: World) -> TemplateInForce:
    found = (await world.claim()).status.template
    assert found is not None
    return found


def told(world: World) -> list[Reason]:
    return [event.reason for event in world.cluster.events]


def later(world: World, seconds: float) -> None:
    moment = START + timedelta(seconds=seconds)
    world.reconciler.now = world.reconciler.rollouts.now = lambda: moment


def crash(world: World) -> None:
    """Its pods do not come up."""
    ref = builders.ref("Deployment", "ide-web")
    generation = world.raw(*str(ref).split("/"))["metadata"]["generation"]
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    world.cluster.set_status(builders.NAMESPACE, ref, observedGeneration=generation, conditions=[stuck])


def publish_other(world: World) -> None:
    """A revision that changes what the pods are."""
    world.revision, world.manifests = revision(2), app(greeting="7b9d2mkf5t")


async def test_a_newer_revision_is_taken_and_told_when_the_claim_is_well_on_it(world: World):
    world.revision = revision(2)
    await world.settle()
    assert (await template(world)).revision == 2
    assert told(world)[-1] is Reason.UPGRADE_COMPLETE
    assert Reason.UPDATE_AVAILABLE not in told(world)


async def test_a_claim_whose_turn_it_is_not_stays_and_says_so_without_another_write(world: World):
    world.reconciler.rollouts.terms = Terms(concurrency=0)
    world.revision = revision(2)
    await world.reconcile()
    writes = world.cluster.writes
    await world.reconcile(3)
    claim = await world.claim()
    assert ((await template(world)).revision, (await template(world)).available) == (1, 2)
    resolved = claim.status.condition_set.get("TemplateResolved")
    assert resolved is not None
    assert "this claim's turn" in resolved.message
    assert claim.status.condition_set.is_true("Ready")
    assert world.cluster.writes == writes


async def test_a_halted_rollout_is_told_once_over_restarts_too(world: World):
    world.revision = revision(2)
    for _ in range(2):
        world.reconciler.rollouts.terms = Terms(failures=0)
        await world.reconcile(3)
        world.restart()
    assert told(world).count(Reason.ROLLOUT_HALTED) == 1
    assert (await template(world)).revision == 1


async def test_a_revision_that_refuses_the_values_is_not_taken_and_what_runs_is_not_touched(world: World):
    before = dict(world.cluster.objects)
    renders = world.renders
    world.revision = revision(2, **TIGHT)
    await world.settle()
    claim = await world.claim()
    assert ((await template(world)).revision, (await template(world)).failed) == (1, 2)
    assert claim.status.condition_set.is_true("Ready")
    assert claim.status.failure is None
    assert told(world)[-1] is Reason.UPGRADE_FAILED
    assert world.renders == renders
    assert {ref for _, ref in world.cluster.objects} == {ref for _, ref in before}
    await world.reconcile(3)
    assert told(world).count(Reason.UPGRADE_FAILED) == 1
    world.revision = revision(3)
    await world.settle()
    assert ((await template(world)).revision, (await template(world)).failed) == (3, None)


async def test_pods_that_fail_on_a_newer_revision_bring_the_claim_back(world: World):
    publish_other(world)
    await world.reconcile(2)
    crash(world)
    await world.reconcile()
    assert ((await template(world)).revision, (await template(world)).failed) == (2, None)
    later(world, 301)
    await world.reconcile()
    assert ((await template(world)).revision, (await template(world)).failed) == (1, 2)
    world.manifests = app()
    await world.settle()
    claim = await world.claim()
    assert claim.status.condition_set.is_true("Ready")
    assert claim.status.history[0].revision == 1
    assert "ConfigMap/ide-config-7b9d2mkf5t" not in world.live()
    assert told(world).count(Reason.UPGRADE_FAILED) == 1
    assert world.raw("Workload", "ide")["spec"]["templateRevision"] == 1


async def test_a_restart_in_the_middle_of_going_back_ends_the_same(world: World):
    publish_other(world)
    await world.reconcile(2)
    crash(world)
    await world.reconcile()
    later(world, 301)
    await world.reconcile()
    world.restart()
    later(world, 302)
    await world.settle()
    assert ((await template(world)).revision, (await template(world)).failed) == (1, 2)
    assert (await world.claim()).status.condition_set.is_true("Ready")


async def test_values_that_are_edited_meanwhile_are_no_failure_of_the_revision(world: World):
    world.revision = revision(2, **TIGHT)
    world.ask_for(upgradePolicy="Auto", values={"size": 3})
    await world.settle()
    assert ((await template(world)).revision, (await template(world)).failed) == (2, None)


@pytest.mark.parametrize("spec", [{}, {"templateRevision": 1}], ids=["Manual", "pinned"])
async def test_only_the_owner_moves_a_claim_that_is_not_under_auto(spec: dict[str, Any]):
    world = World(app(), revision=revision(1))
    world.ask_for(**spec)
    await world.settle()
    world.revision = revision(2)
    await world.settle()
    crash(world)
    later(world, 3000)
    await world.reconcile(3)
    assert (await template(world)).revision == 1
    world.ask_for(templateRevision=2)
    await world.reconcile(2)
    crash(world)
    later(world, 6000)
    await world.reconcile(3)
    assert (await template(world)).revision == 2
    healthy = (await world.claim()).status.condition_set.get("Healthy")
    assert healthy is not None
    assert healthy.status is Truth.FALSE
    assert Reason.UPGRADE_FAILED not in told(world)


async def test_an_edit_that_is_refused_while_the_claim_becomes_well_is_no_failure_of_its_revision(
    world: World,
):
    sized = {"schema": {"type": "object", "properties": {"size": {"type": "integer"}}}, "mappings": []}
    world.revision = revision(2, **sized)
    await world.reconcile(2)
    assert (await template(world)).revision == 2
    world.ask_for(upgradePolicy="Auto", values={"size": "large"})
    await world.reconcile(4)
    failure = (await world.claim()).status.failure
    assert failure is not None
    assert failure.code is Reason.INVALID_VALUES
    assert ((await template(world)).revision, (await template(world)).failed) == (2, None)


async def test_a_claim_goes_back_to_its_profiles_too(world: World):
    world.every_profile.append(builders.profile("cluster", "local", revision=1))
    await world.settle()
    kept = (await world.claim()).status.profiles
    world.every_profile.append(builders.profile("cluster", "local", revision=2, labels={"x/site": "west"}))
    publish_other(world)
    world.cluster.refuse[builders.ref("Deployment", "ide-web")] = Stalled(Reason.APPLY_FAILED, "No.")
    await world.reconcile()
    claim = await world.claim()
    assert ((await template(world)).revision, (await template(world)).failed) == (1, 2)
    assert claim.status.profiles == kept
    world.cluster.refuse.clear()
    world.manifests = app()
    await world.settle()
    claim = await world.claim()
    assert claim.status.profiles == kept
    assert claim.status.condition_set.is_true("Ready")


async def test_a_claim_that_goes_back_later_has_the_profiles_that_it_was_well_with(world: World):
    world.every_profile.append(builders.profile("cluster", "local", revision=1))
    await world.settle()
    kept = (await world.claim()).status.profiles
    world.every_profile.append(builders.profile("cluster", "local", revision=2, labels={"x/site": "west"}))
    publish_other(world)
    await world.reconcile(2)
    crash(world)
    await world.reconcile()
    assert (await world.claim()).status.profiles != kept
    later(world, 301)
    await world.reconcile()
    world.manifests = app()
    await world.settle()
    assert ((await template(world)).revision, (await template(world)).failed) == (1, 2)
    assert (await world.claim()).status.profiles == kept
    assert (await world.claim()).status.condition_set.is_true("Ready")


@pytest.mark.parametrize("spec", [{}, {"suspend": True}], ids=["an error", "suspended"])
async def test_a_claim_that_fails_for_long_and_cannot_go_back_is_not_looked_at_every_second(
    world: World, spec: dict[str, Any]
):
    publish_other(world)
    await world.reconcile(2)
    crash(world)
    await world.reconcile()
    world.ask_for(upgradePolicy="Auto", **spec)
    world.away = not spec
    later(world, 301)
    await world.reconcile()
    delays: list[float] = []
    world.reconciler.queue.add = lambda key, after=0.0: delays.append(after)  # type: ignore[method-assign]
    await world.reconcile()
    assert delays
    assert min(delays) > 10
