"""Of the claims that follow a template only so many move at once, and none once too many failed; a restart forgets nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ocdp_operator.errors import Dependency, Reason, Stalled, Waiting
from ocdp_operator.model.claim import HistoryItem, WorkloadClaim
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.rollout import Move, Turn
from ocdp_operator.plan.upgrading import Setback
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.queue import ClaimQueue
from ocdp_operator.reconcile.rollout import Rollouts, Terms
from tests.support import builders

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
SECOND = Move(2, ())
EAST = (ProfileRef(id="east", revision=2),)


class Fleet:
    """Claims that follow one template, on revision 1 and well, and their gate."""

    def __init__(self, count: int, *, concurrency: int = 2, failures: int = 2) -> None:
        self.claims = ClaimStore()
        self.clock = 0.0
        self.queue = ClaimQueue(lambda: self.clock)
        self.terms = Terms(concurrency, failures)
        self.names = [f"c{number}" for number in range(count)]
        for name in self.names:
            self.put(name)
        self.restart()

    def restart(self) -> None:
        self.rollouts = Rollouts(
            self.claims, self.queue, lambda: NOW, lambda: self.clock, random.Random(1), self.terms
        )

    def put(
        self, name: str, *, on: int = 1, well: bool = True, failed: int | None = None, **changes: Any
    ) -> WorkloadClaim:
        def item(revision: int, *, healthy: bool) -> HistoryItem:
            return HistoryItem(
                revision=revision, commit="c", input_digest=str(revision), first_applied="", healthy=healthy
            )

        history = [item(on, healthy=well)] + ([item(1, healthy=True)] if on > 1 else [])
        status = builders.in_force(on)
        template = status.template.model_copy(update={"failed": failed})
        status = status.model_copy(
            update={"template": template, "history": tuple(history), "input_digest": str(on)}
            | changes.pop("status", {})
        )
        version = str(int(known.resource_version) + 1 if (known := self.claims.get(self.key(name))) else 1)
        made = builders.claim(
            name, uid=name, status=status, resource_version=version, **({"upgrade_policy": "Auto"} | changes)
        )
        self.claims.put(made)
        return made

    def key(self, name: str) -> Any:
        return builders.claim(name).key

    def get(self, name: str) -> WorkloadClaim:
        found = self.claims.get(self.key(name))
        assert found is not None
        return found

    def turns(self, move: Move = SECOND) -> list[Turn]:
        return [self.rollouts.turn(self.get(name), move) for name in self.names]

    def woken(self) -> int:
        self.clock += 60
        return self.queue.depth


GO, WAIT, HALTED = Turn.GO, Turn.WAIT, Turn.HALTED


def test_so_many_move_at_once_and_keep_their_place_when_they_ask_again():
    fleet = Fleet(4)
    assert fleet.turns() == [GO, GO, WAIT, WAIT]
    assert fleet.turns() == [GO, GO, WAIT, WAIT]


def test_a_place_is_given_on_when_a_claim_is_well():
    fleet = Fleet(4)
    fleet.turns()
    fleet.rollouts.ended(fleet.put("c0", on=2, well=False), None, SECOND)
    assert fleet.woken() == 0
    fleet.rollouts.ended(fleet.put("c0", on=2), None, None)
    assert fleet.woken() == 1
    assert [fleet.rollouts.turn(fleet.get(name), SECOND) for name in ("c2", "c3")] == [GO, WAIT]


@pytest.mark.parametrize(
    "changes", [{"upgrade_policy": "Manual"}, {"suspend": True}], ids=["Manual", "suspended"]
)
def test_a_place_is_given_on_when_a_claim_moves_no_more(changes: dict[str, Any]):
    fleet = Fleet(3)
    fleet.turns()
    fleet.rollouts.ended(fleet.put("c0", **changes), None, None)
    assert fleet.woken() == 1


def test_a_deleted_claim_gives_its_place_on():
    fleet = Fleet(3)
    fleet.turns()
    fleet.rollouts.forget(fleet.key("c0"))
    assert fleet.woken() == 1


def test_a_stopped_claim_has_arrived_when_it_is_applied():
    fleet = Fleet(3)
    fleet.turns()
    fleet.rollouts.ended(fleet.put("c0", on=2, well=False, running=False), None, SECOND)
    assert fleet.woken() == 1


def test_a_claim_that_waits_for_git_keeps_its_place_so_that_the_others_need_not_try():
    fleet = Fleet(3)
    fleet.turns()
    fleet.rollouts.ended(fleet.get("c0"), Waiting(Reason.GIT_OPERATION_FAILED, "Away."), SECOND)
    assert fleet.woken() == 0
    fleet.rollouts.ended(fleet.get("c0"), Stalled(Reason.ACCESS_REVOKED, "No."), SECOND)
    assert fleet.woken() == 1


def fail(fleet: Fleet, name: str) -> None:
    back = Setback(2, 1, "c", "It failed.")
    fleet.rollouts.went_back(fleet.put(name, failed=2), back)


def test_too_many_failures_halt_a_revision_and_a_newer_one_starts_anew():
    fleet = Fleet(5)
    fleet.turns()
    fail(fleet, "c0")
    assert fleet.rollouts.turn(fleet.get("c2"), SECOND) is GO
    fail(fleet, "c1")
    assert fleet.woken() == 3, "one for the place, and the two that waited, to say so"
    assert [fleet.rollouts.turn(fleet.get(name), SECOND) for name in ("c2", "c3", "c4")] == [HALTED] * 3
    third = Move(3, ())
    assert [fleet.rollouts.turn(fleet.get(name), third) for name in ("c2", "c3", "c4")] == [GO, GO, WAIT]


def test_a_restart_knows_who_is_under_way_and_who_failed():
    fleet = Fleet(5)
    fleet.put("c0", on=2, well=False)
    fleet.put("c1", failed=2)
    fleet.restart()
    assert [fleet.rollouts.turn(fleet.get(name), SECOND) for name in ("c2", "c3")] == [GO, WAIT]
    fleet.put("c4", failed=2)
    fleet.restart()
    assert fleet.rollouts.turn(fleet.get("c2"), SECOND) is HALTED


def test_profiles_have_a_gate_of_their_own():
    fleet = Fleet(4)
    assert fleet.turns(Move(1, EAST)) == [GO, GO, WAIT, WAIT]
    fleet.rollouts.went_back(fleet.get("c0"), Setback(None, 1, "c", "No."))
    assert fleet.rollouts.turn(fleet.get("c0"), Move(1, EAST)) is Turn.FAILED
    assert fleet.rollouts.turn(fleet.get("c2"), Move(1, EAST)) is GO
    arrived = fleet.put("c1", status={"profiles": EAST})
    fleet.rollouts.ended(replace(arrived), None, None)
    assert fleet.rollouts.turn(fleet.get("c3"), Move(1, EAST)) is GO


FULL = Waiting(Reason.QUOTA_EXCEEDED, "Full.")
GIT_AWAY = Waiting(Reason.GIT_OPERATION_FAILED, "Away.", dependency=Dependency("source", "https://git.test"))


def test_a_claim_whose_move_vanished_holds_no_place():
    fleet = Fleet(3)
    fleet.turns()
    fleet.rollouts.ended(fleet.put("c0", template_revision=1), None, None)
    assert fleet.woken() == 1


def test_a_claim_that_is_being_deleted_holds_no_place():
    fleet = Fleet(3)
    fleet.turns()
    fleet.rollouts.ended(fleet.put("c0", deleting=True), None, None)
    assert fleet.woken() == 1


@pytest.mark.parametrize("error", [None, FULL], ids=["never well, never failed", "a full quota"])
def test_a_place_is_held_for_so_long_and_no_longer(error: Waiting | None):
    fleet = Fleet(3)
    fleet.turns(Move(1, EAST))
    stuck = fleet.put("c0", well=False, status={"profiles": EAST, "input_digest": ""})
    fleet.clock = fleet.terms.longest - 1
    fleet.rollouts.ended(stuck, error, None)
    assert fleet.queue.depth == 0
    fleet.clock = fleet.terms.longest
    fleet.rollouts.ended(stuck, error, None)
    assert fleet.woken() == 1


def test_a_claim_that_nobody_looks_at_does_not_hold_its_place_either():
    fleet = Fleet(3)
    fleet.turns()
    fleet.clock = fleet.terms.longest
    assert fleet.rollouts.turn(fleet.get("c2"), SECOND) is GO


def test_one_dead_repository_does_not_hold_up_a_profile_for_other_templates():
    fleet = Fleet(4)
    move = Move(2, EAST)
    assert fleet.turns(move) == [GO, GO, WAIT, WAIT]
    for name in ("c0", "c1"):
        fleet.rollouts.ended(fleet.get(name), GIT_AWAY, move)
    other = fleet.put("c3", template_id="vllm-server")
    assert fleet.rollouts.turn(other, Move(1, EAST)) is GO
    assert fleet.rollouts.turn(fleet.get("c2"), move) is WAIT


def test_after_a_restart_no_more_places_are_held_than_there_are_and_own_failures_are_no_profiles_fault():
    fleet = Fleet(6)
    before = {
        "history": (HistoryItem(revision=1, commit="c", input_digest="0", first_applied="", healthy=True),)
    }
    for name in ("c0", "c1", "c2", "c3"):
        fleet.put(name, status={"profiles": EAST, "input_digest": "", **before})
    fleet.restart()
    assert fleet.rollouts.turn(fleet.get("c4"), Move(1, EAST)) is WAIT
    for name in ("c0", "c1"):
        fleet.rollouts.ended(fleet.get(name), Stalled(Reason.INVALID_VALUES, "No."), None)
    assert [fleet.rollouts.turn(fleet.get(name), Move(1, EAST)) for name in ("c4", "c5")] == [GO, GO]


def test_a_claim_that_was_woken_for_a_place_and_does_not_take_it_wakes_the_next():
    fleet = Fleet(5)
    fleet.turns()
    fleet.rollouts.ended(fleet.put("c0", on=2), None, None)
    assert fleet.woken() == 1
    fleet.rollouts.ended(fleet.put("c2", suspend=True), None, None)
    assert fleet.woken() == 2, "the next one too"
    assert fleet.rollouts.turn(fleet.get("c3"), SECOND) is GO


def test_profiles_that_went_with_a_bad_revision_may_be_tried_again_with_a_newer_one_and_count_for_nobody():
    fleet = Fleet(4)
    move = Move(2, EAST)
    fleet.turns(move)
    for name in ("c0", "c1"):
        fleet.rollouts.went_back(fleet.put(name, failed=2), Setback(2, 1, "c", "No."))
    assert fleet.rollouts.turn(fleet.get("c0"), Move(1, EAST)) is Turn.FAILED
    assert fleet.rollouts.turn(fleet.get("c0"), Move(3, EAST)) is GO
    assert fleet.rollouts.turn(fleet.get("c2"), Move(1, EAST)) is GO
