"""The queue of claims: one entry for each key, a due time, bounded workers, fair between namespaces."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from ocdp_operator.model.claim import ClaimKey


class ClaimQueue:
    """Keys to reconcile, each at most once, never two workers on one key.

    A key added twice is due at the earlier time. A key added while a worker holds it becomes due again when the worker
    is done. Ready keys are handed out in turn between namespaces, so that a tenant with thousands delays nobody else.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[ClaimKey, float] = {}
        self._heap: list[tuple[float, int, ClaimKey]] = []
        self._ready: OrderedDict[str, OrderedDict[ClaimKey, float]] = OrderedDict()
        self._held: set[ClaimKey] = set()
        self._order = count()
        self._changed = asyncio.Event()

    def add(self, key: ClaimKey, after: float = 0.0) -> None:
        """Makes the key due in ``after`` seconds, or earlier if it already was."""
        due = self._clock() + after
        if key not in self._held and key in self._ready.get(key.namespace, ()):
            return
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heappush(self._heap, (due, next(self._order), key))
        self._changed.set()

    def forget(self, key: ClaimKey) -> None:
        """The key is due no more."""
        self._due.pop(key, None)
        self._drop_ready(key)

    async def take(self) -> ClaimKey:
        """The next key that is due; the caller holds it until ``done``."""
        while True:
            wait = self._promote()
            key = self._pop_ready()
            if key is not None:
                self._held.add(key)
                return key
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: ClaimKey) -> None:
        """The worker lets go of the key; if it was added meanwhile, it is due as was asked then."""
        self._held.discard(key)
        if key in self._due:
            heappush(self._heap, (self._due[key], next(self._order), key))
            self._changed.set()

    @property
    def depth(self) -> int:
        """Keys that are due now and wait for a worker."""
        self._promote()
        return sum(len(keys) for keys in self._ready.values())

    @property
    def oldest_wait(self) -> float:
        """Seconds that the longest-waiting due key has waited."""
        self._promote()
        waits = [due for keys in self._ready.values() for due in keys.values()]
        return max(0.0, self._clock() - min(waits)) if waits else 0.0

    def _promote(self) -> float | None:
        """Moves due keys to the ready list; returns the seconds until the next becomes due."""
        now = self._clock()
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due or key in self._held:
                heappop(self._heap)  # superseded, forgotten, or comes back with done()
                continue
            if due > now:
                return due - now
            heappop(self._heap)
            del self._due[key]
            self._ready.setdefault(key.namespace, OrderedDict()).setdefault(key, due)
        return None

    def _pop_ready(self) -> ClaimKey | None:
        for namespace, keys in list(self._ready.items()):
            for key in keys:
                if key in self._held:
                    continue
                del keys[key]
                self._ready.move_to_end(namespace)
                if not keys:
                    del self._ready[namespace]
                return key
        return None

    def _drop_ready(self, key: ClaimKey) -> None:
        keys = self._ready.get(key.namespace)
        if keys is not None and keys.pop(key, None) is not None and not keys:
            del self._ready[key.namespace]
