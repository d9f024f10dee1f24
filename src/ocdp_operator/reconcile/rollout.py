"""Rollouts: of the claims that follow a template or a profile only so many move at once, and none once too many failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Final

from ocdp_operator.errors import ReconcileError, Stalled, Waiting
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
_PATIENCES: Final = 4
"""How often the patience a place is held, at most: a claim may wait for what no revision is to blame for."""
_TEMPLATE: Final = "template/"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the cluster operator decided of rollouts."""

    concurrency: int = 5
    """Claims that move at once, for each template and each profile."""
    failures: int = 3
    """Claims that failed on one revision, until no other one takes it."""
    patience: float = 300.0
    """Seconds that the pods of a claim may fail on a revision that its policy took."""

    @property
    def longest(self) -> float:
        """Seconds that a claim has a place, at most: it goes on without one, so that it holds up nobody."""
        return _PATIENCES * self.patience


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
    since: float
    """On the monotonic clock."""
    certain: bool = True
    """False: after a restart it may as well be an edit, which says nothing against the targets."""

    @property
    def names(self) -> set[str]:
        """Of what it has a place for."""
        return _names(self.targets)


@dataclass(slots=True)
class Rollouts:
    """The gate that claims under ``Auto`` pass, so many at once.

    It is in memory; after a restart it is made from the claims' statuses. What is lost by that is which claims failed on a
    profile: these try it again, so many at once.
    """

    claims: ClaimStore
    queue: ClaimQueue
    now: Callable[[], datetime]
    clock: Callable[[], float]
    """Seconds, monotonic."""
    random: Random
    terms: Terms = field(default_factory=Terms)
    _moving: dict[ClaimKey, _Travel] = field(default_factory=dict)
    _waiting: defaultdict[str, dict[ClaimKey, None]] = field(default_factory=lambda: defaultdict(dict))
    """By the target's name, in the order in which they came."""
    _woken: defaultdict[ClaimKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    """For a place of these names, which they have not answered yet."""
    _failed: defaultdict[_Target, dict[ClaimKey, bool]] = field(default_factory=lambda: defaultdict(dict))
    """And whether that counts against the target."""
    _has_learned: bool = False

    def turn(self, claim: WorkloadClaim, move: Move) -> Turn:
        """Whether the claim may move now. ``Go`` takes a place, which it has until it is well, has failed, or for long enough."""
        self._learn()
        key, targets = claim.key, frozenset(_targets(claim, move))
        self._end_the_late(but=key)
        if self._has_failed(key, targets):
            self._leave(key)
            self._pass_on(key)
            return Turn.FAILED
        if halted := {target for target in targets if self._is_halted(target)}:
            self._leave(key)
            self._wait(key, halted)
            return Turn.HALTED
        held = travel.names if (travel := self._moving.get(key)) else set()
        if full := {each for each in targets if each.name not in held and self._free(each.name) <= 0}:
            self._wait(key, full)
            return Turn.WAIT
        self._take(claim, move, targets)
        return Turn.GO

    def went_back(self, claim: WorkloadClaim, back: Setback) -> None:
        """The claim tried newer revisions and is not on them any more.

        If the template's is one of them it is to blame, as far as anybody can tell; the profiles are refused to this claim alone.
        """
        key, travel = claim.key, self._moving.get(claim.key)
        if back.failed is not None:
            self._fail(key, _Target(f"{_TEMPLATE}{claim.spec.template_id}", back.failed), counts=back.counts)
        for target in travel.targets if travel and travel.certain else ():
            if not target.name.startswith(_TEMPLATE):
                self._fail(key, target, counts=back.counts and back.failed is None)
        self._leave(key)

    def ended(self, claim: WorkloadClaim, error: ReconcileError | None, move: Move | None) -> None:
        """A reconcile that tried ``move`` ended by ``error`` and left the claim so: it may give its place to another one."""
        key, travel = claim.key, self._moving.get(claim.key)
        if travel is None:
            self._pass_on(key)
            return
        begun = has_begun(claim, travel.move)
        if not follows(claim) or claim.spec.suspend or (begun and is_settled(claim)):
            self._leave(key)
        elif begun and (is_refused(error) or self._is_sick(claim)):
            # Of a claim that was never well it says nothing against the revision.
            if travel.certain and any(item.healthy for item in claim.status.history):
                for target in travel.targets:
                    self._fail(key, target)
            self._leave(key)
        elif isinstance(error, Stalled) or self._is_late(travel) or (move is None and not begun):
            self._leave(key)
        elif not begun and isinstance(error, Waiting) and error.dependency is not None:
            # Others of its template need not try either; those of other templates do not wait for its repository.
            template = frozenset(each for each in travel.targets if each.name.startswith(_TEMPLATE))
            self._hold(key, replace(travel, targets=template))

    def forget(self, key: ClaimKey) -> None:
        """The claim is gone."""
        for waiting in self._waiting.values():
            waiting.pop(key, None)
        for target, failed in self._failed.items():
            was_halted = self._is_halted(target)
            failed.pop(key, None)
            if was_halted and not self._is_halted(target):
                self._wake(target.name, self._free(target.name))
        self._leave(key)
        self._pass_on(key)

    def _is_sick(self, claim: WorkloadClaim) -> bool:
        failing = failing_for(claim, self.now())
        return failing is not None and failing >= self.terms.patience

    def _is_late(self, travel: _Travel) -> bool:
        return self.clock() - travel.since >= self.terms.longest

    def _end_the_late(self, *, but: ClaimKey) -> None:
        for key in [key for key, travel in self._moving.items() if key != but and self._is_late(travel)]:
            self._leave(key)

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
                self._failed[_Target(f"{_TEMPLATE}{claim.spec.template_id}", template.failed)][key] = True
            travel = _under_way(claim, self.clock())
            if travel is None or self._is_sick(claim):
                continue
            if travel.certain or all(self._free(name) > 0 for name in travel.names):
                self._moving.setdefault(key, travel)

    # -- places ---------------------------------------------------------------------------------------------------------

    def _free(self, name: str) -> int:
        return self.terms.concurrency - sum(name in travel.names for travel in self._moving.values())

    def _take(self, claim: WorkloadClaim, move: Move, targets: frozenset[_Target]) -> None:
        key, names, held = claim.key, _names(targets), self._moving.get(claim.key)
        since = held.since if held is not None and held.move == move else self.clock()
        if held is not None and held.certain and has_begun(claim, held.move):
            targets |= {each for each in held.targets if each.name not in names}
        self._hold(key, _Travel(move, targets, since))
        for name in names:
            self._waiting[name].pop(key, None)
        self._pass_on(key, but=names)

    def _hold(self, key: ClaimKey, travel: _Travel) -> None:
        held = self._moving.get(key)
        self._moving[key] = travel
        for target in held.targets if held else ():
            if target.name not in travel.names:
                self._give(target)

    def _leave(self, key: ClaimKey) -> None:
        travel = self._moving.pop(key, None)
        for target in travel.targets if travel else ():
            self._give(target)

    def _give(self, target: _Target) -> None:
        if not self._is_halted(target):
            self._wake(target.name, self._free(target.name))

    def _wait(self, key: ClaimKey, targets: Collection[_Target]) -> None:
        for target in targets:
            self._waiting[target.name][key] = None
        self._pass_on(key, but=_names(targets))

    def _wake(self, name: str, number: int) -> None:
        waiting = self._waiting[name]
        spread = max(_SPREAD, _PER_CLAIM * number)
        for key in list(waiting)[: max(0, number)]:
            del waiting[key]
            self._woken[key].add(name)
            self.queue.add(key, self.random.uniform(0, spread))

    def _pass_on(self, key: ClaimKey, *, but: Collection[str] = ()) -> None:
        """Wakes the next ones, for places that this one was woken for and does not take."""
        for name in self._woken.pop(key, set()).difference(but):
            self._wake(name, min(1, self._free(name)))

    # -- failures -------------------------------------------------------------------------------------------------------

    def _has_failed(self, key: ClaimKey, targets: frozenset[_Target]) -> bool:
        """Whether one of them is to blame for a failure of this claim, or each of them had to do with one."""
        found = [self._failed[target][key] for target in targets if key in self._failed.get(target, ())]
        return any(found) or (bool(found) and len(found) == len(targets))

    def _is_halted(self, target: _Target) -> bool:
        return sum(self._failed.get(target, {}).values()) >= self.terms.failures

    def _fail(self, key: ClaimKey, target: _Target, *, counts: bool = True) -> None:
        was_halted, failed = self._is_halted(target), self._failed[target]
        failed[key] = counts or failed.get(key, False)
        if self._is_halted(target) and not was_halted:
            self._wake(target.name, len(self._waiting[target.name]))  # to say so


def _names(targets: Collection[_Target]) -> set[str]:
    return {target.name for target in targets}


def _targets(claim: WorkloadClaim, move: Move) -> Iterator[_Target]:
    in_force = claim.status.template
    if in_force is None or move.revision != in_force.revision:
        yield _Target(f"{_TEMPLATE}{claim.spec.template_id}", move.revision)
    before, after = set(claim.status.profiles), set(move.profiles)
    for ref in after - before:
        yield _Target(f"profile/{ref.id}", ref.revision)
    given = {ref.id for ref in after}
    for ref in before - after:
        if ref.id not in given:
            yield _Target(f"profile/{ref.id}", 0)


def _under_way(claim: WorkloadClaim, since: float) -> _Travel | None:
    """Of a claim that another process moved: what it moves to cannot always be told from an edit, which counts as well."""
    in_force = claim.status.template
    if in_force is None or not follows(claim) or claim.spec.suspend or is_settled(claim):
        return None
    move = Move(in_force.revision, claim.status.profiles)
    if came_from(claim) is not None:
        target = _Target(f"{_TEMPLATE}{claim.spec.template_id}", in_force.revision)
        return _Travel(move, frozenset({target}), since)
    if not any(item.healthy for item in claim.status.history):
        return None
    targets = frozenset(_Target(f"profile/{ref.id}", ref.revision) for ref in move.profiles)
    return _Travel(move, targets, since, certain=False)
