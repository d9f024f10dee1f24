"""Fields of an object that nobody has judged yet: what is not of the type that is looked for is as if it were not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def part_at(value: Any, *steps: str) -> Mapping[Any, Any]:
    """The object below these steps, to be read; empty where there is none."""
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def object_at(value: dict[str, Any], *steps: str) -> dict[str, Any]:
    """The object below these steps, to be written to: made where it is absent.

    Where something of another type is in the way, what is written is lost.
    """
    for step in steps:
        below = value.get(step)
        if below is None:
            below = value[step] = {}
        value = below if isinstance(below, dict) else {}
    return value


def list_at(value: Mapping[str, Any], name: str) -> Sequence[Any]:
    """The list of this name; empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, list) else ()
