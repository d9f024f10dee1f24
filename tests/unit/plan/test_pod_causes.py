"""Each way in which a pod can fail has one reason, and words for the owner that stay as they are."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.pod_causes import Cause, Weight, cause_of, weightiest
from tests.support.pods import NOW, ago, ended, pod, running, waiting

BROKEN, PENDING, STARTING, UNREADY = Weight.BROKEN, Weight.PENDING, Weight.STARTING, Weight.UNREADY
OOM = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(minutes=1)}
GPU = "0/3 nodes are available: 1 node(s) had untolerated taint {gpu}, 2 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."  # fmt: skip
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
IMAGE = "container web cannot pull its image registry.example.test/web:1"


def side(status: dict[str, object]) -> dict[str, object]:
    return status | {"name": "side"}


CASES = {
    "no node": (pod(unscheduled=GPU), PENDING, Reason.UNSCHEDULABLE, "no node takes its pod: 0/3 nodes are available: 1 node(s) had untolerated taint {gpu}, 2 Insufficient nvidia.com/gpu"),
    "no node for long": (pod(unscheduled=GPU, since=ago(minutes=5)), BROKEN, Reason.UNSCHEDULABLE, "no node takes its pod: 0/3 nodes are available: 1 node(s) had untolerated taint {gpu}, 2 Insufficient nvidia.com/gpu"),
    "no node, in no words": (pod(unscheduled=""), PENDING, Reason.UNSCHEDULABLE, "no node takes its pod"),
    "no node for the volume": (pod(unscheduled=UNBOUND), PENDING, Reason.VOLUME_PENDING, "no node takes its pod: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims"),
    "pull failed": (pod(waiting("ErrImagePull", "manifest unknown")), BROKEN, Reason.IMAGE_PULL_FAILED, f"{IMAGE}: manifest unknown"),
    "pull failed, backing off": (pod(waiting("ImagePullBackOff", 'Back-off pulling image "registry.example.test/web:1": ErrImagePull: manifest unknown')), BROKEN, Reason.IMAGE_PULL_FAILED, f"{IMAGE}: manifest unknown"),
    "pull failed, backing off in few words": (pod(waiting("ImagePullBackOff", 'Back-off pulling image "registry.example.test/web:1"')), BROKEN, Reason.IMAGE_PULL_FAILED, f"{IMAGE} (ImagePullBackOff)"),
    "image has no name": (pod(waiting("InvalidImageName", "couldn't parse image name")), BROKEN, Reason.IMAGE_PULL_FAILED, f"{IMAGE}: couldn't parse image name"),
    "image must be there": (pod(waiting("ErrImageNeverPull")), BROKEN, Reason.IMAGE_PULL_FAILED, f"{IMAGE} (ErrImageNeverPull)"),
    "crash loop": (pod(waiting("CrashLoopBackOff", "back-off 5m0s", restartCount=7, ended=OOM)), BROKEN, Reason.CRASH_LOOP, "container web ends again and again: exit code 137 (OOMKilled), at least 5 restarts"),
    "crash loop, not known how": (pod(waiting("CrashLoopBackOff", restartCount=1)), BROKEN, Reason.CRASH_LOOP, "container web ends again and again: its last exit code is not known"),
    "crash loop, running for a moment": (pod(running(since=ago(seconds=10), started=False, restartCount=4, lastState={"terminated": OOM})), BROKEN, Reason.CRASH_LOOP, "container web ends again and again: exit code 137 (OOMKilled), at least 3 restarts"),
    "crash loop that is over": (pod(running(since=ago(minutes=6), started=False, restartCount=4, lastState={"terminated": OOM})), STARTING, Reason.PROGRESSING, "container web starts, for over 5 minutes: its startup probe has not passed yet"),
    "ended again": (pod(ended(1, restartCount=2)), BROKEN, Reason.CRASH_LOOP, "container web ends again and again: exit code 1 (Error), at least 2 restarts"),
    "ended once": (pod(ended(1)), PENDING, Reason.CRASH_LOOP, "container web ends: exit code 1 (Error)"),
    "ended well": (pod(ended(0, "Completed")), PENDING, Reason.PROGRESSING, "container web has ended and is started again"),
    "started again": (pod(running(since=ago(seconds=10), started=False, restartCount=1, lastState={"terminated": OOM})), STARTING, Reason.PROGRESSING, "container web starts: its startup probe has not passed yet"),
    "no such Secret": (pod(waiting("CreateContainerConfigError", 'secret "keys" not found')), BROKEN, Reason.HEALTH_CHECK_FAILED, 'container web cannot be started: CreateContainerConfigError, secret "keys" not found'),
    "no such program": (pod(waiting("RunContainerError", 'exec: "hunter2": not found')), BROKEN, Reason.HEALTH_CHECK_FAILED, "container web cannot be started: RunContainerError"),
    "starts": (pod(running(since=ago(seconds=10), started=False)), STARTING, Reason.PROGRESSING, "container web starts: its startup probe has not passed yet"),
    "starts for long": (pod(running(since=ago(minutes=20), started=False)), STARTING, Reason.PROGRESSING, "container web starts, for over 15 minutes: its startup probe has not passed yet"),
    "prepares": (pod(waiting("PodInitializing"), init=(running(name="setup", since=ago(seconds=9)),)), STARTING, Reason.PROGRESSING, "init container setup prepares the pod"),
    "prepares in a moment": (pod(waiting("PodInitializing"), init=(waiting("PodInitializing", name="setup"),)), PENDING, Reason.PROGRESSING, "its containers are being created"),
    "init container fails": (pod(waiting("PodInitializing"), init=(waiting("CrashLoopBackOff", name="setup", restartCount=2, ended=OOM),)), BROKEN, Reason.CRASH_LOOP, "container setup ends again and again: exit code 137 (OOMKilled), at least 2 restarts"),
    "probe not passed yet": (pod(running(since=ago(seconds=9)), since=ago(seconds=9)), UNREADY, Reason.PROGRESSING, "container web does not pass its readiness probe"),
    "probe fails": (pod(running(), since=ago(seconds=31)), UNREADY, Reason.HEALTH_CHECK_FAILED, "container web does not pass its readiness probe"),
    "probe fails for long": (pod(running(), since=ago(minutes=7)), UNREADY, Reason.HEALTH_CHECK_FAILED, "container web does not pass its readiness probe, for over 5 minutes"),
    "not ready without a probe": (pod(running(), probes=(), since=ago(minutes=7)), UNREADY, Reason.HEALTH_CHECK_FAILED, "container web runs and is not ready, for over 5 minutes"),
    "node away": (pod(running(ready=True)), UNREADY, Reason.HEALTH_CHECK_FAILED, "its containers are ready and the pod is not: its node does not answer, or a readiness gate is closed"),
    "evicted": (pod(phase="Failed", reason="Evicted"), PENDING, Reason.PROGRESSING, "a pod has ended (Evicted) and is made anew"),
    "being created": (pod(waiting("ContainerCreating")), PENDING, Reason.PROGRESSING, "container web is being created"),
    "just scheduled": (pod(), PENDING, Reason.PROGRESSING, "its containers are being created"),
    "one of two": (pod(running(ready=True), side(waiting("ErrImagePull", "denied"))), BROKEN, Reason.IMAGE_PULL_FAILED, "container side cannot pull its image registry.example.test/web:1: denied"),
    "the weightier of two": (pod(running(started=False), side(waiting("ErrImagePull", "denied"))), BROKEN, Reason.IMAGE_PULL_FAILED, "container side cannot pull its image registry.example.test/web:1: denied"),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "weight", "reason", "words"), CASES.values(), ids=CASES)
def test_the_cause_is_named(seen: Observed, weight: Weight, reason: Reason, words: str) -> None:
    cause = cause_of(seen, NOW, model=False)

    assert cause is not None
    assert (cause.weight, cause.reason) == (weight, reason)
    assert cause.words == words


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (pod(running(since=ago(minutes=20), started=False)), "container web loads its model, for over 15 minutes"),
        (pod(waiting("PodInitializing"), init=(running(name="fetch"),)), "init container fetch fetches the model, for over an hour"),
    ],
    ids=["server", "init container"],
)  # fmt: skip
def test_a_model_server_that_starts_loads_its_model(seen: Observed, words: str) -> None:
    assert cause_of(seen, NOW, model=True) == Cause(STARTING, Reason.MODEL_LOADING, words)


@pytest.mark.parametrize(
    "seen",
    [
        pod(running(ready=True), ready=True),
        pod(waiting("CrashLoopBackOff"), deletionTimestamp=ago(seconds=1)),
        pod(ended(0, "Completed"), phase="Succeeded"),
    ],
    ids=["ready", "on its way out", "done"],
)
def test_a_pod_without_trouble_has_no_cause(seen: Observed) -> None:
    assert cause_of(seen, NOW, model=False) is None


@pytest.mark.parametrize("case", CASES)
def test_a_second_later_the_words_are_the_same(case: str) -> None:
    seen = CASES[case][0]
    first, then = (cause_of(seen, NOW.replace(second=second), model=False) for second in (1, 2))
    assert first == then


def test_without_a_time_nothing_is_late() -> None:
    for seen, *_ in CASES.values():
        cause = cause_of(seen, None, model=False)
        assert cause is not None
        assert "over" not in cause.words


def test_of_several_pods_the_worst_is_named_and_of_equals_the_first_by_name() -> None:
    starting = pod(running(started=False), name="a")
    broken = [pod(waiting("ErrImagePull", word), name=word) for word in ("c", "b")]
    cause = weightiest([starting, *broken], NOW, model=False)
    assert cause is not None
    assert cause.words == f"{IMAGE}: b"
