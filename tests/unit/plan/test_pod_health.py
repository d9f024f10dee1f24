"""The controllers' counts say whether, the pods say why; what stood goes on to stand for a moment, and no longer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Health, Verdict, assess
from tests.support.builders import by_ref, entry, observed, ref
from tests.support.pods import NOW, ago, deployment, ended, pod, rolled, running, waiting

HEALTHY, PROGRESSING, FAILED = Verdict.HEALTHY, Verdict.PROGRESSING, Verdict.FAILED
DEPLOYMENT = ref("Deployment", "ide-web")
STATEFUL_SET = ref("StatefulSet", "ide-web")
OWN = ("StatefulSet", "ide-web", "uid-1")
READY = pod(running(ready=True), ready=True)
PULL = pod(waiting("ErrImagePull", "denied"))
BAD_PULL = "container web cannot pull its image registry.example.test/web:1: denied."
LOADS = pod(running(started=False, since=ago(hours=2)))
QUOTA = 'pods "ide-web-6d4f7c9b5-x7k2p" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4'


def unready(seconds: float) -> Observed:
    return pod(running(), since=ago(seconds=seconds))


def stateful_set(ready: int = 0, *, existing: int = 1, wanted: int = 1, newest: str = "a") -> Observed:
    status = {
        "observedGeneration": 1, "replicas": existing, "readyReplicas": ready, "updatedReplicas": existing,
        "currentRevision": "a", "updateRevision": newest,
    }  # fmt: skip
    return observed("StatefulSet", "ide-web", spec={"replicas": wanted}, status=status)


def health_of(live: Observed, *pods: Observed, **evidence: Any) -> Health:
    inventory = Inventory.of([entry(live.ref.kind, live.ref.name)])
    return assess(inventory, by_ref(live), Evidence(pods=pods, now=NOW, **evidence))


def well(live: Observed, *pods: Observed) -> Health:
    """As it was healthy a moment ago."""
    return health_of(live, *pods, was_healthy=True, stands=True)


def lost(live: Observed, *pods: Observed) -> Health:
    """As it was healthy once, and not so when last looked at."""
    return health_of(live, *pods, was_healthy=True)


STARTING = rolled("ReplicaSetUpdated")
OVERDUE = rolled("ProgressDeadlineExceeded")
FIRST = "0 of 1 pods are ready: "

FIRST_STARTS = {
    "image": (deployment(0, STARTING), PULL, FAILED, Reason.IMAGE_PULL_FAILED, BAD_PULL),
    "node": (deployment(0, STARTING), pod(unscheduled="0/1 nodes are available: 1 Insufficient cpu."), PROGRESSING, Reason.UNSCHEDULABLE, "no node takes its pod: 0/1 nodes are available: 1 Insufficient cpu."),
    "container being made": (deployment(0, STARTING), pod(waiting("ContainerCreating")), PROGRESSING, Reason.PROGRESSING, "container web is being created."),
    "probe": (deployment(0, STARTING), unready(40), PROGRESSING, Reason.HEALTH_CHECK_FAILED, "container web does not pass its readiness probe."),
    "probe, past the deadline": (deployment(0, OVERDUE), unready(700), FAILED, Reason.HEALTH_CHECK_FAILED, "container web does not pass its readiness probe, for over 5 minutes."),
    "container being made, past the deadline": (deployment(0, OVERDUE), pod(waiting("ContainerCreating")), FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED, "container web is being created."),
    "start": (deployment(0, STARTING), LOADS, PROGRESSING, Reason.PROGRESSING, "container web starts, for over an hour: its startup probe has not passed yet."),
    "start, past the deadline": (deployment(0, OVERDUE), LOADS, PROGRESSING, Reason.PROGRESSING, "container web starts, for over an hour: its startup probe has not passed yet."),
}  # fmt: skip


@pytest.mark.parametrize(
    ("live", "seen", "verdict", "reason", "words"), FIRST_STARTS.values(), ids=FIRST_STARTS
)
def test_a_first_start_is_on_its_way_unless_nobody_waits_it_out(live, seen, verdict, reason, words):
    health = health_of(live, seen)

    assert (health.verdict, health.reason) == (verdict, reason)
    assert health.message == f"Deployment/ide-web: {FIRST}{words}"


def test_past_its_deadline_without_a_pod_that_tells_a_deployment_has_failed():
    assert health_of(deployment(0, OVERDUE)).reason is Reason.PROGRESS_DEADLINE_EXCEEDED


@pytest.mark.parametrize("condition", [STARTING, OVERDUE], ids=["in time", "past the deadline"])
def test_a_model_server_that_loads_for_long_has_not_failed(condition):
    live = deployment(0, condition, labels={"app.kubernetes.io/component": "model-server"})

    health = health_of(live, LOADS)

    assert (health.verdict, health.reason) == (PROGRESSING, Reason.MODEL_LOADING)
    assert health.message == f"Deployment/ide-web: {FIRST}container web loads its model, for over an hour."


NEW = stateful_set(newest="b")
MODEL = {"periodSeconds": 10, "failureThreshold": 120}
"""Twenty minutes."""


def old(seconds: float, started: float, **fields: Any) -> Observed:
    """Unready for so long, in a container that runs for so long."""
    return pod(running(since=ago(seconds=started)), since=ago(seconds=seconds), owner=OWN, **fields)


UNREADY_SETS = {
    "in time": (old(590, 590), PROGRESSING),
    "overdue": (old(600, 600), FAILED),
    "a container that was made anew": (old(3600, 590), PROGRESSING),
    "its startup may just have ended": (old(1790, 1790, startup=MODEL), PROGRESSING),
    "its startup is long over": (old(1800, 1800, startup=MODEL), FAILED),
    "starts": (pod(running(started=False, since=ago(hours=2)), since=ago(hours=2), owner=OWN), PROGRESSING),
    "being made": (pod(waiting("ContainerCreating"), since=ago(hours=2), owner=OWN), PROGRESSING),
    "a closed gate": (pod(running(ready=True), since=ago(hours=2), owner=OWN), FAILED),
}


@pytest.mark.parametrize(("seen", "verdict"), UNREADY_SETS.values(), ids=UNREADY_SETS)
def test_a_stateful_set_whose_pods_run_and_are_not_ready_has_ten_minutes(seen, verdict):
    health = health_of(NEW, seen)
    assert health.verdict is verdict
    if verdict is FAILED:
        assert health.reason is Reason.HEALTH_CHECK_FAILED


def test_a_deployment_has_the_deadline_that_it_names():
    assert health_of(deployment(0, STARTING), unready(3600)).verdict is PROGRESSING


LAPSES = {
    "image": (PULL, Reason.IMAGE_PULL_FAILED),
    "exit": (pod(ended(137, "OOMKilled")), Reason.CRASH_LOOP),
    "crash loop": (pod(waiting("CrashLoopBackOff", restartCount=3)), Reason.CRASH_LOOP),
    "probe": (unready(5), Reason.HEALTH_CHECK_FAILED),
    "start": (LOADS, Reason.HEALTH_CHECK_FAILED),
    "node": (pod(unscheduled="no"), Reason.UNSCHEDULABLE),
    "being made": (pod(waiting("ContainerCreating")), Reason.HEALTH_CHECK_FAILED),
}


@pytest.mark.parametrize(("seen", "reason"), LAPSES.values(), ids=LAPSES)
@pytest.mark.parametrize("live", [deployment(), stateful_set()], ids=["Deployment", "StatefulSet"])
@pytest.mark.parametrize("judged", [well, lost])
def test_what_was_healthy_and_is_not_has_failed(judged, live, seen, reason):
    if live.ref == STATEFUL_SET:
        owner = {"kind": "StatefulSet", "name": "ide-web", "uid": "uid-1", "controller": True}
        body = {**seen.body, "metadata": {**seen.body["metadata"], "ownerReferences": [owner]}}
        seen = replace(seen, body=body)

    health = judged(live, seen)

    assert (health.verdict, health.reason) == (FAILED, reason)
    assert "0 of 1 pods are ready: " in health.message


def test_pods_that_vanished_from_a_healthy_workload_are_told():
    assert (health := well(deployment(0, existing=0))).verdict is FAILED
    assert health.reason is Reason.NO_PODS


def test_other_objects_that_were_healthy_and_are_not_have_failed_too():
    live = observed("Service", "ide-web", spec={"type": "LoadBalancer"}, status={})
    assert health_of(live).verdict is PROGRESSING
    assert (health := well(live)).verdict is FAILED
    assert health.reason is Reason.HEALTH_CHECK_FAILED


@pytest.mark.parametrize(
    "live", [deployment(0, STARTING), stateful_set(newest="b")], ids=["Deployment", "StatefulSet"]
)
def test_a_rollout_that_begins_while_all_is_well_is_on_its_way(live):
    assert well(live).verdict is PROGRESSING


def test_what_has_failed_stays_so_until_it_is_healthy_even_in_a_rollout():
    assert lost(deployment(0, STARTING)).verdict is FAILED


def test_one_probe_that_fails_is_not_believed_at_once():
    health = well(deployment(), unready(1))

    assert (health.verdict, health.message) == (HEALTHY, "All 1 objects are healthy.")
    assert health.look_again == 3.0


@pytest.mark.parametrize("seconds", [4, 60, -5], ids=["in time", "long since", "a node's clock is ahead"])
def test_a_probe_that_goes_on_to_fail_is_believed(seconds):
    assert well(deployment(), unready(seconds)).verdict is FAILED


def test_what_is_known_to_be_unready_stays_so_whenever_that_was():
    assert lost(deployment(), unready(1)).verdict is FAILED


def test_a_container_that_ends_is_believed_at_once():
    assert well(deployment(), pod(ended(1), since=ago(seconds=0))).verdict is FAILED


@pytest.mark.parametrize(
    "live",
    [deployment(seen=0), deployment(), deployment(1, existing=2)],
    ids=["status is old", "counts are old", "one too many"],
)
def test_while_enough_pods_are_ready_what_stood_stands(live):
    health = well(live, READY)

    assert health.verdict is HEALTHY
    assert health.look_again == 3.0


def young(name: str, **fields: Any) -> Observed:
    return pod(waiting("ContainerCreating"), name=name, born=ago(seconds=10), **fields)


def test_a_pod_that_starts_beside_others_makes_nothing_unready():
    health = well(deployment(1, wanted=2), READY, young("b"))
    assert health.verdict is HEALTHY
    assert health.look_again == 50.0


def test_a_scale_up_that_its_controller_has_not_seen_makes_nothing_unready():
    health = well(deployment(1, wanted=2, existing=1, seen=0), READY)
    assert (health.verdict, health.look_again) == (HEALTHY, 3.0)
    assert health_of(deployment(1, wanted=2, existing=1, seen=0), READY).verdict is PROGRESSING


def test_what_is_new_and_not_seen_yet_is_on_its_way_while_no_pod_serves():
    assert well(deployment(0, existing=0, seen=0)).verdict is PROGRESSING


@pytest.mark.parametrize(
    "other",
    [pod(waiting("ContainerCreating"), name="b", born=ago(seconds=61)), pod(waiting("ErrImagePull"), name="b", born=ago(seconds=10))],
    ids=["too long", "broken"],
)  # fmt: skip
def test_a_pod_beside_others_that_does_not_start_is_told(other):
    assert well(deployment(1, wanted=2), READY, other).verdict is FAILED


def test_pods_of_others_decide_nothing():
    forged = [
        pod(waiting("ErrImagePull"), name="no-owner", owner=("", "", "")),
        pod(waiting("ErrImagePull"), name="other-set", owner=("ReplicaSet", "ide-web-two-6d4f7c9b5", "x")),
        pod(waiting("ErrImagePull"), name="other-name", owner=("ReplicaSet", "ide-6d4f7c9b5", "x")),
        pod(waiting("ErrImagePull"), name="stateful", owner=("StatefulSet", "ide-web", "forged")),
        pod(running(ready=True), ready=True, name="ready", owner=("ReplicaSet", "x-6d4f7c9b5", "x")),
    ]
    for live in (deployment(0, STARTING), stateful_set()):
        assert (health := health_of(live, *forged)).verdict is PROGRESSING
        assert health.message == f"{live.ref}: 0 of 1 pods are ready."
    assert well(deployment(), forged[-1]).verdict is FAILED


def test_the_newest_replica_set_gives_the_cause():
    old = pod(
        waiting("CrashLoopBackOff"), name="old", owner=("ReplicaSet", "ide-web-1", "x"), born=ago(seconds=1)
    )
    for live in (deployment(0, STARTING), deployment(0, {"type": "Progressing", "status": "True"})):
        newer = pod(waiting("ErrImagePull", "denied"), born=ago(seconds=0))
        assert health_of(live, old, newer).reason is Reason.IMAGE_PULL_FAILED


def test_an_evicted_pod_does_not_hide_its_successor():
    evicted = pod(phase="Failed", reason="Evicted", name="a")
    assert health_of(deployment(0, STARTING), evicted, LOADS).message.endswith("has not passed yet.")
    assert "(Evicted)" in health_of(deployment(0, STARTING), evicted).message


def test_pods_that_are_not_wanted_any_more_have_yet_to_end():
    stopped = deployment(wanted=0, existing=0)
    assert health_of(stopped).verdict is HEALTHY
    for left in (pod(waiting("CrashLoopBackOff")), pod(running(), deletionTimestamp=ago(seconds=5))):
        health = health_of(stopped, left)
        assert health.verdict is PROGRESSING
        assert health.message == "Deployment/ide-web: 1 pods have yet to end."


REFUSALS = {
    "quota": (QUOTA, Reason.QUOTA_EXCEEDED, "its pods are refused by a quota: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4"),
    "quota on what is not said": ('pods "x" is forbidden: failed quota: small: must specify limits.cpu for: web', Reason.QUOTA_EXCEEDED, "its pods are refused by a quota: failed quota: small: must specify limits.cpu for: web"),
    "Pod Security": ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', Reason.HEALTH_CHECK_FAILED, 'its pods are refused by Pod Security: violates PodSecurity "restricted:latest": runAsNonRoot != true'),
    "LimitRange": ('pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2', Reason.HEALTH_CHECK_FAILED, "its pods are refused by a LimitRange: maximum cpu usage per Container is 1, but limit is 2"),
    "webhook": ('admission webhook "images.example.test" denied the request: not signed', Reason.HEALTH_CHECK_FAILED, 'its pods are refused by an admission webhook: admission webhook "images.example.test" denied the request: not signed'),
    "webhook is away": ('Internal error occurred: failed calling webhook "images.example.test": timeout', Reason.HEALTH_CHECK_FAILED, 'its pods are refused by an admission webhook: Internal error occurred: failed calling webhook "images.example.test": timeout'),
    "something else": ('pods "x" is forbidden: no', Reason.HEALTH_CHECK_FAILED, "its pods are refused: no"),
    "a value": ('Pod "x" is invalid: spec.x: Invalid value: "hunter2": must be short', Reason.HEALTH_CHECK_FAILED, "its pods are refused: spec.x: Invalid value: …: must be short"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "reason", "words"), REFUSALS.values(), ids=REFUSALS)
def test_refused_pods_are_told_with_who_refuses_them(said, reason, words):
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    of_sets = [
        f"{verb} Pod ide-web-0 in StatefulSet ide-web failed error: {said}"
        for verb in ("Create", "create", "(combined from similar events): create")
    ]

    for health in (
        health_of(deployment(0, STARTING, refused, existing=0)),
        *(health_of(stateful_set(existing=0), answers={STATEFUL_SET: each}) for each in of_sets),
    ):
        assert (health.verdict, health.reason) == (FAILED, reason)
        assert health.message.partition(": ")[2] == f"{words}."


def test_a_stateful_set_without_pods_has_its_events_read():
    health = health_of(stateful_set(existing=0))
    assert (health.verdict, health.reason) == (PROGRESSING, Reason.NO_PODS)
    assert (health.asks, health.look_again) == ((STATEFUL_SET,), 3.0)

    silent = health_of(stateful_set(existing=0), answers={STATEFUL_SET: ""})
    assert (silent.asks, silent.look_again) == ((), 20.0)


def test_a_deployment_without_pods_says_so_itself():
    assert health_of(deployment(0, STARTING, existing=0)).asks == ()


def volume(name: str = "ide-data") -> Observed:
    return observed(
        "PersistentVolumeClaim", name, spec={"storageClassName": "fast"}, status={"phase": "Pending"}
    )


def test_a_volume_is_told_with_its_class_and_why():
    pending = volume()
    health = health_of(pending)
    assert health.asks == (pending.ref,)
    assert health.message.endswith("it has no volume of StorageClass fast yet.")

    said = health_of(pending, answers={pending.ref: "waiting for a volume to be created"})
    assert (said.verdict, said.reason) == (PROGRESSING, Reason.VOLUME_PENDING)
    assert said.message.endswith("of StorageClass fast yet: waiting for a volume to be created.")


def test_what_nothing_uses_while_a_claim_is_stopped_keeps_it_from_no_rest():
    address = observed("Service", "ide-web", spec={"type": "LoadBalancer"}, status={})
    for live in (volume(), address):
        assert health_of(live).verdict is PROGRESSING
        health = health_of(live, at_rest=True)
        assert (health.verdict, health.asks, health.look_again) == (HEALTHY, (), None)
    gone = observed("PersistentVolumeClaim", "ide-data", spec={}, status={"phase": "Lost"})
    assert health_of(gone, at_rest=True).verdict is FAILED


def test_a_pod_that_says_why_hides_the_volume_that_waits_for_it():
    live = by_ref(volume(), deployment(0, STARTING))
    inventory = Inventory.of([entry("PersistentVolumeClaim", "ide-data"), entry("Deployment", "ide-web")])
    for seen, reason in (
        (pod(unscheduled="0/1 nodes: 1 Insufficient nvidia.com/gpu"), Reason.UNSCHEDULABLE),
        (pod(waiting("ContainerCreating")), Reason.VOLUME_PENDING),
    ):
        assert assess(inventory, live, Evidence(pods=(seen,), now=NOW)).reason is reason


JOB_POD = ("Job", "ide-setup", "uid-1")


def job(**status: Any) -> Observed:
    return observed("Job", "ide-setup", status={"startTime": ago(minutes=5)} | status)


def test_a_job_is_told_with_the_cause_from_its_pods():
    pulling = pod(waiting("ErrImagePull", "denied"), owner=JOB_POD)
    assert health_of(job(), pulling).reason is Reason.IMAGE_PULL_FAILED

    tried = pod(ended(2), phase="Failed", owner=JOB_POD)
    health = health_of(job(), tried)
    assert health.verdict is PROGRESSING
    assert "on its last try container web ended with exit code 2 (Error)" in health.message

    gave_up = [{"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}]
    health = health_of(job(conditions=gave_up), tried)
    assert health.verdict is FAILED
    assert health.message.endswith("backoff limit; container web ended with exit code 2 (Error).")


def test_a_job_without_pods_has_its_events_read():
    assert health_of(job()).asks == (ref("Job", "ide-setup"),)
    refused = health_of(job(), answers={ref("Job", "ide-setup"): f"Error creating: {QUOTA}"})
    assert refused.reason is Reason.QUOTA_EXCEEDED


def test_pods_that_their_controller_has_not_seen_are_counted_all_the_same():
    said = health_of(deployment(0, STARTING, seen=0), PULL).message
    assert said == f"Deployment/ide-web: {FIRST}{BAD_PULL}"
