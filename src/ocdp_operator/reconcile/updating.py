"""Updates of objects that live: all of a set are planned before its first write, and carried out at their turn."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any, Final, Protocol

from ocdp_operator.errors import Actor, Conflict, Reason, Stalled, Waiting
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import DEPLOYMENT, PVC, SECRET, STATEFUL_SET, WORKLOAD
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.exposure import only_value_path
from ocdp_operator.plan.fields import part_at
from ocdp_operator.plan.updating import Growable, Update, Way, plan_growth, plan_update
from ocdp_operator.reconcile.run import Run

Updates = Mapping[ObjectRef, Update]

_UNPLANNED: Final = (SECRET.kind, WORKLOAD.kind)
"""A Secret is not read to plan; a Workload is ours, and nothing of it is immutable."""
_MAY_NEED_MORE: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind)
"""Kinds of which also the repair of a drift may take more than one apply."""
_PATIENCE: Final = 5.0
"""Seconds that a worker waits until an object is gone whose pods stay; mostly it is a fraction of one."""
_LOOK_EVERY: Final = 0.1


class Reading(Protocol):
    """What planning reads: the reconcile by its ``Cluster``, a preview with the rights of whoever asks."""

    async def read(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """The whole object; None when it is absent."""
        ...

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        """Whether volumes of this StorageClass may grow; None when there is no telling."""
        ...


async def plan_updates(
    run: Run,
    manifests: Sequence[Manifest],
    drifted: Collection[ObjectRef] = (),
    *,
    workload: ResolvedWorkload | None = None,
) -> Updates:
    """How each object on record becomes the one that is to be sent, where that is another one than was sent last.

    Raises Stalled(ImmutableFieldConflict), before anything of the set is written, when one of them cannot: what runs goes on
    as it is, and a set is never applied in half because of a field that was known to stand in the way. ``workload``, with its
    mappings bound, tells which of the user's values it is.
    """
    updates: dict[ObjectRef, Update] = {}
    for manifest in manifests:
        entry = run.facts.inventory.get(manifest.ref)
        if entry is None or not _is_asked_for(entry, manifest, drifted):
            continue
        live = await run.ports.cluster.read(run.namespace, manifest.ref)
        if live is not None and live["metadata"]["uid"] == entry.uid:
            updates[manifest.ref] = await planned(run.ports.cluster, run.namespace, manifest, live)
    refused = [update for update in updates.values() if update.way is Way.REFUSED]
    if refused:
        raise _refusal(refused, workload)
    return updates


def _is_asked_for(entry: Entry, manifest: Manifest, drifted: Collection[ObjectRef]) -> bool:
    if not entry.uid or manifest.ref.kind in _UNPLANNED:
        return False
    repaired = manifest.ref in drifted and manifest.ref.kind in _MAY_NEED_MORE
    return repaired or entry.sent != manifest.sent_digest


def _refusal(refused: Sequence[Update], workload: ResolvedWorkload | None) -> Stalled:
    path = next(filter(None, (_value_path(update, workload) for update in refused)), "")
    return Stalled(
        Reason.IMMUTABLE_FIELD_CONFLICT,
        " ".join(update.message for update in refused),
        value_path=path,
        actor=Actor.USER if path else None,
        remedy=" ".join(dict.fromkeys(update.remedy for update in refused)),
    )


def _value_path(update: Update, workload: ResolvedWorkload | None) -> str:
    """The path of the claim's value that a mapping puts into a field which cannot change."""
    if workload is None:
        return ""
    pointers = {_any_template(conflict.pointer) for conflict in update.conflicts}
    for each in workload.bound:
        patch = each.mapping.patch
        at = patch is not None and (
            patch.kind,
            f"{workload.claim_name}-{patch.name}",
            _any_template(patch.pointer),
        )
        if at in {(update.ref.kind, update.ref.name, pointer) for pointer in pointers}:
            return only_value_path(each)
    return ""


def _any_template(pointer: str) -> str:
    """A mapping counts the claim templates of a StatefulSet, and a conflict names them."""
    return re.sub("(/volumeClaimTemplates)/[^/]+", r"\1/*", pointer)


async def planned(reading: Reading, namespace: str, manifest: Manifest, live: Mapping[str, Any]) -> Update:
    """``plan_update`` with what it must know of StorageClasses, and of the volumes that a StatefulSet made."""
    update = plan_update(manifest, live)
    if not update.growth:
        return update
    if manifest.ref.kind == PVC.kind:
        return plan_update(manifest, live, await _growable(reading, live))
    for volume, size in [each async for each in _volumes(reading, namespace, update, live)]:
        grown = plan_growth(volume, size, await _growable(reading, volume))
        if grown.way is Way.REFUSED:
            named = (
                replace(conflict, pointer=f"{conflict.pointer} of {grown.ref}")
                for conflict in grown.conflicts
            )
            return replace(update, way=Way.REFUSED, conflicts=(*update.conflicts, *named))
        if grown.way is Way.WAIT:
            return replace(update, way=Way.WAIT)
    return update


async def _growable(reading: Reading, volume: Mapping[str, Any]) -> Growable:
    name = str(part_at(volume, "spec").get("storageClassName") or "")
    known = await reading.lets_volumes_grow(name) if name else None
    return {} if known is None else {name: known}


async def _volumes(
    reading: Reading, namespace: str, update: Update, live: Mapping[str, Any]
) -> AsyncIterator[tuple[Mapping[str, Any], str]]:
    """The claims that the StatefulSet made and that its next pods will find, each with its new size.

    Those of ordinals that no longer run are among them, as far as they follow one another: they come back with the pods.
    """
    spec = part_at(live, "spec")
    first = int(part_at(spec, "ordinals").get("start") or 0)
    labels = part_at(spec, "selector", "matchLabels")
    for template, size in update.growth.items():
        for ordinal in count(first):
            ref = ObjectRef(PVC.group, PVC.kind, f"{template}-{update.ref.name}-{ordinal}")
            volume = await reading.read(namespace, ref)
            if volume is not None and _is_made_by(volume, labels):
                yield volume, size
            elif ordinal >= first + int(spec.get("replicas", 1)):
                break


def _is_made_by(volume: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether it carries the labels that the controller puts on what it makes: a name alone proves nothing."""
    carried = part_at(volume, "metadata", "labels")
    return bool(labels) and all(carried.get(name) == value for name, value in labels.items())


# -- carried out ----------------------------------------------------------------------------------------------------


async def prepare(run: Run, manifest: Manifest, update: Update | None) -> None:
    """Does what must be done before the object can be applied as it is.

    Raises Waiting for a volume that is not bound yet, or while the old object has yet to go, and what the API server refuses.
    Each step may be the last one of this process: the next reconcile finds what is left to do by looking.
    """
    if update is None:
        return
    uid = run.facts.inventory.entries[manifest.ref].uid
    if update.way is Way.WAIT:
        raise Waiting(
            Reason.IMMUTABLE_FIELD_CONFLICT,
            f"{manifest.ref}: a volume grows only once it is bound, and this one is not.",
            actor=Actor.NOBODY,
            remedy="It grows by itself once a pod uses it.",
        )
    if update.first is not None:
        with suppress(Conflict):  # gone, or another one by now: then the apply itself sees to it
            await run.ports.cluster.apply(run.namespace, update.first, uid=uid)
    if update.way is Way.RECREATE:
        await _make_room(run, manifest, update, uid)


async def _make_room(run: Run, manifest: Manifest, update: Update, uid: str) -> None:
    """Takes the StatefulSet away from around its pods and volumes, once its successor is known to be accepted."""
    cluster = run.ports.cluster
    live = await cluster.read(run.namespace, manifest.ref)
    if live is None or live["metadata"]["uid"] != uid:
        return
    if not live["metadata"].get("deletionTimestamp"):
        await cluster.try_new(run.namespace, manifest)
        for volume, size in [each async for each in _volumes(cluster, run.namespace, update, live)]:
            metadata = volume["metadata"]
            if plan_growth(volume, size).way is Way.EXPAND:
                ref = ObjectRef(PVC.group, PVC.kind, metadata["name"])
                await cluster.grow_volume(run.namespace, ref, uid=metadata["uid"], storage=size)
        await cluster.delete_alone(run.namespace, manifest.ref, uid=uid)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while await _is_there(run, manifest.ref, uid):  # noqa: ASYNC110 - the cluster sets no event
                await asyncio.sleep(_LOOK_EVERY)
            return
    raise Waiting(
        Reason.APPLY_FAILED,
        f"{manifest.ref} is made anew around its pods and volumes, which stay; the old one has yet to go.",
        actor=Actor.NOBODY,
        remedy="Nothing to do; if it stays so, see its finalizers.",
    )


async def _is_there(run: Run, ref: ObjectRef, uid: str) -> bool:
    live = await run.ports.cluster.get(run.namespace, ref)
    return live is not None and live.uid == uid
