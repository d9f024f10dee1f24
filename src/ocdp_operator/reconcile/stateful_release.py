"""Release of a StatefulSet: its pods go with it, and its volumes stay or go as the deletion policy says (design 2, 4.8)."""

from __future__ import annotations

from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.release import gathering_set, is_stray_pod
from ocdp_operator.plan.tombstone import tombstone
from ocdp_operator.reconcile.retaining import retain_volumes, volumes_of
from ocdp_operator.reconcile.run import Run


async def settle(run: Run, entry: Entry, policy: DeletionPolicy) -> Observed | None:
    """The StatefulSet, while it must not go yet; None: it may, or it is gone, or it is not ours.

    The policy may have been edited just before the deletion: its controller must have seen the last one (KEP-1847), else it
    might put itself back on volumes that stay. These are let go of only then, and before the StatefulSet is deleted.
    """
    live = await run.ports.cluster.get(run.namespace, entry.ref)
    if live is None:
        strays = await _gathered(run, entry, policy)
        if strays is not None:
            return strays
    elif not run.owns(live, recorded_uid=entry.uid):
        return None
    elif not live.deletion_timestamp and await _is_unsettled(run, live, _retention(policy)):
        return live
    if policy is DeletionPolicy.RETAIN_DATA:
        await retain_volumes(run, entry.ref.name)
    return None


async def remove_volumes(run: Run, name: str) -> None:
    """Deletes the volumes of a StatefulSet of this name, which is gone. Its controller leaves those of pods that it had not.

    What was kept from another claim stays: a name proves nothing.
    """
    for volume in await volumes_of(run, name):
        said = tombstone(volume)
        if volume.deletion_timestamp or (said is not None and said.claim_uid != run.claim.uid):
            continue
        await run.ports.cluster.delete(run.namespace, volume.ref, uid=volume.uid)
        run.progress.changed = True


async def _is_unsettled(run: Run, live: Observed, wanted: str) -> bool:
    retention = live.body.get("spec", {}).get("persistentVolumeClaimRetentionPolicy", {})
    if retention.get("whenDeleted", "Retain") != wanted:
        await run.ports.cluster.retain_volumes(run.namespace, live, deleted=wanted)
        run.progress.changed = True
        return True
    return bool(live.body.get("status", {}).get("observedGeneration", 0) < live.generation)


async def _gathered(run: Run, entry: Entry, policy: DeletionPolicy) -> Observed | None:
    """A StatefulSet of this name that takes the pods of the one that went without them; None when there are none.

    One that is made anew leaves its pods for its successor, and the claim may be deleted in between. Who made them is told by
    their names and our label; the operator itself has no right to delete a pod.
    """
    pods = run.ports.observations.pods_of_claim(run.claim.key)
    if not any(is_stray_pod(pod, entry.ref.name) for pod in pods):
        return None
    mark = run.mark(entry.ref)
    run.progress.changed = True
    return await run.ports.cluster.apply(
        run.namespace, gathering_set(mark, when_deleted=_retention(policy)), uid=""
    )


def _retention(policy: DeletionPolicy) -> str:
    return "Delete" if policy is DeletionPolicy.DELETE else "Retain"
