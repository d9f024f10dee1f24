"""Takes keys from the queue, runs the pipeline, turns errors into conditions, and decides when to come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any

import structlog

from ocdp_operator.errors import CATALOG, Conflict, OcdpError, Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.claim import ClaimKey, ClaimStatus, WorkloadClaim
from ocdp_operator.model.conditions import Condition, Conditions, Failure, Truth
from ocdp_operator.model.identity import Stamping
from ocdp_operator.model.kinds import POD, WORKLOAD, find_kind
from ocdp_operator.model.names import RECONCILE_REQUESTED
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.rollout import came_from, failing_for
from ocdp_operator.model.secrets import GenerateRule
from ocdp_operator.model.telemetry import Result, Step
from ocdp_operator.plan.health import Verdict
from ocdp_operator.plan.stamp import workload_status
from ocdp_operator.plan.summary import deleting, summarize
from ocdp_operator.plan.upgrading import obstruction, setback, sickness
from ocdp_operator.reconcile.accounting import account
from ocdp_operator.reconcile.announcing import Announcing, tell_failure, tell_unhealthy
from ocdp_operator.reconcile.circuit import Circuits
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.parking import Parking
from ocdp_operator.reconcile.pipeline import apply_claim
from ocdp_operator.reconcile.ports import Ports, Telemetry
from ocdp_operator.reconcile.progress import Progress, Silent
from ocdp_operator.reconcile.queue import ClaimQueue
from ocdp_operator.reconcile.release import release_claim
from ocdp_operator.reconcile.reservations import Reservations
from ocdp_operator.reconcile.rollout import Rollouts, Terms
from ocdp_operator.reconcile.run import MAX_TOKEN, Rules, Run

_log = structlog.get_logger(__name__)

_FIRST_RETRY, _LAST_RETRY = 1.0, 300.0
_TAKEN = frozenset({Reason.NODE_PORT_TAKEN, Reason.HOST_TAKEN})
_TAKEN_RETRY = 8.0
"""The first retry for what somebody else has, who is not likely to give it up in a moment."""
_UNLISTED = 0.2
"""Seconds until a claim is looked at again whose kinds were not all listed yet."""
_LEAVING = 1.0
"""Seconds between looks at objects that leave; a watch wakes the claim earlier."""
_UNWATCHED = 50.0
"""Seconds between looks for what somebody must mend where no watch tells of it: a Secret, a host or a port of others."""
_CAUSES = frozenset({Reason.UNSCHEDULABLE, Reason.MODEL_LOADING, Reason.HEALTH_CHECK_FAILED})
"""What a workload on its way waits for that its owner wants to know at once; other words about progress can wait."""
_PROGRESS = 20.0
"""Seconds between looks at a workload that becomes healthy; a watch wakes the claim earlier."""


@dataclass(slots=True)
class _Memory:
    """What is remembered of a claim between reconciles; losing it costs a look, never a write."""

    attempts: int = 0
    thorough_at: float = float("-inf")
    written_at: float = float("-inf")
    """When the status was last written, on the reconciler's clock."""
    causes: set[Reason] = field(default_factory=set)
    """Why the claim is not healthy, as far as that was told since it failed."""

    def is_news(self, old: Condition | None, new: Condition) -> bool:
        """Whether a verdict has an event: another one, or the first that gives this cause. Remembers the causes."""
        if old is None or old.status is not new.status:
            self.causes = {new.reason}
            return True
        news = new.status is Truth.FALSE and new.reason not in {*self.causes, old.reason}
        self.causes |= {old.reason, new.reason}
        return news


@dataclass(slots=True)
class Reconciler:
    """One reconcile for create, update, restart, drift, catalog change and resync."""

    ports: Ports
    rules: Rules
    claims: ClaimStore
    queue: ClaimQueue
    parking: Parking
    clock: Callable[[], float]
    """Seconds, monotonic."""
    now: Callable[[], datetime]
    generate: Callable[[GenerateRule], str]
    random: Random
    resync_seconds: float = 600.0
    telemetry: Telemetry = field(default_factory=Silent)
    stamping: Callable[[], Stamping | None] = Stamping
    """Whether stamps on claims count; None: not known yet, so that nothing is judged."""
    reservations: Reservations = field(default_factory=Reservations)
    terms: Terms = field(default_factory=Terms)
    """Of rollouts."""
    rollouts: Rollouts = field(init=False)
    announcing: Announcing = field(default_factory=Announcing)
    circuits: Circuits = field(init=False)
    _memories: dict[ClaimKey, _Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rollouts = Rollouts(self.claims, self.queue, self.now, self.clock, self.random, self.terms)
        self.circuits = Circuits(self.clock)

    async def work(self) -> None:
        """Reconciles one claim after another, for ever."""
        while True:
            key = await self.queue.take()
            try:
                await self.reconcile(key)
            except Exception:  # noqa: BLE001 - one claim never ends the work on the others
                _log.exception("reconcile failed", claim=str(key), code=Reason.INTERNAL_ERROR)
                self.queue.add(key, _LAST_RETRY)
            finally:
                self.queue.done(key)

    async def reconcile(self, key: ClaimKey) -> None:
        """Brings one claim forward and puts it back on the queue for when it must be looked at again."""
        claim = self.claims.get(key)
        if claim is None:
            self._forget(key)
            return
        if not self._may_judge(claim):
            self.queue.add(key, _UNLISTED)
            return
        memory = self._memories.setdefault(key, _Memory())
        self.parking.leave(key)
        run = self._run(claim, memory)
        try:
            delay = await (self._release(run, memory) if claim.deleting else self._apply(run, memory))
        except Conflict as conflict:
            run.progress.failed(conflict)
            await self._read_again(claim)
            delay = self._backoff(memory, first=0.1)
        except ReconcileError as error:  # the status itself could not be written
            run.progress.failed(error)
            delay = max(self._backoff(memory), error.not_before)
        except Exception as fault:  # noqa: BLE001 - our own fault ends one reconcile, never a worker
            run.progress.failed(fault)
            delay = self._backoff(memory, first=5.0)
        account(run)
        if key in self._memories:
            self.queue.add(key, delay)

    async def _apply(self, run: Run, memory: _Memory) -> float:
        came = run.claim
        error = await self._attempt(run)
        if error is not None:
            run.found(error=error)
        if error is None or isinstance(error, Stalled):
            run.looked()
        if await self._goes_back(run, came, error):
            return 0.0
        before = run.claim.status
        try:
            status = summarize(run.claim, run.facts, self.now())
            if error is None and self._is_mere_progress(run, status, memory):
                return _soon(_PROGRESS - (self.clock() - memory.written_at), run)
            await run.write_status(status)
        except OcdpError:
            raise
        except Exception as fault:  # noqa: BLE001 - what was found out cannot be told: then that is told
            error = self._as_error(run, fault)
            run.facts = replace(run.on_record(), inventory=run.facts.inventory, error=error)
            await run.write_status(summarize(run.claim, run.facts, self.now()))
        memory.written_at = self.clock()
        await self._tell(run, memory, before)
        self.rollouts.ended(run.claim, error, run.move)
        await self._write_workload_status(run)
        if run.thorough and error is None:
            memory.thorough_at = self.clock()
        delay = _soon(self._next(run, error, memory), run)
        return min(delay, self._until_it_goes_back(run.claim, error), self.circuits.due(run.claim))

    async def _goes_back(self, run: Run, came: WorkloadClaim, error: ReconcileError | None) -> bool:
        """Puts a claim on its last good revision if the one that its policy took does not work out; the next look applies it."""
        health, patience = run.facts.health, self.rollouts.terms.patience
        back = setback(came, run.move, error)
        if run.move is None:  # else what was before this look says nothing of the revisions that it took
            back = back or obstruction(came, error, self.now(), patience=patience)
            if error is None and health is not None and health.verdict is Verdict.FAILED:
                back = sickness(came, self.now(), patience=patience)
        if back is None:
            return False
        status = back.status(run.claim.status)
        await run.write_status(status.model_copy(update={"inventory": tuple(run.facts.inventory.to_wire())}))
        self.rollouts.went_back(run.claim, back)
        run.tell(Reason.UPGRADE_FAILED, back.message, warning=True)
        await self._emit(run)
        return True

    def _until_it_goes_back(self, claim: WorkloadClaim, error: ReconcileError | None) -> float:
        """Seconds until the patience with a claim that fails on a newer revision is over.

        Of a claim that does not go back now, though it is over, another look would find the same.
        """
        if error is not None or claim.spec.suspend or came_from(claim) is None:
            return float("inf")
        failing, patience = failing_for(claim, self.now()), self.rollouts.terms.patience
        if failing is None:
            return float("inf")
        return max(1.0, patience - failing) if failing < patience else max(_PROGRESS, patience)

    def _is_mere_progress(self, run: Run, status: ClaimStatus, memory: _Memory) -> bool:
        """Only the words about a workload that becomes healthy changed, and were told a moment ago: no write of its own."""
        health, before = run.facts.health, run.claim.status
        if health is None or health.verdict is not Verdict.PROGRESSING or run.events:
            return False
        if self.clock() - memory.written_at >= _PROGRESS:
            return False
        known = before.condition_set.get("Healthy")
        if health.reason in _CAUSES and (known is None or known.reason is not health.reason):
            return False
        return _without_words(before) == _without_words(status)

    async def _attempt(self, run: Run) -> ReconcileError | None:
        try:
            await apply_claim(run)
        except Conflict:
            raise
        except Exception as fault:  # noqa: BLE001 - our own fault ends one reconcile, never a worker
            return self._as_error(run, fault)
        return None

    def _as_error(self, run: Run, fault: Exception) -> ReconcileError:
        run.progress.failed(fault)
        if isinstance(fault, ReconcileError):
            return fault
        return Waiting(Reason.INTERNAL_ERROR, "The operator met a fault of its own; it will try again.")

    async def _release(self, run: Run, memory: _Memory) -> float:
        self.rollouts.ended(run.claim, None, None)
        if not run.claim.has_finalizer:
            return self.resync_seconds
        try:
            with run.progress.of(Step.RELEASE):
                released = await release_claim(run)
        except Conflict:
            raise
        except Exception as fault:  # noqa: BLE001 - our own fault is said like any other
            error, before = self._as_error(run, fault), run.claim.status
            status = deleting(run.claim, error.reason, error.message, self.now(), failure=Failure.of(error))
            await run.write_status(status)
            tell_failure(run, error, before)
            await self._emit(run)
            return max(self._backoff(memory), error.not_before)
        await self._emit(run)
        run.progress.result = Result.RELEASED if released else Result.LEAVING
        if released:
            # Nobody holds it any more, so it is gone; a watch tells of that later than of its last objects.
            if not run.claim.finalizers and self.claims.remove(run.claim.key, run.claim.uid):
                self._forget(run.claim.key)
            return self.resync_seconds
        return min(_PROGRESS, self._backoff(memory))

    async def _tell(self, run: Run, memory: _Memory, before: ClaimStatus) -> None:
        """Adds the transitions between two statuses to what the pipeline had to tell, and posts all of it."""
        old, new = before.condition_set, run.claim.status.condition_set
        if run.facts.error is not None:
            tell_failure(run, run.facts.error, before)
        health = new.get("Healthy")
        if health is not None and memory.is_news(old.get("Healthy"), health):
            if health.status is Truth.TRUE:
                run.tell(Reason.HEALTH_CHECK_SUCCEEDED, health.message)
            elif health.status is Truth.FALSE:
                tell_unhealthy(run, health)
        if _is_stopped(new) is not _is_stopped(old):
            if _is_stopped(new):
                run.tell(Reason.STOPPED, "Stopped, as spec.running asks for; data and secrets are kept.")
            else:
                run.tell(Reason.STARTED, "Started, as spec.running asks for.")
        await self.announcing.announce(run, before)
        await self._emit(run)

    async def _emit(self, run: Run) -> None:
        for event in run.events:
            await self.ports.cluster.emit(event)
        run.events.clear()

    async def _write_workload_status(self, run: Run) -> None:
        """The projection's status follows verdicts, not every step on the way: one write for a claim that gets well."""
        health = run.facts.health
        ref = ObjectRef(WORKLOAD.group, WORKLOAD.kind, run.claim.key.name)
        entry = run.facts.inventory.get(ref)
        if health is None or entry is None or not entry.uid:
            return
        live = self.ports.observations.of_claim(run.namespace, run.claim.uid).get(ref)
        known = live.body.get("status", {}) if live is not None else {}
        if health.verdict is Verdict.PROGRESSING and not _says_healthy(known):
            return
        status = workload_status(run.claim.status, health, generation=live.generation if live else 1)
        if status != known:
            await self.ports.cluster.apply_status(run.namespace, ref, status)
            run.progress.changed = True

    def _next(self, run: Run, error: ReconcileError | None, memory: _Memory) -> float:
        if error is None:
            memory.attempts = 0
            if run.leaving:
                return _LEAVING
            if run.facts.health is not None and run.facts.health.verdict is Verdict.PROGRESSING:
                return self._jittered(min(_PROGRESS, self.resync_seconds))
            return self._jittered(self.resync_seconds)
        if isinstance(error, Waiting) and error.dependency is not None:
            self.parking.park(run.claim.key, error.dependency, error)
            return self._jittered(self.resync_seconds)
        if isinstance(error, Stalled):
            memory.attempts = 0
            unwatched = error.reason is Reason.SECRET_NOT_CLAIMABLE
            return self._jittered(min(_UNWATCHED, self.resync_seconds) if unwatched else self.resync_seconds)
        taken = error.reason in _TAKEN
        delay = max(self._backoff(memory, first=_TAKEN_RETRY if taken else _FIRST_RETRY), error.not_before)
        return min(delay, self._jittered(_UNWATCHED)) if taken else delay

    def _run(self, claim: WorkloadClaim, memory: _Memory) -> Run:
        asked = claim.annotations.get(RECONCILE_REQUESTED, "")[:MAX_TOKEN]
        asked_now = asked not in ("", claim.status.last_handled_reconcile_at) and not claim.spec.suspend
        return Run(
            claim=claim,
            ports=self.ports,
            rules=self.rules,
            store=self.claims,
            now=self.now,
            generate=self.generate,
            progress=Progress(self.telemetry, self.clock),
            catalog_outage=None if asked_now else self.parking.outage_of(CATALOG),
            stamping=self.stamping() or Stamping(),
            reservations=self.reservations,
            gate=self.rollouts.turn,
            circuits=self.circuits,
            asked_now=asked_now,
            thorough=asked_now or self.clock() - memory.thorough_at >= self.resync_seconds * 0.75,
        )

    def _may_judge(self, claim: WorkloadClaim) -> bool:
        """Absence means something only once the claims, the Pods and every kind in the inventory are listed (design 5).

        And who asks counts or does not: that must be known, or a claim that may run would be told that it may not.
        """
        if not self.claims.listed or self.stamping() is None:
            return False
        recorded = (find_kind(entry.ref.group, entry.ref.kind) for entry in claim.status.recorded)
        # A kind that is unknown, after a step back to an older version, holds up nothing but itself.
        return all(self.ports.observations.is_listed(kind) for kind in {POD, *recorded} if kind is not None)

    async def _read_again(self, claim: WorkloadClaim) -> None:
        try:
            fresh = await self.ports.cluster.get_claim(claim.key)
        except ReconcileError:
            return  # the retry meets the same version, conflicts again and reads again
        if fresh is not None:
            self.claims.put(fresh)
        elif self.claims.remove(claim.key, claim.uid):
            self._forget(claim.key)

    def _forget(self, key: ClaimKey) -> None:
        self._memories.pop(key, None)
        self.rollouts.forget(key)
        self.circuits.forget(key)
        self.parking.leave(key)
        self.queue.forget(key)

    def _backoff(self, memory: _Memory, first: float = _FIRST_RETRY) -> float:
        delay = min(_LAST_RETRY, first * 2 ** min(memory.attempts, 16))
        memory.attempts += 1
        return self._jittered(delay)

    def _jittered(self, seconds: float) -> float:
        return seconds * self.random.uniform(0.8, 1.2)


def _soon(delay: float, run: Run) -> float:
    """Earlier, when the verdict may be another one by then without any event."""
    look_again = run.facts.health.look_again if run.facts.health is not None else None
    return delay if look_again is None else min(delay, look_again)


def _says_healthy(status: Mapping[str, Any]) -> bool:
    return any(c.get("type") == "Healthy" and c.get("status") == "True" for c in status.get("conditions", ()))


def _is_stopped(conditions: Conditions) -> bool:
    healthy = conditions.get("Healthy")
    return healthy is not None and healthy.reason is Reason.STOPPED


def _without_words(status: ClaimStatus) -> ClaimStatus:
    """The status without what changes while pods start: messages, reasons and addresses."""
    known = tuple(
        condition.model_copy(update={"message": "", "reason": Reason.PROGRESSING})
        for condition in status.conditions
    )
    return status.model_copy(update={"conditions": known, "endpoints": (), "url": ""})
