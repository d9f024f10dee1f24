"""What a candidate, of a template or of a profile, would do to a claim that lives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocdp_operator.errors import Actor, Reason
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.objects import ObjectRef


class Gravity(StrEnum):
    """What would become of a claim or an object, the gravest first."""

    DATA_RISK = "data risk"
    """A volume or the credentials Secret would be pruned, shrunk, made anew, or is in the way."""
    INVALID_VALUES = "invalid values"
    """The candidate does not take the claim's values: the claim stays as it is until its user changes them."""
    REFUSED = "refused"
    """The claim could not be resolved or rendered for another reason, or an object has a field that cannot change."""
    RECREATE = "recreate"
    """An object would be deleted and made anew."""
    RESTART = "restart"
    """A pod template changes."""
    CHANGE = "change"
    """Objects are written; pods keep running."""
    UNCHANGED = "unchanged"

    @property
    def rank(self) -> int:
        """The lower, the graver."""
        return _ORDER[self]


_ORDER: Final = {gravity: rank for rank, gravity in enumerate(Gravity)}
GRAVE: Final = frozenset({Gravity.DATA_RISK, Gravity.INVALID_VALUES, Gravity.REFUSED, Gravity.RECREATE})
"""What nobody should publish without having looked at it."""


class Turn(StrEnum):
    """What would be done to one object; the words of change sets."""

    CREATED = "created"
    CONFIGURED = "configured"
    DELETED = "deleted"
    RECREATED = "recreated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ObjectImpact:
    """One object that would not stay as it is."""

    ref: ObjectRef
    gravity: Gravity
    turn: Turn
    fields: tuple[str, ...] = ()
    """JSON pointers of the fields that differ; never what they hold."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why the candidate cannot be rendered for a claim. Holds no value of its user."""

    reason: Reason
    message: str
    path: str
    """JSON pointer into the claim; may be empty."""
    actor: Actor
    remedy: str


@dataclass(frozen=True, slots=True)
class ClaimImpact:
    """What the candidate would do to one claim."""

    claim: ClaimKey
    gravity: Gravity
    waits: str = ""
    """What keeps the claim from moving; empty: it moves by itself."""
    objects: tuple[ObjectImpact, ...] = ()
    """The gravest first; only those that would not stay as they are."""
    complaint: Complaint | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """What the candidate would do to every claim that it concerns, the gravest first."""

    candidate: str
    """``template web, not published, at commit 1a2b3c4d5e6f``."""
    claims: tuple[ClaimImpact, ...]
    others: int = 0
    """Live claims that the candidate does not concern."""

    @property
    def counts(self) -> dict[Gravity, int]:
        """How many claims of each gravity, in the order of ``Gravity``."""
        return {gravity: sum(each.gravity is gravity for each in self.claims) for gravity in Gravity}

    @property
    def grave(self) -> bool:
        """Whether some claim would meet more than a restart."""
        return any(each.gravity in GRAVE for each in self.claims)
