"""What an outside world is asked for, call by call, and the one call at which a proxy in front of it stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Moment = Literal["before", "amid", "after"]
"""Before the server has seen the call; when half of its answer was given; when it has answered, and nothing was given yet."""
Fault = Literal["hold", "cut"]
"""Held: it never goes on, nor does any later call. Cut: its connection is closed, and every later call goes through."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The call at which a proxy stops: the so many-th in the record with this line (from 1)."""

    line: str
    occurrence: int
    moment: Moment
    fault: Fault


@dataclass(eq=False, frozen=True, slots=True)
class Call:
    """One call; ``line`` says what it asks for, the same for claims of any name."""

    line: str


class CallRecord:
    """``calls`` are those that came between ``begin`` and ``end``, in order; ``seen`` counts every line that ever came."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.seen: Counter[str] = Counter()
        self.reached = asyncio.Event()
        """Set once the call was met at which it stops."""
        self._open = False
        self._stop: Stop | None = None
        self._over = asyncio.Event()

    @property
    def lines(self) -> list[str]:
        """The record as it is committed."""
        return [call.line for call in self.calls]

    def begin(self, stop: Stop | None = None) -> None:
        """Starts a new record; it will stop where ``stop`` says."""
        self.calls.clear()
        self.reached.clear()
        self._open = True
        self._stop = stop

    def end(self) -> None:
        """What comes from now on is no part of the record."""
        self._open = False

    def release(self) -> None:
        """Lets go of every call that is held: its connection is closed. Nothing stops any more."""
        self._stop = None
        self.reached.clear()
        self._over.set()
        self._over = asyncio.Event()

    def enter(self, line: str, *, listed: bool = True) -> Call:
        """A call came; one that is not listed is counted, and never stopped at."""
        call = Call(line)
        if listed and self._open:
            self.calls.append(call)
        self.seen[line] += 1
        return call

    async def lets_through(self, call: Call, moment: Moment) -> bool:
        """Whether the call goes on from this moment; else its connection must be closed. Takes its time to say so."""
        stop = self._stop
        if stop is None:
            return True
        alike = [each for each in self.calls if each.line == stop.line]
        is_here = moment == stop.moment and alike[stop.occurrence - 1 : stop.occurrence] == [call]
        if stop.fault == "cut":
            if not is_here or self.reached.is_set():
                return True
            self.reached.set()
            return False
        if is_here:
            self.reached.set()
        if self.reached.is_set():
            await self._over.wait()
            return False
        return True
