"""When a claim under Auto moves and goes back, and what is said of a newer revision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled, Waiting
from ocdp_operator.model.claim import HistoryItem, WorkloadClaim
from ocdp_operator.model.conditions import Condition, Truth
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.rollout import Move, Stand, Turn, stand
from ocdp_operator.plan.resolve import question
from ocdp_operator.plan.upgrading import (
    Setback,
    next_move,
    obstruction,
    setback,
    sickness,
    standing,
    what_changes,
)
from tests.support.builders import COMMIT, answer, claim, in_force, template

START = datetime(2026, 1, 1, tzinfo=UTC)
EAST = (ProfileRef(id="east", revision=2),)
INVALID = Stalled(Reason.INVALID_VALUES, "/size is too small.")


def auto(
    revision: int = 1, *, failed: int | None = None, good: int | None = None, **spec: Any
) -> WorkloadClaim:
    """A claim that follows its template, on this revision; ``good``: it came from there, and is not well yet."""
    status = in_force(revision, pinned=spec.get("template_revision"))
    template_ = status.template.model_copy(update={"failed": failed})
    items = [
        HistoryItem(revision=number, commit=COMMIT, input_digest=str(number), first_applied="2026-01-01T00:00:00Z", healthy=healthy)
        for number, healthy in ([(revision, True)] if good is None else [(revision, False), (good, True)])
    ]  # fmt: skip
    status = status.model_copy(
        update={"template": template_, "history": tuple(items), "input_digest": str(revision), "observed_generation": 1}
    )  # fmt: skip
    made = claim(status=status, **({"upgrade_policy": "Auto"} | spec))
    return replace(made, status=status.model_copy(update={"spec_digest": made.spec.digest}))


@pytest.mark.parametrize(
    ("moving", "newest", "move"),
    [
        pytest.param(auto(), 2, Move(2, ()), id="the newest"),
        pytest.param(auto(), 1, None, id="it is there"),
        pytest.param(auto(failed=2), 2, None, id="it failed there"),
        pytest.param(auto(failed=2), 3, Move(3, ()), id="newer than what failed"),
        pytest.param(auto(upgrade_policy="Manual"), 2, None, id="Manual"),
        pytest.param(auto(upgrade_policy=None), 2, None, id="Manual by silence"),
        pytest.param(auto(template_revision=1), 2, None, id="pinned"),
        pytest.param(auto(suspend=True), 2, None, id="suspended"),
        pytest.param(claim(upgrade_policy="Auto"), 2, None, id="a new claim takes the newest without a gate"),
        pytest.param(auto(3), 2, None, id="never to an older one"),
    ],
)  # fmt: skip
def test_where_a_claim_goes_by_its_policy(moving: WorkloadClaim, newest: int, move: Move | None):
    assert next_move(moving, answer(template(1), newest=newest)) == move


def test_newer_profiles_are_taken_beside_a_pin_and_after_a_failure():
    for moving in (auto(template_revision=1), auto(failed=2)):
        found = next_move(moving, answer(template(1), newest=2, newest_profiles=EAST))
        assert found == Move(1, EAST)
        assert question(moving, "local", found).profiles == EAST
        assert question(moving, "local", found).revision == 1


def test_nothing_is_taken_from_an_answer_without_the_workspace():
    assert next_move(auto(), answer(template(1), newest=2, placement=None)) is None


@pytest.mark.parametrize(
    ("before", "move", "error", "failed"),
    [
        pytest.param(auto(), Move(2, ()), INVALID, 2, id="refused before it was taken"),
        pytest.param(auto(2, good=1), None, INVALID, 2, id="refused after it was taken"),
        pytest.param(auto(), Move(1, EAST), Stalled(Reason.POLICY_DENIED, "No."), None, id="profiles"),
    ],
)  # fmt: skip
def test_a_refused_revision_sends_the_claim_back(before, move, error, failed):
    back = setback(before, move, error)
    assert back is not None
    assert (back.failed, back.back_to) == (failed, 1)
    status = back.status(before.status)
    assert (status.template.revision, status.template.failed) == (1, failed)
    assert next_move(replace(before, status=status), answer(template(1), newest=2)) == (
        None if failed else Move(2, ())
    )


@pytest.mark.parametrize(
    ("before", "move", "error"),
    [
        pytest.param(auto(), None, INVALID, id="it was good before"),
        pytest.param(auto(), Move(2, ()), None, id="no error"),
        pytest.param(auto(), Move(2, ()), Waiting(Reason.GIT_OPERATION_FAILED, "Away."), id="an outage"),
        pytest.param(auto(), Move(2, ()), Stalled(Reason.ACCESS_REVOKED, "No."), id="not the revision's fault"),
        pytest.param(replace(auto(), generation=2), Move(2, ()), INVALID, id="edited a moment ago"),
        pytest.param(auto(2, good=1, upgrade_policy="Manual"), None, INVALID, id="Manual"),
        pytest.param(auto(2, good=1, template_revision=2), None, INVALID, id="pinned"),
        pytest.param(auto(2, good=1, suspend=True), None, INVALID, id="suspended"),
    ],
)  # fmt: skip
def test_other_failures_move_no_claim(before, move, error):
    assert setback(before, move, error) is None


def sick(asking: WorkloadClaim, at: str = "2026-01-01T00:01:00Z") -> WorkloadClaim:
    condition = Condition(
        type="Healthy", status=Truth.FALSE, reason=Reason.CRASH_LOOP, message="It crashes.", last_transition_time=at
    )  # fmt: skip
    return replace(asking, status=asking.status.model_copy(update={"conditions": (condition,)}))


@pytest.mark.parametrize(
    ("asking", "minutes", "goes"),
    [
        pytest.param(sick(auto(2, good=1)), 6, True, id="it failed for long"),
        pytest.param(sick(auto(2, good=1)), 5, False, id="not for long yet"),
        pytest.param(sick(auto(2, good=1), "2025-12-31T00:00:00Z"), 4, False, id="it failed before it moved"),
        pytest.param(sick(auto(2)), 60, False, id="it was well there once"),
        pytest.param(auto(2, good=1), 60, False, id="it only takes long"),
        pytest.param(sick(auto(2, good=1, upgrade_policy="Manual")), 60, False, id="Manual"),
        pytest.param(sick(auto(2, good=1, running=False)), 60, False, id="stopped"),
    ],
)  # fmt: skip
def test_pods_that_fail_for_long_send_the_claim_back(asking: WorkloadClaim, minutes: int, goes: bool):
    back = sickness(asking, START + timedelta(minutes=minutes), patience=300)
    assert back == (Setback(2, 1, COMMIT, "It crashes.") if goes else None)


@pytest.mark.parametrize(
    ("asking", "reason", "minutes", "goes"),
    [
        pytest.param(auto(2, good=1), Reason.QUOTA_EXCEEDED, 6, True, id="a quota for long"),
        pytest.param(auto(2, good=1), Reason.QUOTA_EXCEEDED, 5, False, id="not for long yet"),
        pytest.param(auto(2, good=1), Reason.FORBIDDEN, 60, False, id="no fault of the revision"),
        pytest.param(auto(2), Reason.QUOTA_EXCEEDED, 60, False, id="it was well there once"),
    ],
)  # fmt: skip
def test_what_cannot_be_applied_for_long_sends_the_claim_back(
    asking: WorkloadClaim, reason: Reason, minutes: int, goes: bool
):
    ready = Condition(
        type="Ready", status=Truth.FALSE, reason=reason, last_transition_time="2026-01-01T00:01:00Z"
    )
    asking = replace(asking, status=asking.status.model_copy(update={"conditions": (ready,)}))
    error = Waiting(reason, "Full.")
    back = obstruction(asking, error, START + timedelta(minutes=minutes), patience=300)
    assert back == (Setback(2, 1, COMMIT, "Full.") if goes else None)


def test_what_is_said_of_a_revision_that_is_not_taken():
    assert standing(auto(), 2, None) == ""
    assert (
        standing(auto(), 2, Turn.WAIT)
        == "Revision 2 is taken when it is this claim's turn: only so many move at once."
    )
    assert (
        standing(auto(failed=2), 2, None) == "Revision 2 is not taken: it failed here. A newer one will be."
    )
    assert standing(claim(), None, None) == ""
    for waits in (claim(), auto(template_revision=1)):
        where = f"{waits.key.name} -n {waits.key.namespace}"
        assert standing(waits, 2, None) == f"Revision 2 is available: ocdp claim upgrade {where}"
    assert standing(auto(), None, Turn.HALTED).startswith("The newest environment profiles are not taken")


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (claim(), None), (auto(template_revision=1), None), (auto(upgrade_policy="Manual"), None),
        (auto(), Stand.CURRENT), (auto(2, good=1), Stand.MOVING), (auto(failed=2), Stand.FAILED),
    ],
    ids=["new", "pinned", "Manual", "current", "moving", "failed"],
)  # fmt: skip
def test_where_a_claim_stands(asking: WorkloadClaim, expected: Stand | None):
    assert stand(asking) is expected


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"a": {"type": "integer"}}, "It takes the same values."),
        ({"a": {"type": "integer"}, "b": {}, "c": {}}, "New values: /b, /c."),
        ({"a": {"type": "integer", "minimum": 5}}, "May not be accepted any more: /a: minimum 5 added."),
    ],
    ids=["nothing", "more", "less"],
)  # fmt: skip
def test_what_a_newer_schema_means(new: dict[str, Any], said: str):
    assert what_changes({"properties": {"a": {"type": "integer"}}}, {"properties": new}) == said
