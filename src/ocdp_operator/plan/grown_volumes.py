"""Volumes that grew by no wish of their user: they stay as large as they are, since no volume ever shrinks.

A volume grows in one direction alone. But a revision that made it grow may be one that a claim must leave, and somebody may
have given a full disk more room by hand: then less is asked for than there is, and nobody wants the volume smaller. It is sent as it
lives, and remembers in an annotation what was asked for. As long as no less is asked for it stays so; a user who asks for
less is told that no volume shrinks (``plan/updating.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.ignoring import ignored_paths
from ocdp_operator.model.kinds import PVC, STATEFUL_SET
from ocdp_operator.model.names import GROWN_FROM
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.plan.fields import list_at, object_at, part_at
from ocdp_operator.plan.immutability import CLAIM_TEMPLATES, STORAGE, compared, is_recovery, size_of
from ocdp_operator.plan.stamp import Desired

SIZE: Final = ("spec", *STORAGE)
"""Where a volume's claim says how large it is."""


def goes_back(claim: WorkloadClaim, revision: int) -> bool:
    """Whether the claim leaves a newer revision for this one, with the values that were applied last.

    Also while an apply is unfinished, and this is no newer revision than the one that was applied completely before it.
    """
    status, in_force = claim.status, claim.status.template
    complete = status.history[0].revision if status.history else 0
    tried = (in_force.revision, in_force.failed or 0) if in_force is not None else ()
    unfinished = not status.input_digest and revision <= complete
    if not (unfinished or revision < max(complete, *tried, 0)):
        return False
    # A rollback by hand changes the pin, which is part of the spec's digest.
    pins = {None, claim.spec.template_revision, in_force.pinned if in_force else None}
    pins |= {item.revision for item in status.history}
    specs = (claim.spec.model_copy(update={"template_revision": pin}) for pin in pins)
    return any(spec.digest == status.spec_digest for spec in specs)


def with_grown_volumes(desired: Desired, live: Mapping[ObjectRef, Observed], *, back: bool) -> Desired:
    """What is to be sent, with the sizes that live where volumes grew by no wish of their user.

    Args:
        desired: after the stamps.
        live: the claim's objects as they are.
        back: the claim goes back to an earlier revision: what that asked for it asks for again.
    """
    manifests = []
    inventory = desired.inventory
    for manifest in desired.manifests:
        seen = live.get(manifest.ref)
        kept = manifest if seen is None else _kept(manifest, seen, back=back)
        if kept is not manifest and (entry := inventory.get(kept.ref)) is not None:
            inventory = inventory.put(replace(entry, sent=kept.sent_digest))
        manifests.append(kept)
    return Desired(tuple(manifests), inventory)


def as_large_as(manifest: Manifest, live: Observed) -> Manifest:
    """What is sent anew to a volume's claim whose size somebody else changed: the size that lives, if no less was asked for."""
    if manifest.ref.kind != PVC.kind or SIZE in ignored_paths(manifest.body["metadata"]):
        return manifest
    [volume] = _volumes(manifest, live)
    asked = _parse(part_at(manifest.body, "metadata", "annotations").get(GROWN_FROM, ""))
    floor = asked.get(volume.name, volume.asked)
    if (compared(volume.lives, volume.asked) or 0) == 0 or _is_less(volume.lives, floor):
        return manifest
    return _written(manifest, {volume.name: floor}, {volume.name: volume.lives})


@dataclass(frozen=True, slots=True)
class _Volume:
    """One volume of an object: what is asked for, and what lives."""

    name: str
    asked: str
    lives: str


def _kept(manifest: Manifest, live: Observed, *, back: bool) -> Manifest:
    if SIZE in ignored_paths(manifest.body["metadata"]):
        return manifest
    known = _parse(live.grown_from)
    floors: dict[str, str] = {}
    sizes: dict[str, str] = {}
    for volume in _volumes(manifest, live):
        if not _is_less(volume.asked, volume.lives):
            continue
        by_others = manifest.ref.kind == PVC.kind and not live.sends_size
        order = compared(volume.asked, known.get(volume.name, ""))
        as_before = order is not None and order >= 0
        grew = by_others and (order is None or as_before)
        if grew or ((back or as_before) and not is_recovery(live.body, volume.asked)):
            floors[volume.name] = volume.asked
            sizes[volume.name] = volume.lives
    return _written(manifest, floors, sizes) if floors else manifest


def _is_less(one: str, other: str) -> bool:
    return (compared(one, other) or 0) < 0


def _volumes(manifest: Manifest, live: Observed) -> Iterator[_Volume]:
    spec, lives = part_at(manifest.body, "spec"), part_at(live.body, "spec")
    if manifest.ref.kind == PVC.kind:
        yield _Volume(manifest.ref.name, size_of(spec), size_of(lives))
    elif manifest.ref.kind == STATEFUL_SET.kind:
        made = {_name_of(each): size_of(part_at(each, "spec")) for each in list_at(lives, CLAIM_TEMPLATES)}
        for each in list_at(spec, CLAIM_TEMPLATES):
            name = _name_of(each)
            yield _Volume(name, size_of(part_at(each, "spec")), made.get(name, ""))


def _name_of(template: Any) -> str:
    return str(part_at(template, "metadata").get("name"))


def _written(manifest: Manifest, floors: Mapping[str, str], sizes: Mapping[str, str]) -> Manifest:
    body = deepcopy(dict(manifest.body))
    object_at(body, "metadata", "annotations")[GROWN_FROM] = _text(floors)
    spec = object_at(body, "spec")
    if manifest.ref.kind == PVC.kind:
        specs = {manifest.ref.name: spec}
    else:
        specs = {_name_of(each): object_at(each, "spec") for each in list_at(spec, CLAIM_TEMPLATES)}
    for name, size in sizes.items():
        object_at(specs[name], *STORAGE[:-1])[STORAGE[-1]] = size
    return Manifest(manifest.ref, body)


def _text(sizes: Mapping[str, str]) -> str:
    return ",".join(f"{name}={size}" for name, size in sorted(sizes.items()))


def _parse(text: str) -> dict[str, str]:
    """The sizes by the names of their volumes. What is no size is compared with nothing later, and counts as not written."""
    pairs = (item.partition("=") for item in text.split(",") if item)
    return {name: size for name, _, size in pairs}
