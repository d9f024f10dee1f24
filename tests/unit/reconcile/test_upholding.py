"""Stopped, started, suspended, and kept through outages: what runs is held to the rendering that the cluster keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.names import CLAIM_UID, RECONCILE_REQUESTED, RENDERING, WORKSPACE
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.plan.keeping import pack, unpack
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

WEB = builders.ref("Deployment", "ide-web")
ENDS = [pytest.param(False, id="the catalog is up"), pytest.param(True, id="PostgreSQL and Git are down")]


@pytest.fixture
async def world() -> World:
    """A claim that is Ready."""
    made = World(app())
    made.ask_for()
    await made.settle()
    return made


def cut_off(world: World, away: bool = True) -> None:
    world.away = world.git_away = away


def replicas(world: World) -> Any:
    return world.raw("Deployment", "ide-web")["spec"]["replicas"]


async def told(world: World, type_: str = "Ready") -> tuple[Truth, Reason] | None:
    condition = (await world.claim()).status.condition_set.get(type_)
    return condition and (condition.status, condition.reason)


def events(world: World) -> list[Reason]:
    return [event.reason for event in world.cluster.events]


@pytest.mark.parametrize("away", ENDS)
async def test_a_stopped_claim_has_no_pods_and_keeps_everything_else(world: World, away: bool):
    before, renders, password = world.live(), world.renders, world.raw("Secret", "ide-credentials")["data"]
    cut_off(world, away)
    world.ask_for(running=False)
    await world.settle()
    assert replicas(world) == 0
    assert world.live() == before
    assert world.raw("Secret", "ide-credentials")["data"] == password
    assert await told(world) == (Truth.FALSE, Reason.STOPPED)
    assert await told(world, "Healthy") == (Truth.UNKNOWN, Reason.STOPPED)
    assert [await told(world, type_) for type_ in ("Reconciling", "Stalled")] == [None, None]
    assert world.renders == renders
    assert events(world).count(Reason.STOPPED) == 1
    assert Reason.DRIFT_CORRECTED not in events(world)


@pytest.mark.parametrize("away", ENDS)
async def test_a_started_claim_is_as_it_was(world: World, away: bool):
    before = {
        str(ref): raw.get("spec") for (_, ref), raw in world.cluster.objects.items() if ref.kind != "Workload"
    }
    cut_off(world, away)
    world.ask_for(running=False)
    await world.settle()
    world.restart()
    world.ask_for()
    await world.settle()
    after = {
        str(ref): raw.get("spec") for (_, ref), raw in world.cluster.objects.items() if ref.kind != "Workload"
    }
    assert after == before
    assert await told(world) == (Truth.TRUE, Reason.AVAILABLE)
    assert events(world).count(Reason.STARTED) == 1


async def test_a_stop_is_one_write_for_each_object_with_pods_beside_the_status(world: World):
    writes = world.cluster.writes
    world.ask_for(running=False)
    writes += 1  # ours, as the user
    await world.reconcile()
    objects, statuses, told_of = 1, 1, 1
    assert world.cluster.writes - writes <= objects + statuses + told_of + 1  # and the Workload's status
    world.make_healthy()
    await world.settle()
    writes = world.cluster.writes
    await world.reconcile(12)
    assert world.cluster.writes == writes


async def test_a_claim_that_is_made_stopped_gets_everything_but_pods():
    world = World(app())
    world.ask_for(running=False)
    await world.settle()
    assert replicas(world) == 0
    assert await told(world) == (Truth.FALSE, Reason.STOPPED)
    assert not any(item.healthy for item in (await world.claim()).status.history)
    world.ask_for()
    await world.settle()
    assert replicas(world) == 1
    assert await told(world) == (Truth.TRUE, Reason.AVAILABLE)


async def test_new_values_reach_a_stopped_claim_and_it_stays_stopped(world: World):
    world.ask_for(running=False)
    await world.settle()
    world.manifests = app(service("ide-more"))
    world.ask_for(running=False, values={"more": True})
    await world.settle()
    assert "Service/ide-more" in world.live()
    assert replicas(world) == 0
    assert await told(world) == (Truth.FALSE, Reason.STOPPED)


async def test_a_stop_is_carried_out_whatever_else_is_refused(world: World):
    world.ask_for(running=False, values={"password": "mine"})
    await world.settle()
    assert replicas(world) == 0
    assert await told(world) == (Truth.FALSE, Reason.INVALID_VALUES)
    world.ask_for(values={"password": "mine"})
    await world.settle()
    assert replicas(world) == 0, "nothing is started for a spec that is refused"
    assert await told(world, "Healthy") == (Truth.UNKNOWN, Reason.STOPPED)
    assert Reason.STARTED not in events(world)


async def test_a_start_with_other_values_waits_for_the_catalog(world: World):
    world.ask_for(running=False)
    await world.settle()
    cut_off(world)
    world.ask_for(values={"greeting": "new"})
    await world.settle()
    assert replicas(world) == 0
    assert await told(world) == (Truth.UNKNOWN, Reason.CATALOG_UNAVAILABLE)


async def test_drift_is_repaired_without_a_rendering(world: World):
    renders = world.renders
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    world.cluster.edit(builders.NAMESPACE, WEB, {"spec": {"replicas": 7}})
    await world.settle()
    assert replicas(world) == 1
    assert "Service/ide-web" in world.live()
    assert world.renders == renders


@pytest.mark.parametrize("restarted", [False, True], ids=["goes on", "restarts in the outage"])
async def test_drift_is_repaired_in_an_outage_and_ready_stays(world: World, restarted: bool):
    cut_off(world)
    if restarted:
        world.restart()
    world.cluster.remove(builders.NAMESPACE, WEB)
    await world.settle()
    assert replicas(world) == 1
    assert await told(world) == (Truth.TRUE, Reason.AVAILABLE)
    assert await told(world, "TemplateResolved") == (Truth.UNKNOWN, Reason.CATALOG_UNAVAILABLE)
    writes = world.cluster.writes
    await world.reconcile(12)
    assert world.cluster.writes == writes


async def test_an_edit_that_git_holds_up_leaves_the_old_generation_upheld(world: World):
    world.git_away = True
    world.manifests = app(service("ide-more"))
    world.ask_for(values={"more": True})
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.reconcile(3)
    assert "Service/ide-web" in world.live()
    assert "Service/ide-more" not in world.live()
    assert await told(world) == (Truth.UNKNOWN, Reason.GIT_OPERATION_FAILED)


async def test_drift_of_a_refused_claim_is_repaired(world: World):
    world.ask_for(values={"password": "mine"})
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.settle()
    assert "Service/ide-web" in world.live()
    assert await told(world) == (Truth.FALSE, Reason.INVALID_VALUES)


async def test_nothing_is_written_into_a_namespace_of_another_workspace(world: World):
    cut_off(world)
    world.cluster.namespaces[builders.NAMESPACE]["labels"] = {WORKSPACE: "another"}
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.reconcile(3)
    assert "Service/ide-web" not in world.live()


async def test_what_somebody_put_into_the_workload_is_not_applied(world: World):
    forged = builders.manifest("Service", "ide-web", spec={"type": "ExternalName", "externalName": "evil"})
    world.raw("Workload", "ide")["metadata"]["annotations"][RENDERING] = pack([forged])
    cut_off(world)
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.reconcile(3)
    assert "Service/ide-web" not in world.live()
    cut_off(world, False)
    await world.catalog_is_back()
    await world.settle()
    assert world.raw("Service", "ide-web")["spec"].get("type") != "ExternalName"


def lose_what_is_kept(world: World) -> None:
    del world.raw("Workload", "ide")["metadata"]["annotations"][RENDERING]


async def test_a_stop_that_nothing_kept_allows_is_carried_out_after_the_outage(world: World):
    lose_what_is_kept(world)
    cut_off(world)
    world.ask_for(running=False)
    await world.reconcile(3)
    assert replicas(world) == 1
    assert await told(world) == (Truth.UNKNOWN, Reason.CATALOG_UNAVAILABLE)
    cut_off(world, False)
    await world.catalog_is_back()
    await world.settle()
    assert replicas(world) == 0
    assert await told(world) == (Truth.FALSE, Reason.STOPPED)


async def test_a_start_that_nothing_kept_allows_is_carried_out_after_the_outage(world: World):
    world.ask_for(running=False)
    await world.settle()
    lose_what_is_kept(world)
    cut_off(world)
    world.ask_for()
    await world.reconcile(3)
    assert replicas(world) == 0
    assert (await told(world) or ("",))[0] is not Truth.TRUE
    cut_off(world, False)
    await world.catalog_is_back()
    await world.settle()
    assert replicas(world) == 1
    assert await told(world) == (Truth.TRUE, Reason.AVAILABLE)


async def test_a_stop_comes_through_an_apply_that_is_not_finished(world: World):
    """The edit is refused half way, and then the catalog goes away: the app is stopped all the same."""
    world.manifests = app(service("ide-taken"))
    world.cluster.put(builders.NAMESPACE, dict(service("ide-taken").body))
    world.ask_for(values={"more": True})
    await world.reconcile(2)
    assert await told(world, "Applied") == (Truth.FALSE, Reason.OWNERSHIP_CONFLICT)
    cut_off(world)
    world.ask_for(values={"more": True}, running=False)
    await world.reconcile(2)
    assert replicas(world) == 0
    writes = world.cluster.writes
    await world.reconcile(5)
    assert world.cluster.writes == writes


async def test_a_look_that_met_an_outage_is_not_over(world: World):
    cut_off(world)
    world.cluster.annotate_claim(KEY, **{RECONCILE_REQUESTED: "now"})
    await world.reconcile(2)
    assert (await world.claim()).status.last_handled_reconcile_at == ""
    cut_off(world, False)
    await world.catalog_is_back()
    await world.settle()
    assert (await world.claim()).status.last_handled_reconcile_at == "now"


async def test_what_is_kept_is_believed_only_as_a_whole(world: World):
    """Also a change that no digest of an object would tell."""
    annotations = world.raw("Workload", "ide")["metadata"]["annotations"]
    kept = list(unpack(annotations[RENDERING]))
    annotations[RENDERING] = pack(kept[:-1])
    cut_off(world)
    world.cluster.remove(builders.NAMESPACE, kept[0].ref)
    await world.reconcile(3)
    assert str(kept[0].ref) not in world.live()


async def test_a_claim_without_a_kept_rendering_is_rendered_for_its_drift(world: World):
    del world.raw("Workload", "ide")["metadata"]["annotations"][RENDERING]
    renders = world.renders
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.settle()
    assert "Service/ide-web" in world.live()
    assert world.renders == renders + 1


async def test_a_suspended_claim_is_left_alone_and_its_drift_told(world: World):
    world.ask_for(suspend=True)
    await world.settle()
    assert await told(world) == (Truth.TRUE, Reason.AVAILABLE)
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert "suspended" in ready.message
    world.cluster.edit(builders.NAMESPACE, WEB, {"spec": {"replicas": 7}})
    await world.settle()
    assert replicas(world) == 7
    assert await told(world, "Drifted") == (Truth.TRUE, Reason.DRIFT_DETECTED)
    drifted = (await world.claim()).status.condition_set.get("Drifted")
    assert drifted is not None
    assert drifted.message == (
        "Not as applied: Deployment/ide-web: spec.replicas is 7, not 1, set by kubectl. "
        "It is put right when spec.suspend is taken away."
    )
    world.ask_for()
    await world.settle()
    assert replicas(world) == 1
    assert await told(world, "Drifted") is None


async def test_drift_of_a_suspended_claim_is_looked_up_once(world: World, monkeypatch: pytest.MonkeyPatch):
    asked: list[ObjectRef] = []
    read = world.cluster.read

    async def counted(namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        asked.append(ref)
        return await read(namespace, ref)

    monkeypatch.setattr(world.cluster, "read", counted)
    world.ask_for(suspend=True)
    await world.settle()
    world.cluster.edit(builders.NAMESPACE, WEB, {"spec": {"replicas": 7}})
    await world.settle()
    await world.reconcile(5)
    assert asked == [WEB]
    world.cluster.edit(builders.NAMESPACE, WEB, {"metadata": {"labels": {WORKSPACE: "x"}}}, manager="rival")
    await world.settle()
    assert asked == [WEB, WEB]
    drifted = (await world.claim()).status.condition_set.get("Drifted")
    assert drifted is not None
    assert "set by rival" in drifted.message
    world.restart()
    writes = world.cluster.writes
    await world.reconcile(2)
    assert world.cluster.writes == writes


async def test_what_is_asked_of_a_suspended_claim_waits_and_says_so(world: World):
    world.manifests = app(service("ide-more"))
    world.ask_for(suspend=True, values={"more": True})
    await world.settle()
    assert "Service/ide-more" not in world.live()
    assert await told(world) == (Truth.UNKNOWN, Reason.SUSPENDED)
    assert await told(world, "Reconciling") is None
    claim = await world.claim()
    assert claim.status.observed_generation == claim.generation
    world.ask_for(values={"more": True})
    await world.settle()
    assert "Service/ide-more" in world.live()


async def test_a_suspended_claim_is_deleted_like_any_other(world: World):
    world.ask_for(suspend=True)
    await world.settle()
    world.cluster.delete_claim(KEY)
    for _ in range(6):
        await world.reconcile()
    assert KEY not in world.cluster.claims
    assert "Deployment/ide-web" not in world.live()


async def test_a_claim_that_is_made_suspended_gets_nothing():
    world = World(app())
    world.ask_for(suspend=True)
    await world.settle()
    assert world.live() == set()
    assert await told(world) == (Truth.UNKNOWN, Reason.SUSPENDED)


async def test_a_look_that_is_asked_for_is_thorough_and_echoed(world: World):
    await world.reconcile()
    world.cluster.remove(builders.NAMESPACE, builders.ref("Secret", "ide-credentials"))
    await world.reconcile(2)
    assert "Secret/ide-credentials" not in world.live()
    world.cluster.annotate_claim(KEY, **{RECONCILE_REQUESTED: "now"})
    await world.settle()
    assert "Secret/ide-credentials" in world.live()
    assert (await world.claim()).status.last_handled_reconcile_at == "now"
    writes = world.cluster.writes
    await world.reconcile(3)
    assert world.cluster.writes == writes


async def test_an_object_that_lost_our_label_is_labelled_again(world: World):
    world.cluster.edit(
        builders.NAMESPACE, builders.ref("Service", "ide-web"), {"metadata": {"labels": {CLAIM_UID: None}}}
    )
    await world.settle()
    claim: WorkloadClaim = await world.claim()
    assert world.raw("Service", "ide-web")["metadata"]["labels"][CLAIM_UID] == claim.uid
