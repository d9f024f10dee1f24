"""Conditions: one for each type, and a transition time that moves only when the status flips."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ocdp_operator.errors import CATALOG, Actor, Reason, Stalled, Waiting
from ocdp_operator.model.conditions import Condition, Conditions, Failure, Truth

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ready(status: Truth, reason: Reason = Reason.PROGRESSING, message: str = "") -> Condition:
    return Condition(type="Ready", status=status, reason=reason, message=message)


def since(conditions: Conditions) -> str:
    condition = conditions.get("Ready")
    assert condition is not None
    return condition.last_transition_time


@pytest.mark.parametrize(
    ("after", "moves"),
    [
        (ready(Truth.TRUE), True),
        (ready(Truth.UNKNOWN), True),
        (ready(Truth.FALSE, Reason.QUOTA_EXCEEDED, "other words"), False),
    ],
)
def test_the_transition_time_moves_only_when_the_status_flips(after, moves):
    before = Conditions().put(ready(Truth.FALSE), now=NOON)

    later = before.put(after, now=NOON + timedelta(hours=1))

    assert (since(later) != since(before)) is moves
    assert later.get("Ready") is not None
    assert later.get("Ready").reason is after.reason


def test_times_are_utc_in_whole_seconds():
    local = datetime(2026, 1, 1, 14, 0, 0, 999999, tzinfo=timezone(timedelta(hours=2)))

    assert since(Conditions().put(ready(Truth.TRUE), now=local)) == "2026-01-01T12:00:00Z"


def test_there_is_one_condition_of_each_type():
    conditions = Conditions.of([ready(Truth.FALSE), ready(Truth.TRUE)])

    assert [c.status for c in conditions] == [Truth.TRUE]
    assert conditions.is_true("Ready")
    assert not conditions.is_true("Healthy")
    assert conditions.get("Healthy") is None


def test_unknown_is_not_true():
    assert not Conditions.of([ready(Truth.UNKNOWN)]).is_true("Ready")


def test_without_leaves_the_others():
    other = Condition(type="Stalled", status=Truth.TRUE, reason=Reason.INVALID_VALUES)

    assert list(Conditions.of([ready(Truth.TRUE), other]).without("Stalled", "Deleting")) == [
        ready(Truth.TRUE)
    ]


def test_putting_the_same_again_changes_nothing():
    once = Conditions().put(ready(Truth.TRUE), now=NOON)

    assert once.put(ready(Truth.TRUE), now=NOON + timedelta(days=1)) == once


def test_a_condition_is_written_in_camel_case_and_read_back():
    condition = Conditions().put(ready(Truth.TRUE, message="m"), now=NOON).get("Ready")
    assert condition is not None

    wire = condition.to_wire()

    assert wire["lastTransitionTime"] == "2026-01-01T12:00:00Z"
    assert Condition.model_validate(wire) == condition


def test_a_failure_says_who_must_act_and_how():
    failure = Failure.of(Stalled(Reason.INVALID_VALUES, "No.", value_path="/spec/values/a"))

    assert (failure.code, failure.actor) == (Reason.INVALID_VALUES, Actor.USER)
    assert (failure.value_path, failure.message) == ("/spec/values/a", "No.")
    assert failure.remedy


def test_an_error_may_name_another_actor_and_remedy():
    error = Waiting(
        Reason.CATALOG_UNAVAILABLE, "x" * 5000, dependency=CATALOG, actor=Actor.NOBODY, remedy="Wait."
    )

    assert (error.actor, error.remedy, len(str(error))) == (Actor.NOBODY, "Wait.", 1024)
