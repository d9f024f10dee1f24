"""A bound on work that does not depend on the machine: steps are counted, and too many end it."""

from __future__ import annotations

from typing import Final

MAX_STEPS: Final = 20_000
"""What one look at a schema may take; a step is some tens of microseconds."""


class TooMuchWork(ValueError):
    """More steps than allowed; the work was given up before it was done."""


class Effort:
    """Steps that are left. The same input always ends at the same step, on any machine."""

    __slots__ = ("_left",)

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps

    def spend(self, steps: int = 1) -> None:
        """Takes steps, before they are gone. Raises TooMuchWork when there are not that many left."""
        self._left -= steps
        if self._left < 0:
            raise TooMuchWork
