"""A healthy claim whose pods fail says so in seconds, once, and says when they are well again; one probe is not believed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from ocdp_operator.errors import ADVICE, Reason, Waiting
from ocdp_operator.model.conditions import Condition, Failure
from ocdp_operator.model.events import ObjectEvent
from ocdp_operator.model.names import CLAIM_NAME
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app
from tests.support.pods import NOW, ago, container, running, waiting

WEB = builders.ref("Deployment", "ide-web")
SET = "ide-web-6d4f7c9b5"
POD = builders.ref("Pod", f"{SET}-abcde")
DATABASE = builders.ref("StatefulSet", "ide-db")
FULL = 'Create Pod ide-db-0 in StatefulSet ide-db failed error: pods "ide-db-0" is forbidden: exceeded quota: small, requested: pods=1'


class Clock:
    def __init__(self, world: World) -> None:
        self.now = NOW
        world.reconciler.now = lambda: self.now
        world.reconciler.clock = lambda: (self.now - NOW).total_seconds() + 1e6

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def world() -> World:
    """Ready, with one pod."""
    found = World(app())
    found.ask_for()
    await found.settle()
    make_pod(found)
    is_well(found)
    await found.reconcile()
    assert (await ready(found)).status == "True"
    return found


def make_pod(world: World, *, seconds_ago: float = 3600) -> None:
    owner = {"kind": "ReplicaSet", "name": SET, "uid": "rs-1", "controller": True}
    metadata = {
        "name": POD.name, "labels": {CLAIM_NAME: "ide"}, "ownerReferences": [owner],
        "creationTimestamp": ago(seconds=seconds_ago),
    }  # fmt: skip
    spec = {"containers": [{"name": "web", "readinessProbe": {"httpGet": {}}}]}
    world.cluster.put(
        builders.NAMESPACE, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    )


def is_well(world: World) -> None:
    pod_is(world, container({"running": {}}, ready=True), ready=True)
    world.make_healthy()


def fails(world: World, status: dict[str, Any], *, seconds_ago: float = 0) -> None:
    pod_is(world, status, ready=False, since=ago(seconds=seconds_ago))
    counted = dict(world.raw("Deployment", "ide-web")["status"]) | {
        "readyReplicas": 0,
        "availableReplicas": 0,
    }
    world.cluster.set_status(builders.NAMESPACE, WEB, **counted)


def pod_is(world: World, status: dict[str, Any], *, ready: bool, since: str = "") -> None:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since or ago(hours=1)}
    world.cluster.set_status(
        builders.NAMESPACE, POD, phase="Running", conditions=[condition], containerStatuses=[status]
    )


async def ready(world: World) -> Condition:
    found = (await world.claim()).status.condition_set.get("Ready")
    assert found is not None
    return found


def warnings(world: World) -> list[tuple[Reason, str]]:
    return [(event.reason, event.message) for event in world.cluster.events if event.warning]


async def test_a_crash_loop_is_told_at_once_and_once_and_its_end_too(world: World) -> None:
    clock = Clock(world)
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    for restarts in (3, 4):
        fails(world, waiting("CrashLoopBackOff", restartCount=restarts, ended=ended))
        await world.reconcile(2)
        clock.passes(60)
    said = "Deployment/ide-web: 0 of 1 pods are ready: container web ends again and again: exit code 137 (OOMKilled), at least 3 restarts."
    assert await ready(world) == Condition(
        type="Ready", status="False", reason=Reason.CRASH_LOOP, message=said, observed_generation=1,
        last_transition_time="2026-01-01T12:00:00Z",
    )  # fmt: skip
    advice = ADVICE[Reason.CRASH_LOOP]
    assert warnings(world) == [(Reason.CRASH_LOOP, f"{said} {advice.remedy}")]
    told = Failure(code=Reason.CRASH_LOOP, actor=advice.actor, message=said, remedy=advice.remedy)
    assert (await world.claim()).status.failure == told

    is_well(world)
    await world.reconcile()
    assert (await world.claim()).status.failure is None
    assert (await ready(world)).status == "True"
    assert [event.reason for event in world.cluster.events].count(Reason.HEALTH_CHECK_SUCCEEDED) == 2


async def test_each_cause_of_a_claim_that_fails_is_told_once_until_it_is_well(world: World) -> None:
    Clock(world)
    causes = {
        Reason.IMAGE_PULL_FAILED: waiting("ImagePullBackOff", "denied"),
        Reason.CRASH_LOOP: waiting("CrashLoopBackOff", restartCount=3, ended={"exitCode": 1}),
    }
    for _ in range(3):
        for status in causes.values():
            fails(world, status)
            await world.reconcile(2)
    assert [reason for reason, _ in warnings(world)] == list(causes)

    is_well(world)
    await world.reconcile()
    fails(world, causes[Reason.CRASH_LOOP])
    await world.reconcile()
    assert [reason for reason, _ in warnings(world)] == [*causes, Reason.CRASH_LOOP]


async def test_a_cause_that_was_told_is_not_told_again_after_a_restart(world: World) -> None:
    Clock(world)
    fails(world, waiting("ImagePullBackOff", "denied"))
    await world.reconcile()
    world.restart()
    Clock(world)
    await world.reconcile(2)
    assert len(warnings(world)) == 1


@pytest.mark.parametrize("unready", [0, 1.5, 2.5, 3.5])
async def test_one_failed_probe_writes_nothing_and_is_looked_at_again(world: World, unready: float) -> None:
    clock, before, told = Clock(world), world.cluster.writes, len(world.cluster.events)
    said = await ready(world)
    fails(world, running())
    clock.passes(unready)
    assert await look(world) == pytest.approx(4 - unready)

    is_well(world)
    await world.reconcile()
    assert (world.cluster.writes, len(world.cluster.events)) == (before, told)
    assert await ready(world) == said


async def test_a_probe_that_goes_on_to_fail_is_told_within_five_seconds(world: World) -> None:
    clock = Clock(world)
    fails(world, running())
    clock.passes(await look(world))
    await world.reconcile()

    assert clock.now - NOW < timedelta(seconds=5)
    found = await ready(world)
    assert (found.status, found.reason) == ("False", Reason.HEALTH_CHECK_FAILED)
    assert found.message.endswith("container web does not pass its readiness probe.")


async def test_without_the_catalog_health_is_observed_all_the_same(world: World) -> None:
    clock = Clock(world)
    world.away = True
    fails(world, running())
    clock.passes(await look(world))
    assert (await ready(world)).status == "True"
    await world.reconcile()
    assert (await ready(world)).reason is Reason.HEALTH_CHECK_FAILED


async def test_a_claim_that_fails_is_not_written_again_at_each_look(world: World) -> None:
    clock = Clock(world)
    fails(world, waiting("ImagePullBackOff", "denied"))
    await world.reconcile()
    before = world.cluster.writes
    for _ in range(12):
        clock.passes(600)
        await world.reconcile()
    assert world.cluster.writes == before


async def test_a_stopped_claim_whose_volume_waits_for_its_first_pod_is_at_rest() -> None:
    world = World(app())
    world.ask_for(running=False)
    await world.reconcile()
    world.make_healthy()
    pvc = builders.ref("PersistentVolumeClaim", "ide-data")
    world.cluster.set_status(builders.NAMESPACE, pvc, phase="Pending")
    Clock(world).passes(60)
    await world.reconcile()
    assert (await world.claim()).status.condition_set.get("Reconciling") is None
    assert await ready(world) == Condition(
        type="Ready", status="False", reason=Reason.STOPPED, message="Stopped, as spec.running asks for; data and secrets are kept.",
        observed_generation=1, last_transition_time=(await ready(world)).last_transition_time,
    )  # fmt: skip
    assert await look(world) > 20


async def stop(world: World) -> None:
    world.ask_for(running=False)
    world.cluster.remove(builders.NAMESPACE, POD)
    await world.reconcile()
    world.make_healthy()
    await world.reconcile()
    found = await ready(world)
    assert (found.reason, found.message[:9]) == (Reason.STOPPED, "Stopped, ")


async def start(world: World, status: dict[str, Any], *, seconds_ago: float) -> None:
    """Its controller goes on to say that the newest ReplicaSet is available, and measures nothing."""
    world.ask_for()
    await world.reconcile()
    make_pod(world, seconds_ago=seconds_ago)
    is_well(world)
    fails(world, status, seconds_ago=seconds_ago)


async def test_a_claim_that_is_started_again_and_never_gets_ready_has_failed_after_its_deadline(
    world: World,
) -> None:
    clock = Clock(world)
    await stop(world)
    clock.passes(86_400)
    await start(world, running(), seconds_ago=-86_400)
    for _ in range(2):
        wait = await look(world)
        assert (await ready(world)).status == "Unknown"
        clock.passes(wait)
    clock.passes(600)
    for _ in range(3):
        await world.reconcile()
        clock.passes(300)
        found = await ready(world)
        assert (found.status, found.reason) == ("False", Reason.HEALTH_CHECK_FAILED)
        world.restart()
        clock = Clock(world)
        clock.passes(90_000)
    assert len(warnings(world)) == 1

    world.away = True  # an edit that cannot be applied makes nothing better
    world.ask_for(values={"greeting": "new"})
    await world.reconcile(2)
    healthy = (await world.claim()).status.condition_set.get("Healthy")
    assert healthy is not None
    assert healthy.status == "False"


async def test_a_claim_that_is_started_while_it_is_suspended_is_on_its_way_from_when_it_is_resumed(
    world: World,
) -> None:
    clock = Clock(world)
    await stop(world)
    clock.passes(3600)
    world.ask_for(suspend=True)
    await world.reconcile()
    clock.passes(7200)
    await start(world, waiting("ContainerCreating"), seconds_ago=-10_800)
    await world.reconcile()
    assert (await ready(world)).status == "Unknown"


async def look(world: World) -> float:
    """Looks at the claim; the seconds until it is looked at again."""
    world.reconciler.queue.forget(KEY)
    await world.reconcile()
    return world.reconciler.queue._due[KEY]  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
async def starting() -> World:
    """With a StatefulSet that has no pods."""
    found = World(app(builders.manifest("StatefulSet", "ide-db", spec=_set_spec())))
    found.ask_for()
    await found.reconcile()
    found.make_healthy()
    generation = found.raw("StatefulSet", "ide-db")["metadata"]["generation"]
    found.cluster.set_status(builders.NAMESPACE, DATABASE, observedGeneration=generation, replicas=0)
    return found


def _set_spec() -> dict[str, Any]:
    own = {"app.kubernetes.io/instance": "ide"}
    template = {"metadata": {"labels": own}, "spec": builders.pod_spec()}
    return {"replicas": 1, "selector": {"matchLabels": own}, "template": template}


def tell(world: World, message: str, reason: str = "FailedCreate") -> None:
    uid = world.raw("StatefulSet", "ide-db")["metadata"]["uid"]
    told = world.cluster.told.setdefault(uid, [])
    told.append(ObjectEvent(reason, message, f"2026-01-01T12:00:{len(told):02d}", warning=True))


async def test_a_quota_that_leaves_no_room_for_a_stateful_set_is_told_after_some_seconds(
    starting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = 0
    list_events = starting.cluster.events_about

    async def counted(namespace: str, uid: str) -> tuple[ObjectEvent, ...]:
        nonlocal lists
        lists += 1
        return await list_events(namespace, uid)

    monkeypatch.setattr(starting.cluster, "events_about", counted)
    clock = Clock(starting)
    clock.now = datetime.fromisoformat("2026-01-01T00:00:01+00:00")  # a second after it was applied
    tell(starting, FULL)
    clock.passes(await look(starting))
    assert lists == 0
    assert (await ready(starting)).status == "Unknown"

    await starting.reconcile()
    found = await ready(starting)
    assert (found.status, found.reason, lists) == ("False", Reason.QUOTA_EXCEEDED, 1)
    assert found.message == (
        "StatefulSet/ide-db: its pods are refused by a quota: exceeded quota: small, requested: pods=1."
    )


async def test_what_events_told_stands_when_it_is_looked_at_again_at_once(starting: World) -> None:
    clock = Clock(starting)
    tell(starting, FULL)
    clock.passes(60)
    await starting.reconcile()
    said = await ready(starting)
    assert (said.status, said.reason) == ("False", Reason.QUOTA_EXCEEDED)
    clock.passes(1)
    await starting.reconcile()
    assert await ready(starting) == said


async def test_what_events_told_stands_when_they_cannot_be_listed_for_once(
    starting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(starting)
    tell(starting, FULL)
    clock.passes(60)
    await starting.reconcile()
    before = (await starting.claim()).status

    async def away(namespace: str, uid: str) -> tuple[ObjectEvent, ...]:
        raise Waiting(Reason.CLUSTER_UNAVAILABLE, "the API server does not answer")

    monkeypatch.setattr(starting.cluster, "events_about", away)
    clock.passes(60)
    await starting.reconcile()
    after = (await starting.claim()).status
    assert (after.condition_set, after.failure) == (before.condition_set, before.failure)
    assert len(warnings(starting)) == 1


async def test_a_refusal_that_is_over_is_not_told(starting: World) -> None:
    clock = Clock(starting)
    tell(starting, FULL)
    tell(starting, "created", "SuccessfulCreate")
    clock.passes(60)
    await starting.reconcile(2)
    assert (await ready(starting)).reason is Reason.NO_PODS


async def test_without_the_right_to_list_events_the_count_of_pods_is_told_and_the_log_names_the_right(
    starting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(namespace: str, uid: str) -> tuple[ObjectEvent, ...]:
        raise Waiting(Reason.FORBIDDEN, "no right to list events")

    monkeypatch.setattr(starting.cluster, "events_about", refused)
    clock = Clock(starting)
    clock.passes(60)
    with capture_logs() as lines:
        await starting.reconcile()
        wait = await look(starting)
    found = await ready(starting)
    assert (found.status, found.reason) == ("Unknown", Reason.NO_PODS)
    assert {line["error"] for line in lines if line["event"] == "events not read"} == {
        "no right to list events"
    }
    assert wait >= 20  # it is asked again now and then, not at every look
