"""Whether the stamps on claims count, looked up now and then: policies come and go without a word to us (design 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import structlog

from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.identity import Stamping
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.queue import ClaimQueue

_log = structlog.get_logger(__name__)

_EVERY = 30.0
"""Seconds between two looks."""
_RETRY = 2.0
"""The same before the first answer: no claim is judged until then."""
_SPREAD = 10.0
_PER_CLAIM = 0.05


class IdentityWatch:
    """Knows what the policy is worth, tells once when that changed, and wakes the claims."""

    def __init__(
        self, claims: ClaimStore, queue: ClaimQueue, read: Callable[[], Awaitable[Stamping]]
    ) -> None:
        self._claims = claims
        self._queue = queue
        self._read = read
        self.stamping: Stamping | None = None
        """As of the last answer; None before the first one."""

    @property
    def verified(self) -> bool:
        """Whether stamps count, of claims that are new enough."""
        return self.stamping is not None and self.stamping.since is not None

    async def run(self, random: Random) -> None:
        """Looks at once and then about every 30 s, for ever. Without an answer what was known stays."""
        while True:
            try:
                self._take(await self._read(), random)
            except ReconcileError as error:
                _log.debug("policy on who asks not read", code=error.reason, error=error.message)
            pause = _RETRY if self.stamping is None else _EVERY
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))

    def _take(self, found: Stamping, random: Random) -> None:
        known, self.stamping = self.stamping, found
        if found == known:
            return
        if found.since is None:
            message = "bindings to users and groups do not count: who makes a claim is not proven"
            _log.warning(message, faults=list(found.faults))
        else:
            _log.info("who makes a claim is proven", since=found.since.isoformat())
        keys = list(self._claims)
        spread = min(_SPREAD, _PER_CLAIM * len(keys))
        for key in keys:
            self._queue.add(key, random.uniform(0, spread))
