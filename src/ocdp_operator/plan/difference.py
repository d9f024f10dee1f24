"""Two states of one object -> the fields that differ: what ``ocdp diff`` shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.provenance import Layer
from ocdp_operator.plan.tracing import Within, aligned, escaped


class Change(StrEnum):
    """What the next reconcile would do to an object; the words of change sets (features 4.6)."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    REFUSED = "refused"


class Means(StrEnum):
    """How the change would be brought about."""

    IN_PLACE = "in place"
    RESTART = "restarts pods"
    EXPAND = "expands the volume"
    RECREATE = "recreated around its pods, which stay"
    NEW_NAME = "under a new name"
    LATER = "once its volume is bound"


class Absent:
    """Where one of the two states has no such field: no JSON value is this one."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs, as deep as it can be named."""

    pointer: str
    old: Any
    new: Any
    layer: Layer | None = None
    """Who says the new value; None where nothing of ours does."""


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object of the claim, live against what would be sent."""

    ref: ObjectRef
    change: Change
    fields: tuple[FieldChange, ...] = ()
    note: str = ""
    """Why it is refused and what to do about it, which object it replaces, or which volumes grow."""
    means: Means | None = None
    """None where nothing becomes of an object that lives."""


_SERVERS: Final = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
"""Metadata that the API server keeps for itself."""


def comparable(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object without status, and without what the API server alone writes."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVERS}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}


def differences(old: Any, new: Any, pointer: str = "") -> Iterator[FieldChange]:
    """Every field that differs, in the order of ``new``; items of lists are told apart by what they are called."""
    if isinstance(old, Within) and isinstance(new, Within):
        yield from differences(old.document, new.document, f"{pointer}#")
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*new, *(key for key in old if key not in new)):
            yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), f"{pointer}/{escaped(key)}")
    elif isinstance(old, list) and isinstance(new, list):
        for old_at, new_at in aligned(old, new):
            below = f"{pointer}/{new_at if new_at is not None else old_at}"
            yield from differences(_item(old, old_at), _item(new, new_at), below)
    elif new is not ABSENT and old is ABSENT and isinstance(new, Mapping | list | Within) and new:
        yield from differences(_emptied(new), new, pointer)
    elif type(old) is not type(new) or old != new:
        yield FieldChange(pointer, _shown(old), _shown(new))


def _item(items: list[Any], at: int | None) -> Any:
    return ABSENT if at is None else items[at]


def _emptied(value: Any) -> Any:
    """An empty one of the same sort: so that everything in a new map is a field of its own."""
    if isinstance(value, Within):
        return Within(_emptied(value.document))
    return {} if isinstance(value, Mapping) else []


def _shown(value: Any) -> Any:
    return value.document if isinstance(value, Within) else value
