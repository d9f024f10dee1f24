"""A volume that cannot come before somebody changes something has failed; any other one is waited for."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.events import ObjectEvent
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Health, Verdict, assess
from ocdp_operator.plan.refused_pods import why_missing
from ocdp_operator.plan.replicas import LOOK_LATER, LOOK_SOON
from tests.support.builders import by_ref, entry, observed
from tests.support.pods import NOW, pod

NO_CLASS = 'storageclass.storage.k8s.io "fast" not found'
NOT_THERE = "it gets no volume: StorageClass fast does not exist, and no volume of that class is free."
NONE_SET = "no persistent volumes available for this claim and no storage class is set"


def pending(name: str = "ide-data", **spec: Any) -> Observed:
    return observed("PersistentVolumeClaim", name, spec=spec, status={"phase": "Pending"})


def health_of(
    *live: Observed, answers: dict[str, str] | None = None, pods: tuple[Observed, ...] = ()
) -> Health:
    """Of these objects, with the last failure among the events of some of them."""
    told = {each.ref: answers[each.ref.name] for each in live if answers and each.ref.name in answers}
    entries = [entry(each.ref.kind, each.ref.name) for each in live]
    return assess(Inventory.of(entries), by_ref(*live), Evidence(pods=pods, now=NOW, answers=told))


def health_with(answer: str, **spec: Any) -> Health:
    return health_of(pending(**spec), answers={"ide-data": answer})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            NO_CLASS,
            NOT_THERE,
            id="no such class",
        ),
        pytest.param(
            NONE_SET,
            "it gets no volume: it names no StorageClass, and the cluster has no default one.",
            id="no class at all",
        ),
    ],
)
def test_a_volume_that_nobody_can_wait_for_has_failed_with_what_is_missing(answer: str, words: str):
    health = health_with(answer)
    assert (health.verdict, health.reason) == (Verdict.FAILED, Reason.VOLUME_PENDING)
    assert health.message == f"PersistentVolumeClaim/ide-data: {words}"
    assert health.look_again is not None


@pytest.mark.parametrize(
    ("answer", "spec"),
    [
        pytest.param("", {}, id="nothing is told"),
        pytest.param("failed to provision volume: out of space", {}, id="the next try may succeed"),
        pytest.param(NONE_SET, {"storageClassName": ""}, id="a person makes the volume"),
    ],
)
def test_a_volume_that_may_yet_come_is_waited_for(answer: str, spec: dict[str, Any]):
    health = health_with(answer, **spec)
    assert (health.verdict, health.reason) == (Verdict.PROGRESSING, Reason.VOLUME_PENDING)


@pytest.mark.parametrize(
    "newer", ["ExternalProvisioning", "WaitForFirstConsumer", "WaitForPodScheduled", "Provisioning"]
)
def test_a_class_that_was_made_meanwhile_is_missed_no_more(newer: str):
    failure = ObjectEvent("ProvisioningFailed", NO_CLASS, "2026-01-01T12:00:00", warning=True)
    later = ObjectEvent(newer, "a newer word", "2026-01-01T12:00:01", warning=False)
    assert why_missing([failure]) == NO_CLASS
    assert why_missing([later, failure]) == ""


def test_what_a_provisioner_fails_for_stays_though_it_tries_again():
    failure = ObjectEvent("ProvisioningFailed", "out of space", "2026-01-01T12:00:00", warning=True)
    again = ObjectEvent("ExternalProvisioning", "waiting for a volume", "2026-01-01T12:00:15", warning=False)
    assert why_missing([again, failure]) == "out of space"


def test_of_several_volumes_the_one_that_cannot_come_is_told():
    first, second = pending("ide-a"), pending("ide-b")
    assert health_of(first, second).asks == (first.ref, second.ref)
    health = health_of(first, second, answers={"ide-a": "", "ide-b": NO_CLASS})
    assert health.message == f"PersistentVolumeClaim/ide-b: {NOT_THERE}"


def test_the_missing_class_is_told_also_when_the_deadline_of_its_pods_has_passed():
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": ""}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "conditions": [late]}
    web = observed("Deployment", "ide-web", spec={"replicas": 1}, status=status)
    waits = pod(unscheduled="0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims")
    unasked = health_of(pending(), web, pods=(waits,))
    assert unasked.verdict is Verdict.FAILED
    assert unasked.asks == (pending().ref,)
    health = health_of(pending(), web, pods=(waits,), answers={"ide-data": NO_CLASS})
    assert health.message == f"PersistentVolumeClaim/ide-data: {NOT_THERE}"


def test_a_missing_class_is_told_beside_pods_that_are_merely_on_their_way():
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
    web = observed("Deployment", "ide-web", spec={"replicas": 1}, status=status)
    full = pod(unscheduled="0/1 nodes are available: 1 Insufficient nvidia.com/gpu")
    assert health_of(pending(), web, pods=(full,)).asks == (pending().ref,)
    health = health_of(pending(), web, pods=(full,), answers={"ide-data": NO_CLASS})
    assert health.message == f"PersistentVolumeClaim/ide-data: {NOT_THERE}"


def test_those_that_were_not_asked_are_looked_at_later():
    volumes = [pending(f"ide-{number:02}") for number in range(10)]
    unasked = health_of(*volumes)
    assert (len(unasked.asks), unasked.look_again) == (8, LOOK_SOON)
    answers = {ref.name: "" for ref in unasked.asks}
    assert health_of(*volumes, answers=answers).look_again == LOOK_LATER
