"""What the operator says of a claim, judged against what a user waits for; and the wait itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Final, TypeAlias

import typer

from ocdp_operator.adapters.cluster.claims import RawClaim, UserClaims
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.conditions import Condition

Judge: TypeAlias = "Callable[[RawClaim | None], Verdict]"

_EVERY: Final = 0.5
"""Seconds between two looks."""
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


class Goal(StrEnum):
    """What to wait for."""

    READY = "ready"
    """This generation is applied and healthy."""
    APPLIED = "applied"
    """This generation is applied."""
    DELETED = "deleted"


class State(StrEnum):
    """How far a claim is from the goal."""

    PENDING = "pending"
    REACHED = "reached"
    REFUSED = "refused"
    """It will not get there until somebody edits something."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The last word on a claim, with the claim as it was then; None: it is gone."""

    state: State
    raw: RawClaim | None
    why: str = ""
    """What the claim itself does not say of a refusal, and what to do."""

    @property
    def reached(self) -> bool:
        """The goal is reached."""
        return self.state is State.REACHED


def judge(raw: RawClaim | None, goal: Goal) -> Verdict:
    """Whether the claim is where it shall be, by what the operator said of this generation."""
    if raw is None:
        return Verdict(State.REACHED if goal is Goal.DELETED else State.REFUSED, raw)
    claim = WorkloadClaim.parse(raw)
    if goal is Goal.DELETED:
        return Verdict(State.PENDING, raw)
    if claim.deleting or says(claim, "Stalled"):
        return Verdict(State.REFUSED, raw)
    wanted = "Ready" if goal is Goal.READY else "Applied"
    return Verdict(State.REACHED, raw) if says(claim, wanted) else unless_suspended(raw)


def unless_suspended(raw: RawClaim) -> Verdict:
    """Not there yet; a suspended claim does not get there, and the way out is named."""
    claim = WorkloadClaim.parse(raw)
    if not claim.spec.suspend:
        return Verdict(State.PENDING, raw)
    key = claim.key
    why = (
        f"it is suspended, and nothing is carried out until: ocdp claim resume {key.name} -n {key.namespace}"
    )
    return Verdict(State.REFUSED, raw, why)


def progress(raw: RawClaim | None) -> str:
    """What it hangs on, in one line."""
    if raw is None:
        return "it is gone"
    claim = WorkloadClaim.parse(raw)
    conditions = claim.status.condition_set
    told = conditions.get("Deleting") or conditions.get("Ready")
    if claim.deleting and not conditions.get("Deleting"):
        return "the operator has not begun to clean up"
    if told is None or not _speaks_of(claim, told):
        return "the operator has not looked at it yet"
    return f"{told.reason}: {told.message}" if told.message else str(told.reason)


def rotated(raw: RawClaim | None, request: str) -> Verdict:
    """Whether the operator acted on this request for new credentials, and all is well again."""
    verdict = judge(raw, Goal.READY)
    if raw is None or not verdict.reached:
        return verdict
    handled = WorkloadClaim.parse(raw).status.last_handled_rotation == request
    return verdict if handled else unless_suspended(raw)


async def wait_for(
    claims: UserClaims, name: str, judged: Judge, *, seconds: float, tell: Callable[[str], None]
) -> Verdict:
    """Looks at the claim until it is there, cannot get there, or the time is over: then it is PENDING.

    ``tell`` hears what is waited for, each time that it changes. Raises Refused and Waiting.
    """
    deadline = monotonic() + seconds
    told = ""
    while True:
        verdict = judged(await claims.find(name))
        if verdict.state is not State.PENDING or monotonic() >= deadline:
            return verdict
        if (now := progress(verdict.raw)) != told:
            tell(now)
            told = now
        await asyncio.sleep(min(_EVERY, max(0.0, deadline - monotonic())))


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``5m`` or ``1h30m``. Raises typer.BadParameter."""
    found = _DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 5m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def checked_duration(text: str) -> str:
    """The same text, when it is a duration. Raises typer.BadParameter."""
    parse_duration(text)
    return text


def says(claim: WorkloadClaim, type_: str) -> bool:
    """Whether the operator says so of this generation: what it said of an older one is no verdict on what was asked since."""
    conditions = claim.status.condition_set
    condition = conditions.get(type_)
    return conditions.is_true(type_) and condition is not None and _speaks_of(claim, condition)


def _speaks_of(claim: WorkloadClaim, condition: Condition) -> bool:
    return condition.observed_generation >= claim.generation
