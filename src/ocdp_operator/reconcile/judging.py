"""The health of what is on record, with all that may be known of it: pods, the time, how it was, and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from ocdp_operator.errors import Advice, Reason, ReconcileError, advice_on
from ocdp_operator.model.claim import HistoryItem
from ocdp_operator.model.conditions import Condition, Truth
from ocdp_operator.model.ignoring import REPLICAS, ignored_paths
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.plan.drift import find_drift
from ocdp_operator.plan.findings import Evidence, Verdict
from ocdp_operator.plan.health import Health, assess
from ocdp_operator.plan.pod_causes import moment
from ocdp_operator.plan.refused_pods import why_missing
from ocdp_operator.plan.running import rendered_input
from ocdp_operator.reconcile.run import Run

_log = structlog.get_logger(__name__)

_ASK_AFTER: Final = timedelta(seconds=3)
"""Pods come by themselves, mostly in less; only then the events of their object are worth a request."""


async def judge(run: Run, live: Mapping[ObjectRef, Observed]) -> Health:
    """The health of the recorded objects. Costs no request, unless pods or a volume are missing for some seconds."""
    evidence = _evidence(run, live)
    health = assess(run.facts.inventory, live, evidence)
    asked = [seen for ref in health.asks if (seen := live.get(ref)) is not None]
    if not asked or not _is_late(run):
        return health
    answers = {}
    for seen in asked:
        try:
            told = await run.ports.cluster.events_about(run.namespace, seen.uid)
        except ReconcileError as error:
            _log.warning("events not read", claim=str(run.claim.key), code=error.reason, error=error.message)
            if error.reason is not Reason.FORBIDDEN:
                return _as_told(run, health)
            told = ()  # who may not ask is told nothing: the count of pods is all there is to say
        answers[seen.ref] = why_missing(told)
    return assess(run.facts.inventory, live, replace(evidence, answers=answers))


def _as_told(run: Run, health: Health) -> Health:
    """What was told may have been events' words: that they cannot be had just now makes nothing better."""
    known = _known(run)
    if known is None or not _is_told(run) or health.verdict is not Verdict.PROGRESSING:
        return health
    said = run.claim.status.failure
    advice = advice_on(known.reason)
    if said is not None and said.code == known.reason:
        advice = Advice(said.actor, said.remedy)
    return replace(health, verdict=Verdict.FAILED, reason=known.reason, message=known.message, advice=advice)


def _is_told(run: Run) -> bool:
    """Whether it was said already that what is applied has failed."""
    known, newest = _known(run), _newest(run)
    return (
        known is not None
        and known.status is Truth.FALSE
        and known.observed_generation == run.claim.generation
        and newest is not None
        and newest.input_digest == rendered_input(run.facts.input_digest)
    )


def _evidence(run: Run, live: Mapping[ObjectRef, Observed]) -> Evidence:
    known = _known(run)
    newest = _newest(run)
    # Unknown: what was healthy was stopped, or is on its way to something new.
    was_healthy = (
        run.facts.applied
        and newest is not None
        and newest.healthy
        and newest.input_digest == run.facts.input_digest
        and known is not None
        and known.status is not Truth.UNKNOWN
        and known.observed_generation == run.claim.generation
    )
    return Evidence(
        pods=run.ports.observations.pods_of_claim(run.claim.key),
        now=run.now(),
        was_healthy=was_healthy,
        applied=_applied(run),
        underway=None if was_healthy else _underway(run),
        at_rest=not run.claim.spec.running,
        stands=was_healthy and known is not None and known.status is Truth.TRUE,
        drifted=_drifted(run, live) if run.claim.spec.running else frozenset(),
    )


def _applied(run: Run) -> datetime | None:
    """When what is applied was applied first: just now, when no history tells of it yet; None while an apply is unfinished."""
    newest = _newest(run)
    if newest is None or not run.facts.applied:
        return None
    known = newest.input_digest == rendered_input(run.facts.input_digest)
    return moment(newest.first_applied) if known else run.now()


def _underway(run: Run) -> datetime | None:
    """What is started again is on its way since it was told so, not since it was applied; what has failed stays so until it is well."""
    applied, known, now = _applied(run), _known(run), run.now()
    if known is not None and known.status is Truth.FALSE:
        newest = _newest(run)
        return applied or (moment(newest.first_applied) if newest else None)
    if applied is None or known is None:
        return applied
    ready = run.claim.status.condition_set.get("Ready") or known
    if known.status is Truth.TRUE or known.reason is Reason.STOPPED:
        return now
    told = (moment(each.last_transition_time) for each in (known, ready))
    return max(applied, *(since or now for since in told))


def _drifted(run: Run, live: Mapping[ObjectRef, Observed]) -> frozenset[ObjectRef]:
    """What is left as somebody changed it; not where how many pods there are is left to others."""
    uid = run.claim.uid
    return frozenset(
        entry.ref
        for entry in run.facts.inventory.desired
        if (seen := live.get(entry.ref)) is not None
        and not seen.autoscaled
        and REPLICAS not in ignored_paths({"annotations": seen.annotations})
        and find_drift(entry, seen, claim_uid=uid) is not None
    )


def _is_late(run: Run) -> bool:
    known = _known(run)
    if known is None:
        return False
    # Without the events, whose words it may have been, a verdict that was told would turn to and fro.
    if _is_told(run) or known.status is Truth.TRUE:
        return True
    since = moment(known.last_transition_time)
    # A clock that was set back says nothing of how late it is.
    return since is None or not timedelta(0) <= run.now() - since < _ASK_AFTER


def _newest(run: Run) -> HistoryItem | None:
    return next(iter(run.claim.status.history), None)


def _known(run: Run) -> Condition | None:
    return run.claim.status.condition_set.get("Healthy")
