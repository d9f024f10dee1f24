"""Whether what a mapping aims at is there: in the base with its components, as kustomize builds it for one claim.

kustomize finds no fault with a patch, an image or a replica count that matches nothing, so publishing looks itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ocdp_operator.model.mapping import ImageTarget, PatchTarget
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.template import Bound

_SCALED: Final = ("Deployment", "StatefulSet")


class Targets:
    """The objects of a rendering without any mapping; mappings are put to them in their order."""

    def __init__(self, manifests: Sequence[Manifest], prefix: str) -> None:
        """``prefix``: what the claim puts before the base's names."""
        self._prefix = prefix
        self._bodies = [copy.deepcopy(dict(manifest.body)) for manifest in manifests]

    def fault(self, bound: Bound) -> str | None:
        """What the mapping misses; None: it finds its target, and what it says of it is done here."""
        mapping = bound.mapping
        if mapping.patch is not None:
            return self._patch(mapping.patch, bound.value)
        if mapping.image is not None:
            return self._image(mapping.image)
        if mapping.replicas is not None and not any(
            self._named(kind, mapping.replicas.name) for kind in _SCALED
        ):
            return f"there is no Deployment and no StatefulSet {mapping.replicas.name}"
        return None

    def _patch(self, target: PatchTarget, value: Any) -> str | None:
        found = self._named(target.kind, target.name)
        if not found:
            return f"there is no {target.kind} {target.name}"
        for body in found:
            if not _patched(body, target, value):
                what = "cannot add to" if target.op == "add" else "has no"
                return f"{target.kind} {target.name} {what} {target.pointer} (op {target.op})"
        return None

    def _image(self, target: ImageTarget) -> str | None:
        known = sorted({_image_name(text) for body in self._bodies for text in _images(body)})
        if target.name in known:
            return None
        return f"no container has the image {target.name}; there are {', '.join(known) or 'none'}"

    def _named(self, kind: str, name: str) -> list[dict[str, Any]]:
        of_kind = [body for body in self._bodies if body.get("kind") == kind]
        exact = [body for body in of_kind if body["metadata"]["name"] == f"{self._prefix}{name}"]
        # The base may have given it a prefix of its own: a mapping may name it by the name before that.
        return exact or [body for body in of_kind if body["metadata"]["name"].endswith(f"-{name}")]


def _patched(body: dict[str, Any], target: PatchTarget, value: Any) -> bool:
    *way, last = (step.replace("~1", "/").replace("~0", "~") for step in target.pointer.split("/")[1:])
    place: Any = body
    for step in way:
        place = _below(place, step)
        if place is None:
            return False
    if isinstance(place, list):
        return _set_item(place, last, value, replaces=target.op == "replace")
    if not isinstance(place, dict) or (target.op == "replace" and last not in place):
        return False
    place[last] = copy.deepcopy(value)
    return True


def _below(place: Any, step: str) -> Any:
    if isinstance(place, list):
        return place[int(step)] if step.isdecimal() and int(step) < len(place) else None
    return place.get(step) if isinstance(place, Mapping) else None


def _set_item(place: list[Any], step: str, value: Any, *, replaces: bool) -> bool:
    index = len(place) if step == "-" else int(step) if step.isdecimal() else -1
    if index < 0 or index >= len(place) + (not replaces):
        return False
    place[index : index + replaces] = [copy.deepcopy(value)]
    return True


def _images(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key in ("containers", "initContainers"):
            for container in node.get(key) or ():
                if isinstance(container, Mapping) and isinstance(container.get("image"), str):
                    yield container["image"]
        for below in node.values():
            yield from _images(below)
    elif isinstance(node, list):
        for below in node:
            yield from _images(below)


def _image_name(image: str) -> str:
    """Without digest and tag; a port of a registry stays."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
