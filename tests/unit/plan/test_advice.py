"""Who must act on what is not healthy, and how: of the cause where it is known, else of the reason."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import ADVICE, Actor, Reason
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan import refused_pods
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Verdict, assess
from tests.support.builders import by_ref, entry, observed
from tests.support.pods import NOW, pod, waiting


def refused(words: str) -> Observed:
    """A Deployment whose pods the API server refuses."""
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "message": f'pods "ide-web-1" is forbidden: {words}',
    }
    return observed(
        "Deployment", "ide-web", spec={}, status={"observedGeneration": 1, "conditions": [failure]}
    )


CASES = {
    "Pod Security": (refused('violates PodSecurity "restricted:latest"'), Actor.PLATFORM),
    "a LimitRange": (refused("maximum cpu usage per Container is 2, but limit is 4"), Actor.USER),
    "a webhook": (refused('admission webhook "x.test" denied the request'), Actor.CLUSTER_OPERATOR),
    "a policy": (refused("ValidatingAdmissionPolicy 'x' denied the request"), Actor.PLATFORM),
    "a quota": (refused("exceeded quota: small"), ADVICE[Reason.QUOTA_EXCEEDED].actor),
    "a lost volume": (
        observed("PersistentVolumeClaim", "ide-data", spec={}, status={"phase": "Lost"}),
        Actor.CLUSTER_OPERATOR,
    ),
    "an address that is gone": (
        observed("Service", "ide-web", spec={"type": "LoadBalancer"}, status={}),
        Actor.CLUSTER_OPERATOR,
    ),
}


@pytest.mark.parametrize(("live", "actor"), CASES.values(), ids=CASES)
def test_who_can_act_on_the_cause_is_asked_to(live: Observed, actor: Actor):
    health = assess(
        Inventory.of([entry(live.ref.kind, live.ref.name)]), by_ref(live), Evidence(now=NOW, was_healthy=True)
    )
    assert health.verdict is Verdict.FAILED
    assert health.advice is not None
    assert health.advice.actor is actor


def test_of_a_cause_that_only_its_owner_can_know_the_reason_says_what_to_do():
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
    live = observed("Deployment", "ide-web", spec={"replicas": 1}, status=status)
    seen = pod(waiting("CrashLoopBackOff", restartCount=5))
    health = assess(
        Inventory.of([entry("Deployment", "ide-web")]), by_ref(live), Evidence(pods=(seen,), now=NOW)
    )
    assert health.advice == ADVICE[Reason.CRASH_LOOP]


def test_long_words_of_others_are_read_in_no_time():
    """Anybody who may write events may write this; it took 17 s once."""
    words = "a" * 60_000
    assert refused_pods.refused(words).verdict is Verdict.FAILED
