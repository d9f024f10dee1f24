"""Deployments whose controller measures no progress: a rollout that it takes for complete from the start, and a start from none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Health, Verdict, assess
from tests.support.builders import by_ref, entry
from tests.support.pods import NOW, REPLICA_SET, ago, container, deployment, pod, rolled, running, waiting

FORMER = rolled(name="ide-web-1a2b3c4d5")
"""The controller goes on to speak of the ReplicaSet that was complete before."""
NOWHERE = pod(unscheduled="0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.")
UNREADY = pod(running(), since=ago(seconds=40))
LOADS = pod(running(started=False, since=ago(hours=2)))
SERVES = pod(running(ready=True), ready=True)


def health_of(live: Observed, *pods: Observed, since: float | None = None, **evidence: Any) -> Health:
    """``since``: seconds for which it is told that it is on its way."""
    underway = None if since is None else NOW - timedelta(seconds=since)
    inventory = Inventory.of([entry(live.ref.kind, live.ref.name)])
    return assess(inventory, by_ref(live), Evidence(pods=pods, now=NOW, underway=underway, **evidence))


def test_the_newer_pods_tell_the_cause_though_the_condition_speaks_of_a_former_replica_set():
    health = health_of(deployment(0, FORMER), NOWHERE)

    assert (health.verdict, health.reason) == (Verdict.PROGRESSING, Reason.UNSCHEDULABLE)
    assert "no node takes its pod" in health.message


def test_under_a_condition_that_never_changed_one_failed_probe_is_not_believed_at_once_and_then_it_is():
    """Recreate, from one revision to another and back: nothing says that again."""
    for seconds, verdict in ((1, Verdict.HEALTHY), (5, Verdict.FAILED)):
        seen = pod(running(), since=ago(seconds=seconds))
        health = health_of(deployment(0, FORMER), seen, was_healthy=True, stands=True)
        assert health.verdict is verdict


def test_a_condition_that_names_a_replica_set_with_pods_is_believed():
    leaves = pod(
        waiting("CrashLoopBackOff"), name="x", owner=("ReplicaSet", "ide-web-other", "x"), born=ago(seconds=1)
    )

    health = health_of(deployment(0, rolled(name=REPLICA_SET)), UNREADY, leaves)

    assert health.reason is Reason.HEALTH_CHECK_FAILED
    assert "readiness probe" in health.message


WAITS = {
    "within its deadline": (NOWHERE, 590, Verdict.PROGRESSING, Reason.UNSCHEDULABLE),
    "past it, for a node": (NOWHERE, 600, Verdict.FAILED, Reason.UNSCHEDULABLE),
    "past it, not ready for a moment": (UNREADY, 600, Verdict.PROGRESSING, Reason.HEALTH_CHECK_FAILED),
    "past it, not ready for ten minutes": (pod(running(), since=ago(seconds=600)), 610, Verdict.FAILED, Reason.HEALTH_CHECK_FAILED),
    "past it, and it starts up": (LOADS, 7200, Verdict.PROGRESSING, Reason.PROGRESSING),
    "past it, and what follows on its init container is made": (pod(waiting("ContainerCreating"), init=(container({}, ready=True),)), 7200, Verdict.PROGRESSING, Reason.PROGRESSING),
    "past it, and it was evicted": (pod(phase="Failed", reason="Evicted"), 7200, Verdict.PROGRESSING, Reason.PROGRESSING),
    "nobody says since when": (UNREADY, None, Verdict.PROGRESSING, Reason.HEALTH_CHECK_FAILED),
}  # fmt: skip


@pytest.mark.parametrize("condition", [FORMER, rolled()], ids=["unknown rollout", "started from none"])
@pytest.mark.parametrize(("seen", "since", "verdict", "reason"), WAITS.values(), ids=WAITS)
def test_what_no_controller_measures_has_its_deadline_all_the_same(condition, seen, since, verdict, reason):
    health = health_of(deployment(0, condition), seen, since=since)

    assert (health.verdict, health.reason) == (verdict, reason)


def test_nobody_tells_when_the_deadline_passes_so_it_is_looked_for():
    assert health_of(deployment(0, FORMER), NOWHERE, since=590).look_again == 10
    assert health_of(deployment(0, FORMER), NOWHERE, since=600).look_again is None


JUST_BEGUN = {
    "a pod that was made anew": (deployment(0), (pod(waiting("ContainerCreating"), born=ago(seconds=2)),)),
    "a pod that is not made yet": (deployment(0, existing=0), ()),
    "one more that is not made yet": (deployment(4, wanted=5, existing=4), (SERVES,)),
    "a pod that is ready and not counted": (deployment(0), (SERVES,)),
    "a pod that has yet to end": (deployment(1, existing=2), (SERVES,)),
    "not available until just now": (deployment(0, changed=ago(seconds=1)), (pod(waiting("ContainerCreating")),)),
}  # fmt: skip


@pytest.mark.parametrize(("live", "pods"), JUST_BEGUN.values(), ids=JUST_BEGUN)
def test_what_began_a_moment_ago_is_on_its_way_however_long_the_rest_of_the_claim_is(live, pods):
    assert health_of(live, *pods, since=7200).verdict is Verdict.PROGRESSING


def test_a_pod_that_is_ready_and_not_counted_yet_is_not_past_the_deadline_that_its_controller_told():
    late = rolled("ProgressDeadlineExceeded")

    assert health_of(deployment(0, late), SERVES).verdict is Verdict.PROGRESSING
    assert health_of(deployment(0, late, existing=0)).verdict is Verdict.FAILED
