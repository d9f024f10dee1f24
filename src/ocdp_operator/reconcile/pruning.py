"""Prune: what is no longer desired goes, save what a guard holds until somebody approves that it goes (design 4.4)."""

from __future__ import annotations

from typing import Final

from ocdp_operator.errors import Reason, ReconcileError, Waiting
from ocdp_operator.model.claim import PendingPrune
from ocdp_operator.model.names import APPROVE_PRUNE
from ocdp_operator.model.telemetry import Tally
from ocdp_operator.plan.health import Verdict, assess
from ocdp_operator.plan.prune import PrunePlan, approve, approved_digest, plan_prune
from ocdp_operator.plan.references import live_references
from ocdp_operator.plan.wording import listed
from ocdp_operator.reconcile.removing import Removal, remove
from ocdp_operator.reconcile.run import Run

_ROOM: Final = 700
"""Bytes for the objects that are named in one message."""


async def prune(run: Run, *, applied: bool) -> None:
    """Prunes what is no longer desired: all of it after a complete apply, else content-named objects alone.

    Raises Waiting(PruneFailed) where the API server refused a delete after a complete apply.
    """
    approval = _approval(run)
    if not run.facts.inventory.undesired:
        if applied or not approval:
            await _use_up_approval(run, PrunePlan())
        run.found(pending_prune=None)
        return
    await _drop_gone(run)
    plan = _plan(run, approval, applied=applied)
    if applied or not approval:
        await _use_up_approval(run, plan)
    failed = await _delete(run, plan)
    if not applied:
        return
    if plan.blocked is not None:
        _tell_blocked(run, plan.blocked)
    run.found(pending_prune=plan.blocked)
    if failed:
        raise Waiting(Reason.PRUNE_FAILED, f"Could not prune {'; '.join(failed)}")


async def _drop_gone(run: Run) -> None:
    """Entries whose object went by itself, or by somebody's hand, wait for nothing: a look confirms it."""
    seen = run.ports.observations.of_claim(run.namespace, run.claim.uid)
    for entry in run.facts.inventory.undesired:
        if entry.ref not in seen and await run.ports.cluster.get(run.namespace, entry.ref) is None:
            run.remember(run.facts.inventory.without([entry.ref]))


def _approval(run: Run) -> str:
    """The digest that somebody approves, if that is what the status says to wait; empty: nothing is approved."""
    waiting = run.claim.status.pending_prune
    approval = run.claim.annotations.get(APPROVE_PRUNE, "")
    return approval if waiting is not None and waiting.digest == approval else ""


def _plan(run: Run, approval: str, *, applied: bool) -> PrunePlan:
    observations = run.ports.observations
    live = observations.of_claim(run.namespace, run.claim.uid)
    health = assess(run.facts.inventory, live)
    users = (*observations.pods_of_claim(run.claim.key), *live.values())
    return plan_prune(
        run.facts.inventory,
        applied_ok=applied,
        healthy=applied and run.claim.spec.running and health.verdict is Verdict.HEALTHY,
        live_references=live_references(users),
        approval=approval,
    )


async def _use_up_approval(run: Run, plan: PrunePlan) -> None:
    """Takes the approval away, so that it counts once, and records what it lets go before the first of that goes.

    Whoever dies between two deletes leaves a smaller set, of another digest: the record still says that it may go.
    """
    approval = run.claim.annotations.get(APPROVE_PRUNE)
    if approval is None:
        return
    if plan.approved:
        run.remember(approve(run.facts.inventory, plan.approved))
        inventory = tuple(run.facts.inventory.to_wire())
        await run.write_status(run.claim.status.model_copy(update={"inventory": inventory}))
    elif approval != approved_digest(run.facts.inventory):
        message = f"The annotation {APPROVE_PRUNE} does not name the set that waits: it approved nothing."
        if plan.blocked is not None:
            message += f" The set has the digest {plan.blocked.digest}."
        run.tell(Reason.PRUNE_BLOCKED, message, warning=True)
    await run.write_metadata(run.claim.finalizers, {APPROVE_PRUNE: None})


def _tell_blocked(run: Run, blocked: PendingPrune) -> None:
    key = run.claim.key
    held = listed("Not pruned", blocked.objects, _ROOM)
    message = f"{held}. {blocked.reason} If it is meant: ocdp claim approve {key.name} -n {key.namespace}"
    if blocked != run.facts.pending_prune:
        run.tell(Reason.PRUNE_BLOCKED, message, warning=True)
    run.found(applied_message=message)


async def _delete(run: Run, plan: PrunePlan) -> list[str]:
    """Deletes what the plan lets go; returns what the API server refused."""
    pruned, failed = [], []
    for entry in plan.delete:
        try:
            removed = await remove(run, entry)
        except ReconcileError as error:
            failed.append(f"{entry.ref}: {error.message}")
            run.progress.counted(Tally.PRUNED_OBJECTS, "failed")
            continue
        if removed.asked and not entry.content_named:
            pruned.append(str(entry.ref))
        if removed.fate is Removal.LEAVING:
            run.leaving = True
            continue  # it stays on record until it is gone
        run.remember(run.facts.inventory.without([entry.ref]))
        kept = removed.fate is Removal.NOT_OURS
        run.progress.counted(Tally.PRUNED_OBJECTS, "kept" if kept else "deleted")
        if kept:
            message = f"{entry.ref} does not carry this claim's mark: left as it is, and no longer on record."
            run.tell(Reason.OWNERSHIP_CONFLICT, message, warning=True)
    if pruned:
        run.tell(Reason.PRUNED, f"Pruned {', '.join(sorted(pruned))}.")
    return failed
