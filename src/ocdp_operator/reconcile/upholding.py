"""What was applied last is kept as it was sent, and stopped or started, from the rendering that the cluster keeps.

It needs neither the catalog nor Git nor kustomize: an outage of these takes nothing from a claim that runs (design 4.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ocdp_operator.errors import Reason, ReconcileError, Waiting
from ocdp_operator.model.kinds import WITH_PODS, WORKLOAD
from ocdp_operator.model.names import RENDERING
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.telemetry import Step
from ocdp_operator.model.wire import digest
from ocdp_operator.plan.drift import Drift
from ocdp_operator.plan.keeping import trusted, unpack
from ocdp_operator.plan.resolve import check_namespace
from ocdp_operator.plan.running import at_rest, in_state
from ocdp_operator.reconcile.applying import apply_all
from ocdp_operator.reconcile.drifting import corrected, explained
from ocdp_operator.reconcile.hosts import hosts_taken
from ocdp_operator.reconcile.run import Run
from ocdp_operator.reconcile.updating import plan_updates

_log = structlog.get_logger(__name__)
HANDS_OFF = frozenset({Reason.WORKSPACE_MISMATCH, Reason.NAMESPACE_TERMINATING, Reason.CLUSTER_UNAVAILABLE})
"""Failures under which nothing must, or can, be written into the namespace."""


async def kept_rendering(run: Run) -> dict[ObjectRef, Manifest]:
    """The objects as they were applied last, as they are sent while the claim runs; without those that nothing vouches for."""
    ref = ObjectRef(WORKLOAD.group, WORKLOAD.kind, run.claim.key.name)
    entry = run.facts.inventory.get(ref)
    if entry is None or not entry.uid or not run.facts.rendering_digest:
        return {}
    live = await run.ports.cluster.get(run.namespace, ref)
    text = live.annotations.get(RENDERING, "") if live is not None and live.uid == entry.uid else ""
    if digest(text) != run.facts.rendering_digest:
        return {}
    return trusted(unpack(text), run.facts.inventory)


async def uphold(run: Run, drifts: tuple[Drift, ...]) -> bool:
    """Repairs the drift and brings the claim's objects into the state that ``spec.running`` asks for, from what is kept.

    False, and nothing written, when what is kept does not cover all of it: then only a rendering helps.
    Raises what an apply raises.
    """
    kept = await kept_rendering(run)
    needed = {drift.ref for drift in drifts} | (_with_pods(run) if run.changes_state else set())
    if not kept or needed - kept.keys():
        return False
    await _send(run, in_state(kept.values(), running=run.claim.spec.running), drifts)
    return True


async def uphold_in_spite(run: Run, drifts: tuple[Drift, ...], failure: ReconcileError) -> None:
    """The same as far as it goes, when the claim itself cannot be resolved or rendered; ``failure`` is for the caller to raise.

    A stop is carried out whatever failed, and whatever was under way: who may edit the claim may delete it too, and a stop gives
    back what it holds. A start only where nothing is refused, nothing else was asked for with it, and all of it is kept.
    """
    if failure.reason in HANDS_OFF:
        return
    was_running, wanted = run.was_running, run.claim.spec.running
    stops = not wanted and was_running is not False
    starts = wanted and was_running is False and isinstance(failure, Waiting) and run.follows_spec
    if not (drifts or stops or starts):
        run.keeps_up()
        return
    try:
        kept = await kept_rendering(run)
        is_whole = bool(kept) and _with_pods(run) <= kept.keys()
        starts = starts and is_whole
        covered = tuple(drift for drift in drifts if drift.ref in kept)
        if covered or stops or starts:
            await _send(run, _as_wanted(run, kept, stops=stops, starts=starts), covered)
            _conclude(run, stops=stops, starts=starts, is_whole=is_whole)
    except ReconcileError as error:
        _log.warning("not upheld", claim=str(run.claim.key), code=error.reason, error=error.message)


def _with_pods(run: Run) -> set[ObjectRef]:
    return {entry.ref for entry in run.facts.inventory.desired if entry.ref.kind in WITH_PODS}


def _as_wanted(
    run: Run, kept: dict[ObjectRef, Manifest], *, stops: bool, starts: bool
) -> tuple[Manifest, ...]:
    """Stopped, started, or each object in the state in which it was sent last."""
    if stops or starts:
        return in_state(kept.values(), running=starts)
    entries = run.facts.inventory.entries
    return tuple(
        manifest if entries[ref].sent == manifest.sent_digest else at_rest(manifest)
        for ref, manifest in kept.items()
    )


def _conclude(run: Run, *, stops: bool, starts: bool, is_whole: bool) -> None:
    """Says what is so now. A stop that did not reach everything, or that came upon an unfinished apply, is not one yet."""
    if not (stops or starts):
        run.keeps_up()
    elif is_whole and run.was_running is not None:
        run.goes_on(running=starts)


async def _send(run: Run, manifests: Sequence[Manifest], drifts: tuple[Drift, ...]) -> None:
    changes_state = run.changes_state or run.was_running is None
    await check_place(run)
    drifts = await explained(run, manifests, drifts)
    with run.progress.of(Step.APPLY):
        async with hosts_taken(run, manifests):
            drifted = {drift.ref for drift in drifts}
            updates = await plan_updates(run, manifests, drifted)
            await apply_all(run, manifests, drifted, updates)
    if not changes_state:  # what a stop changed before a crash is no drift
        corrected(run, drifts)


async def check_place(run: Run) -> None:
    """The catalog's row is the authority; the namespace's label repeats it, and a difference stops everything."""
    namespace = await run.ports.cluster.namespace(run.namespace)
    if namespace is None or namespace.terminating:
        raise Waiting(Reason.NAMESPACE_TERMINATING, f"The namespace {run.namespace} is being deleted.")
    check_namespace(run.claim, namespace.labels)
