"""When a claim under ``upgradePolicy: Auto`` moves to newer revisions, and when it goes back; what a revision changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ocdp_operator.errors import Reason, ReconcileError, Stalled
from ocdp_operator.model.claim import ClaimStatus, WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.rollout import Move, Turn, came_from, failing_for, follows, moment
from ocdp_operator.model.template import CatalogAnswer
from ocdp_operator.plan.compatibility import breaking_changes
from ocdp_operator.plan.wording import shown

_OF_THE_REVISION: Final = frozenset(
    {
        Reason.INVALID_VALUES,
        Reason.PROFILE_INCOMPLETE,
        Reason.REF_NOT_FOUND,
        Reason.URL_NOT_ALLOWED,
        Reason.INVALID_PATH,
        Reason.SOURCE_TOO_LARGE,
        Reason.BUILD_FAILED,
        Reason.EMPTY_BUILD,
        Reason.UNSAFE_BUILD,
        Reason.POLICY_DENIED,
        Reason.NAME_NOT_ALLOWED,
        Reason.IMMUTABLE_FIELD_CONFLICT,
        Reason.OWNERSHIP_CONFLICT,
        Reason.APPLY_FAILED,
    }
)
"""Refusals that another revision may not meet; the others say something of the claim, its place, or who asks."""
_IN_THE_WAY: Final = frozenset(
    {Reason.QUOTA_EXCEEDED, Reason.NODE_PORT_TAKEN, Reason.HOST_TAKEN, Reason.APPLY_FAILED}
)
"""What may pass, and what an older revision need not meet."""
_MOST: Final = 4
"""Changes that are named in one message."""


def next_move(claim: WorkloadClaim, answer: CatalogAnswer) -> Move | None:
    """Where the claim goes by its policy: to the newest revisions, unless it is on them, or went back from this one.

    ``answer`` is what the catalog said of the revisions in force. None too for a claim that nothing was applied of yet, or
    whose pin changed: that one takes what its spec says.
    """
    in_force, status = claim.status.template, claim.status
    if in_force is None or claim.spec.suspend or not follows(claim):
        return None
    if not (status.history or status.inventory) or in_force.pinned != claim.spec.template_revision:
        return None
    if answer.placement is None:
        return None  # nothing is known of the workspace's profiles
    revision, newest = in_force.revision, answer.newest or 0
    if claim.spec.template_revision is None and newest > max(revision, in_force.failed or 0):
        revision = newest
    if revision == in_force.revision and answer.newest_profiles == status.profiles:
        return None
    return Move(revision, answer.newest_profiles)


@dataclass(frozen=True, slots=True)
class Setback:
    """Revisions that did not work out for a claim, and the template's that it is on after that."""

    failed: int | None
    """The template's; None: the profiles alone were tried."""
    back_to: int
    commit: str
    why: str
    profiles: tuple[ProfileRef, ...] | None = None
    """Those that the claim is on after that; None: the ones that it is on."""
    counts: bool = True
    """Whether it says something against the revisions; an edit that was never applied may as well be to blame."""

    @property
    def message(self) -> str:
        """For its owner, who need not do anything."""
        if self.failed is None:
            return f"The newest environment profiles are not taken. {self.why}"
        return f"Revision {self.failed} is not taken: back to {self.back_to}. {self.why}"

    def status(self, before: ClaimStatus) -> ClaimStatus:
        """The decision, on record before anything follows from it."""
        changes: dict[str, Any] = {} if self.profiles is None else {"profiles": self.profiles}
        if before.template is not None and self.failed is not None:
            template = {
                "revision": self.back_to,
                "commit": self.commit,
                "failed": self.failed,
                "available": self.failed,
            }
            changes["template"] = before.template.model_copy(update=template)
        return before.model_copy(update=changes)


def setback(before: WorkloadClaim, move: Move | None, error: ReconcileError | None) -> Setback | None:
    """Whether a claim that its policy moves goes back, because the revision is refused for a reason of its own.

    ``before`` a reconcile that tried ``move`` and ended by ``error``. A claim that was edited a moment ago stays, and so does
    one whose edit was never applied on revisions that it took before: its edit is what was refused.
    """
    in_force = before.status.template
    if in_force is None or error is None or not _may_go_back(before) or not is_refused(error):
        return None
    if move is None:
        return _back_to_good(before, error.message)
    failed = move.revision if move.revision > in_force.revision else None
    return Setback(
        failed,
        in_force.revision,
        in_force.commit,
        error.message,
        profiles=before.status.profiles,
        counts=_is_as_applied(before),
    )


def sickness(claim: WorkloadClaim, now: datetime, *, patience: float) -> Setback | None:
    """The same of a claim whose pods have failed for ``patience`` seconds on a revision that they never were well on."""
    failing, healthy = failing_for(claim, now), claim.status.condition_set.get("Healthy")
    if failing is None or failing < patience:
        return None
    return _back_to_good(claim, healthy.message if healthy else "")


def obstruction(
    claim: WorkloadClaim, error: ReconcileError | None, now: datetime, *, patience: float
) -> Setback | None:
    """The same of a claim that could not be applied completely for so long: a quota is full, a port or a host is taken."""
    ready = claim.status.condition_set.get("Ready")
    if error is None or error.reason not in _IN_THE_WAY or ready is None or ready.status is Truth.TRUE:
        return None
    since = moment(ready.last_transition_time)
    if since is None or (now - since).total_seconds() < patience:
        return None
    return _back_to_good(claim, error.message)


def _back_to_good(claim: WorkloadClaim, why: str) -> Setback | None:
    good, in_force = came_from(claim), claim.status.template
    if good is None or in_force is None or not (_may_go_back(claim) and _is_as_applied(claim)):
        return None
    return Setback(in_force.revision, good.revision, good.commit, why, profiles=good.profiles)


def _may_go_back(claim: WorkloadClaim) -> bool:
    return follows(claim) and not claim.spec.suspend and claim.status.observed_generation == claim.generation


def _is_as_applied(claim: WorkloadClaim) -> bool:
    """Whether its owner asks for nothing that was not applied once."""
    return claim.status.spec_digest == claim.spec.digest


def is_refused(error: ReconcileError | None) -> bool:
    """Whether the error says that these revisions cannot be had for this claim."""
    return isinstance(error, Stalled) and error.reason in _OF_THE_REVISION


def standing(claim: WorkloadClaim, newer: int | None, turn: Turn | None) -> str:
    """Why a claim is not on the newest revision, and how one takes it that waits for its owner; empty: nothing is to be said."""
    which = f"Revision {newer} is" if newer else "The newest environment profiles are"
    failed = claim.status.template.failed if claim.status.template else None
    if turn is Turn.HALTED:
        return f"{which} not taken: too many claims failed on it. A newer one will be."
    if turn is Turn.WAIT:
        return f"{which} taken when it is this claim's turn: only so many move at once."
    if turn is Turn.FAILED or (newer and failed and newer <= failed and follows(claim)):
        return f"{which} not taken: it failed here. A newer one will be."
    if newer and (claim.spec.template_revision is not None or not follows(claim)):
        return f"{which} available: ocdp claim upgrade {claim.key.name} -n {claim.key.namespace}"
    return ""


def what_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What a newer revision's schema means to a claim: values that are new, and what may not be accepted any more."""
    before, after = (each.get("properties") or {} for each in (old, new))
    said = []
    if added := [f"/{name}" for name in after if name not in before]:
        said.append(f"New values: {_some(sorted(added), ', ')}.")
    if breaking := breaking_changes(old, new):
        said.append(f"May not be accepted any more: {_some(breaking, '; ')}.")
    return " ".join(said) or "It takes the same values."


def _some(names: Sequence[str], separator: str) -> str:
    told = separator.join(shown(name, 120) for name in names[:_MOST])
    return told if len(names) <= _MOST else f"{told} and {len(names) - _MOST} more"
