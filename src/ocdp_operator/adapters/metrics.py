"""Every number that ``/metrics`` serves (docs/observability.md). The only place that knows prometheus-client.

What happens is counted when it happens, in microseconds. What *is* (claims, queue, watches) is looked up by a scrape.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ocdp_operator import __version__
from ocdp_operator.adapters.claim_metrics import claim_families
from ocdp_operator.adapters.health import Health, Watch
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.kinds import CLAIM
from ocdp_operator.model.telemetry import Result, Step, Tally

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_GIT_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_KIND: Final = str(CLAIM)
_ACTIONS: Final = ("created", "configured", "unchanged", "failed")
_PRUNED: Final = ("deleted", "kept", "failed")


class Queue(Protocol):
    """What is asked of the queue."""

    @property
    def depth(self) -> int:
        """Claims that wait for a worker."""
        ...

    @property
    def oldest_wait(self) -> float:
        """Seconds that the first of them has waited."""
        ...


@dataclass(frozen=True, slots=True)
class Sights:
    """What a scrape looks at."""

    claims: Callable[[], Iterable[WorkloadClaim]]
    queue: Queue
    watches: Callable[[], Mapping[str, Watch]]
    health: Health
    leads: Callable[[], bool]
    now: Callable[[], datetime]
    per_claim: bool = False
    """Also one series for each claim."""
    verified: Callable[[], bool] = lambda: False
    """Whether who makes a claim is proven."""


class _Registry(CollectorRegistry):
    """Leaves out when each series began, which doubles their number: ``process_start_time_seconds`` says it for all."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class Metrics:
    """Counts what happens; fulfils ``Telemetry``. Its registry is its own."""

    def __init__(self) -> None:
        self._registry = _Registry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        build = Gauge(
            "ocdp_build_info",
            "Always 1; the labels say what runs.",
            ["version", "python"],
            registry=self._registry,
        )
        build.labels(__version__, platform.python_version()).set(1)
        self._reconciling()
        self._asking()

    def _reconciling(self) -> None:
        durations = Histogram(
            "ocdp_reconcile_duration_seconds",
            "How long each stage of a reconcile took; stage total: all of it.",
            ["kind", "stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._steps = {step: durations.labels(_KIND, step) for step in Step}
        self._total = durations.labels(_KIND, "total")
        results = self._counter(
            "ocdp_reconcile", "Reconciles that ended, by how they ended.", "kind", "result"
        )
        self._results = {result: results.labels(_KIND, result) for result in Result}
        objects = self._counter("ocdp_apply_objects", "Objects of renderings, by what was done.", "action")
        pruned = self._counter(
            "ocdp_prune_objects", "Objects no longer wanted, by what became of them.", "result"
        )
        drift = self._counter("ocdp_drift_detected", "Objects found different from what was applied.")
        mended = self._counter("ocdp_drift_corrected", "Drifted objects that were put right.")
        opened = self._counter(
            "ocdp_circuit_breaker_opens", "Times that an object was left alone since somebody fights over it."
        )
        noop = self._counter("ocdp_noop_writes", "Writes that changed nothing. Must stay 0.")
        self._tallies = {
            **{(Tally.APPLIED_OBJECTS, action): objects.labels(action) for action in _ACTIONS},
            **{(Tally.PRUNED_OBJECTS, result): pruned.labels(result) for result in _PRUNED},
            (Tally.DRIFT_DETECTED, ""): drift,
            (Tally.DRIFT_CORRECTED, ""): mended,
            (Tally.CIRCUIT_OPENED, ""): opened,
            (Tally.NOOP_WRITES, ""): noop,
        }

    def _asking(self) -> None:
        self._writes = self._counter(
            "ocdp_write_requests", "Mutating requests sent to the API server.", "verb", "resource"
        )
        self._git = self._counter("ocdp_git_requests", "Requests to Git repositories.", "result")
        self._git.labels("success")
        self._fetches = Histogram(
            "ocdp_git_fetch_duration_seconds",
            "How long each fetch of a commit took.",
            buckets=_GIT_SECONDS,
            registry=self._registry,
        )
        self._catalog_up = Gauge(
            "ocdp_catalog_up", "1 if the catalog answered the last question.", registry=self._registry
        )
        self._questions = Histogram(
            "ocdp_catalog_query_duration_seconds",
            "How long each question to the catalog took, answered or not.",
            buckets=_SECONDS,
            registry=self._registry,
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

    # What happens.

    def observed(self, step: Step, seconds: float) -> None:
        """As the port says."""
        self._steps[step].observe(seconds)

    def finished(self, result: Result, seconds: float) -> None:
        """As the port says."""
        self._total.observe(seconds)
        self._results[result].inc()

    def counted(self, tally: Tally, label: str = "", amount: int = 1) -> None:
        """As the port says."""
        self._tallies[tally, label].inc(amount)

    def wrote(self, verb: str, resource: str) -> None:
        """A mutating request goes to the API server."""
        self._writes.labels(verb, resource).inc()

    def asked_git(self, what: str, result: str, seconds: float) -> None:
        """A repository was asked: ``fetch`` or ``list``; ``success`` or a reason."""
        self._git.labels(result).inc()
        if what == "fetch":
            self._fetches.observe(seconds)

    def asked_catalog(self, answered: bool, seconds: float) -> None:
        """The catalog was asked."""
        self._catalog_up.set(answered)
        self._questions.observe(seconds)

    # What is.

    def look_at(self, sights: Sights) -> None:
        """From now on a scrape looks at these too. Call it once."""
        self._registry.register(_Looks(sights))

    def exposed(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Looks(Collector):
    """What a scrape looks up."""

    def __init__(self, sights: Sights) -> None:
        self._sights = sights

    def describe(self) -> Iterator[Metric]:
        """Nothing is looked up before the first scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Of this moment."""
        sights = self._sights
        yield _one("ocdp_queue_depth", "Claims that are due and wait for a worker.", sights.queue.depth)
        yield _one(
            "ocdp_queue_oldest_seconds", "How long the first of them has waited.", sights.queue.oldest_wait
        )
        yield _one("ocdp_leader", "1 while this process may write.", sights.leads())
        verified = sights.verified()
        yield _one("ocdp_identity_verified", "1 while who makes a claim is proven.", verified)
        yield _one("ocdp_event_loop_lag_seconds", "By how much the event loop is late.", sights.health.lag)
        ages = GaugeMetricFamily(
            "ocdp_watch_last_event_age_seconds",
            "Since a watch last heard an event or a bookmark.",
            labels=["resource"],
        )
        for resource, watch in sights.watches().items():
            ages.add_metric([resource], watch.silent_for)
        yield ages
        yield from claim_families(sights.claims(), sights.now(), per_claim=sights.per_claim)


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=float(value))
