"""Circuits: an object that somebody changes as often as it is put right is left alone for a while.

Kept in memory alone: a new process tries once more, and finds out again within minutes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from time import monotonic
from typing import Final

from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.names import RECONCILE_REQUESTED
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.plan.drift import LEFT_ALONE, Drift

MOST_REPAIRS: Final = 5
"""Of one object within the window, before it is left alone."""
WINDOW: Final = 600.0
"""Seconds."""
HOLDS: Final = 60.0
"""Seconds for which an object must stay as it was put right, after a while alone, until its circuit closes."""

_SOON: Final = 0.1
"""Seconds after something is due: a look that comes too early finds nothing to do."""


class Judgement(Enum):
    """What to do about a drift."""

    REPAIR = auto()
    LEAVE = auto()
    OPENED = auto()
    """Leave it, from now on: that is news."""
    REOPENED = auto()
    """Leave it again: the one try did not hold."""


@dataclass(slots=True)
class _Circuit:
    repairs: deque[float] = field(default_factory=deque)
    """When, on the clock; those of the window."""
    last: Drift | None = None
    """As it was explained when it was last put right."""
    is_open: bool = False
    until: float = 0.0
    """Left alone until then; after that there is one try, and the next one as long after it."""
    tried: float | None = None
    """When the one try was made: not when it was refused, or could not be made."""


@dataclass(slots=True)
class _OfClaim:
    asked: tuple[str, int, str]
    """UID, generation and request for a reconcile: another one closes every circuit."""
    circuits: dict[ObjectRef, _Circuit] = field(default_factory=dict)
    told: dict[ObjectRef, tuple[str, Drift]] = field(default_factory=dict)
    """Drift that is left as it is since the claim is suspended, and the digest of our entry that it was seen by."""


class Circuits:
    """The circuits of all claims. ``clock``: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._claims: dict[ClaimKey, _OfClaim] = {}

    def judge(self, claim: WorkloadClaim, drift: Drift) -> Judgement:
        """Whether the drift is to be repaired now. Opens the circuit when it was repaired too often."""
        circuit = self._of(claim).get(drift.ref)
        if circuit is None:
            return Judgement.REPAIR
        now = self._clock()
        if not circuit.is_open:
            while circuit.repairs and circuit.repairs[0] <= now - WINDOW:
                circuit.repairs.popleft()
            if len(circuit.repairs) < MOST_REPAIRS:
                return Judgement.REPAIR
            circuit.is_open, circuit.until, circuit.last = True, now + LEFT_ALONE, circuit.last or drift
            return Judgement.OPENED
        if circuit.tried is not None:
            circuit.tried, circuit.until = None, now + LEFT_ALONE
            return Judgement.REOPENED
        if now < circuit.until:
            return Judgement.LEAVE
        circuit.until = now + LEFT_ALONE  # a try that is refused is not made again at once
        return Judgement.REPAIR

    def explained(self, claim: WorkloadClaim, drift: Drift) -> None:
        """The drift is about to be put right, and is known with its fields."""
        self._circuit(claim, drift.ref).last = drift

    def tell(self, claim: WorkloadClaim, drift: Drift, seen: str) -> None:
        """Remembers a drift of a suspended claim as it is told. ``seen``: the digest of our ``Apply`` entry on the object."""
        self._known(claim).told[drift.ref] = (seen, drift)

    def told(self, claim: WorkloadClaim, drift: Drift, seen: str) -> Drift | None:
        """The same drift as it was told before, with its fields; None when it is another one."""
        before, known = self._known(claim).told.get(drift.ref, ("", None))
        same = known is not None and before == seen and replace(known, fields=()) == drift
        return known if same else None

    def repaired(self, claim: WorkloadClaim, ref: ObjectRef) -> None:
        """The object was written to put it right, whatever became of the claim's other objects."""
        circuit = self._circuit(claim, ref)
        circuit.repairs.append(self._clock())
        if circuit.is_open:
            circuit.tried = self._clock()

    def settle(self, claim: WorkloadClaim, drifted: Collection[ObjectRef]) -> None:
        """Closes the circuits of objects that were looked at and stay as they are."""
        now = self._clock()
        for ref, circuit in [*self._of(claim).items()]:
            held = now >= (circuit.until if circuit.tried is None else circuit.tried + HOLDS)
            if circuit.is_open and ref not in drifted and held:
                del self._claims[claim.key].circuits[ref]

    def contested(self, claim: WorkloadClaim) -> tuple[Drift, ...]:
        """The last drift of each object whose circuit is open."""
        return tuple(each.last for each in self._of(claim).values() if each.is_open and each.last is not None)

    def due(self, claim: WorkloadClaim) -> float:
        """Seconds until something is to be tried or closed; infinite when no circuit is open.

        What is due already and was not done, since the claim's objects were not looked at, is no reason to hurry.
        """
        now = self._clock()
        open_ = [each for each in self._of(claim).values() if each.is_open]
        times = [each.until if each.tried is None else each.tried + HOLDS for each in open_]
        waits = [at - now + _SOON if at > now else LEFT_ALONE for at in times]
        return min(waits, default=float("inf"))

    def forget(self, key: ClaimKey) -> None:
        """The claim is gone."""
        self._claims.pop(key, None)

    def _circuit(self, claim: WorkloadClaim, ref: ObjectRef) -> _Circuit:
        return self._known(claim).circuits.setdefault(ref, _Circuit())

    def _known(self, claim: WorkloadClaim) -> _OfClaim:
        self._of(claim)  # what an older request asked for is forgotten
        return self._claims.setdefault(claim.key, _OfClaim(_asked(claim)))

    def _of(self, claim: WorkloadClaim) -> dict[ObjectRef, _Circuit]:
        known = self._claims.get(claim.key)
        if known is None:
            return {}
        if known.asked != _asked(claim):
            del self._claims[claim.key]
            return {}
        return known.circuits


def _asked(claim: WorkloadClaim) -> tuple[str, int, str]:
    return claim.uid, claim.generation, claim.annotations.get(RECONCILE_REQUESTED, "")
