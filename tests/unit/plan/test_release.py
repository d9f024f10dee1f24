"""What a deleted claim deletes, in which order, what it leaves, and what it says while it waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.plan.release import plan_release, waiting_message
from tests.support.builders import entry, observed

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RECORDED = Inventory.of(
    [
        entry("ServiceAccount", "ide-web"),
        entry("Secret", "ide-credentials"),
        entry("PersistentVolumeClaim", "ide-home"),
        entry("ConfigMap", "ide-config", desired=False),
        entry("Deployment", "ide-web"),
        entry("StatefulSet", "ide-db", uid=""),
        entry("Ingress", "ide-web"),
        entry("Workload", "ide"),
    ]
)


def waves(policy: DeletionPolicy, inventory: Inventory = RECORDED) -> list[list[str]]:
    return [[str(e.ref) for e in wave] for wave in plan_release(inventory, policy=policy).waves]


def test_retain_data_keeps_volumes_and_the_credentials():
    retained = plan_release(RECORDED, policy=DeletionPolicy.RETAIN_DATA).retained

    assert {str(e.ref) for e in retained} == {"PersistentVolumeClaim/ide-home", "Secret/ide-credentials"}
    assert waves(DeletionPolicy.RETAIN_DATA) == [
        ["Workload/ide"],
        ["Ingress/ide-web"],
        ["StatefulSet/ide-db", "Deployment/ide-web"],
        ["ConfigMap/ide-config"],
        ["ServiceAccount/ide-web"],
    ]


def test_delete_keeps_nothing():
    assert plan_release(RECORDED, policy=DeletionPolicy.DELETE).retained == ()
    assert waves(DeletionPolicy.DELETE)[3] == [
        "PersistentVolumeClaim/ide-home",
        "Secret/ide-credentials",
        "ConfigMap/ide-config",
    ]


@pytest.mark.parametrize("policy", list(DeletionPolicy))
def test_every_entry_is_released_or_retained(policy):
    plan = plan_release(RECORDED, policy=policy)

    entries = [*plan.retained, *(entry for wave in plan.waves for entry in wave)]
    assert Inventory.of(entries) == RECORDED
    assert len(entries) == len(RECORDED)


def test_the_recorded_wave_counts_and_not_the_kinds():
    inventory = Inventory.of([entry("Service", "ide-web", wave=7), entry("Deployment", "ide-web")])

    assert waves(DeletionPolicy.DELETE, inventory) == [["Service/ide-web"], ["Deployment/ide-web"]]


def test_nothing_recorded_needs_no_wave():
    assert waves(DeletionPolicy.DELETE, Inventory()) == []


def blocker(name: str, *, age: timedelta = timedelta(), finalizers: tuple[str, ...] = ()):
    since = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    return observed("PersistentVolumeClaim", name, deletion_timestamp=since, finalizers=finalizers)


def test_the_message_names_every_blocker_with_its_finalizers():
    message = waiting_message(
        [blocker("ide-b"), blocker("ide-a", finalizers=("kubernetes.io/pvc-protection", "x/y"))], now=NOW
    )

    assert (
        "PersistentVolumeClaim/ide-a (finalizers kubernetes.io/pvc-protection, x/y, being deleted" in message
    )
    assert "PersistentVolumeClaim/ide-b (no finalizers" in message
    assert message.index("ide-a") < message.index("ide-b")
    assert message.endswith(". An object goes when whoever set its finalizers has removed them.")


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (timedelta(seconds=-3), "less than a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(seconds=60), "over a minute"),
        (timedelta(minutes=14), "over 5 minutes"),
        (timedelta(minutes=59), "over 15 minutes"),
        (timedelta(hours=5), "over an hour"),
        (timedelta(hours=23), "over 6 hours"),
        (timedelta(days=9), "over a day"),
    ],
)
def test_ages_are_coarse_so_that_waiting_writes_little(age, says):
    assert says in waiting_message([blocker("ide-a", age=age)], now=NOW)


def test_an_object_whose_deletion_was_not_taken_yet_is_told_so():
    said = waiting_message([observed("Service", "ide-web")], now=NOW)
    assert said == "Waiting until these objects are gone: Service/ide-web (not yet being deleted)."


def test_a_hundred_blockers_still_fit():
    message = waiting_message(
        [blocker(f"ide-{n}", finalizers=("x/" + "y" * 200,)) for n in range(100)], now=NOW
    )

    assert len(message.encode()) <= 1024
    assert "more" in message


def test_no_blocker_is_said_too():
    assert waiting_message([], now=NOW)
