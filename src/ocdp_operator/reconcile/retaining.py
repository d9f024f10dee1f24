"""What stays of a deleted claim is told apart by a tombstone, which goes when another claim takes it over (design 2, 4.8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import PVC
from ocdp_operator.model.names import ADOPT, INSTANCE, RETAINED
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.plan.tombstone import (
    RETAINED_LABEL,
    Tombstone,
    is_of_set,
    is_retained,
    owners_in,
    replicas_of,
    says_retained,
    tombstone,
    volume_series,
)
from ocdp_operator.reconcile.run import Run


async def retain(run: Run, entries: Iterable[Entry]) -> None:
    """Puts a tombstone on each of these objects that is there and ours: one write for each, and none the second time."""
    for entry in entries:
        live = await run.ports.cluster.get(run.namespace, entry.ref)
        if live is not None and run.owns(live, recorded_uid=entry.uid):
            await _retain(run, live)


async def retain_volumes(run: Run, name: str) -> None:
    """The same for the volumes that the controller of this StatefulSet made: nobody has them on record.

    They carry no mark of ours. The names and the label that its controller gives them tell that they are its. They also no
    longer go with it: the controller takes itself off the volumes of pods alone that it keeps, so that those of a set
    that is stopped would be collected (kubernetes/enhancements#2440).
    """
    for volume in await volumes_of(run, name):
        await _retain(run, volume, owners_in(volume, name))


async def volumes_of(run: Run, name: str) -> tuple[Observed, ...]:
    """Those that the controller of a StatefulSet of this name made for this claim, whether or not the set still exists."""
    found = await run.ports.cluster.list_volumes(run.namespace, run.claim.key.name)
    return tuple(volume for volume in found if is_of_set(volume, name, run.claim.key.name))


async def reclaim(run: Run, observed: Observed) -> Observed:
    """Takes the tombstone off an object that is this claim's by now; with the object as it is then."""
    if not says_retained(observed):
        return observed
    run.progress.changed = True
    return await run.ports.cluster.annotate(
        run.namespace, observed, annotations={RETAINED: None}, labels={RETAINED: None}
    )


async def reclaim_volumes(run: Run, manifest: Manifest) -> None:
    """Takes the tombstones off the volumes of a StatefulSet that took them by their names, as the claim asked."""
    adopted = run.claim.annotations.get(ADOPT)
    if adopted is None:
        return
    async for _, volume in _volumes(run, manifest.ref.name, manifest.body.get("spec") or {}):
        said = tombstone(volume)
        if said is not None and (said.claim, said.claim_uid) == (run.claim.key, adopted):
            await reclaim(run, volume)


async def check_volumes(run: Run, manifest: Manifest, *, beside: int | None = None) -> None:
    """Returns when every volume that a StatefulSet would take by its name is labelled as this claim's, or is of one that it adopts.

    It is new, or gets more pods than the ``beside`` that it has, with their volumes. Its controller asks nobody: it mounts what has the name, and under ``Delete`` takes it along. So a volume that somebody
    made, or another claim, is refused like any object in the way. Raises Stalled(OwnershipConflict).
    """
    name, key = manifest.ref.name, run.claim.key
    allowed = {run.claim.uid, run.claim.annotations.get(ADOPT)}
    spec = manifest.body.get("spec") or {}
    wanted = replicas_of(spec)
    if beside is not None and beside >= wanted:
        return
    async for pod, volume in _volumes(run, name, spec):
        if pod < (beside or 0):
            continue
        said = tombstone(volume)
        if said is not None and said.claim != key:
            message = f"{volume.ref} was kept from another claim, {said.claim.name}."
            raise Stalled(Reason.OWNERSHIP_CONFLICT, message)
        if said is not None and said.claim_uid not in allowed:
            raise kept_from_former(volume.ref, said.claim_uid, key)
        if pod < max(1, wanted) and not is_of_set(volume, name, key.name):
            raise _found_there(volume, run)


def _found_there(volume: Observed, run: Run) -> Stalled:
    what = f"{volume.ref} exists already, and {run.claim.key.name} would take it over by its name."
    remedy = ""
    if volume.mark is None and INSTANCE not in volume.labels:
        label = f"{INSTANCE}={run.claim.key.name}"
        remedy = (
            f"If it is to be this claim's: kubectl label pvc -n {run.namespace} {volume.ref.name} {label}"
        )
    return Stalled(Reason.OWNERSHIP_CONFLICT, what, remedy=remedy)


def kept_from_former(ref: ObjectRef, uid: str, key: ClaimKey) -> Stalled:
    """The refusal of an object that a former claim of this name left, with the way to take it over."""
    return Stalled(
        Reason.OWNERSHIP_CONFLICT,
        f"{ref} was kept from an earlier claim of this name.",
        remedy=f"To take it over: ocdp claim adopt {key.name} -n {key.namespace}, or "
        f"kubectl annotate workloadclaim -n {key.namespace} {key.name} {ADOPT}={uid}",
    )


async def _retain(run: Run, live: Observed, disowned: Collection[str] = ()) -> None:
    wanted = Tombstone.of(run.claim, run.now())
    is_said = is_retained(live, wanted)
    if live.deletion_timestamp or (is_said and not disowned):
        return
    await run.ports.cluster.annotate(
        run.namespace,
        live,
        annotations={} if is_said else {RETAINED: str(wanted)},
        labels={RETAINED: RETAINED_LABEL},
        disowned=disowned,
    )
    run.progress.changed = True


async def _volumes(run: Run, name: str, spec: Mapping[str, Any]) -> AsyncIterator[tuple[int, Observed]]:
    """Those of a StatefulSet that exist, each with the number of its pod from 0; also beyond its replicas, where it had more once."""
    for series in volume_series(name, spec):
        ordinal = series.first
        while True:
            ref = ObjectRef(PVC.group, PVC.kind, series.name(ordinal))
            volume = await run.ports.cluster.get(run.namespace, ref)
            if volume is not None:
                yield ordinal - series.first, volume
            elif ordinal >= series.first + series.least - 1:
                break
            ordinal += 1
