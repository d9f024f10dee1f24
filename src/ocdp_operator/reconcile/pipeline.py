"""One reconcile, top to bottom: create, update, drift, catalog change and resync take the same path (design 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ocdp_operator.errors import Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.claim import SecretRef
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import STATEFUL_SET, WORKLOAD
from ocdp_operator.model.kustomization import generated_config_maps
from ocdp_operator.model.names import FINALIZER, IN_FORCE, MAX_INVENTORY, credentials_name
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.model.rollout import Turn
from ocdp_operator.model.secrets import Credentials, SecretUse
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.telemetry import Step
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan import policy
from ocdp_operator.plan.drift import Drift, DriftKind
from ocdp_operator.plan.endpoints import endpoints
from ocdp_operator.plan.environment import with_environment
from ocdp_operator.plan.exposure import with_value_path
from ocdp_operator.plan.grown_volumes import goes_back, with_grown_volumes
from ocdp_operator.plan.health import Verdict
from ocdp_operator.plan.keeping import with_kept
from ocdp_operator.plan.prune import mark_healthy
from ocdp_operator.plan.resolve import input_digest, question, resolve
from ocdp_operator.plan.running import desired_in_state
from ocdp_operator.plan.secrets import allot
from ocdp_operator.plan.stamp import Desired, stamp, without_idle_secret, workload_manifest
from ocdp_operator.plan.upgrading import next_move, standing
from ocdp_operator.reconcile.applying import apply_all
from ocdp_operator.reconcile.credentials import (
    answer_rotation,
    are_copies_outdated,
    asked_rotation,
    check_references,
    credentials_ref,
    provide_credentials,
)
from ocdp_operator.reconcile.drifting import corrected, explained, find_drifts, take_back
from ocdp_operator.reconcile.environment import as_they_live
from ocdp_operator.reconcile.hosts import hosts_taken
from ocdp_operator.reconcile.judging import judge
from ocdp_operator.reconcile.pruning import prune
from ocdp_operator.reconcile.rendering import Pace, Rendered, render_bound, with_mappings
from ocdp_operator.reconcile.run import RENDER_VERSION, Run
from ocdp_operator.reconcile.suspending import look_on
from ocdp_operator.reconcile.updating import plan_updates
from ocdp_operator.reconcile.upholding import HANDS_OFF, check_place, uphold, uphold_in_spite

_FETCH_PATIENCE = 5.0
"""Seconds that a worker waits for a fetch. The fetch goes on; the claim comes back for it, and the worker is free."""


async def apply_claim(run: Run) -> None:
    """Makes the world agree with the claim; what was found out is in ``run.facts``, also when this raises.

    An error never shrinks the desired set: what runs goes on, and its health is still observed.
    """
    try:
        if run.claim.spec.suspend:
            await look_on(run)
            return
        workload = await _resolved(run)
        await take_back(run)
        # With nothing on record a claim that is refused below would be held on its first revision for ever.
        if run.facts.inventory:
            await _hold(run, workload)
        drifts = await find_drifts(run)
        if await _must_render(run, workload):
            await _render_and_apply(run, workload, drifts)
        elif not (drifts or run.changes_state):
            run.found(applied=True, applied_message=_applied_message(run.facts.inventory, workload))
        elif await uphold(run, drifts):
            run.rendered(run.rendered_input)
            run.found(applied_message=_applied_message(run.facts.inventory, workload))
        else:
            await _render_and_apply(run, workload, drifts)
        with run.progress.of(Step.PRUNE):
            await prune(run, applied=True)
    except Exception as error:
        run.progress.stop()
        if isinstance(error, ReconcileError) and error.reason not in (*HANDS_OFF, Reason.PRUNE_FAILED):
            with run.progress.of(Step.PRUNE):
                await prune(run, applied=False)
        raise
    finally:
        with run.progress.of(Step.HEALTH):
            await _observe(run)


async def _resolved(run: Run) -> ResolvedWorkload:
    """The claim with everything decided; what was applied before is upheld also when that fails."""
    try:
        with run.progress.of(Step.RESOLVE):
            return await _resolve(run)
    except ReconcileError as failure:
        if failure.reason is not Reason.WORKSPACE_MISMATCH:
            await take_back(run)
            await uphold_in_spite(run, await find_drifts(run), failure)
        raise


async def _resolve(run: Run) -> ResolvedWorkload:
    succeeded_before = bool(run.claim.status.history)
    asked = question(run.claim, run.rules.cluster_id)
    if run.catalog_outage is not None:
        raise run.catalog_outage
    answer = await run.ports.catalog.ask(asked)
    move = next_move(run.claim, answer)
    turn = run.gate(run.claim, move) if move else None
    if turn is Turn.GO:
        run.move = move
        answer = await run.ports.catalog.ask(question(run.claim, run.rules.cluster_id, move))
    workload = resolve(
        run.claim,
        answer,
        succeeded_before=succeeded_before,
        stamps_count=run.stamping.counts(run.claim.created),
        move=run.move,
    )
    run.found(workload=workload, standing=standing(run.claim, workload.newer, turn))
    return workload


async def _hold(run: Run, workload: ResolvedWorkload) -> None:
    """Puts our finalizer on the claim, and the revision in force beside it, before anything else is written."""
    claim, revision = run.claim, workload.revision
    in_force = f"{revision.revision}@{revision.source.commit}"
    if claim.has_finalizer and claim.annotations.get(IN_FORCE) == in_force:
        return
    finalizers = claim.finalizers if claim.has_finalizer else (*claim.finalizers, FINALIZER)
    await run.write_metadata(finalizers, {IN_FORCE: in_force})


def _input(workload: ResolvedWorkload, inventory: Inventory, credentials_version: int) -> str:
    """The input digest. Of the policies only StatefulSets hold one: their volumes' retention (design 2)."""
    digest = input_digest(workload, credentials_version=credentials_version, render_version=RENDER_VERSION)
    has_stateful_set = any(entry.ref.kind == STATEFUL_SET.kind for entry in inventory.desired)
    return f"{digest}-{workload.deletion_policy}" if has_stateful_set else digest


async def _must_render(run: Run, workload: ResolvedWorkload) -> bool:
    """Whether something asks for a rendering beside drift: another input, a rotation, or copies of what users changed."""
    wanted = _input(workload, run.facts.inventory, run.facts.credentials_version)
    if run.rendered_input != wanted or asked_rotation(run):
        return True
    if not run.thorough or not any(mapping.secret for mapping in workload.revision.body.mappings):
        return False
    bound = await with_mappings(run.ports.expressions, workload)
    return await are_copies_outdated(run, bound.secrets)


async def _render_and_apply(run: Run, workload: ResolvedWorkload, drifts: tuple[Drift, ...]) -> None:
    progress = run.progress
    try:
        rendered, rendering, live = await _rendering(run, workload)
    except ReconcileError as failure:
        await uphold_in_spite(run, drifts, failure)
        raise
    workload, artifact = rendered.workload, rendered.artifact
    with progress.of(Step.APPLY):
        request = asked_rotation(run)
        allotment = allot(rendering, workload.claim_name, workload.secrets)
        credentials = await _credentials(run, allotment.held, drifts)
        recorded = credentials_ref(workload.claim_name) in run.facts.inventory
        desired = stamp(
            without_idle_secret(allotment.rendering, workload, held=bool(allotment.held), recorded=recorded),
            workload,
            claim_uid=run.claim.uid,
            credentials=credentials,
            content_named=generated_config_maps(artifact.files),
        )
        back = goes_back(run.claim, workload.revision.revision)
        desired = with_grown_volumes(desired, live, back=back)
        version = credentials.version
        digest = input_digest(workload, credentials_version=version, render_version=RENDER_VERSION)
        projection = workload_manifest(workload, claim_uid=run.claim.uid, input_digest=digest)
        projection, kept = with_kept(projection, desired.manifests)
        desired = _with_workload(desired_in_state(desired, running=run.claim.spec.running), projection)
        drifts = await explained(run, desired.manifests, drifts)
        changes = await _record_and_apply(run, workload, desired, credentials.version, drifts)
    run.found(
        rendering_digest=kept,
        credentials=_ref(workload, credentials),
        applied_message=_applied_message(run.facts.inventory, workload),
    )
    run.rendered(_input(workload, run.facts.inventory, credentials.version))
    _tell_changes(run, workload, changes, drifts)
    if request:
        answer_rotation(run, request, allotment.held, credentials.rotated)


async def _rendering(
    run: Run, workload: ResolvedWorkload
) -> tuple[Rendered, Rendering, Mapping[ObjectRef, Observed]]:
    """What kustomize built, that in the claim's environment, as the policy lets it through, and the objects that live.

    Without any profile too: the classes that an earlier one gave cannot change any more.
    """
    await check_place(run)
    workload = await with_mappings(run.ports.expressions, workload)
    await check_references(run, workload.secrets)
    rendered = await render_bound(run.ports, workload, Pace(_FETCH_PATIENCE, run.progress))
    live = await as_they_live(run, rendered.rendering.manifests)
    rendering = with_environment(rendered.rendering, workload, live)
    policy.check(rendering, workload, run.rules.limits)
    return rendered, rendering, live


async def _credentials(run: Run, held: Sequence[SecretUse], drifts: tuple[Drift, ...]) -> Credentials:
    """The Secret's content; where there is none to be had, what was applied before goes on."""
    try:
        return await provide_credentials(run, held, edited=_is_secret_edited(run, drifts))
    except ReconcileError as failure:
        await uphold_in_spite(run, drifts, failure)
        raise


def _is_secret_edited(run: Run, drifts: tuple[Drift, ...]) -> bool:
    """Whether somebody changed the credentials Secret; not so while an apply is under way, which may have been us."""
    ref = credentials_ref(run.claim.key.name)
    changed = any(each.ref == ref and each.kind is DriftKind.FIELDS_CHANGED for each in drifts)
    return changed and bool(run.facts.input_digest)


def _ref(workload: ResolvedWorkload, credentials: Credentials) -> SecretRef | None:
    if not credentials.data:
        return None
    return SecretRef(name=credentials_name(workload.claim_name), keys=tuple(sorted(credentials.data)))


async def _record_and_apply(
    run: Run, workload: ResolvedWorkload, desired: Desired, version: int, drifts: tuple[Drift, ...]
) -> tuple[str, ...]:
    drifted = {drift.ref for drift in drifts}
    try:
        updates = await plan_updates(run, desired.manifests, drifted, workload=workload)
    except Stalled as refusal:  # nothing of the set is written, and what was applied before goes on
        await uphold_in_spite(run, drifts, refusal)
        raise
    try:
        async with hosts_taken(run, desired.manifests):
            await _hold(run, workload)
            await _record(run, desired, version)
            return await apply_all(run, desired.manifests, drifted, updates)
    except Waiting as error:
        explained = with_value_path(error, workload)
        if explained is error:
            raise
        raise explained from error


def _with_workload(desired: Desired, workload: Manifest) -> Desired:
    """The Workload comes last: it is a projection of objects that are there."""
    entry = Entry(workload.ref, wave=WORKLOAD.wave, sent=workload.sent_digest)
    return Desired((*desired.manifests, workload), desired.inventory.put(entry))


async def _record(run: Run, desired: Desired, credentials_version: int) -> None:
    """Remembers the union of old and new before the first write; entries that were never created are dropped."""
    inventory = run.facts.inventory
    for entry in inventory:
        if not entry.uid and entry.ref not in desired.inventory:
            live = await run.ports.cluster.get(run.namespace, entry.ref)
            if live is None or not run.owns(live):
                inventory = inventory.without([entry.ref])
            else:
                inventory = inventory.put(replace(entry, uid=live.uid))
    union = inventory.union(desired.inventory)
    if len(union) > MAX_INVENTORY:
        message = f"{len(union)} objects would be on record, of at most {MAX_INVENTORY}: prune what is left of earlier ones."
        raise Stalled(Reason.POLICY_DENIED, message)
    # Unfinished already, or complete with only drift to repair: either way the record says all that is about to happen.
    stands = run.facts.applied or not run.claim.status.input_digest
    recorded = run.claim.status.recorded.to_wire() == union.to_wire()
    on_record = stands and recorded and run.claim.status.observed_generation == run.claim.generation
    run.found(inventory=union, credentials_version=credentials_version)
    if not on_record or run.claim.status.credentials_version != credentials_version:
        await run.record()


async def _observe(run: Run) -> None:
    """Health and endpoints of what is on record, from what the watches and our own writes saw last."""
    inventory = run.facts.inventory
    if not any(entry.uid for entry in inventory.desired):
        return
    live: Mapping[ObjectRef, Observed] = run.ports.observations.of_claim(run.namespace, run.claim.uid)
    health = await judge(run, live)
    if health.verdict is Verdict.HEALTHY and run.facts.applied and run.claim.spec.running:
        run.remember(mark_healthy(inventory))
    # A label proves nothing: only the objects on record may say where the claim answers.
    own = [seen for entry in inventory.desired if (seen := live.get(entry.ref)) and seen.uid == entry.uid]
    run.found(health=health, endpoints=endpoints(own, run.namespace))


def _applied_message(inventory: Inventory, workload: ResolvedWorkload) -> str:
    revision = workload.revision
    count = sum(entry.ref.kind != WORKLOAD.kind for entry in inventory.desired)
    return f"{count} objects of revision {revision.revision} at commit {revision.source.commit[:12]}."


def _tell_changes(
    run: Run, workload: ResolvedWorkload, changes: tuple[str, ...], drifts: tuple[Drift, ...]
) -> None:
    corrected(run, drifts)
    if changes and not drifts:
        run.tell(Reason.APPLY_SUCCEEDED, f"Revision {workload.revision.revision}: {', '.join(changes)}.")
