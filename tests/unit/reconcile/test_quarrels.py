"""Faults beside a claim: refusals, foreign hands, unknown kinds. They are said once, and harm nobody else."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from ocdp_operator.errors import Reason, Stalled, Waiting
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.kinds import WORKLOAD
from ocdp_operator.model.objects import ObjectRef
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

WORKLOAD_REF = ObjectRef(WORKLOAD.group, WORKLOAD.kind, "ide")


@pytest.fixture
async def world() -> World:
    """A claim that is Ready."""
    made = World(app())
    made.ask_for()
    await made.settle()
    return made


def truth(claim, type_: str) -> Truth | None:
    condition = claim.status.condition_set.get(type_)
    return condition.status if condition else None


async def test_an_object_made_anew_behind_a_crash_is_released_with_the_rest(world: World):
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    for entry in world.cluster.claims[KEY]["status"]["inventory"]:
        entry["uid"] = "that-of-its-predecessor"
    world.cluster.delete_claim(KEY)
    await world.reconcile(8)
    assert world.live() == set()


async def test_a_claim_with_a_kind_that_is_unknown_does_not_stop_the_work_on_others(world: World):
    other = ClaimKey(builders.NAMESPACE, "other")
    raw = world.cluster.claims[KEY]
    raw["status"]["inventory"].append({"id": "x_new.io_Gadget", "wave": 1, "uid": "u", "desired": False})
    raw["metadata"]["resourceVersion"] = "9999"
    world.restart()
    for key in (KEY, other):
        claim = await world.cluster.get_claim(KEY)
        assert claim is not None
        world.claims.put(claim)
        world.reconciler.queue.add(key)
    worker = asyncio.create_task(world.reconciler.work())
    async with asyncio.timeout(60):
        while world.reconciler.queue.depth:  # noqa: ASYNC110 - a predicate on the queue
            await asyncio.sleep(0.01)
    assert not worker.done()
    worker.cancel()


async def test_a_deletion_that_is_held_up_tells_of_a_stripped_object_once(world: World):
    service_ref, volume = (
        builders.ref("Service", "ide-web"),
        builders.ref("PersistentVolumeClaim", "ide-data"),
    )
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    del world.cluster.objects[builders.NAMESPACE, service_ref]["metadata"]["annotations"]["ocdp.io/owner"]
    world.cluster.objects[builders.NAMESPACE, volume]["metadata"]["finalizers"] = ["example.test/held"]
    world.cluster.delete_claim(KEY)
    await world.reconcile(5)
    told = Counter(event.reason for event in world.cluster.events)
    assert told[Reason.OWNERSHIP_CONFLICT] == 1
    claim = await world.claim()
    deleting = claim.status.condition_set.get("Deleting")
    assert deleting is not None
    assert "example.test/held" in deleting.message
    writes = world.cluster.writes
    await world.reconcile(5)
    assert world.cluster.writes == writes
    del world.cluster.objects[builders.NAMESPACE, volume]
    await world.reconcile(3)
    assert KEY not in world.cluster.claims
    assert "Service/ide-web" in world.live()


async def test_an_apply_that_is_refused_again_writes_no_status_again(world: World):
    world.cluster.refuse[builders.ref("Service", "ide-web")] = Stalled(Reason.APPLY_FAILED, "no")
    world.manifests = [each for each in app(service("ide-more")) if each.ref.name != "ide-web"] + [
        builders.changed(each, "/spec/ports", [{"port": 8080}])
        for each in app()
        if str(each.ref) == "Service/ide-web"
    ]
    world.ask_for(values={"x": 1})
    await world.reconcile(2)
    status, seen = world.cluster.claims[KEY]["status"], world.cluster.writes
    await world.reconcile(4)
    assert world.cluster.claims[KEY]["status"] == status
    assert world.cluster.writes - seen <= 4  # the refused request alone, once for each try


async def test_a_refused_repair_says_not_ready(world: World):
    ref = builders.ref("Service", "ide-web")
    world.cluster.refuse[ref] = Waiting(Reason.FORBIDDEN, "Service/ide-web: patch is not allowed.")
    world.cluster.edit(builders.NAMESPACE, ref, {"spec": {"ports": []}})
    for _ in range(2):
        await world.reconcile()
        claim = await world.claim()
        assert truth(claim, "Applied") is Truth.FALSE
        assert truth(claim, "Ready") is Truth.FALSE


async def test_a_prune_that_is_refused_leaves_the_claim_ready():
    world = World(app(service("ide-more")))
    world.ask_for()
    await world.settle()

    async def refused(namespace, ref, *, uid):
        raise Waiting(Reason.FORBIDDEN, f"{ref}: delete is not allowed.")

    deleting, world.cluster.delete = world.cluster.delete, refused  # type: ignore[method-assign]
    world.manifests = app()
    world.ask_for(values={"more": False})
    await world.reconcile()
    world.make_healthy()
    await world.reconcile(2)
    claim = await world.claim()
    applied = claim.status.condition_set.get("Applied")
    assert applied is not None
    assert (applied.status, applied.reason) == (Truth.TRUE, Reason.PRUNE_FAILED)
    assert truth(claim, "Ready") is Truth.TRUE
    assert builders.ref("Service", "ide-more") in claim.status.recorded
    world.cluster.delete = deleting  # type: ignore[method-assign]
    await world.settle()
    assert "Service/ide-more" not in world.live()


async def test_the_workload_says_when_its_pods_are_lost(world: World):
    ref = builders.ref("Deployment", "ide-web")
    status = dict(world.cluster.objects[builders.NAMESPACE, ref]["status"])
    world.cluster.set_status(
        builders.NAMESPACE, ref, **(status | {"readyReplicas": 0, "availableReplicas": 0})
    )
    await world.reconcile(2)
    workload = world.cluster.objects[builders.NAMESPACE, WORKLOAD_REF]["status"]
    assert {c["type"]: c["status"] for c in workload["conditions"]}["Healthy"] == "False"
    assert truth(await world.claim(), "Ready") is Truth.FALSE


async def test_an_object_with_our_label_alone_gives_no_address(world: World):
    uid = (await world.claim()).uid
    rule = {"host": "evil.example", "http": {"paths": [{"path": "/"}]}}
    body = builders.manifest(
        "Ingress", "evil", metadata={"labels": {"ocdp.io/claim-uid": uid}}, spec={"rules": [rule]}
    )
    world.cluster.put(builders.NAMESPACE, dict(body.body))
    world.cluster.set_status(
        builders.NAMESPACE, builders.ref("Ingress", "evil"), loadBalancer={"ingress": [{"ip": "203.0.113.9"}]}
    )
    await world.reconcile(2)
    assert "evil" not in str((await world.claim()).status.to_wire())


async def test_a_newer_revision_is_told_once(world: World):
    world.revision = builders.template(2, **world.revision.body.to_wire())
    await world.reconcile(3)
    told = [event for event in world.cluster.events if event.reason is Reason.UPDATE_AVAILABLE]
    claim = await world.claim()
    assert claim.status.template is not None
    assert claim.status.template.revision == 1
    resolved = claim.status.condition_set.get("TemplateResolved")
    assert resolved is not None
    assert resolved.message.endswith(" Revision 2 is available: ocdp claim upgrade ide -n ns-a")
    (event,) = told
    assert event.message == (
        f"Revision 2 (commit {builders.COMMIT[:12]}) is available; the claim stays on 1. It takes the same values. "
        "See what it changes: ocdp diff ide -n ns-a --revision 2; take it: ocdp claim upgrade ide -n ns-a"
    )


async def test_newer_profiles_are_told_once_and_change_nothing(world: World):
    world.every_profile.append(builders.profile("cluster", "local", labels={"a": "1"}))
    renders = world.renders
    await world.reconcile(3)
    claim = await world.claim()
    told = [event.message for event in world.cluster.events if event.reason is Reason.UPDATE_AVAILABLE]
    (message,) = told
    assert message == (
        "Environment profiles local@1 are available; the claim stays on none. "
        "Take them: ocdp claim upgrade ide -n ns-a"
    )
    assert claim.status.profiles == ()
    assert [str(ref) for ref in claim.status.available_profiles] == ["local@1"]
    assert world.renders == renders
