"""Volumes that grew by no wish of the claim's user: they stay as large as they are, since no volume ever shrinks.

A volume grows in one direction alone, and a revision that made it grow may still be one that a claim must leave; or somebody gave
a full disk more room by hand. So an object whose volume grew remembers, in an annotation, what it had before. Whatever asks for
at least that gets the size that lives; what asks for less is refused, like any size that shrinks. A size that the user asked for,
by a value of the claim, is not remembered: that much it is to keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

from ocdp_operator.model.kinds import PVC, STATEFUL_SET
from ocdp_operator.model.names import GROWN_FROM
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.plan.exposure import paths_read
from ocdp_operator.plan.fields import list_at, object_at, part_at
from ocdp_operator.plan.filling import filled
from ocdp_operator.plan.immutability import STORAGE, compared, size_of
from ocdp_operator.plan.stamp import Desired
from ocdp_operator.plan.values import look_up, roots_of

_TEMPLATES: Final = "volumeClaimTemplates"
_SIZE: Final = "/".join(STORAGE)


def with_grown_volumes(
    desired: Desired, workload: ResolvedWorkload, live: Mapping[ObjectRef, Observed]
) -> Desired:
    """What is to be sent, with volumes as large as a revision once made them.

    Args:
        desired: after the stamps.
        workload: with its mappings bound.
        live: the claim's objects as they are.
    """
    manifests = []
    inventory = desired.inventory
    for manifest in desired.manifests:
        seen = live.get(manifest.ref)
        kept = manifest if seen is None else _kept(manifest, seen, workload)
        if kept is not manifest and (entry := inventory.get(kept.ref)) is not None:
            inventory = inventory.put(replace(entry, sent=kept.sent_digest))
        manifests.append(kept)
    return Desired(tuple(manifests), inventory)


def as_large_as(manifest: Manifest, live: Observed) -> Manifest:
    """A volume's claim as it is sent to one that lives, and that somebody made larger than what we sent; else as it is."""
    if manifest.ref.kind != PVC.kind:
        return manifest
    [volume] = _volumes(manifest, live)
    if not _is_less(volume.asked, volume.lives):
        return manifest
    known = _parse(part_at(manifest.body, "metadata", "annotations").get(GROWN_FROM, ""))
    return _written(manifest, {volume.name: volume.asked} | known, {volume.name: volume.lives})


@dataclass(frozen=True, slots=True)
class _Volume:
    """One volume of an object: what is asked for, what lives, and where a mapping would say so."""

    name: str
    asked: str
    lives: str
    pointer: str


def _kept(manifest: Manifest, live: Observed, workload: ResolvedWorkload) -> Manifest:
    before = _parse(live.annotations.get(GROWN_FROM, ""))
    grown: dict[str, str] = {}
    sizes: dict[str, str] = {}
    for volume in _volumes(manifest, live):
        former = before.get(volume.name, "")
        if not _is_less(former, volume.lives):
            former = ""
        if _is_less(volume.lives, volume.asked):
            if not _is_users(manifest.ref, volume.pointer, workload):
                grown[volume.name] = former or volume.lives
        elif former:
            grown[volume.name] = former
            if _is_less(volume.asked, volume.lives) and not _is_less(volume.asked, former):
                sizes[volume.name] = volume.lives
    return _written(manifest, grown, sizes) if grown else manifest


def _is_less(one: str, other: str) -> bool:
    return (compared(one, other) or 0) < 0


def _volumes(manifest: Manifest, live: Observed) -> Iterator[_Volume]:
    spec, lives = part_at(manifest.body, "spec"), part_at(live.body, "spec")
    if manifest.ref.kind == PVC.kind:
        yield _Volume(manifest.ref.name, size_of(spec), size_of(lives), f"/spec/{_SIZE}")
    elif manifest.ref.kind == STATEFUL_SET.kind:
        made = {_name_of(each): size_of(part_at(each, "spec")) for each in list_at(lives, _TEMPLATES)}
        for index, each in enumerate(list_at(spec, _TEMPLATES)):
            name = _name_of(each)
            pointer = f"/spec/{_TEMPLATES}/{index}/spec/{_SIZE}"
            yield _Volume(name, size_of(part_at(each, "spec")), made.get(name, ""), pointer)


def _name_of(template: Any) -> str:
    return str(part_at(template, "metadata").get("name"))


def _is_users(ref: ObjectRef, pointer: str, workload: ResolvedWorkload) -> bool:
    """Whether a value that the claim gives decides the size."""
    return any(
        _sets(bound, ref, pointer, workload.claim_name)
        and any(root == "values" and _is_chosen(steps, workload) for root, *steps in paths_read(bound))
        for bound in workload.bound
    )


def _is_chosen(steps: Sequence[str], workload: ResolvedWorkload) -> bool:
    """Whether a value is another one than it would be if the claim said nothing there.

    So much follows from the values with their defaults: whether one was written that is the default changes nothing.
    """
    if not steps:
        return True
    unsaid = filled(
        _without(workload.values, steps), workload.revision.body.values_schema, roots_of(workload)
    )
    path = ".".join(steps)
    return bool(look_up(path, workload.values) != look_up(path, unsaid.values))


def _without(values: Mapping[str, Any], steps: Sequence[str]) -> dict[str, Any]:
    name, *deeper = steps
    if not deeper:
        return {key: value for key, value in values.items() if key != name}
    below = values.get(name)
    return {**values, name: _without(below, deeper)} if isinstance(below, Mapping) else dict(values)


def _sets(bound: Bound, ref: ObjectRef, pointer: str, claim: str) -> bool:
    patch = bound.mapping.patch
    if patch is None or (patch.kind, f"{claim}-{patch.name}") != (ref.kind, ref.name):
        return False
    return pointer == patch.pointer or pointer.startswith(f"{patch.pointer}/")


def _written(manifest: Manifest, grown: Mapping[str, str], sizes: Mapping[str, str]) -> Manifest:
    body = deepcopy(dict(manifest.body))
    object_at(body, "metadata", "annotations")[GROWN_FROM] = _text(grown)
    spec = object_at(body, "spec")
    if manifest.ref.kind == PVC.kind:
        specs = {manifest.ref.name: spec}
    else:
        specs = {_name_of(each): object_at(each, "spec") for each in list_at(spec, _TEMPLATES)}
    for name, size in sizes.items():
        object_at(specs[name], *STORAGE[:-1])[STORAGE[-1]] = size
    return Manifest(manifest.ref, body)


def _text(sizes: Mapping[str, str]) -> str:
    return ",".join(f"{name}={size}" for name, size in sorted(sizes.items()))


def _parse(text: str) -> dict[str, str]:
    """Whatever somebody wrote there: what is no size is less than nothing."""
    pairs = (item.partition("=") for item in text.split(",") if item)
    return {name: size for name, _, size in pairs}
