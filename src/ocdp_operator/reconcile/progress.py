"""How one reconcile goes: where it is, what it took, whether it wrote anything. For logs and metrics, never for decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

import structlog

from ocdp_operator.errors import Conflict, Reason, ReconcileError, Stalled
from ocdp_operator.model.telemetry import Result, Step, Tally
from ocdp_operator.reconcile.ports import Telemetry

_log = structlog.get_logger(__name__)


class Silent:
    """A ``Telemetry`` that tells nobody."""

    def observed(self, step: Step, seconds: float) -> None:
        """As the port says."""

    def finished(self, result: Result, seconds: float) -> None:
        """As the port says."""

    def counted(self, tally: Tally, label: str = "", amount: int = 1) -> None:
        """As the port says."""


@dataclass(slots=True)
class Progress:
    """Of one reconcile, from when it is made."""

    telemetry: Telemetry = field(default_factory=Silent)
    clock: Callable[[], float] = monotonic
    step: Step | None = None
    """The one it is in, or the last one; after a failure the one that failed."""
    changed: bool = False
    """Something was written."""
    result: Result | None = None
    """Set where the reconcile ends in a way of its own."""
    code: Reason | None = None
    message: str = ""
    """What the error said; a conflict says nothing that matters."""
    fault: Exception | None = None
    """Our own, if that is what ended it."""
    _stopped: bool = False
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.clock() - self._started

    @contextmanager
    def of(self, step: Step) -> Iterator[None]:
        """Measures a step, whether or not it succeeds."""
        if not self._stopped:
            self.step = step
        started = self.clock()
        try:
            yield
        finally:
            self.telemetry.observed(step, self.clock() - started)

    def stop(self) -> None:
        """It gets no further: the steps that follow tidy up."""
        self._stopped = True

    def failed(self, error: Exception) -> None:
        """It ended by this error."""
        if isinstance(error, Conflict):
            self.result = Result.CONFLICT
            return
        if isinstance(error, ReconcileError):
            self.message = error.message
        if isinstance(error, ReconcileError) and error.reason is not Reason.INTERNAL_ERROR:
            self.result = Result.STALLED if isinstance(error, Stalled) else Result.WAITING
            self.code = error.reason
        else:
            self.result, self.code = Result.ERROR, Reason.INTERNAL_ERROR
            if not isinstance(error, ReconcileError):
                self.fault = error

    def end(self) -> Result:
        """It is over: counts it, and returns how it ended."""
        if self.result is None:
            self.result = Result.CHANGED if self.changed else Result.UNCHANGED
        self.telemetry.finished(self.result, self.seconds)
        return self.result

    def counted(self, tally: Tally, label: str = "", amount: int = 1) -> None:
        """Something happened, so many times."""
        if amount:
            self.telemetry.counted(tally, label, amount)

    def wrote(self, what: str, *, before: str, after: str) -> None:
        """An object was written; its versions before, as far as it was known, and after."""
        self.changed = True
        if before == after:
            self.telemetry.counted(Tally.NOOP_WRITES)
            _log.info("a write changed nothing", what=what, step=self.step)
