"""Release: a deleted claim's objects go, in falling waves, without the catalog, Git or kustomize (design 2, 4.5)."""

from __future__ import annotations

from ocdp_operator.errors import Reason, ReconcileError
from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import OWNED_KINDS, SECRET, STATEFUL_SET
from ocdp_operator.model.names import FINALIZER
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.release import plan_release, waiting_message
from ocdp_operator.plan.summary import deleting
from ocdp_operator.plan.wording import listed
from ocdp_operator.reconcile.credentials import credentials_ref
from ocdp_operator.reconcile.removing import Removal, remove
from ocdp_operator.reconcile.retaining import retain
from ocdp_operator.reconcile.run import Run
from ocdp_operator.reconcile.stateful_release import remove_volumes, settle


async def release_claim(run: Run) -> bool:
    """Deletes what the deletion policy does not retain, then drops our finalizer.

    True when the claim is let go; False when objects still leave: come back. Retained objects keep their mark.
    In a namespace that terminates nothing is deleted by us: it lost our RoleBinding first, and takes everything anyway.
    """
    namespace = await run.ports.cluster.namespace(run.namespace)
    if namespace is not None and not namespace.terminating:
        status = run.claim.status
        recorded = status.template.deletion_policy if status.template else None
        policy = run.claim.spec.deletion_policy or recorded or DeletionPolicy.RETAIN_DATA
        plan = plan_release(await _complete(run, status.recorded), policy=policy)
        for wave in plan.waves:
            if leaving := await _remove_wave(run, wave, policy):
                await _say_blocked(run, leaving)
                return False
        await retain(run, plan.retained)
    await run.write_metadata(tuple(f for f in run.claim.finalizers if f != FINALIZER), {})
    return True


async def _remove_wave(run: Run, wave: tuple[Entry, ...], policy: DeletionPolicy) -> list[Observed]:
    """What still has to go; an object that is refused holds up the waves below, but nothing beside it.

    Raises what was refused, all of it in one message, and at once what a second object meets too: then nobody answers.
    """
    leaving: list[Observed] = []
    refused: list[ReconcileError] = []
    for entry in wave:
        try:
            live = await _removed(run, entry, policy)
        except ReconcileError as error:
            away = [each for each in (*refused, error) if each.reason is Reason.CLUSTER_UNAVAILABLE]
            if len(away) > 1:
                raise
            refused.append(error)
            continue
        if live is not None:
            leaving.append(live)
    if refused:
        raise _together(refused, leaving, run)
    return leaving


async def _removed(run: Run, entry: Entry, policy: DeletionPolicy) -> Observed | None:
    """What has yet to go before the object can, or the object, when its deletion was asked for and it is still there."""
    is_set = entry.ref.kind == STATEFUL_SET.kind
    if is_set and (unsettled := await settle(run, entry, policy)) is not None:
        return unsettled
    removed = await remove(run, entry)
    if removed.fate is Removal.LEAVING:
        return removed.live
    if removed.fate is Removal.NOT_OURS:
        if not run.claim.status.condition_set.is_true("Deleting"):
            message = f"{entry.ref} does not carry this claim's mark: left as it is."
            run.tell(Reason.OWNERSHIP_CONFLICT, message, warning=True)
    elif is_set and policy is DeletionPolicy.DELETE:
        await remove_volumes(run, entry.ref.name)
    return None


def _together(refused: list[ReconcileError], leaving: list[Observed], run: Run) -> ReconcileError:
    """The first refusal, with what else stands in the way in its message."""
    first, *others = refused
    more = [error.message for error in others]
    if leaving:
        more.append(waiting_message(leaving, now=run.now()))
    if not more:
        return first
    message = listed(first.message.rstrip("."), more)
    return type(first)(first.reason, message, actor=first.actor, remedy=first.remedy)


async def _complete(run: Run, recorded: Inventory) -> Inventory:
    """The record, and what it lost: what we made, by its label and mark, and the credentials Secret by its name.

    A record that was lost altogether says nothing of which kinds there are: then all of them are listed afresh.
    """
    cluster, secret = run.ports.cluster, credentials_ref(run.claim.key.name)
    found = list(run.ports.observations.of_claim(run.namespace, run.claim.uid).values())
    if not len(recorded):
        found = [
            observed
            for kind in OWNED_KINDS
            if kind is not SECRET
            for observed in await cluster.list_labelled(run.namespace, kind, run.claim.uid)
        ]
    if secret not in recorded and (live := await cluster.get(run.namespace, secret)) is not None:
        found.append(live)
    lost = (live for live in found if live.ref not in recorded and run.owns(live))
    return Inventory.of(
        [*recorded, *(Entry(live.ref, wave=live.ref.known_kind.wave, uid=live.uid) for live in lost)]
    )


async def _say_blocked(run: Run, leaving: list[Observed]) -> None:
    message = waiting_message(leaving, now=run.now())
    await run.write_status(
        deleting(run.claim, Reason.WAITING_FOR_RESOURCES, message, run.now(), failure=None)
    )
