"""A pod of an older revision that will not be ready: its StatefulSet's controller keeps it, and the claim says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Actor, Advice
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.names import POD_REVISION
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Health, assess
from tests.support.builders import by_ref, entry, observed
from tests.support.pods import NOW, ago, pod, running, waiting

KEPT = (
    " Kubernetes keeps its pod ide-web-0, of another revision, until that is ready: "
    "delete this pod, or stop and start the claim."
)
PULL = waiting("ErrImagePull", "denied")
OLD, NEW = {POD_REVISION: "web-old"}, {POD_REVISION: "web-new"}


def of_set(
    *containers: dict[str, Any], labels: dict[str, str], name: str = "ide-web-0", **fields: Any
) -> Observed:
    owner = ("StatefulSet", "ide-web", "uid-1")
    return pod(*containers, name=name, owner=owner, labels=labels, **fields)


def health_of(*pods: Observed, was_healthy: bool = False, **spec: Any) -> Health:
    """Of a set of one pod that has gone on to another revision."""
    status = {
        "observedGeneration": 1, "replicas": 1, "readyReplicas": 0, "updatedReplicas": 0,
        "currentRevision": "web-old", "updateRevision": "web-new",
    }  # fmt: skip
    live = observed("StatefulSet", "ide-web", spec={"replicas": 1, **spec}, status=status)
    evidence = Evidence(pods=pods, now=NOW, was_healthy=was_healthy, stands=was_healthy)
    return assess(Inventory.of([entry("StatefulSet", "ide-web")]), by_ref(live), evidence)


@pytest.mark.parametrize("policy", [{}, {"podManagementPolicy": "OrderedReady"}], ids=["default", "named"])
@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(of_set(PULL, labels=OLD), id="broken"),
        pytest.param(of_set(labels=OLD, unscheduled="0/1 nodes are available"), id="fits no node"),
        pytest.param(of_set(labels=OLD, unscheduled='persistentvolumeclaim "x" not found'), id="no volume"),
        pytest.param(of_set(running(since=ago(hours=1)), labels=OLD), id="long unready"),
    ],
)
def test_a_pod_that_its_controller_keeps_is_named_with_what_to_do(kept: Observed, policy: dict[str, str]):
    health = health_of(kept, **policy)
    assert health.message.endswith(KEPT)
    assert health.objects[0].message.endswith(KEPT)
    assert health.advice == Advice(Actor.USER, "Delete this pod, or stop and start the claim.")


def test_several_that_are_not_ready_are_not_ended_by_a_stop():
    """Scaled down, such a set ends the first pod that is not ready alone, and that after those above it."""
    kept = of_set(PULL, labels=OLD, name="ide-web-10"), of_set(PULL, labels=OLD, name="ide-web-2")
    health = health_of(*kept, replicas=11)
    assert health.message.endswith(
        "keeps its pod ide-web-2, of another revision, until that is ready: delete its pods that are not ready."
    )
    assert health.advice == Advice(Actor.USER, "Delete its pods that are not ready.")


@pytest.mark.parametrize(
    ("seen", "spec"),
    [
        pytest.param(of_set(PULL, labels=NEW), {}, id="of the newest revision"),
        pytest.param(of_set(PULL, labels={}), {}, id="of no revision"),
        pytest.param(of_set(waiting("ContainerCreating"), labels=OLD), {}, id="on its way"),
        pytest.param(of_set(running(started=False), labels=OLD), {}, id="starts up"),
        pytest.param(of_set(running(ready=True), labels=OLD, ready=True), {}, id="ready"),
        pytest.param(of_set(PULL, labels=OLD, deletionTimestamp=ago(seconds=1)), {}, id="on its way out"),
        pytest.param(of_set(PULL, labels=OLD), {"replicas": 0}, id="not wanted"),
        pytest.param(
            of_set(labels=OLD, unscheduled='persistentvolumeclaim "x" not found'),
            {"volumeClaimTemplates": [{}]},
            id="waits for a volume that its successor needs as well",
        ),
        pytest.param(of_set(PULL, labels=OLD, name="ide-web-1"), {}, id="beyond the wanted ones"),
        pytest.param(of_set(PULL, labels=OLD, name="ide-web-x"), {}, id="that its controller never made"),
        pytest.param(of_set(PULL, labels=OLD), {"podManagementPolicy": "Parallel"}, id="parallel"),
        pytest.param(of_set(PULL, labels=OLD), {"updateStrategy": {"type": "OnDelete"}}, id="by hand"),
        pytest.param(
            of_set(PULL, labels=OLD),
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}},
            id="below the partition",
        ),
    ],
)
def test_a_pod_that_is_replaced_or_as_it_should_be_needs_nobody(seen: Observed, spec: dict[str, Any]):
    assert "Kubernetes keeps" not in health_of(seen, **spec).message


def test_a_pod_that_was_healthy_a_moment_ago_is_nothing_to_act_on():
    just_now = of_set(running(since=ago(seconds=1)), labels=OLD, since=ago(seconds=1))
    assert "Kubernetes keeps" not in health_of(just_now, was_healthy=True).message
