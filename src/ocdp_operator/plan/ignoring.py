"""Fields that are left to others: those of the template's ``ignore`` list, and how many pods an autoscaler wants.

Such a field is sent when its object is made. Later a field that somebody else owns is not sent, and one that we alone own
is sent as it lives: whoever wants it may take it, and nobody's value is put back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ocdp_operator.model.ignoring import (
    REPLICAS,
    SCALABLE,
    IgnoreRule,
    Path,
    Tree,
    ignored_paths,
    owned_at,
    path_of,
    to_text,
    value_at,
    with_value,
    without,
)
from ocdp_operator.model.names import FIELD_MANAGER, IGNORED_FIELDS
from ocdp_operator.model.objects import Manifest, ObjectRef

_AUTOSCALER = "HorizontalPodAutoscaler"


def left_to_others(manifests: Sequence[Manifest], rules: Iterable[IgnoreRule], prefix: str) -> list[Manifest]:
    """The manifests, each with the annotation that lists its fields that are left to others, if it has any.

    An autoscaler's pods are not counted: what it scales has no replicas. ``prefix``: what the claim puts before the base's
    names.
    """
    scaled = frozenset(_autoscaled(manifests))
    found: dict[ObjectRef, set[Path]] = {ref: {REPLICAS} for ref in scaled}
    for rule in rules:
        for manifest in targets_of(rule, manifests, prefix):
            paths = (path_of(pointer, manifest.body) for pointer in rule.pointers)
            found.setdefault(manifest.ref, set()).update(path for path in paths if path is not None)
    marked = [_listing(manifest, found.get(manifest.ref, ())) for manifest in manifests]
    return [
        replace(each, body=without(each.body, REPLICAS)) if each.ref in scaled else each for each in marked
    ]


def targets_of(rule: IgnoreRule, manifests: Sequence[Manifest], prefix: str) -> list[Manifest]:
    """The objects of a rendering that the rule means."""
    of_kind = [manifest for manifest in manifests if manifest.ref.kind == rule.target.kind]
    name = rule.target.name
    if name is None:
        return of_kind
    exact = [manifest for manifest in of_kind if manifest.ref.name == f"{prefix}{name}"]
    # The base may have given it a prefix of its own: it may be named by the name before that.
    return exact or [manifest for manifest in of_kind if manifest.ref.name.endswith(f"-{name}")]


def missed(rules: Sequence[IgnoreRule], manifests: Sequence[Manifest], prefix: str) -> Iterator[str]:
    """Pointers of rules that mean nothing in this rendering, each with its place in the template."""
    for index, rule in enumerate(rules):
        found = targets_of(rule, manifests, prefix)
        if not found:
            yield f"ignore[{index}].target: there is no {rule.target.kind} {rule.target.name or 'at all'}"
        for number, pointer in enumerate(rule.pointers):
            if found and not any(path_of(pointer, each.body) is not None for each in found):
                yield f"ignore[{index}].pointers[{number}]: {pointer} leads through a list without such an item"


def _autoscaled(manifests: Iterable[Manifest]) -> Iterator[ObjectRef]:
    for manifest in manifests:
        if manifest.ref.kind == _AUTOSCALER:
            target = manifest.body.get("spec", {}).get("scaleTargetRef", {})
            if target.get("kind") in SCALABLE:
                yield ObjectRef("apps", target["kind"], target.get("name", ""))


def _listing(manifest: Manifest, paths: Collection[Path]) -> Manifest:
    """The manifest with an annotation that lists just these paths; with none where there are none."""
    metadata = manifest.body["metadata"]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != IGNORED_FIELDS}
    if paths:
        annotations[IGNORED_FIELDS] = to_text(paths)
    elif IGNORED_FIELDS not in (metadata.get("annotations") or {}):
        return manifest
    return replace(manifest, body={**manifest.body, "metadata": {**metadata, "annotations": annotations}})


def minded(manifest: Manifest, path: Path) -> Manifest:
    """The manifest with one field that is not left to others after all."""
    paths = ignored_paths(manifest.body["metadata"])
    return _listing(manifest, [each for each in paths if each != path]) if path in paths else manifest


def ours(manifest: Manifest) -> Mapping[str, Any]:
    """What of a manifest is not left to others: what drift is told of."""
    body: Mapping[str, Any] = manifest.body
    for path in ignored_paths(body["metadata"]):
        body = without(body, path)
    return body


def as_to(manifest: Manifest, raw: Mapping[str, Any]) -> Manifest:
    """The manifest as it is sent to an object that lives: fields of others left out, those that we alone own as they live."""
    body: Mapping[str, Any] = manifest.body
    managed = raw["metadata"].get("managedFields") or ()
    known = ignored_paths(raw["metadata"])
    for path in ignored_paths(body["metadata"]):
        live = value_at(raw, path)
        if path == REPLICAS and live == 0 and path not in known:
            continue  # we stopped it ourselves
        body = without(body, path)
        own, others = _owners(managed, path)
        kept = _alone(live, own, others)
        if kept is not None:
            body = with_value(body, path, kept)
    return replace(manifest, body=body)


def as_it_lives(manifest: Manifest, raw: Mapping[str, Any], *, autoscaled: bool) -> Manifest:
    """The manifest with the live values of all that is left to others: an object that is made anew loses none of them."""
    body: Mapping[str, Any] = manifest.body
    paths, known = ignored_paths(body["metadata"]), ignored_paths(raw["metadata"])
    autoscaled = autoscaled and value_at(body, REPLICAS) != 0
    for path in (*paths, *((REPLICAS,) if autoscaled else ())):
        live = value_at(raw, path)
        if path == REPLICAS and live == 0 and path not in known:
            continue  # we stopped it ourselves
        body = without(body, path) if live is None else with_value(body, path, live)
    return replace(manifest, body=body)


def without_replicas(manifest: Manifest) -> Manifest:
    """What is sent to an object that somebody's autoscaler scales: how many pods there are is its business, unless none."""
    if value_at(manifest.body, REPLICAS) in (None, 0):
        return manifest
    return replace(manifest, body=without(manifest.body, REPLICAS))


def _owners(managed: Iterable[Mapping[str, Any]], path: Path) -> tuple[Tree | None, list[Tree]]:
    own: Tree | None = None
    others: list[Tree] = []
    for entry in managed:
        owned = owned_at(entry.get("fieldsV1") or {}, path) if entry.get("fieldsV1") else None
        if owned is None:
            continue
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            own = owned
        else:
            others.append(owned)
    return own, others


def _alone(live: Any, own: Tree | None, others: Sequence[Tree]) -> Any:
    """The part of a live value that nobody but us owns; None where there is none."""
    if own is None or live is None or {} in others:
        return None
    if own == {} or not isinstance(live, Mapping):
        return None if others else live
    kept = {}
    for name, part in live.items():
        step = f"f:{name}"
        if step in own:
            inner = _alone(part, own[step], [tree[step] for tree in others if step in tree])
            if inner is not None:
                kept[name] = inner
    return kept or None
