"""What is wrong with something that is to be published, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
