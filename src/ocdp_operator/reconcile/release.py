"""Release: a deleted claim's objects go, in falling waves, without the catalog, Git or kustomize (design 2, 4.5)."""

from __future__ import annotations

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import RUNTIME_KINDS, SECRET, STATEFUL_SET, WORKLOAD
from ocdp_operator.model.names import FINALIZER
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.release import plan_release, waiting_message
from ocdp_operator.plan.summary import deleting
from ocdp_operator.reconcile.credentials import credentials_ref
from ocdp_operator.reconcile.removing import Removal, remove
from ocdp_operator.reconcile.run import Run


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
        inventory = status.recorded if len(status.recorded) else await _rebuilt(run)
        for wave in plan_release(inventory, policy=policy).waves:
            leaving = await _settle_retention(run, wave, policy) or await _remove_wave(run, wave)
            if leaving:
                await _say_blocked(run, leaving)
                return False
    await run.write_metadata(tuple(f for f in run.claim.finalizers if f != FINALIZER), {})
    return True


async def _settle_retention(run: Run, wave: tuple[Entry, ...], policy: DeletionPolicy) -> list[Observed]:
    """StatefulSets whose controller has yet to learn whether their volumes stay (KEP-1847).

    The policy may have been edited just before the deletion: deleting the StatefulSet then would go by the old one.
    """
    wanted = "Delete" if policy is DeletionPolicy.DELETE else "Retain"
    waiting = []
    for entry in wave:
        live = (
            await run.ports.cluster.get(run.namespace, entry.ref)
            if entry.ref.kind == STATEFUL_SET.kind
            else None
        )
        if live is None or live.deletion_timestamp or live.mark != run.mark(entry.ref):
            continue
        retention = live.body.get("spec", {}).get("persistentVolumeClaimRetentionPolicy", {})
        if retention.get("whenDeleted", "Retain") != wanted:
            await run.ports.cluster.retain_volumes(run.namespace, live, deleted=wanted)
            run.progress.changed = True
            waiting.append(live)
        elif live.body.get("status", {}).get("observedGeneration", 0) < live.generation:
            waiting.append(live)
    return waiting


async def _remove_wave(run: Run, wave: tuple[Entry, ...]) -> list[Observed]:
    leaving = []
    for entry in wave:
        removal, live = await remove(run, entry)
        if removal is Removal.LEAVING and live is not None:
            leaving.append(live)
        elif removal is Removal.NOT_OURS and not run.claim.status.condition_set.is_true("Deleting"):
            run.tell(
                Reason.OWNERSHIP_CONFLICT,
                f"{entry.ref} does not carry this claim's mark: left as it is.",
                warning=True,
            )
    return leaving


async def _rebuilt(run: Run) -> Inventory:
    """The inventory was lost: everything with our label and our mark, and the credentials Secret by its name."""
    found = [
        observed
        for kind in (WORKLOAD, *(k for k in RUNTIME_KINDS if k is not SECRET))
        for observed in await run.ports.cluster.list_labelled(run.namespace, kind, run.claim.uid)
    ]
    secret = await run.ports.cluster.get(run.namespace, credentials_ref(run.claim.key.name))
    if secret is not None:
        found.append(secret)
    return Inventory.of(
        Entry(live.ref, wave=live.ref.known_kind.wave, uid=live.uid)
        for live in found
        if live.mark == run.mark(live.ref)
    )


async def _say_blocked(run: Run, leaving: list[Observed]) -> None:
    message = waiting_message(leaving, now=run.now())
    await run.write_status(
        deleting(run.claim, Reason.WAITING_FOR_RESOURCES, message, run.now(), failure=None)
    )
