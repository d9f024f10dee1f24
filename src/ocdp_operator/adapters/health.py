"""Whether this process still does its work, and whether it may take any: what the probes are told.

Neither asks anybody: an outage of PostgreSQL, Git or the API server is nothing that a restart would mend.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

_TICK: Final = 0.5
_LONGEST_LAG: Final = 5.0
_LONGEST_WAIT: Final = 15 * 60.0


class Watch(Protocol):
    """What is asked of a watch."""

    @property
    def silent_for(self) -> float:
        """Seconds since it was heard."""
        ...

    @property
    def stalled(self) -> bool:
        """It is silent for too long, and nothing explains that."""
        ...

    @property
    def failing(self) -> bool:
        """The API server is away, or refuses it."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """The answer to a probe."""

    ok: bool
    body: Mapping[str, Any]


class Health:
    """The event loop turns, no watch is silently stalled, and no claim waits for ever."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        watches: Callable[[], Mapping[str, Watch]],
        oldest_wait: Callable[[], float],
    ) -> None:
        """``oldest_wait``: seconds that the head of the queue has waited."""
        self._clock = clock
        self._watches = watches
        self._oldest_wait = oldest_wait
        self._ticked_at = clock()
        self._last_lag = 0.0
        self._away_at = float("-inf")

    @asynccontextmanager
    async def keeping_time(self) -> AsyncIterator[None]:
        """Ticks until the block ends."""
        self._ticked_at = self._clock()
        ticking = asyncio.create_task(self._tick_for_ever(), name="health")
        try:
            yield
        finally:
            ticking.cancel()

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.tick()

    def tick(self) -> None:
        """The event loop came round."""
        now = self._clock()
        self._last_lag = max(0.0, now - self._ticked_at - _TICK)
        self._ticked_at = now
        watches = self._watches().values()
        if watches and all(watch.failing for watch in watches):
            self._away_at = now

    @property
    def lag(self) -> float:
        """Seconds by which the event loop was late the last time, or is by now."""
        return max(self._last_lag, self._clock() - self._ticked_at - _TICK)

    @property
    def waiting(self) -> float:
        """Seconds that the head of the queue has waited while the API server was there."""
        return min(self._oldest_wait(), self._clock() - self._away_at)

    def report(self) -> Report:
        """Is it alive?"""
        lag, waiting = self.lag, self.waiting
        stalled = sorted(name for name, watch in self._watches().items() if watch.stalled)
        oldest = max((watch.silent_for for watch in self._watches().values()), default=0.0)
        checks: dict[str, Mapping[str, Any]] = {
            "eventLoop": {"ok": lag < _LONGEST_LAG, "lagSeconds": round(lag, 3)},
            "watches": {"ok": not stalled, "oldestSeconds": round(oldest, 1), "stalled": stalled},
            "queue": {"ok": waiting <= _LONGEST_WAIT, "oldestSeconds": round(waiting, 1)},
        }
        return _report(checks)


class Readiness:
    """Named conditions; all of them hold once the process does its work."""

    def __init__(self) -> None:
        self._conditions: dict[str, Callable[[], bool]] = {}

    def require(self, name: str, holds: Callable[[], bool]) -> None:
        """One more condition, looked at whenever somebody asks."""
        self._conditions[name] = holds

    def holds(self, name: str) -> bool:
        """Whether this condition holds; one that nobody requires does."""
        condition = self._conditions.get(name)
        return condition is None or condition()

    def report(self) -> Report:
        """Is it ready?"""
        return _report({name: {"ok": holds()} for name, holds in self._conditions.items()})


def _report(checks: Mapping[str, Mapping[str, Any]]) -> Report:
    ok = all(check["ok"] for check in checks.values())
    return Report(ok, {"ok": ok, "checks": checks})
