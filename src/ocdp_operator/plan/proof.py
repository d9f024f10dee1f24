"""The claims by which publishing proves a revision: its defaults, its examples, and values that try everything else.

One factor at a time: each further claim is one that stands already, with one value changed. So every choice of the
schema is taken once, every switch is on and off, and what may be left out is given and is not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.model.claim import ClaimKey, ClaimSpec, WorkloadClaim
from ocdp_operator.model.effort import Effort
from ocdp_operator.model.expression import BadExpression, analyse
from ocdp_operator.model.keyword import KEYWORD, QUANTITY, keyword_of
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.publication import TemplateEntry
from ocdp_operator.model.template import CatalogAnswer, Placement, RevisionBody, TemplateRevision
from ocdp_operator.model.wire import canonical_json, digest
from ocdp_operator.plan.subschemas import of_item, of_property, parts, says_secret
from ocdp_operator.plan.wording import shown

EXAMPLE: Final = "example"
"""Name of the claim, its namespace, its workspace and its customer."""
MAX_CASES: Final = 2000
"""Of one revision: what is beyond is counted, and not tried."""
_MAX_COUNTED: Final = 10_000
"""Beyond it nothing is counted either: a schema that refers to itself has no end of values."""
_MAX_DEPTH: Final = 6
_SECRET: Final = {"secretKeyRef": {"name": EXAMPLE, "key": "key"}}


@dataclass(frozen=True, slots=True)
class Case:
    """Values that a claim could have."""

    name: str
    """For a message: ``examples[1] with /exposure ingress``."""
    values: Mapping[str, Any]
    required: bool = False
    """The template's author wrote them: a claim must be able to have them."""


@dataclass(frozen=True, slots=True)
class Cases:
    """What to try, the author's own first; no values twice."""

    tried: tuple[Case, ...]
    left: int = 0
    """Cases that are too many to try; counted up to 10 000."""


def cases(body: RevisionBody) -> Cases:
    """The claims by which the revision is proven. Raises TooDeep and TooMuchWork."""
    found: dict[bytes, Case] = {}
    written = [Case(f"examples[{number}]", each, required=True) for number, each in enumerate(body.examples)]
    for case in (*written, Case("the defaults", {})):
        found.setdefault(canonical_json(case.values), case)
    left: set[str] = set()
    schema = body.values_schema
    for case in tuple(found.values()):
        for place, value, changed in _variations(case.values, schema, schema, _MAX_DEPTH):
            if len(left) >= _MAX_COUNTED:
                return Cases(tuple(found.values()), len(left))
            if len(found) >= MAX_CASES:
                left |= set() if canonical_json(changed) in found else {digest(changed)}
                continue
            what = "absent" if value is _ABSENT else shown(canonical_json(value).decode(), 60)
            found.setdefault(canonical_json(changed), Case(f"{case.name} with {place} {what}", changed))
    return Cases(tuple(found.values()), len(left))


_ABSENT: Final = object()


def _variations(
    values: Mapping[str, Any], schema: Any, root: Mapping[str, Any], depth: int
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Place, value, and the whole with that one value changed."""
    known = tuple(parts(schema, root, Effort()))
    for name in dict.fromkeys(name for part in known for name in part.get("properties") or {}):
        nodes = of_property(known, name)
        said = tuple(part for node in nodes for part in parts(node, root, Effort()))
        if any(keyword_of(part).is_platforms for part in said):
            continue
        for place, value in _alternatives(values.get(name, _ABSENT), nodes, root, depth):
            changed = {key: copy.deepcopy(each) for key, each in values.items() if key != name}
            if value is not _ABSENT:
                changed[name] = value
            yield f"/{name}{place}", _at(value, place), changed


def _at(value: Any, place: str) -> Any:
    for step in place.split("/")[1:]:
        value = value[int(step)] if isinstance(value, list) else value.get(step, _ABSENT)
    return value


def _alternatives(
    given: Any, nodes: Sequence[Any], root: Mapping[str, Any], depth: int
) -> Iterator[tuple[str, Any]]:
    """What a property could be instead, and where in it that is another."""
    said = tuple(part for node in nodes for part in parts(node, root, Effort()))
    if given is not _ABSENT:
        yield "", _ABSENT
    for value in _choices(said, root, depth):
        if given is _ABSENT or canonical_json(value) != canonical_json(given):
            yield "", value
    sample = given if isinstance(given, Mapping | list) and given else next(_choices(said, root, depth), None)
    for node in nodes if depth else ():
        yield from _within(sample, node, root, depth - 1)


def _within(sample: Any, node: Any, root: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    """The same for what is in an object, or in the first item of a list."""
    if isinstance(sample, Mapping) and sample != _SECRET:
        for place, _, changed in _variations(sample, node, root, depth):
            yield place, changed
    elif isinstance(sample, list) and sample:
        for item in of_item(parts(node, root, Effort()), 0):
            for place, other in _alternatives(sample[0], [item], root, depth):
                if other is not _ABSENT:
                    yield f"/0{place}", [other, *sample[1:]]


def _choices(said: Sequence[Mapping[str, Any]], root: Mapping[str, Any], depth: int) -> Iterator[Any]:
    """Values that stand for all that the schema takes: each of a few, else one or two of many."""
    if any(says_secret(part.get(KEYWORD)) for part in said):
        yield copy.deepcopy(_SECRET)
        return
    for part in said:
        yield from part.get("examples") or ()
        yield from part.get("enum") or ([part["const"]] if "const" in part else ())
    types = {name for part in said for name in _names(part.get("type"))}
    if "boolean" in types:
        yield from (True, False)
    if "null" in types:
        yield None
    if any("enum" in part or "const" in part for part in said):
        return
    merged = {key: value for part in reversed(said) for key, value in part.items()}
    if types & {"integer", "number"}:
        yield from _numbers(merged, whole="number" not in types)
    elif "string" in types:
        yield from _text(merged, said)
    elif "array" in types and depth > 0:
        yield from _list(said, merged, root, depth)
    elif "object" in types and depth > 0:
        yield _object(said, root, depth)


def _names(said: Any) -> Sequence[str]:
    return [said] if isinstance(said, str) else said or ()


def _numbers(merged: Mapping[str, Any], *, whole: bool) -> Iterator[float]:
    """The least and the greatest: whatever threshold an expression has, one of them is on each side."""
    low = merged.get("minimum", merged.get("exclusiveMinimum", -1) + 1)
    high = merged.get("maximum", merged["exclusiveMaximum"] - 1 if "exclusiveMaximum" in merged else None)
    least = low if high is None else min(low, high)
    yield -int(-least // 1) if whole else least
    if high is not None and high > least:
        yield int(high // 1) if whole else high


def _text(merged: Mapping[str, Any], said: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of a text with a pattern only its author knows one; it may still be its default, or an example."""
    if merged.get("format") == QUANTITY:
        bounds = [keyword_of(part) for part in said]
        yield next(
            (each.minimum or each.maximum or "" for each in bounds if each.minimum or each.maximum), "1"
        )
    elif "pattern" not in merged and merged.get("format") in {None, "password"}:
        yield "x" * max(1, merged.get("minLength", 1))
    elif isinstance(merged.get("default"), str):
        yield merged["default"]


def _list(
    said: Sequence[Mapping[str, Any]], merged: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Iterator[list[Any]]:
    nodes = of_item(said, 0)
    items = tuple(part for node in nodes for part in parts(node, root, Effort()))
    item = next(_choices(items, root, depth - 1), _ABSENT)
    if item is not _ABSENT and merged.get("minItems", 1) <= 1:
        yield [item]
    if not merged.get("minItems"):
        yield []


def _object(said: Sequence[Mapping[str, Any]], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    found = {}
    for name in dict.fromkeys(name for part in said for name in part.get("required") or ()):
        nodes = of_property(said, name)
        below = tuple(part for node in nodes for part in parts(node, root, Effort()))
        value = next(_choices(below, root, depth - 1), _ABSENT)
        if value is not _ABSENT:
            found[name] = value
    return found


def claim_of(entry: TemplateEntry, case: Case) -> WorkloadClaim:
    """A new claim with these values."""
    return WorkloadClaim(
        key=ClaimKey(EXAMPLE, EXAMPLE),
        uid="",
        resource_version="",
        generation=1,
        spec=ClaimSpec(template_id=entry.id, workspace_id=EXAMPLE, values=dict(case.values)),
    )


def answer_of(entry: TemplateEntry, commit: str, profiles: Sequence[ProfileRevision]) -> CatalogAnswer:
    """What the catalog would say of the template, once it is published, to a claim that may have it."""
    return CatalogAnswer(
        template_exists=True,
        granted=True,
        placement=Placement(EXAMPLE, EXAMPLE, EXAMPLE),
        namespace_workspace=EXAMPLE,
        revision=TemplateRevision(entry.id, 1, entry.pinned(commit), entry.body),
        profiles=tuple(profiles),
        newest_profiles=tuple(each.ref for each in profiles),
    )


def example_profile(body: RevisionBody) -> ProfileRevision:
    """An environment that has everything, and each parameter that the template asks for."""
    fields = {
        "storageClass": EXAMPLE,
        "ingress": {
            "class": EXAMPLE,
            "domain": "apps.example.test",
            "annotations": {"example.test/ingress": EXAMPLE},
            "tls": {"secretName": EXAMPLE},
        },
        "loadBalancer": {"class": "example.test/example", "annotations": {"example.test/address": EXAMPLE}},
        "nodePorts": {"from": 30000, "to": 32767},
        "gpu": {"resource": "nvidia.com/gpu", "runtimeClass": EXAMPLE},
        "registry": {"prefix": "registry.example.test/mirror", "pullSecrets": [EXAMPLE]},
        "nodeSelector": {"example.test/pool": EXAMPLE},
        "tolerations": [{"key": "example.test/pool", "operator": "Exists", "effect": "NoSchedule"}],
        "labels": {"example.test/site": EXAMPLE},
        "proxy": {
            "http": "http://proxy.example.test:3128",
            "https": "http://proxy.example.test:3128",
            "noProxy": [".example.test"],
        },
        "parameters": dict(_parameters(body)),
    }
    return ProfileRevision(ProfileRef(id=EXAMPLE, revision=1), Layer.CLUSTER, fields)


def bare_profile() -> ProfileRevision:
    """An environment that says nothing but where hosts and ports may lie."""
    fields = {"ingress": {"domain": "apps.example.test"}, "nodePorts": {"from": 30000, "to": 32767}}
    return ProfileRevision(ProfileRef(id="bare", revision=1), Layer.CLUSTER, fields)


def _parameters(body: RevisionBody) -> Iterator[tuple[str, str]]:
    for mapping in body.mappings:
        paths = [] if mapping.from_ is None else [tuple(mapping.from_.split("."))]
        for expression in (mapping.value, mapping.when):
            paths += _paths(expression) if expression is not None else ()
        for steps in paths:
            if steps[:2] == ("profile", "parameters") and len(steps) > 2:
                yield steps[2], next(iter(mapping.components or ()), EXAMPLE)
    for part in _all_parts(body.values_schema):
        source = (keyword_of(part).from_ or "").split(".") if KEYWORD in part else []
        if source[:2] == ["profile", "parameters"]:
            yield source[2], next((each for each in part.get("enum") or () if isinstance(each, str)), EXAMPLE)


def _paths(expression: str) -> list[tuple[str, ...]]:
    try:
        return [reference.steps for reference in analyse(expression).references]
    except BadExpression:
        return []


def _all_parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        yield schema
        for below in schema.values():
            yield from _all_parts(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _all_parts(below)
