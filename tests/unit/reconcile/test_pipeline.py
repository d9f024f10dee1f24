"""The path of one claim over fakes: what is written, in which order, and what never is."""

from __future__ import annotations

import base64

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.claim import ClaimStatus, WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.names import ADOPT, FINALIZER
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

OBJECTS = {
    "ConfigMap/ide-config-bbcdfghkmt",
    "PersistentVolumeClaim/ide-data",
    "Service/ide-web",
    "Deployment/ide-web",
    "Secret/ide-credentials",
    "Workload/ide",
}


@pytest.fixture
async def world() -> World:
    """A claim that is Ready."""
    made = World(app())
    made.ask_for()
    await made.settle()
    return made


def reason(claim: WorkloadClaim, type_: str) -> tuple[Truth, Reason]:
    condition = claim.status.condition_set.get(type_)
    assert condition is not None, f"no condition {type_}"
    return condition.status, condition.reason


def reasons(world: World) -> list[Reason]:
    return [event.reason for event in world.cluster.events]


async def test_a_claim_becomes_ready(world: World):
    claim = await world.claim()
    assert world.live() == OBJECTS
    assert {str(entry.ref) for entry in claim.status.recorded} == OBJECTS
    assert all(entry.uid and entry.sent for entry in claim.status.recorded)
    assert reason(claim, "Ready") == (Truth.TRUE, Reason.AVAILABLE)
    assert [type_ for type_ in ("Reconciling", "Stalled") if claim.status.condition_set.get(type_)] == []
    assert reasons(world) == [Reason.APPLY_SUCCEEDED, Reason.HEALTH_CHECK_SUCCEEDED]


async def test_the_write_budget_of_a_new_claim_is_its_objects_and_eight():
    world = World(app())
    world.ask_for()
    await world.settle()
    assert world.cluster.writes == len(OBJECTS - {"Workload/ide"}) + 8


async def test_everything_is_on_record_before_the_first_object_is_written():
    world, seen = World(app()), []
    world.ask_for()
    applying = world.cluster.apply

    async def watched(namespace, manifest, *, uid):
        claim = await world.claim()
        seen.append({str(entry.ref) for entry in claim.status.recorded})
        assert FINALIZER in claim.finalizers
        return await applying(namespace, manifest, uid=uid)

    world.cluster.apply = watched  # type: ignore[method-assign]
    await world.reconcile()
    assert seen == [OBJECTS] * len(OBJECTS)


async def test_a_converged_claim_is_neither_rendered_nor_written_again(world: World):
    writes, renders = world.cluster.writes, world.renders
    await world.reconcile(12)
    world.restart()
    await world.reconcile(2)
    assert (world.cluster.writes, world.renders) == (writes, renders)


async def test_only_what_changed_is_sent_again(world: World):
    versions = {
        str(ref): raw["metadata"]["resourceVersion"] for (_, ref), raw in world.cluster.objects.items()
    }
    world.manifests = app(service("ide-more"))
    world.ask_for(values={"unrelated": 1})
    await world.settle()
    after = {str(ref): raw["metadata"]["resourceVersion"] for (_, ref), raw in world.cluster.objects.items()}
    changed = {name for name, version in after.items() if versions.get(name) != version}
    assert changed == {"Service/ide-more", "Workload/ide"}


async def test_an_object_that_is_no_longer_rendered_is_pruned():
    world = World(app(service("ide-more")))
    world.ask_for()
    await world.settle()
    world.manifests = app()
    world.ask_for(values={"more": False})
    await world.settle()
    assert world.live() == OBJECTS
    assert Reason.PRUNED in reasons(world)


async def test_nothing_is_pruned_while_an_apply_is_refused():
    world = World(app(service("ide-more")))
    world.ask_for()
    await world.settle()
    world.manifests = app(service("ide-other"))
    refused = builders.ref("Service", "ide-other")
    world.cluster.refuse[refused] = Stalled(Reason.APPLY_FAILED, "Service/ide-other is refused.")
    world.ask_for(values={"other": True})
    await world.reconcile(3)
    claim = await world.claim()
    assert "Service/ide-more" in world.live()
    assert builders.ref("Service", "ide-more") in claim.status.recorded
    assert reason(claim, "Applied") == (Truth.FALSE, Reason.APPLY_FAILED)
    assert reason(claim, "Stalled")[0] is Truth.TRUE
    del world.cluster.refuse[refused]
    await world.settle()
    assert "Service/ide-more" not in world.live()
    assert "Service/ide-other" in world.live()


async def test_one_refused_object_does_not_keep_the_others_from_being_applied():
    world = World(app(service("ide-more")))
    world.cluster.refuse[builders.ref("ConfigMap", "ide-config-bbcdfghkmt")] = Stalled(
        Reason.APPLY_FAILED, "no"
    )
    world.ask_for()
    await world.reconcile()
    assert {"Service/ide-web", "Deployment/ide-web", "Service/ide-more"} <= world.live()


async def test_leftovers_of_a_partly_failed_apply_are_pruned_when_the_template_drops_them():
    world = World(app(service("ide-more")))
    world.cluster.refuse[builders.ref("Deployment", "ide-web")] = Stalled(Reason.APPLY_FAILED, "no")
    world.ask_for()
    await world.reconcile()
    assert "Service/ide-more" in world.live()
    world.cluster.refuse.clear()
    world.manifests = app()
    world.ask_for(values={"more": False})
    await world.settle()
    assert world.live() == OBJECTS


async def test_an_old_config_stays_until_the_new_generation_is_healthy(world: World):
    world.manifests = app(greeting="2222222222")
    world.ask_for(values={"greeting": "new"})
    await world.reconcile()
    assert {"ConfigMap/ide-config-bbcdfghkmt", "ConfigMap/ide-config-2222222222"} <= world.live()
    await world.settle()
    assert "ConfigMap/ide-config-2222222222" in world.live()


async def test_an_outage_of_the_catalog_shows_on_one_condition_only(world: World):
    before = world.live()
    world.away = True
    await world.reconcile(2)
    claim = await world.claim()
    assert reason(claim, "TemplateResolved") == (Truth.UNKNOWN, Reason.CATALOG_UNAVAILABLE)
    assert reason(claim, "Ready") == (Truth.TRUE, Reason.AVAILABLE)
    assert claim.status.condition_set.get("Reconciling") is None
    assert world.live() == before
    writes = world.cluster.writes
    await world.reconcile(5)
    assert world.cluster.writes == writes
    await world.catalog_is_back()
    await world.settle()
    assert reason(await world.claim(), "TemplateResolved") == (Truth.TRUE, Reason.RESOLVED)
    assert (await world.claim()).status.failure is None


async def test_an_edit_that_waits_for_the_catalog_says_so(world: World):
    world.away = True
    world.ask_for(values={"greeting": "new"})
    await world.reconcile()
    claim = await world.claim()
    assert reason(claim, "Ready") == (Truth.UNKNOWN, Reason.CATALOG_UNAVAILABLE)
    assert reason(claim, "Reconciling") == (Truth.TRUE, Reason.PROGRESSING_WITH_RETRY)
    assert reason(claim, "Applied") == (Truth.TRUE, Reason.APPLY_SUCCEEDED)
    applied = claim.status.condition_set.get("Applied")
    assert applied is not None
    assert applied.observed_generation < claim.generation
    assert Reason.CATALOG_UNAVAILABLE not in reasons(world)


async def test_a_refused_edit_stalls_and_the_old_generation_runs_on(world: World):
    before = world.live()
    world.ask_for(values={"password": "mine"})
    await world.reconcile()
    claim = await world.claim()
    assert reason(claim, "Ready") == (Truth.FALSE, Reason.INVALID_VALUES)
    assert reason(claim, "Stalled") == (Truth.TRUE, Reason.INVALID_VALUES)
    assert reason(claim, "Healthy")[0] is Truth.TRUE
    assert world.live() == before
    assert "mine" not in str(claim.status.to_wire())


async def test_an_object_of_nobody_is_not_touched():
    world = World(app())
    theirs = world.cluster.put(builders.NAMESPACE, dict(service("ide-web").body))
    world.ask_for()
    await world.reconcile(3)
    assert world.raw("Service", "ide-web") == theirs
    assert reason(await world.claim(), "Applied") == (Truth.FALSE, Reason.OWNERSHIP_CONFLICT)
    world.cluster.delete_claim(KEY)
    await world.reconcile(5)
    assert world.raw("Service", "ide-web") == theirs


async def test_a_copied_mark_does_not_make_an_object_ours(world: World):
    stolen = world.raw("Service", "ide-web")["metadata"]["annotations"]
    decoy = dict(service("ide-decoy").body)
    decoy["metadata"] = {**decoy["metadata"], "annotations": stolen}
    world.cluster.put(builders.NAMESPACE, decoy)
    world.manifests = app(service("ide-decoy"))
    world.ask_for(values={"decoy": True})
    await world.reconcile(2)
    assert reason(await world.claim(), "Applied") == (Truth.FALSE, Reason.OWNERSHIP_CONFLICT)


async def test_an_inventory_entry_alone_authorizes_no_delete(world: World):
    victim = world.cluster.put(builders.NAMESPACE, dict(service("victim").body))
    raw = world.cluster.claims[KEY]
    raw["status"]["inventory"].append({"id": "victim__Service", "wave": 2, "uid": victim["metadata"]["uid"]})
    world.cluster.delete_claim(KEY)
    world.restart()
    await world.reconcile(6)
    assert KEY not in world.cluster.claims
    assert "Service/victim" in world.live()


async def test_deletion_keeps_data_and_only_data(world: World):
    world.cluster.delete_claim(KEY)
    await world.reconcile(6)
    assert KEY not in world.cluster.claims
    assert world.live() == {"PersistentVolumeClaim/ide-data", "Secret/ide-credentials"}


async def test_deletion_needs_neither_catalog_nor_git(world: World):
    world.away = world.git_away = True
    world.ask_for(deletionPolicy="Delete")
    await world.reconcile()
    world.cluster.delete_claim(KEY)
    await world.reconcile(6)
    assert world.live() == set()


async def test_a_claim_made_anew_adopts_its_data_only_when_told(world: World):
    former = (await world.claim()).uid
    password = world.raw("Secret", "ide-credentials")["data"]
    world.cluster.delete_claim(KEY)
    await world.reconcile(6)
    world.ask_for()
    await world.reconcile(2)
    claim = await world.claim()
    assert reason(claim, "Applied") == (Truth.FALSE, Reason.OWNERSHIP_CONFLICT)
    assert "Deployment/ide-web" not in world.live()  # no pod runs on data that was not adopted
    assert claim.status.failure is not None
    assert f"{ADOPT}={former}" in claim.status.failure.remedy
    assert world.raw("Secret", "ide-credentials")["data"] == password
    world.cluster.annotate_claim(KEY, **{ADOPT: "some-other-uid"})
    await world.reconcile(2)
    assert reason(await world.claim(), "Applied")[0] is Truth.FALSE
    world.cluster.annotate_claim(KEY, **{ADOPT: former})
    await world.settle()
    assert reason(await world.claim(), "Ready")[0] is Truth.TRUE
    assert world.raw("Secret", "ide-credentials")["data"] == password
    told = [event.message for event in world.cluster.events if event.reason is Reason.APPLY_SUCCEEDED][-1]
    assert "Secret/ide-credentials adopted" in told
    assert "Deployment/ide-web created" in told


async def test_lost_credentials_are_made_anew_and_roll_the_pods(world: World):
    old = world.raw("Secret", "ide-credentials")["data"]["PASSWORD"]
    world.cluster.remove(builders.NAMESPACE, builders.ref("Secret", "ide-credentials"))
    world.restart()  # the next look is a thorough one
    await world.settle()
    new = world.raw("Secret", "ide-credentials")["data"]["PASSWORD"]
    assert base64.b64decode(new) != base64.b64decode(old)
    assert (await world.claim()).status.credentials_version == 2
    told = [event.message for event in world.cluster.events if event.reason is Reason.DRIFT_CORRECTED]
    assert told == ["Corrected: Secret/ide-credentials was gone."]
    assert Reason.CREDENTIALS_REGENERATED in reasons(world)
    assert not any(base64.b64decode(value).decode() in str(world.cluster.events) for value in (old, new))


async def test_a_deleted_object_comes_back(world: World):
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.settle()
    assert world.live() == OBJECTS
    assert Reason.DRIFT_CORRECTED in reasons(world)


async def test_absence_is_not_believed_before_the_watch_has_listed_the_kind(world: World):
    world.restart()
    world.cluster.observations.unlisted = {"Service"}
    writes = world.cluster.writes
    await world.reconcile(3)
    assert world.cluster.writes == writes


async def test_a_volume_that_the_template_drops_is_held_back(world: World):
    world.manifests = [
        builders.changed(each, "/spec/template/spec/volumes/1", {"name": "data", "emptyDir": {}})
        if each.ref.kind == "Deployment"
        else each
        for each in app()
        if each.ref.kind != "PersistentVolumeClaim"
    ]
    world.ask_for(values={"volume": False})
    await world.settle()
    claim = await world.claim()
    assert "PersistentVolumeClaim/ide-data" in world.live()
    assert reason(claim, "Applied") == (Truth.TRUE, Reason.PRUNE_BLOCKED)
    assert claim.status.pending_prune is not None
    assert claim.status.pending_prune.objects == ("PersistentVolumeClaim/ide-data",)
    world.cluster.remove(builders.NAMESPACE, builders.ref("PersistentVolumeClaim", "ide-data"))
    await world.settle()
    claim = await world.claim()
    assert claim.status.pending_prune is None
    assert reason(claim, "Applied") == (Truth.TRUE, Reason.APPLY_SUCCEEDED)


async def test_a_terminating_namespace_lets_the_claim_go_and_is_left_alone(world: World):
    world.cluster.namespaces[builders.NAMESPACE]["terminating"] = True
    world.cluster.delete_claim(KEY)
    before = world.live()
    await world.reconcile(2)
    assert KEY not in world.cluster.claims
    assert world.live() == before


async def test_a_fault_of_our_own_is_said_and_tried_again(world: World):
    async def broken(artifact, overlay):
        raise ZeroDivisionError

    working, world.render = world.render, broken  # type: ignore[method-assign]
    world.ask_for(values={"x": 1})
    await world.reconcile()
    assert reason(await world.claim(), "Ready") == (Truth.FALSE, Reason.INTERNAL_ERROR)
    world.render = working  # type: ignore[method-assign]
    await world.settle()
    assert reason(await world.claim(), "Ready")[0] is Truth.TRUE


async def test_what_another_process_released_meanwhile_is_not_made_again(world: World):
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    record = world.cluster.patch_claim_status

    async def overtaken(claim: WorkloadClaim, status: ClaimStatus) -> WorkloadClaim:
        recorded = await record(claim, status)
        world.cluster.claims.clear()
        world.cluster.objects.clear()
        return recorded

    world.cluster.patch_claim_status = overtaken  # type: ignore[method-assign]
    await world.reconcile()
    assert world.live() == set()
