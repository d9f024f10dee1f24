"""Claims that wait for a dependency are parked on it: one probe for each dependency, not one for each claim (design 4.5)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random

import structlog

from ocdp_operator.errors import CATALOG, Dependency, Reason, ReconcileError, Waiting
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.reconcile.ports import Catalog, Sources
from ocdp_operator.reconcile.queue import ClaimQueue

_log = structlog.get_logger(__name__)

_SPREAD = 20.0
"""Seconds over which a great many woken claims are spread."""
_PER_CLAIM = 0.05


class Parking:
    """Keeps parked claims and wakes them when their dependency answers."""

    def __init__(self, queue: ClaimQueue, catalog: Catalog, sources: Sources, random: Random) -> None:
        self._queue = queue
        self._catalog = catalog
        self._sources = sources
        self._random = random
        self._parked: defaultdict[Dependency, set[ClaimKey]] = defaultdict(set)
        self._probing: set[Dependency] = set()
        self._outages: dict[Dependency, Waiting] = {}

    def park(self, key: ClaimKey, dependency: Dependency, outage: Waiting) -> None:
        """The claim waits for this dependency and no other."""
        self.leave(key)
        self._outages[dependency] = outage
        self._parked[dependency].add(key)

    def outage_of(self, dependency: Dependency) -> Waiting | None:
        """The outage that a claim met, until a probe was answered: there is no need for each claim to meet it."""
        return self._outages.get(dependency)

    def leave(self, key: ClaimKey) -> None:
        """The claim waits for nothing."""
        for dependency in [d for d, keys in self._parked.items() if key in keys]:
            self._parked[dependency].discard(key)
            if not self._parked[dependency]:
                del self._parked[dependency]

    async def run(self, every: float) -> None:
        """Probes each dependency that somebody waits for about every ``every`` seconds, for ever."""
        async with asyncio.TaskGroup() as probes:
            while True:
                await asyncio.sleep(every * self._random.uniform(0.7, 1.3))
                for dependency in self._parked.keys() - self._probing:
                    self._probing.add(dependency)
                    probes.create_task(self._probe(dependency))  # a slow one delays no other

    async def _probe(self, dependency: Dependency) -> None:
        try:
            if dependency == CATALOG:
                await self._catalog.counter()
            else:
                await self._sources.probe(dependency.name)
        except Waiting:
            return
        except ReconcileError:
            pass  # it answers, if only with a refusal: the claims will say which
        except Exception:  # noqa: BLE001 - our own fault ends one probe, never the work on everything
            _log.exception("probe failed", dependency=dependency.kind, code=Reason.INTERNAL_ERROR)
            return
        finally:
            self._probing.discard(dependency)
        self._outages.pop(dependency, None)
        woken = self._parked.pop(dependency, set())
        spread = min(_SPREAD, _PER_CLAIM * len(woken))
        for key in sorted(woken):
            self._queue.add(key, self._random.uniform(0, spread))
