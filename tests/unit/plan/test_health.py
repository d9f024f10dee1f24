"""Health is read from what controllers write, and is never better than what they wrote."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Health, Verdict, assess
from tests.support.builders import by_ref, entry, observed
from tests.support.pods import NOW

HEALTHY, PROGRESSING, FAILED = Verdict.HEALTHY, Verdict.PROGRESSING, Verdict.FAILED


def pods(total: int, **less: int) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), total)
    return {"observedGeneration": 1, **counts, **less}


def conditions(*pairs: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"type": t, "status": s, "reason": r, "message": f"message of {t}"} for t, s, r in pairs]


AVAILABLE = ("Available", "True", "MinimumReplicasAvailable")
ROLLED_OUT = ("Progressing", "True", "NewReplicaSetAvailable")
DONE = {"conditions": conditions(AVAILABLE, ROLLED_OUT)}
REVISIONS = {"currentRevision": "a", "updateRevision": "a"}


def health_of(kind: str, spec: dict[str, Any], status: dict[str, Any], **fields: Any) -> Health:
    live = observed(kind, "ide-x", spec=spec, status=status, **fields)
    return assess(Inventory.of([entry(kind, "ide-x")]), by_ref(live))


CASES = [
    ("Deployment", {"replicas": 2}, {**pods(2), **DONE}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Deployment", {}, {**pods(1), **DONE}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Deployment", {"replicas": 0}, {**pods(0), **DONE}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Deployment", {}, {**pods(1), "conditions": conditions(AVAILABLE)}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Deployment", {}, {}, PROGRESSING, Reason.PROGRESSING),
    ("Deployment", {}, {**pods(1), **DONE, "observedGeneration": 0}, PROGRESSING, Reason.PROGRESSING),
    ("Deployment", {"replicas": 2}, {**pods(0), **DONE}, PROGRESSING, Reason.NO_PODS),
    ("Deployment", {"replicas": 2}, {**pods(1), **DONE}, PROGRESSING, Reason.PROGRESSING),
    ("Deployment", {"replicas": 2}, {**pods(2, updatedReplicas=1), **DONE}, PROGRESSING, Reason.PROGRESSING),
    ("Deployment", {"replicas": 2}, {**pods(2, readyReplicas=0), **DONE}, PROGRESSING, Reason.PROGRESSING),
    ("Deployment", {"replicas": 2}, {**pods(2, availableReplicas=1), **DONE}, PROGRESSING, Reason.PROGRESSING),
    ("Deployment", {"replicas": 2}, {**pods(2, replicas=3), **DONE}, PROGRESSING, Reason.PROGRESSING),
    (
        "Deployment", {"progressDeadlineSeconds": 600}, {**pods(1), "conditions": conditions(AVAILABLE)},
        PROGRESSING, Reason.PROGRESSING,
    ),
    (
        "Deployment", {"progressDeadlineSeconds": 600},
        {**pods(1), "conditions": conditions(("Progressing", "True", "ReplicaSetUpdated"), AVAILABLE)},
        PROGRESSING, Reason.PROGRESSING,
    ),
    (
        "Deployment", {}, {**pods(1), "conditions": conditions(ROLLED_OUT, ("Available", "False", "x"))},
        PROGRESSING, Reason.PROGRESSING,
    ),
    (
        "Deployment", {}, {**pods(0), "conditions": conditions(("Progressing", "False", "ProgressDeadlineExceeded"))},
        FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED,
    ),
    (
        "Deployment", {}, {**pods(0), "conditions": conditions(("ReplicaFailure", "True", "FailedCreate"))},
        FAILED, Reason.HEALTH_CHECK_FAILED,
    ),
    ("StatefulSet", {"replicas": 2}, {**pods(2), **REVISIONS}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("StatefulSet", {"replicas": 0}, {"observedGeneration": 1}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("StatefulSet", {}, {}, PROGRESSING, Reason.PROGRESSING),
    ("StatefulSet", {"replicas": 2}, {**pods(0), **REVISIONS}, PROGRESSING, Reason.NO_PODS),
    ("StatefulSet", {"replicas": 2}, {**pods(2, readyReplicas=1), **REVISIONS}, PROGRESSING, Reason.PROGRESSING),
    ("StatefulSet", {"replicas": 2}, {**pods(2, updatedReplicas=1), **REVISIONS}, PROGRESSING, Reason.PROGRESSING),
    (
        "StatefulSet", {"replicas": 1}, {**pods(1), "currentRevision": "a", "updateRevision": "b"},
        PROGRESSING, Reason.PROGRESSING,
    ),
    (
        "StatefulSet", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
        {**pods(3, updatedReplicas=1), "currentRevision": "a", "updateRevision": "b"},
        HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED,
    ),
    (
        "StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, pods(1, updatedReplicas=0),
        HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED,
    ),
    (
        "StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, pods(1, readyReplicas=0),
        PROGRESSING, Reason.PROGRESSING,
    ),
    ("PersistentVolumeClaim", {}, {"phase": "Bound"}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("PersistentVolumeClaim", {}, {"phase": "Pending"}, PROGRESSING, Reason.VOLUME_PENDING),
    ("PersistentVolumeClaim", {}, {}, PROGRESSING, Reason.VOLUME_PENDING),
    ("PersistentVolumeClaim", {}, {"phase": "Lost"}, FAILED, Reason.HEALTH_CHECK_FAILED),
    ("Service", {"type": "ClusterIP"}, {}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Service", {"type": "LoadBalancer"}, {}, PROGRESSING, Reason.PROGRESSING),
    ("Service", {"type": "LoadBalancer"}, {"loadBalancer": {}}, PROGRESSING, Reason.PROGRESSING),
    (
        "Service", {"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
        HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED,
    ),
    ("Job", {}, {"conditions": conditions(("Complete", "True", ""))}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Job", {}, {"conditions": conditions(("Suspended", "True", ""))}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("Job", {}, {"conditions": conditions(("Failed", "True", ""))}, FAILED, Reason.HEALTH_CHECK_FAILED),
    ("Job", {}, {"conditions": conditions(("Failed", "False", ""))}, PROGRESSING, Reason.PROGRESSING),
    ("Job", {}, {"startTime": "2026-01-01T00:00:00Z", "active": 1}, PROGRESSING, Reason.PROGRESSING),
    ("Job", {}, {}, PROGRESSING, Reason.PROGRESSING),
    ("Ingress", {}, {}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
    ("NetworkPolicy", {}, {}, HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "spec", "status", "verdict", "reason"),
    [pytest.param(*case, id=f"{case[0]}-{case[3]}-{number}") for number, case in enumerate(CASES)],
)
def test_the_verdict_follows_the_status(kind, spec, status, verdict, reason):
    health = health_of(kind, spec, status)

    assert (health.verdict, health.reason) == (verdict, reason)
    assert health.objects[0].health == verdict
    assert verdict is HEALTHY or health.message.startswith(f"{kind}/ide-x: ")


def test_a_status_of_an_older_generation_says_nothing():
    assert health_of("Deployment", {}, {**pods(1), **DONE}, generation=2).verdict is PROGRESSING


def test_an_object_that_does_not_exist_is_not_healthy():
    assert assess(Inventory.of([entry("ConfigMap", "ide-x")]), {}).verdict is PROGRESSING


def test_an_object_that_is_being_deleted_is_not_healthy():
    live = observed("ConfigMap", "ide-x", deletion_timestamp="2026-01-01T00:00:00Z")

    assert assess(Inventory.of([entry("ConfigMap", "ide-x")]), by_ref(live)).verdict is PROGRESSING


def test_another_object_of_the_same_name_is_not_healthy():
    live = observed("ConfigMap", "ide-x", uid="other")

    assert assess(Inventory.of([entry("ConfigMap", "ide-x")]), by_ref(live)).verdict is PROGRESSING


def test_secrets_are_not_watched_and_count_as_healthy():
    assert assess(Inventory.of([entry("Secret", "ide-credentials")]), {}).verdict is HEALTHY


@pytest.mark.parametrize("entries", [[], [entry("Workload", "ide")]], ids=["nothing", "only the Workload"])
def test_nothing_is_not_healthy(entries):
    assert assess(Inventory.of(entries), {}).verdict is PROGRESSING


def test_what_waits_to_be_pruned_does_not_count():
    inventory = Inventory.of([entry("ConfigMap", "ide-x"), entry("Service", "ide-old", desired=False)])

    health = assess(inventory, by_ref(observed("ConfigMap", "ide-x")))

    assert health.verdict is HEALTHY
    assert [item.name for item in health.objects] == ["ide-x"]


def test_the_first_failed_object_is_named_before_others_that_are_only_slow():
    inventory = Inventory.of(
        [
            entry("PersistentVolumeClaim", "ide-a"),
            entry("Job", "ide-b"),
            entry("Job", "ide-a"),
            entry("ConfigMap", "ide-a"),
        ]
    )
    failed = {"conditions": conditions(("Failed", "True", ""))}
    live = by_ref(
        observed("Job", "ide-a", status=failed),
        observed("Job", "ide-b", status=failed),
        observed("ConfigMap", "ide-a"),
    )

    health = assess(inventory, live)

    assert health.verdict is FAILED
    assert health.message.startswith("Job/ide-a: ")
    assert [item.kind for item in health.objects] == ["ConfigMap", "PersistentVolumeClaim", "Job", "Job"]


def test_a_message_of_a_controller_is_made_fit_for_one_line():
    status = {"conditions": [{"type": "Failed", "status": "True", "message": "a\nb" * 2000}]}

    health = health_of("Job", {}, status)

    assert health.message.isprintable()
    assert len(health.message.encode()) <= 1024


def overdue(told: datetime, *, applied: datetime) -> Health:
    """Of a Deployment without pods, whose controller told then that its deadline had passed."""
    said = conditions(("Progressing", "False", "ProgressDeadlineExceeded"))[0]
    said["lastUpdateTime"] = told.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {**pods(0), "conditions": [said]}
    live = observed("Deployment", "ide-x", spec={"progressDeadlineSeconds": 600}, status=status)
    evidence = Evidence(now=NOW, applied=applied)
    return assess(Inventory.of([entry("Deployment", "ide-x")]), by_ref(live), evidence)


STALE = {
    "the deadline of what was there before": (60, 90, PROGRESSING, Reason.NO_PODS),
    "its own deadline": (60, 50, FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED),
    "nobody says so again, and it is": (601, 610, FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED),
}


@pytest.mark.parametrize(("applied", "told", "verdict", "reason"), STALE.values(), ids=STALE)
def test_a_deployment_that_goes_back_is_not_late_by_the_deadline_of_what_failed(
    applied, told, verdict, reason
):
    health = overdue(NOW - timedelta(seconds=told), applied=NOW - timedelta(seconds=applied))

    assert (health.verdict, health.reason) == (verdict, reason)
    # Nobody tells of it when the deadline passes: it is looked for.
    assert health.look_again == (600 - applied if verdict is PROGRESSING else None)


@given(
    wanted=st.integers(1, 5),
    counts=st.fixed_dictionaries(
        {}, optional={name: st.integers(0, 5) for name in pods(0)}
    ),
    kind=st.sampled_from(["Deployment", "StatefulSet"]),
)  # fmt: skip
def test_zero_of_some_expected_pods_is_never_healthy(wanted, counts, kind):
    status = {**counts, **DONE, **REVISIONS, "observedGeneration": 1}

    health = health_of(kind, {"replicas": wanted}, status)

    if counts.get("readyReplicas", 0) < wanted:
        assert health.verdict is not HEALTHY
