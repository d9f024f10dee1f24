"""Conditions by the kstatus rules, and the failure a user acts on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from ocdp_operator.errors import Actor, Reason, ReconcileError
from ocdp_operator.model.wire import WireModel


class Truth(StrEnum):
    """A condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(WireModel):
    """metav1.Condition. ``last_transition_time`` moves only when ``status`` flips."""

    type: str
    status: Truth
    reason: Reason
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""


class Failure(WireModel):
    """Why a claim does not get on, who must act, and how."""

    code: Reason
    actor: Actor
    value_path: str = ""
    message: str
    remedy: str

    @classmethod
    def of(cls, error: ReconcileError) -> Failure:
        """The failure that an error reports."""
        return cls(
            code=error.reason,
            actor=error.actor,
            value_path=error.value_path,
            message=error.message,
            remedy=error.remedy,
        )


@dataclass(frozen=True, slots=True)
class Conditions:
    """A set of conditions, one for each type; abnormal ones (Reconciling, Stalled, Deleting) only while True."""

    items: Mapping[str, Condition] = field(default_factory=dict)

    @classmethod
    def of(cls, conditions: Iterable[Condition]) -> Conditions:
        """Keyed by type, in the order given."""
        return cls({condition.type: condition for condition in conditions})

    def get(self, type_: str) -> Condition | None:
        """The condition of a type, or None."""
        return self.items.get(type_)

    def is_true(self, type_: str) -> bool:
        """True when present with status True."""
        condition = self.items.get(type_)
        return condition is not None and condition.status is Truth.TRUE

    def put(self, condition: Condition, *, now: datetime) -> Conditions:
        """With this condition; the transition time is kept unless the status flips."""
        old = self.items.get(condition.type)
        since = old.last_transition_time if old and old.status is condition.status else ""
        stamped = condition.model_copy(
            update={"last_transition_time": since or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        )
        return Conditions({**self.items, condition.type: stamped})

    def without(self, *types: str) -> Conditions:
        """Without the conditions of these types."""
        return Conditions({type_: c for type_, c in self.items.items() if type_ not in types})

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.items.values())
