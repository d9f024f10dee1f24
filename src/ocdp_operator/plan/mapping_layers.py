"""A mapping as a layer: who gave its value, and which leaves are what it set, though they were the same before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ocdp_operator.model.kinds import CONFIG_MAP, DEPLOYMENT, STATEFUL_SET
from ocdp_operator.model.provenance import Giver, Layer, MappingLayer
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.expansion import with_literal_dollars
from ocdp_operator.plan.layers import Stem, Traces
from ocdp_operator.plan.tracing import File, Leaf, Traced, escaped, rewritten


def mapping_layer(index: int, workload: ResolvedWorkload, given: Mapping[str, Any]) -> MappingLayer:
    """The mapping, with who gave its value; ``given`` are the values of the claim as its user wrote them."""
    mapping = workload.revision.body.mappings[index]
    if mapping.from_ is None:
        return MappingLayer(index, mapping.source, Giver.EXPRESSION)
    root, *steps = mapping.from_.split(".")
    if root == "values":
        return MappingLayer(index, mapping.source, Giver.CLAIM if _has(given, steps) else Giver.TEMPLATE)
    if root != "profile":
        return MappingLayer(index, mapping.source, Giver.PLATFORM)
    pointer = "".join(f"/{escaped(step)}" for step in steps)
    origins = workload.environment.origins
    said = [ref for at, ref in origins.items() if at == pointer or at.startswith(f"{pointer}/")]
    return MappingLayer(index, mapping.source, Giver.PROFILE, said[-1] if said else None)


def _has(values: Any, steps: list[str]) -> bool:
    for step in steps:
        if not isinstance(values, Mapping) or step not in values:
            return False
        values = values[step]
    return True


def with_target(traces: Traces, bound: Bound, layer: MappingLayer) -> Traces:
    """The leaves that a mapping sets are its own, though they had the same value before."""
    mapping, value = bound.mapping, bound.value
    if mapping.patch is not None:
        target = mapping.patch
        literal = with_literal_dollars(target.pointer, value)
        return _where(
            traces,
            lambda stem: (stem.kind, stem.name) == (target.kind, target.name),
            lambda node: _set_at(node, _steps(target.pointer), literal, layer),
        )
    if mapping.config_file is not None:
        file = mapping.config_file
        return _where(
            traces,
            lambda stem: (stem.kind, stem.name) == (CONFIG_MAP.kind, file.config_map),
            lambda node: _set_in_file(node, file.file, _steps(file.pointer), value, layer),
        )
    if mapping.replicas is not None:
        name = mapping.replicas.name
        return _where(
            traces,
            lambda stem: stem.kind in (DEPLOYMENT.kind, STATEFUL_SET.kind) and stem.name == name,
            lambda node: _set_at(node, ["spec", "replicas"], value, layer),
        )
    if mapping.image is not None:
        wanted = _image_rule(mapping.image.name, mapping.image.part, str(value))
        return _where(traces, lambda _: True, lambda node: _images(node, wanted, layer))
    return traces


def _where(
    traces: Traces, chosen: Callable[[Stem], bool], change: Callable[[Traced[Layer]], Traced[Layer]]
) -> Traces:
    return {stem: change(node) if chosen(stem) else node for stem, node in traces.items()}


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _set_at(node: Traced[Layer], steps: list[str], value: Any, layer: Layer) -> Traced[Layer]:
    """``node`` with the leaves at this place that are what ``value`` says there given to the layer."""
    if not steps:
        return _claimed(node, value, layer)
    step, *deeper = steps
    if isinstance(node, dict) and step in node:
        return {**node, step: _set_at(node[step], deeper, value, layer)}
    if isinstance(node, list) and node:
        at = len(node) - 1 if step == "-" else int(step) if step.isdigit() else len(node)
        return [_set_at(below, deeper, value, layer) if i == at else below for i, below in enumerate(node)]
    return node


def _claimed(node: Traced[Layer], value: Any, layer: Layer) -> Traced[Layer]:
    if isinstance(node, Leaf):
        return Leaf(node.value, layer) if _says(node.value, value) else node
    if isinstance(node, dict) and isinstance(value, Mapping):
        return {
            key: _claimed(below, value[key], layer) if key in value else below for key, below in node.items()
        }
    if isinstance(node, list) and isinstance(value, list) and len(value) == len(node):
        return [_claimed(below, said, layer) for below, said in zip(node, value, strict=True)]
    return node


def _says(shown: Any, value: Any) -> bool:
    """Whether a leaf is what a mapping brought: env files and arguments hold numbers and booleans as text."""
    if isinstance(value, Mapping | list) or value is None:
        return bool(shown == value)
    return bool(shown == value) or (isinstance(shown, str) and shown == _text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()


def _set_in_file(node: Traced[Layer], file: str, steps: list[str], value: Any, layer: Layer) -> Traced[Layer]:
    data = node.get("data") if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(data, dict):
        return node
    inside = data.get(file)
    if isinstance(inside, File):
        changed: Traced[Layer] = replace(inside, document=_set_at(inside.document, steps, value, layer))
        return {**node, "data": {**data, file: changed}}
    return {**node, "data": _set_at(data, steps[-1:], value, layer)}


def _image_rule(name: str, part: str, value: str) -> Callable[[str], bool]:
    """Whether an image is one that the mapping set: its name is told from a port by the last slash."""

    def rule(image: str) -> bool:
        repository, _, digest = image.partition("@")
        head, slash, last = repository.rpartition("/")
        plain, _, tag = last.partition(":")
        found = {"name": f"{head}{slash}{plain}", "tag": tag, "digest": digest}
        return found[part] == value and (part == "name" or found["name"] == name)

    return rule


def _images(node: Traced[Layer], wanted: Callable[[str], bool], layer: Layer) -> Traced[Layer]:
    def change(pointer: str, leaf: Leaf[Layer]) -> Leaf[Layer]:
        is_image = pointer.endswith("/image") and isinstance(leaf.value, str)
        return Leaf(leaf.value, layer) if is_image and wanted(leaf.value) else leaf

    return rewritten(node, change)
