"""The environment as a layer: which field of which profile set a leaf, found by changing one field at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from ocdp_operator.errors import OcdpError
from ocdp_operator.model.profile import Environment
from ocdp_operator.model.provenance import Layer, PlatformLayer, PlatformPart, ProfileLayer
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.inner_files import looked_into
from ocdp_operator.plan.layers import Naming, Stem, Traces, always, over
from ocdp_operator.plan.tracing import Leaf, leaves, rewritten, traced

EnvironmentOn: TypeAlias = Callable[[Environment], Rendering]
"""The same rendering in another environment."""

_Change: TypeAlias = Callable[[Any, list[str]], Any]

_FOR_MAPPINGS: Final = ("parameters", "locked")
"""Fields that reach no object by themselves."""
_OTHER: Final = "-other"


def with_environment_layers(
    traces: Traces, apply: EnvironmentOn, environment: Environment, naming: Naming
) -> Traces:
    """The objects in their environment; a leaf is of the field without which, or with another value of which, it differs.

    What differs and follows no field is as it lives: a class of storage that an older profile said can never change.
    """
    final = apply(environment)
    result = over(traces, final.manifests, naming, always(_KEPT))
    fields = [(_steps(pointer), profile) for pointer, profile in environment.origins.items()]
    for steps, profile in fields:
        for other in _variants(apply, environment, steps, (_without, _otherwise)):
            result = _given(result, _differing(final, other, naming), ProfileLayer(profile, ".".join(steps)))
    # What follows from there being an object at all: hosts of TLS, whatever is said of its Secret.
    objects = {tuple(steps[:depth]): profile for steps, profile in fields for depth in range(1, len(steps))}
    for at, profile in sorted(objects.items(), key=lambda each: -len(each[0])):
        layer = ProfileLayer(profile, ".".join(at))
        for other in _variants(apply, environment, list(at), (_without,)):
            result = _given(result, _differing(final, other, naming), layer, only=_KEPT)
    return result


_KEPT: Final = PlatformLayer(PlatformPart.KEPT)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _variants(
    apply: EnvironmentOn, environment: Environment, steps: list[str], changes: Iterable[_Change]
) -> Iterator[Rendering]:
    """The objects with each change made to the field; none for fields of mappings, or where there can be no rendering."""
    for change in () if not steps or steps[0] in _FOR_MAPPINGS else changes:
        fields = change(environment.fields, steps)
        try:
            yield apply(replace(environment, fields=fields))
        except (OcdpError, LookupError, TypeError, ValueError):
            continue  # publishing admits no profile with half of a field: nobody is prepared for one


def _without(fields: Any, steps: list[str]) -> Any:
    step, *deeper = steps
    if isinstance(fields, list):
        return [
            _without(below, deeper) if str(at) == step else below
            for at, below in enumerate(fields)
            if deeper or str(at) != step
        ]
    if not isinstance(fields, Mapping) or step not in fields:
        return fields
    if not deeper:
        return {key: value for key, value in fields.items() if key != step}
    return {**fields, step: _without(fields[step], deeper)}


def _otherwise(fields: Any, steps: list[str]) -> Any:
    if not steps:
        return f"{fields}{_OTHER}" if isinstance(fields, str) else fields
    step, *deeper = steps
    if isinstance(fields, list):
        return [_otherwise(below, deeper) if str(at) == step else below for at, below in enumerate(fields)]
    if not isinstance(fields, Mapping) or step not in fields:
        return fields
    return {**fields, step: _otherwise(fields[step], deeper)}


def _differing(final: Rendering, other: Rendering, naming: Naming) -> Mapping[Stem, frozenset[str]]:
    """Pointers of the leaves of ``final`` that are not in ``other``, or not the same there."""
    before = {naming.stem(each.ref): looked_into(each) for each in other.manifests}
    found = {}
    for manifest in final.manifests:
        stem = naming.stem(manifest.ref)
        old = traced(before[stem], "same") if stem in before else None
        node = traced(looked_into(manifest), "changed", old)
        found[stem] = frozenset(pointer for pointer, leaf in leaves(node) if leaf.layer == "changed")
    return found


def _given(
    traces: Traces, pointers: Mapping[Stem, frozenset[str]], layer: Layer, *, only: Layer | None = None
) -> Traces:
    """The leaves at these places given to the layer; ``only`` those of another one."""

    def change_in(stem: Stem) -> Callable[[str, Leaf[Layer]], Leaf[Layer]]:
        mine = pointers.get(stem, frozenset())

        def change(pointer: str, leaf: Leaf[Layer]) -> Leaf[Layer]:
            meant = pointer in mine and only in (None, leaf.layer)
            return Leaf(leaf.value, layer) if meant else leaf

        return change

    return {
        stem: rewritten(node, change_in(stem)) if pointers.get(stem) else node
        for stem, node in traces.items()
    }
