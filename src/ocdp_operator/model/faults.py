"""What is wrong with something that people wrote, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

_INTEGERS: Final = range(-(2**63), 2**64)
"""What JSON readers keep exactly; PostgreSQL's jsonb keeps more."""
_DEPTH: Final = 50
"""What a YAML file may have (model/documents)."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where: ``path`` as people write it, ``mappings[0].from``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> Fault:
        """The same fault, seen from further up."""
        if not self.path:
            return Fault(prefix, self.message)
        between = "" if self.path.startswith("[") else "."
        return Fault(f"{prefix}{between}{self.path}", self.message)


def dotted(steps: Sequence[str | int]) -> str:
    """The path as people write it: ``models[0].name``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def unstorable(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """What YAML or a shell can say, and neither JSON nor PostgreSQL's jsonb can, or not exactly."""
    if isinstance(value, dict | list):
        if len(steps) >= _DEPTH:
            yield Fault(_printable(steps), f"nested more than {_DEPTH} levels deep")
            return
        for step, child in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(step, str):
                yield from unstorable(step, (*steps, step))
            yield from unstorable(child, (*steps, step))
    elif (why := _scalar_fault(value)) is not None:
        yield Fault(_printable(steps), why)


def _scalar_fault(value: Any) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "a NUL character cannot be stored"
        return None if value.isascii() or not _SURROGATE.search(value) else "it is not UTF-8"
    if isinstance(value, float):
        return None if isfinite(value) else "JSON knows no infinity and no NaN"
    return None if value is None or value in _INTEGERS else "an integer has at most 64 bits"


def _printable(steps: Sequence[str | int]) -> str:
    """The path, fit for any terminal: what is not UTF-8 of it is escaped."""
    return dotted(steps).encode(errors="backslashreplace").decode()
