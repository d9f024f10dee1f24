"""How a claim under ``upgradePolicy: Auto`` stands to newer revisions, as its status says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ocdp_operator.model.claim import HistoryItem, UpgradePolicy, WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.profile import ProfileRef


class Stand(StrEnum):
    """Where a claim that follows its template is on its way."""

    CURRENT = "current"
    WAITING = "waiting"
    """There is a newer revision, and it has not taken it yet."""
    MOVING = "moving"
    """It has taken one, and has not been healthy on it yet."""
    FAILED = "failed"
    """It went back from the newest one that it knows of."""


class Turn(StrEnum):
    """What a rollout says to a claim that would move."""

    GO = "Go"
    WAIT = "Wait"
    """As many as may be are under way."""
    HALTED = "Halted"
    """So many claims failed on it that no other one takes it."""
    FAILED = "Failed"
    """This claim failed on it."""


@dataclass(frozen=True, slots=True)
class Move:
    """The revisions that a claim takes by its policy."""

    revision: int
    """The template's; the one in force where the profiles alone are newer."""
    profiles: tuple[ProfileRef, ...]


def follows(claim: WorkloadClaim) -> bool:
    """Whether the claim takes newer revisions by itself: of its profiles, and of its template too unless it is pinned."""
    recorded = claim.status.template.upgrade_policy if claim.status.template else None
    return (claim.spec.upgrade_policy or recorded) is UpgradePolicy.AUTO and not claim.deleting


def came_from(claim: WorkloadClaim) -> HistoryItem | None:
    """The last good revision of a claim that its policy moved, until it was healthy once on the one in force."""
    in_force = claim.status.template
    if in_force is None or claim.spec.template_revision is not None or not follows(claim):
        return None
    if any(item.revision == in_force.revision and item.healthy for item in claim.status.history):
        return None
    return next(
        (item for item in claim.status.history if item.healthy and item.revision < in_force.revision), None
    )


def is_settled(claim: WorkloadClaim) -> bool:
    """Whether what the status says is in force is applied, and was healthy once; a stopped claim need not be."""
    status = claim.status
    if not status.input_digest:
        return False
    newest = status.history[0] if status.history else None
    well = newest is not None and newest.healthy and newest.input_digest == status.input_digest
    return well or not claim.spec.running


def has_begun(claim: WorkloadClaim, move: Move) -> bool:
    """Whether the revisions of the move are in force."""
    in_force = claim.status.template
    at = in_force.revision if in_force else 0
    return at == move.revision and claim.status.profiles == move.profiles


def failing_for(claim: WorkloadClaim, now: datetime) -> float | None:
    """Seconds that the pods of what was applied last have failed; None while they do not."""
    healthy, history = claim.status.condition_set.get("Healthy"), claim.status.history
    if healthy is None or healthy.status is not Truth.FALSE or not history or not claim.spec.running:
        return None
    if claim.status.input_digest != history[0].input_digest:
        return None
    since = (moment(healthy.last_transition_time), moment(history[0].first_applied))
    known = [moment for moment in since if moment is not None]
    return max(0.0, (now - max(known)).total_seconds()) if known else 0.0


def stand(claim: WorkloadClaim) -> Stand | None:
    """None: the claim does not follow its template, or has no revision yet."""
    in_force = claim.status.template
    if in_force is None or claim.spec.template_revision is not None or not follows(claim):
        return None
    if in_force.failed is not None and in_force.failed >= (in_force.available or 0):
        return Stand.FAILED
    if came_from(claim) is not None:
        return Stand.MOVING
    return Stand.WAITING if in_force.available else Stand.CURRENT


def moment(text: str) -> datetime | None:
    """A time as a status says it; None where it says none."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
