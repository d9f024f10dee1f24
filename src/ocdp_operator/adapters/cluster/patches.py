"""Patches as data: the smallest merge patch between two values, and the removal of what others left in an object of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ocdp_operator.model.objects import Observed

_POD_PARTS: Final = ("containers", "initContainers", "volumes")
_TEMPLATE: Final = "/spec/template/spec"


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that makes ``old`` equal to ``new``; empty when they are equal.

    Neither value may hold a null: a merge patch cannot write one.
    """
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        known = old.get(name)
        if name in old and known == value:
            continue
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            patch[name] = merge_patch(known, value)
        else:
            patch[name] = value
    return patch


def disowning_patch(raw: Mapping[str, Any], observed: Observed) -> list[dict[str, Any]]:
    """The JSON patch that removes ``before-first-apply`` managers and foreign parts of the pod template from an object.

    ``observed`` is ``raw`` as we see it. The patch holds for this version of the object only; it is empty when there is
    nothing to remove. Mounts of removed volumes go with them: only somebody else can have put them there.
    """
    removals = [*_managers(raw["metadata"]), *_parts(raw, observed.foreign_parts)]
    if not removals:
        return []
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": observed.resource_version}
    return [version, *({"op": "remove", "path": path} for path in removals)]


def _managers(metadata: Mapping[str, Any]) -> Iterator[str]:
    managed = metadata.get("managedFields") or ()
    for index in reversed(range(len(managed))):
        if managed[index].get("manager") == "before-first-apply":
            yield f"/metadata/managedFields/{index}"


def _parts(raw: Mapping[str, Any], foreign: Sequence[str]) -> Iterator[str]:
    """Paths by position, the last of each list first, so that no removal moves what a later one names."""
    if not foreign:
        return
    pod = raw["spec"]["template"]["spec"]
    volumes = {path.rpartition("/")[2] for path in foreign if path.startswith(f"{_TEMPLATE}/volumes/")}
    for part in ("containers", "initContainers"):
        for position, container in enumerate(pod.get(part) or ()):
            if f"{_TEMPLATE}/{part}/{container['name']}" not in foreign:
                yield from _mounts(f"{_TEMPLATE}/{part}/{position}", container, volumes)
    for part in _POD_PARTS:
        items = pod.get(part) or ()
        for position in reversed(range(len(items))):
            if f"{_TEMPLATE}/{part}/{items[position]['name']}" in foreign:
                yield f"{_TEMPLATE}/{part}/{position}"


def _mounts(path: str, container: Mapping[str, Any], volumes: set[str]) -> Iterator[str]:
    for part in ("volumeMounts", "volumeDevices"):
        items = container.get(part) or ()
        for position in reversed(range(len(items))):
            if items[position]["name"] in volumes:
                yield f"{path}/{part}/{position}"
