"""The environment as a layer: which field of which profile set a leaf, found by changing one field at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from ocdp_operator.errors import OcdpError
from ocdp_operator.model.profile import Environment, ProfileRef
from ocdp_operator.model.provenance import Layer, ProfileLayer
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.inner_files import looked_into
from ocdp_operator.plan.layers import Naming, Stem, Traces, always, over
from ocdp_operator.plan.tracing import Leaf, leaves, rewritten, traced

EnvironmentOn: TypeAlias = Callable[[Environment], Rendering]
"""The same rendering in another environment."""

_FOR_MAPPINGS: Final = ("parameters", "locked")
"""Fields that reach no object by themselves."""
_OTHER: Final = "-other"


def with_environment_layers(
    traces: Traces, apply: EnvironmentOn, environment: Environment, naming: Naming
) -> Traces:
    """The objects in their environment; a leaf is of the field without which, or with another value of which, it differs."""
    if not environment.origins:
        return over(traces, apply(environment).manifests, naming, always(_UNNAMED))
    final = apply(environment)
    result = over(traces, final.manifests, naming, always(ProfileLayer(environment.profiles[-1], "*")))
    for pointer, profile in environment.origins.items():
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        if not steps or steps[0] in _FOR_MAPPINGS:
            continue
        layer = ProfileLayer(profile, ".".join(steps))
        for other in _variants(apply, environment, steps):
            result = _given(result, _differing(final, other, naming), layer)
    return result


_UNNAMED: Final = ProfileLayer(ProfileRef(id="", revision=0), "*")


def _variants(apply: EnvironmentOn, environment: Environment, steps: list[str]) -> Iterator[Rendering]:
    """The objects without the field, and with another value of it; less where no rendering would be possible."""
    for change in (_without, _otherwise):
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


def _given(traces: Traces, pointers: Mapping[Stem, frozenset[str]], layer: Layer) -> Traces:
    def change_in(stem: Stem) -> Callable[[str, Leaf[Layer]], Leaf[Layer]]:
        mine = pointers.get(stem, frozenset())
        return lambda pointer, leaf: Leaf(leaf.value, layer) if pointer in mine else leaf

    return {
        stem: rewritten(node, change_in(stem)) if pointers.get(stem) else node
        for stem, node in traces.items()
    }
