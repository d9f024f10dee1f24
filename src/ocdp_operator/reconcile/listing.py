"""A complete look at all claims: before anything is judged, and again now and then, whatever the watches said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import structlog

from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.queue import ClaimQueue

_log = structlog.get_logger(__name__)
_RETRY = 2.0
_PER_CLAIM = 0.01
"""Seconds over which each woken claim spreads the questions to the catalog."""


class Listing:
    """Fills the claim store at the start, and finds what a watch that silently stalled has missed.

    A claim that is new or newer goes on the queue; one that vanished is forgotten. A claim that is as it was is not woken:
    its own place on the queue does that.
    """

    def __init__(
        self,
        claims: ClaimStore,
        queue: ClaimQueue,
        list_claims: Callable[[], Awaitable[tuple[WorkloadClaim, ...]]],
    ) -> None:
        self._claims = claims
        self._queue = queue
        self._list_claims = list_claims

    async def run(self, every: float, random: Random) -> None:
        """Lists at once and then about every ``every`` seconds, for ever; soon again after a failure."""
        while True:
            failure = await self._list()
            if failure is None:
                await asyncio.sleep(every * random.uniform(0.8, 1.2))
            else:
                await asyncio.sleep(max(_RETRY, failure.not_before))

    async def _list(self) -> ReconcileError | None:
        known = {key: claim.uid for key in self._claims if (claim := self._claims.get(key))}
        try:
            claims = await self._list_claims()
        except ReconcileError as error:
            _log.warning("claims not listed", code=error.reason, error=error.message)
            return error
        for claim in claims:
            if self._claims.put(claim):
                self._queue.add(claim.key)
        for key in known.keys() - {claim.key for claim in claims}:
            if self._claims.remove(key, known[key]):  # not one that was made anew meanwhile
                self._queue.add(key)
        self._claims.listed = True
        return None


class CatalogWatch:
    """Notices within one poll that the catalog changed, by its counter alone (design 3).

    The counter does not say what changed, so every claim is woken: its own look is one question, and a write only where it is
    concerned. They are spread out over 10 ms each, at most 100 questions a second: up to 500 claims have noticed a change
    15 s after it with the default poll of 10 s, 2,000 after 30 s.
    """

    def __init__(self, claims: ClaimStore, queue: ClaimQueue, counter: Callable[[], Awaitable[int]]) -> None:
        self._claims = claims
        self._queue = queue
        self._counter = counter
        self._seen: int | None = None

    async def run(self, every: float, random: Random) -> None:
        """Reads the counter at least every ``every`` seconds; a change puts every claim on the queue, spread out."""
        while True:
            try:
                counter = await self._counter()
            except ReconcileError:
                counter = self._seen if self._seen is not None else -1
            if self._seen is not None and counter != self._seen:
                keys = list(self._claims)
                spread = _PER_CLAIM * len(keys)
                for key in keys:
                    self._queue.add(key, random.uniform(0, spread))
            self._seen = counter
            await asyncio.sleep(every * random.uniform(0.8, 1.0))
