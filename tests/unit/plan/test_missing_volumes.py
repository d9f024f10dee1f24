"""A volume that cannot come before somebody changes something has failed; any other one is waited for."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.plan.findings import Evidence
from ocdp_operator.plan.health import Health, Verdict, assess
from tests.support.builders import by_ref, entry, observed
from tests.support.pods import NOW


def health_with(answer: str) -> Health:
    """Of a claim for a volume that has none, with the last event of it."""
    pending = observed("PersistentVolumeClaim", "ide-data", spec={}, status={"phase": "Pending"})
    evidence = Evidence(now=NOW, answers={pending.ref: answer})
    return assess(Inventory.of([entry("PersistentVolumeClaim", "ide-data")]), by_ref(pending), evidence)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            'storageclass.storage.k8s.io "fast" not found',
            "it gets no volume: StorageClass fast does not exist.",
            id="no such class",
        ),
        pytest.param(
            "no persistent volumes available for this claim and no storage class is set",
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
    "answer",
    [
        "",
        "waiting for first consumer to be created before binding",
        "failed to provision volume: out of space",
    ],
)
def test_a_volume_that_may_yet_come_is_waited_for(answer: str):
    health = health_with(answer)
    assert (health.verdict, health.reason) == (Verdict.PROGRESSING, Reason.VOLUME_PENDING)
