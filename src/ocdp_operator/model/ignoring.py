"""Fields that are left to others: how a template names them, and how an object remembers them (docs/catalog.md).

An object of ours says in an annotation which of its fields are left alone, as paths of names. Whoever changes the
annotation changes a field of ours, which is drift: it proves as much as any other field that we sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from ocdp_operator.model.kinds import DEPLOYMENT, STATEFUL_SET
from ocdp_operator.model.names import IGNORED_FIELDS
from ocdp_operator.model.wire import WireModel

Path = tuple[str, ...]
"""Steps from the object's root; the item of a list by its name: ``("spec", "containers", "[web]", "image")``."""
Tree = Mapping[str, Any]
"""``fieldsV1`` of one manager, or a part of it."""

REPLICAS: Final[Path] = ("spec", "replicas")
SCALABLE: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind)

_NAMED_LISTS: Final = ("containers", "initContainers", "env")
_ROOTS: Final = ("spec", "data", "binaryData")
_POD: Final = "/spec/template/spec"
_CONTAINER: Final = "image|args|env/[^/]+/value|resources(/.+)?|(liveness|readiness|startup)Probe/(initialDelay|period|timeout)Seconds"
_PODS: Final = (
    r"/spec/replicas",
    rf"{_POD}/(containers|initContainers)/[0-9]+/({_CONTAINER})",
    rf"{_POD}/(nodeSelector|tolerations|affinity)(/.+)?",
    rf"{_POD}/terminationGracePeriodSeconds",
    r"/spec/(minReadySeconds|revisionHistoryLimit)",
)
_IGNORABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": (*_PODS, r"/spec/(strategy(/.+)?|progressDeadlineSeconds)"),
    "StatefulSet": (*_PODS, r"/spec/updateStrategy(/.+)?"),
    "Service": (r"/spec/(externalTrafficPolicy|internalTrafficPolicy|sessionAffinity|trafficDistribution)",),
    "ConfigMap": (r"/(data|binaryData)/[^/]+",),
    "PersistentVolumeClaim": (r"/spec/resources/requests/storage",),
    "HorizontalPodAutoscaler": (r"/spec/(minReplicas|maxReplicas|metrics|behavior(/.+)?)",),
    "PodDisruptionBudget": (r"/spec/(minAvailable|maxUnavailable)",),
}
"""Kind -> the pointers that may be ignored. Metadata, selectors, and what the operator's policy guards are not among them."""


class IgnoreTarget(WireModel):
    """The objects of the base whose fields are left alone."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None
    """The object's name in the base, before the claim's prefix; None: every object of the kind."""


class IgnoreRule(WireModel):
    """Fields that others may own: sent when the object is made, and never put back."""

    target: IgnoreTarget
    pointers: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    """JSON pointers (RFC 6901) into the object as the base renders it."""


def pointer_fault(kind: str, pointer: str) -> str | None:
    """Why fields of this kind cannot be ignored at this pointer; None: they can."""
    if kind not in _IGNORABLE:
        return f"no field of a {kind} can be ignored; of these kinds some can: {', '.join(_IGNORABLE)}"
    if not pointer.startswith("/") or " " in pointer or not pointer.isprintable() or len(pointer) > 512:
        return "a JSON pointer begins with a slash and has no blank"
    if re.search("~(?![01])", pointer):
        return "in a JSON pointer ~ stands before 0 or 1"
    if not any(re.fullmatch(pattern, pointer) for pattern in _IGNORABLE[kind]):
        return f"this field of a {kind} is always the template's; docs/catalog.md lists those that can be ignored"
    return None


def path_of(pointer: str, body: Mapping[str, Any]) -> Path | None:
    """The pointer with the items of lists by their names; None where the object has no such item, or it has no name."""
    path: list[str] = []
    place: Any = body
    for step in (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]):
        if isinstance(place, list):
            item = place[int(step)] if step.isdecimal() and int(step) < len(place) else None
            if (
                path[-1] not in _NAMED_LISTS
                or not isinstance(item, Mapping)
                or not isinstance(item.get("name"), str)
            ):
                return None
            place = item
            path.append(f"[{item['name']}]")
        else:
            if path and path[-1] in _NAMED_LISTS:
                return None
            place = place.get(step) if isinstance(place, Mapping) else None
            path.append(step)
    return tuple(path)


def to_text(paths: Iterable[Path]) -> str:
    """What the annotation says."""
    return " ".join("/" + "/".join(map(_escaped, path)) for path in sorted(set(paths)))


def ignored_paths(metadata: Mapping[str, Any]) -> tuple[Path, ...]:
    """What the annotation of an object says; nothing outside of its spec and data counts."""
    text = (metadata.get("annotations") or {}).get(IGNORED_FIELDS)
    if not isinstance(text, str):
        return ()
    paths = (
        tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        for pointer in text.split(" ")
    )
    return tuple(path for path in paths if len(path) > 1 and path[0] in _ROOTS)


def without(value: Any, path: Path) -> Any:
    """The value without what is at the path, and without what that leaves empty; nothing is changed in place."""
    head, *rest = path
    if isinstance(value, list) and head.startswith("["):
        return [without(item, tuple(rest)) if rest and _is_named(item, head) else item for item in value]
    if not isinstance(value, Mapping) or head not in value:
        return value
    inner = without(value[head], tuple(rest)) if rest else None
    if inner is None or inner in ({}, []):
        return {name: part for name, part in value.items() if name != head}
    return {**value, head: inner}


def value_at(value: Any, path: Path) -> Any:
    """What is at the path; None where nothing is."""
    for step in path:
        if isinstance(value, list):
            value = next((item for item in value if _is_named(item, step)), None)
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def with_value(value: Any, path: Path, new: Any) -> Any:
    """The value with ``new`` at the path; what is not on the way is shared. The items of lists on the way must be there."""
    head, *rest = path
    if isinstance(value, list):
        return [with_value(item, tuple(rest), new) if _is_named(item, head) else item for item in value]
    old = value if isinstance(value, Mapping) else {}
    return {**old, head: with_value(old.get(head), tuple(rest), new) if rest else new}


def tree_step(step: str) -> str:
    """The step as ``fieldsV1`` writes it."""
    return (
        f"k:{json.dumps({'name': step[1:-1]}, separators=(',', ':'))}"
        if step.startswith("[")
        else f"f:{step}"
    )


def without_owned(tree: Tree, path: Path) -> Tree:
    """The tree without the fields at the path, and without what that leaves empty."""
    return without(tree, tuple(map(tree_step, path)))  # type: ignore[no-any-return]


def owned_at(tree: Tree, path: Path) -> Tree | None:
    """What of the fields at the path the manager owns; None: nothing, ``{}``: all of it."""
    for step in map(tree_step, path):
        if step not in tree:
            return {} if tree == {} else None
        tree = tree[step]
    return tree


def _is_named(item: Any, step: str) -> bool:
    return isinstance(item, Mapping) and f"[{item.get('name')}]" == step


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
