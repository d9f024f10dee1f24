"""What was applied last is kept as it was sent, and stopped or started, from the rendering that the cluster keeps.

It needs neither the catalog nor Git nor kustomize: an outage of these takes nothing from a claim that runs (design 4.5).
"""

from __future__ import annotations

import structlog

from ocdp_operator.errors import Reason, ReconcileError, Waiting
from ocdp_operator.model.kinds import SECRET, WORKLOAD
from ocdp_operator.model.names import RENDERING
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.telemetry import Step
from ocdp_operator.plan.drift import Drift
from ocdp_operator.plan.keeping import trusted, unpack
from ocdp_operator.plan.resolve import check_namespace
from ocdp_operator.plan.running import in_state
from ocdp_operator.reconcile.applying import apply_all
from ocdp_operator.reconcile.drifting import corrected, explained
from ocdp_operator.reconcile.hosts import hosts_taken
from ocdp_operator.reconcile.run import Run
from ocdp_operator.reconcile.updating import plan_updates

_log = structlog.get_logger(__name__)
_HANDS_OFF = frozenset({Reason.WORKSPACE_MISMATCH, Reason.NAMESPACE_TERMINATING, Reason.CLUSTER_UNAVAILABLE})
"""Failures under which nothing must, or can, be written into the namespace."""


async def kept_rendering(run: Run) -> dict[ObjectRef, Manifest]:
    """The objects as they were applied last, as they are sent while the claim runs; without those that nothing vouches for."""
    ref = ObjectRef(WORKLOAD.group, WORKLOAD.kind, run.claim.key.name)
    entry = run.facts.inventory.get(ref)
    if entry is None or not entry.uid:
        return {}
    live = await run.ports.cluster.get(run.namespace, ref)
    if live is None or live.uid != entry.uid:
        return {}
    return trusted(unpack(live.annotations.get(RENDERING, "")), run.facts.inventory)


async def uphold(run: Run, drifts: tuple[Drift, ...]) -> bool:
    """Repairs the drift and brings the claim's objects into the state that ``spec.running`` asks for, from what is kept.

    False, and nothing written, when what is kept does not cover all of it: then only a rendering helps.
    Raises what an apply raises.
    """
    kept = await kept_rendering(run)
    with_pods = {
        entry.ref
        for entry in run.facts.inventory.desired
        if entry.ref.kind not in (SECRET.kind, WORKLOAD.kind)
    }
    needed = {drift.ref for drift in drifts} | (with_pods if run.changes_state else set())
    if not kept or needed - kept.keys():
        return False
    await _send(run, kept, drifts, running=run.claim.spec.running)
    return True


async def uphold_in_spite(run: Run, drifts: tuple[Drift, ...], failure: ReconcileError) -> None:
    """The same as far as it goes, when the claim itself cannot be resolved or rendered; ``failure`` is for the caller to raise.

    A stop is carried out whatever failed: who may edit the claim may delete it too, and a stop gives back what it holds. A start
    only where nothing is refused and nothing else was asked for with it.
    """
    was_running, running = run.was_running, run.claim.spec.running
    if failure.reason in _HANDS_OFF or was_running is None:
        return
    if running and not was_running and not (isinstance(failure, Waiting) and run.follows_spec):
        running = False
    if not drifts and running is was_running:
        run.keeps_up()
        return
    try:
        kept = await kept_rendering(run)
        covered = tuple(drift for drift in drifts if drift.ref in kept)
        if covered or running is not was_running:
            await _send(run, kept, covered, running=running)
    except ReconcileError as error:
        _log.warning("not upheld", claim=str(run.claim.key), code=error.reason, error=error.message)


async def _send(
    run: Run, kept: dict[ObjectRef, Manifest], drifts: tuple[Drift, ...], *, running: bool
) -> None:
    changes_state = running is not run.was_running
    manifests = in_state(kept.values(), running=running)
    await check_place(run)
    drifts = await explained(run, manifests, drifts)
    with run.progress.of(Step.APPLY):
        async with hosts_taken(run, manifests):
            drifted = {drift.ref for drift in drifts}
            updates = await plan_updates(run, manifests, drifted)
            await apply_all(run, manifests, drifted, updates)
    if not changes_state:  # what a stop changed before a crash is no drift
        corrected(run, drifts)
    run.goes_on(running=running)


async def check_place(run: Run) -> None:
    """The catalog's row is the authority; the namespace's label repeats it, and a difference stops everything."""
    namespace = await run.ports.cluster.namespace(run.namespace)
    if namespace is None or namespace.terminating:
        raise Waiting(Reason.NAMESPACE_TERMINATING, f"The namespace {run.namespace} is being deleted.")
    check_namespace(run.claim, namespace.labels)
