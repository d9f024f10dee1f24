"""What the next reconcile would change of what lives: every object put to the API server as a dry run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from ocdp_operator.errors import Conflict, Reason, ReconcileError
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.kinds import SECRET, WORKLOAD
from ocdp_operator.model.names import OWNER
from ocdp_operator.model.objects import Manifest, Mark, ObjectRef
from ocdp_operator.model.provenance import FieldOrigin, Provenance
from ocdp_operator.plan.difference import (
    ABSENT,
    Change,
    FieldChange,
    Means,
    ObjectChange,
    comparable,
    differences,
)
from ocdp_operator.plan.ignoring import as_to
from ocdp_operator.plan.inner_files import looked_into
from ocdp_operator.plan.layers import Naming
from ocdp_operator.plan.means import growth_note, held_change, means_of
from ocdp_operator.plan.provenance import MASK
from ocdp_operator.plan.prune import plan_prune
from ocdp_operator.plan.tracing import escaped
from ocdp_operator.plan.updating import Update, Way
from ocdp_operator.reconcile.preview import Preview
from ocdp_operator.reconcile.updating import planned

_AT_ONCE: Final = 4
_NAMED: Final = re.compile(
    f"/metadata/name|/metadata/annotations/{re.escape(escaped(OWNER))}|/spec/.*(controller-uid|job-name)"
)
"""What says which object it is: another one has another."""
_DATA: Final = ("data", "stringData")


class Trials(Protocol):
    """Live objects and dry runs, with the rights of whoever asks."""

    async def live(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """The object as it lives, of a Secret the metadata; None when it is absent."""
        ...

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        """Whether volumes of this StorageClass may grow; None when there is no telling."""
        ...

    async def applied(self, namespace: str, manifest: Manifest) -> Mapping[str, Any]:
        """The object as it would be; raises Conflict, Waiting or Stalled for what would be refused."""
        ...


async def compare(trials: Trials, seen: Preview, provenance: Provenance) -> tuple[ObjectChange, ...]:
    """The change of each object: those to send in their order, then those that would be pruned.

    Raises Waiting(ClusterUnavailable). What the API server would refuse is an ``ObjectChange`` that says so.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(manifest: Manifest) -> ObjectChange:
        async with slots:
            change = await _changed(trials, seen, manifest)
        return replace(change, fields=tuple(_attributed(change.fields, provenance.objects[manifest.ref])))

    sent = await asyncio.gather(*(one(manifest) for manifest in seen.desired.manifests))
    replaced = {ref for manifest in seen.desired.manifests if (ref := _replaced(seen, manifest)) is not None}
    return (*sent, *_pruned(seen, replaced))


async def _changed(trials: Trials, seen: Preview, manifest: Manifest) -> ObjectChange:
    namespace, ref = seen.workload.namespace, manifest.ref
    former = _replaced(seen, manifest)
    live = await trials.live(namespace, former or ref)
    if live is not None and former is None and not _owns(seen, live, ref):
        return ObjectChange(ref, Change.REFUSED, note="it exists, and does not carry this claim's mark")
    update = None
    if live is not None and former is None and ref.kind != SECRET.kind:
        update = await planned(_Looking(trials), namespace, manifest, live)
    if live is not None and update is not None and update.way in (Way.REFUSED, Way.WAIT):
        return held_change(update, manifest, live)
    return await _tried_change(trials, seen, manifest, live, update)


async def _tried_change(
    trials: Trials,
    seen: Preview,
    manifest: Manifest,
    live: Mapping[str, Any] | None,
    update: Update | None,
) -> ObjectChange:
    namespace, ref, former = seen.workload.namespace, manifest.ref, _replaced(seen, manifest)
    recreated = update is not None and update.way is Way.RECREATE
    try:
        after = await _tried(trials, namespace, manifest, live, recreated=recreated)
    except Conflict:
        return ObjectChange(ref, Change.REFUSED, note="it came, went or was made anew at this moment")
    except ReconcileError as error:
        if error.reason is Reason.CLUSTER_UNAVAILABLE:
            raise
        return ObjectChange(ref, Change.REFUSED, note=error.message)
    if live is None:
        return ObjectChange(ref, Change.CREATED)
    return _compared(seen, manifest, (live, after), former, update)


def _compared(
    seen: Preview,
    manifest: Manifest,
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    former: ObjectRef | None,
    update: Update | None,
) -> ObjectChange:
    """The object as it lives, and as the dry run answered it."""
    (live, after), ref = sides, manifest.ref
    if ref.kind == SECRET.kind:
        fields = (*differences(comparable(live), comparable(after)), *_keys(seen, manifest))
        fields = tuple(each for each in fields if not each.pointer.startswith(("/apiVersion", "/kind")))
    else:
        fields = tuple(differences(_comparable(live), _comparable(after)))
    note = f"replaces {former}" if former is not None else ""
    if former is not None:
        fields = tuple(each for each in fields if not _NAMED.fullmatch(each.pointer))
    if not fields:
        return ObjectChange(ref, Change.UNCHANGED, fields, note)
    means = Means.NEW_NAME if former is not None else means_of(update, fields, after)
    return ObjectChange(ref, Change.CONFIGURED, fields, note or growth_note(update), means)


async def _tried(
    trials: Trials, namespace: str, manifest: Manifest, live: Mapping[str, Any] | None, *, recreated: bool
) -> Mapping[str, Any]:
    """The object after a dry run; of one that would be made anew, under a name that nobody has."""
    if not recreated:
        return await trials.applied(namespace, _sendable(manifest, live))
    name = manifest.ref.name
    metadata = {**manifest.body["metadata"], "name": f"{name}-trial"}
    trial = Manifest(replace(manifest.ref, name=f"{name}-trial"), {**manifest.body, "metadata": metadata})
    after = await trials.applied(namespace, trial)
    return {**after, "metadata": {**after["metadata"], "name": name}}


class _Looking:
    """Planning, with the rights of whoever asks."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self.lets_volumes_grow = trials.lets_volumes_grow

    async def read(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """See ``Reading``."""
        return await self._trials.live(namespace, ref)


def _comparable(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return looked_into(Manifest.of(comparable(body)))


def _owns(seen: Preview, live: Mapping[str, Any], ref: ObjectRef) -> bool:
    mark = Mark.parse((live["metadata"].get("annotations") or {}).get(OWNER, ""))
    key = seen.claim.key
    return mark == Mark(seen.claim.uid, key.namespace, key.name, ref)


def _sendable(manifest: Manifest, live: Mapping[str, Any] | None) -> Manifest:
    """As the operator would send it: to the object that lives, or as a new one; a Secret without its data."""
    is_same = live is not None and live["metadata"]["name"] == manifest.ref.name
    if live is not None and is_same and manifest.ref.kind != SECRET.kind:
        manifest = as_to(manifest, live)
    body = dict(manifest.body)
    if live is not None and is_same:
        body["metadata"] = {**body["metadata"], "uid": live["metadata"]["uid"]}
    if manifest.ref.kind == SECRET.kind:
        body = {key: value for key, value in body.items() if key not in _DATA}
    return replace(manifest, body=body)


def _keys(seen: Preview, manifest: Manifest) -> Iterator[FieldChange]:
    """Keys that come and go; whether a value would be another one is not looked at."""
    known = seen.claim.status.credentials_secret_ref
    before = known.keys if known is not None and known.name == manifest.ref.name else ()
    wanted = manifest.body.get("data") or {}
    for key in sorted({*before, *wanted}):
        if (key in before) is not (key in wanted):
            old, new = (MASK, ABSENT) if key in before else (ABSENT, MASK)
            yield FieldChange(f"/data/{key}", old, new)


def _replaced(seen: Preview, manifest: Manifest) -> ObjectRef | None:
    """The object on record that this one comes in place of: the same generated ConfigMap with other content."""
    naming: Naming = seen.naming
    stem = naming.stem(manifest.ref)
    recorded = seen.claim.status.recorded
    if not naming.is_generated(manifest.ref) or manifest.ref in recorded:
        return None
    former = (
        entry.ref
        for entry in recorded.desired
        if entry.content_named and entry.uid and naming.stem(entry.ref) == stem
    )
    return next(former, None)


def _pruned(seen: Preview, replaced: set[ObjectRef]) -> Iterator[ObjectChange]:
    recorded = seen.claim.status.recorded
    workload = tuple(entry for entry in recorded if entry.ref.kind == WORKLOAD.kind)
    union = recorded.union(Inventory.of((*seen.desired.inventory, *workload)))
    plan = plan_prune(union, applied_ok=True, healthy=True, live_references=frozenset())
    held = set(plan.blocked.objects) if plan.blocked is not None else set()
    reason = plan.blocked.reason if plan.blocked is not None else ""
    for entry in union.undesired:
        note = f"waits for an approval: {reason}" if str(entry.ref) in held else ""
        if entry.content_named:
            note = "once no pod uses it"
        if entry.uid and entry.ref not in replaced:
            yield ObjectChange(entry.ref, Change.DELETED, note=note)


def _attributed(changes: tuple[FieldChange, ...], origins: tuple[FieldOrigin, ...]) -> Iterator[FieldChange]:
    """The changes with the layer that says the new value."""
    layers = {origin.pointer: origin.layer for origin in origins}
    for change in changes:
        yield replace(change, layer=None if change.new is ABSENT else layers.get(change.pointer))
