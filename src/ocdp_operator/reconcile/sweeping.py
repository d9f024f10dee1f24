"""Looks for objects whose claim went without us, since somebody took our finalizer away; tells of them once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import structlog

from ocdp_operator.errors import Reason, ReconcileError
from ocdp_operator.model.events import ClaimEvent
from ocdp_operator.model.kinds import OWNED_KINDS
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.orphans import Orphans, find_orphans
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.ports import Cluster, Observations

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE = 60.0


class OrphanSweeping:
    """Reports objects that were without their claim for ``after`` seconds, and deletes them if it may.

    It works on what the watches saw, and confirms by one GET that the claim is gone. It deletes only while no claim of that
    name exists: one that does says itself what is in its way, and how to adopt it (design 4.8).
    """

    def __init__(
        self,
        claims: ClaimStore,
        observations: Observations,
        cluster: Cluster,
        clock: Callable[[], float],
        *,
        after: float,
        delete: bool,
    ) -> None:
        self._claims = claims
        self._observations = observations
        self._cluster = cluster
        self._clock = clock
        self._after = after
        self._delete = delete
        self._since: dict[str, float] = {}
        """UID of an object -> when it was first seen without its claim."""
        self._told: set[str] = set()
        self.count = 0
        """Objects found by the last sweep, for a metric."""

    async def run(self, random: Random) -> None:
        """Sweeps now and then, for ever."""
        while True:
            await asyncio.sleep(min(_LONGEST_PAUSE, self._after) * random.uniform(0.8, 1.2))
            try:
                await self.sweep()
            except ReconcileError as error:
                _log.warning("orphans not looked for", code=error.reason, error=error.message)

    async def sweep(self) -> None:
        """One look at everything. Raises ReconcileError when the API server does not answer."""
        if not self._claims.listed or not all(map(self._observations.is_listed, OWNED_KINDS)):
            return  # absence means nothing yet
        found = self._find()
        present = {observed.uid for orphans in found for observed in orphans.objects}
        now = self._clock()
        self._since = {uid: self._since.get(uid, now) for uid in present}
        self._told &= present
        count = 0
        for orphans in found:
            count += await self._judge(orphans, now)
        self.count = count

    def _find(self) -> tuple[Orphans, ...]:
        claims = [claim for key in self._claims if (claim := self._claims.get(key))]
        uids = {claim.uid for claim in claims}
        left = [owner for owner in self._observations.owners() if owner[1] not in uids]
        places = {namespace for namespace, _ in left}
        recorded = {
            entry.uid for claim in claims if claim.key.namespace in places for entry in claim.status.recorded
        }
        return find_orphans(self._seen(left), claim_uids=uids, recorded_uids=recorded)

    def _seen(self, owners: list[tuple[str, str]]) -> Iterator[Observed]:
        for namespace, uid in owners:
            yield from self._observations.of_claim(namespace, uid).values()

    async def _judge(self, orphans: Orphans, now: float) -> int:
        """Tells of those that are due, and deletes them if that is wanted; returns how many there are."""
        due = tuple(o for o in orphans.objects if now - self._since[o.uid] >= self._after)
        if not due:
            return 0
        orphans = replace(orphans, objects=due)
        try:
            namesake = await self._cluster.get_claim(orphans.claim)
        except ReconcileError as error:
            # Also a claim that is there and cannot be read.
            _log.warning("claim not confirmed to be gone", claim=str(orphans.claim), error=error.message)
            return 0
        if namesake is not None and namesake.uid == orphans.claim_uid:
            return 0
        await self._tell(orphans)
        if self._delete and namesake is None:
            for observed in due:
                await self._remove(orphans, observed)
        return len(due)

    async def _tell(self, orphans: Orphans) -> None:
        uids = {observed.uid for observed in orphans.objects}
        if uids <= self._told:
            return
        self._told |= uids
        names = [str(observed.ref) for observed in orphans.objects]
        _log.warning("orphans found", claim=str(orphans.claim), uid=orphans.claim_uid, objects=names)
        message = str(orphans)
        event = ClaimEvent(orphans.claim, orphans.claim_uid, Reason.ORPHANS_FOUND, message, warning=True)
        await self._cluster.emit(event)

    async def _remove(self, orphans: Orphans, observed: Observed) -> None:
        """By its UID, after a last look at its mark."""
        live = await self._cluster.get(orphans.claim.namespace, observed.ref)
        if live is None or live.uid != observed.uid or live.mark != observed.mark:
            return
        await self._cluster.delete(orphans.claim.namespace, observed.ref, uid=live.uid)
        _log.warning("orphan deleted", claim=str(orphans.claim), object=str(observed.ref))
