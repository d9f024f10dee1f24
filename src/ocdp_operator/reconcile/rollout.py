"""Rollouts: of the claims that follow a template or a profile only so many move at once, and none once too many failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final

from ocdp_operator.errors import ReconcileError, Stalled
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.rollout import (
    Move,
    Turn,
    came_from,
    failing_for,
    follows,
    has_begun,
    is_settled,
)
from ocdp_operator.plan.upgrading import Setback, is_refused
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.queue import ClaimQueue

_SPREAD: Final = 1.0
"""Seconds over which claims are woken whose turn it is, at least."""
_PER_CLAIM: Final = 0.02


@dataclass(frozen=True, slots=True)
class Terms:
    """What the cluster operator decided of rollouts."""

    concurrency: int = 5
    """Claims that move at once, for each template and each profile."""
    failures: int = 3
    """Claims that failed on one revision, until no other one takes it."""
    patience: float = 300.0
    """Seconds that the pods of a claim may fail on a revision that its policy took."""


@dataclass(frozen=True, slots=True)
class _Target:
    """One revision of a template or of a profile, which claims move to."""

    name: str
    """``template/<id>`` or ``profile/<id>``."""
    revision: int
    """0: the profile is no longer given to the claim."""


@dataclass(frozen=True, slots=True)
class _Travel:
    move: Move
    targets: frozenset[_Target]


@dataclass(slots=True)
class Rollouts:
    """The gate that claims under ``Auto`` pass, so many at once.

    It is in memory; after a restart it is made from the claims' statuses. What is lost by that is which claims failed on a
    profile: these try it again, so many at once.
    """

    claims: ClaimStore
    queue: ClaimQueue
    now: Callable[[], datetime]
    random: Random
    terms: Terms = field(default_factory=Terms)
    _moving: dict[ClaimKey, _Travel] = field(default_factory=dict)
    _waiting: defaultdict[str, dict[ClaimKey, None]] = field(default_factory=lambda: defaultdict(dict))
    """By the target's name, in the order in which they came."""
    _failed: defaultdict[_Target, set[ClaimKey]] = field(default_factory=lambda: defaultdict(set))
    _has_learned: bool = False

    def turn(self, claim: WorkloadClaim, move: Move) -> Turn:
        """Whether the claim may move now. ``Go`` takes a place, which it has until it is well, or has failed."""
        self._learn()
        key, targets = claim.key, frozenset(_targets(claim, move))
        if any(key in self._failed.get(target, ()) for target in targets):
            self._leave(key)
            return Turn.FAILED
        if any(self._is_halted(target) for target in targets):
            self._leave(key)
            self._wait(key, targets)
            return Turn.HALTED
        if key not in self._moving and any(self._free(target.name) <= 0 for target in targets):
            self._wait(key, targets)
            return Turn.WAIT
        self._moving[key] = _Travel(move, targets)
        for target in targets:
            self._waiting[target.name].pop(key, None)
        return Turn.GO

    def went_back(self, claim: WorkloadClaim, back: Setback) -> None:
        """The claim tried newer revisions and is not on them any more."""
        if back.failed is not None:
            self._fail(claim.key, _Target(f"template/{claim.spec.template_id}", back.failed))
        self._failed_on_the_way(claim.key)

    def ended(self, claim: WorkloadClaim, error: ReconcileError | None) -> None:
        """A reconcile ended by ``error`` and left the claim so: it may give its place to another one."""
        travel = self._moving.get(claim.key)
        if travel is None:
            return
        begun = has_begun(claim, travel.move)
        if not follows(claim) or claim.spec.suspend or (begun and is_settled(claim)):
            self._leave(claim.key)
        elif begun and (is_refused(error) or self._is_sick(claim)):
            if any(
                item.healthy for item in claim.status.history
            ):  # else it says nothing against the revision
                self._failed_on_the_way(claim.key)
            self._leave(claim.key)
        elif isinstance(error, Stalled):
            self._leave(claim.key)

    def forget(self, key: ClaimKey) -> None:
        """The claim is gone."""
        for waiting in self._waiting.values():
            waiting.pop(key, None)
        for failed in self._failed.values():
            failed.discard(key)
        self._leave(key)

    def _failed_on_the_way(self, key: ClaimKey) -> None:
        travel = self._moving.get(key)
        for target in travel.targets if travel else ():
            self._fail(key, target)
        self._leave(key)

    def _is_sick(self, claim: WorkloadClaim) -> bool:
        failing = failing_for(claim, self.now())
        return failing is not None and failing >= self.terms.patience

    def _learn(self) -> None:
        """What the statuses say of who is under way and who failed; once, as no claim is judged before all are listed."""
        if self._has_learned:
            return
        self._has_learned = True
        for key in self.claims:
            claim = self.claims.get(key)
            template = claim.status.template if claim else None
            if claim is None or template is None:
                continue
            if template.failed is not None:
                self._failed[_Target(f"template/{claim.spec.template_id}", template.failed)].add(key)
            travel = _under_way(claim)
            if travel is not None and not self._is_sick(claim):
                self._moving.setdefault(key, travel)

    def _free(self, name: str) -> int:
        held = sum(any(target.name == name for target in travel.targets) for travel in self._moving.values())
        return self.terms.concurrency - held

    def _is_halted(self, target: _Target) -> bool:
        return len(self._failed.get(target, ())) >= self.terms.failures

    def _wait(self, key: ClaimKey, targets: frozenset[_Target]) -> None:
        for target in targets:
            self._waiting[target.name][key] = None

    def _fail(self, key: ClaimKey, target: _Target) -> None:
        was_halted = self._is_halted(target)
        self._failed[target].add(key)
        if self._is_halted(target) and not was_halted:
            self._wake(target.name, len(self._waiting[target.name]))  # to say so

    def _leave(self, key: ClaimKey) -> None:
        travel = self._moving.pop(key, None)
        for target in travel.targets if travel else ():
            if not self._is_halted(target):
                self._wake(target.name, self._free(target.name))

    def _wake(self, name: str, number: int) -> None:
        waiting = self._waiting[name]
        spread = max(_SPREAD, _PER_CLAIM * number)
        for key in list(waiting)[: max(0, number)]:
            del waiting[key]
            self.queue.add(key, self.random.uniform(0, spread))


def _targets(claim: WorkloadClaim, move: Move) -> Iterator[_Target]:
    in_force = claim.status.template
    if in_force is None or move.revision != in_force.revision:
        yield _Target(f"template/{claim.spec.template_id}", move.revision)
    before, after = set(claim.status.profiles), set(move.profiles)
    for ref in after - before:
        yield _Target(f"profile/{ref.id}", ref.revision)
    given = {ref.id for ref in after}
    for ref in before - after:
        if ref.id not in given:
            yield _Target(f"profile/{ref.id}", 0)


def _under_way(claim: WorkloadClaim) -> _Travel | None:
    """Of a claim that another process moved: what it moves to cannot always be told from an edit, which counts as well."""
    in_force = claim.status.template
    if in_force is None or not follows(claim) or claim.spec.suspend or is_settled(claim):
        return None
    move = Move(in_force.revision, claim.status.profiles)
    if came_from(claim) is not None:
        return _Travel(move, frozenset({_Target(f"template/{claim.spec.template_id}", in_force.revision)}))
    if not any(item.healthy for item in claim.status.history):
        return None
    return _Travel(move, frozenset(_Target(f"profile/{ref.id}", ref.revision) for ref in move.profiles))
