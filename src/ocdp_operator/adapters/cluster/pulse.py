"""When a watch was last heard, and whether its silence is explained."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

_PATIENCE: Final = 3.0
"""A watch that is silent for so many times its limit was restarted in vain: only a new process may help."""


class Pulse:
    """One watch's signs of life.

    A watch is *stalled* when it heard nothing for three times its limit and nothing explains that. A connection that is
    refused, and an answer that is a refusal, explain it: a new process would fare no better. An answer that begins and
    then tells nothing, not even a bookmark, does not.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = monotonic) -> None:
        """``limit``: seconds of silence after which the watch is begun anew."""
        self._limit = limit
        self._clock = clock
        self._heard_at: float | None = None
        self._failed_at = float("-inf")

    def begin(self) -> None:
        """From now on it should be heard. Before that, silence is no silence."""
        self._heard_at = self._clock()

    def heard(self) -> None:
        """An event or a bookmark came, or a complete list."""
        self._heard_at = self._clock()

    def failed(self) -> None:
        """The API server could not be reached, or refused."""
        self._failed_at = self._clock()

    @property
    def silent_for(self) -> float:
        """Seconds since it was heard, whatever the reason."""
        return 0.0 if self._heard_at is None else self._clock() - self._heard_at

    @property
    def failing(self) -> bool:
        """The last that is known of it is a failure."""
        return self._heard_at is not None and self._failed_at > self._heard_at

    @property
    def stalled(self) -> bool:
        """It should be heard, it is not, and nothing says why."""
        unexplained = self._clock() - max(self._heard_at or 0.0, self._failed_at)
        return self._heard_at is not None and unexplained > _PATIENCE * self._limit
