"""What is found out about one object's health, and what it is found out from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ocdp_operator.errors import Advice, Reason
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.plan.wording import MAX_MESSAGE, shown


class Verdict(StrEnum):
    """What is known of an object, or of all of them."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside the objects themselves."""

    pods: tuple[Observed, ...] = ()
    """Everything that carries the claim's name as its label; only pods of objects on record count."""
    drifted: frozenset[ObjectRef] = frozenset()
    """Objects of a claim that is to run which are not as they were applied: that none of their pods is wanted is not its wish."""
    now: datetime | None = None
    """None: no time is known, and nothing counts as late."""
    was_healthy: bool = False
    """What is applied was healthy since it is asked for."""
    applied: datetime | None = None
    """When what is applied was applied first; a deadline that passed before speaks of what was there before."""
    underway: datetime | None = None
    """Since when what was not healthy yet is told to be on its way, or since it was applied where it is told to have failed.
    None: it was healthy, or was not applied."""
    stands: bool = False
    """The last verdict that was told is Healthy."""
    at_rest: bool = False
    """The claim asks to be stopped: nothing is there that would use a volume or an address."""
    answers: Mapping[ObjectRef, str] = field(default_factory=dict)
    """By object: why the last try to make a pod or a volume for it failed, from its events; empty: they do not tell."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found out about one object."""

    verdict: Verdict
    reason: Reason
    message: str = ""
    rolling: bool = False
    """It is on the way to something new: that it is not there yet does not mean that something broke."""
    look_again: float | None = None
    """Seconds until the verdict may be another one without any event."""
    asks: bool = False
    """The object's events may tell more."""
    advice: Advice | None = None
    """Who must act, and how, where more is known than the reason says."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One live object and the evidence about it."""

    live: Observed
    evidence: Evidence

    @property
    def spec(self) -> Mapping[str, Any]:
        """The object's spec, empty where only metadata is watched."""
        return self.live.body.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        """The object's status."""
        return self.live.body.get("status") or {}

    @property
    def answer(self) -> str | None:
        """What its events told; None: nobody asked."""
        return self.evidence.answers.get(self.live.ref)


HEALTHY: Final = Finding(Verdict.HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED)


def progressing(message: str, reason: Reason = Reason.PROGRESSING, *, rolling: bool = False) -> Finding:
    """Not healthy yet."""
    return Finding(Verdict.PROGRESSING, reason, shown(message, MAX_MESSAGE // 2), rolling)


def failed(
    message: str, reason: Reason = Reason.HEALTH_CHECK_FAILED, advice: Advice | None = None
) -> Finding:
    """Not healthy, and it will not become so by itself."""
    return Finding(Verdict.FAILED, reason, shown(message, MAX_MESSAGE // 2), advice=advice)


def number(part: Mapping[str, Any], name: str, default: int = 0) -> int:
    """A count in a spec or a status."""
    value = part.get(name)
    return default if value is None else int(value)


def condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """A condition of an object's status; empty when there is none."""
    found = (c for c in status.get("conditions") or () if c.get("type") == type_)
    return next(found, {})


def is_true(status: Mapping[str, Any], type_: str) -> bool:
    """Whether a condition is there and True."""
    return condition(status, type_).get("status") == "True"
