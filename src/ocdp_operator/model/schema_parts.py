"""The parts of a values schema with the path to each, and the properties that they declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from ocdp_operator.model.faults import Fault, dotted
from ocdp_operator.model.keyword import KEYWORD, MAX_IMMUTABLE

Steps: TypeAlias = tuple[str | int, ...]
Part: TypeAlias = tuple[Steps, Mapping[str, Any]]
"""A schema, and the way to it from the root."""

_BY_NAME: Final = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_IN_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_ALONE: Final = (
    "items",
    "additionalProperties",
    "propertyNames",
    "contains",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_BELOW: Final = ("items", "additionalProperties", "patternProperties", "prefixItems")
"""Where properties are declared, beside ``properties``: what only restricts them (``if``, ``not``, ...) is none."""
_UNSEEN: Final = (
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "contains",
    "propertyNames",
    "contentSchema",
)
"""What a claim's values are judged by, and nothing else: nobody looks below for what ``x-ocdp`` says."""
MAX_PATH: Final = 200
"""Characters of the path of an immutable property."""


_NOT_HERE: Final = "nothing looks for it here: write it at a property, behind its $ref or in its allOf"
_NOT_FROM_HERE: Final = (
    f"leads to {KEYWORD}, and nothing looks for that from here: say here what is checked, without it"
)


def subschemas(schema: Any, steps: Steps = ()) -> Iterator[Part]:
    """The schema and everything in it that is a schema too."""
    if not isinstance(schema, Mapping):
        return
    yield steps, schema
    for keyword in (*_BY_NAME, *_IN_LISTS, *_ALONE):
        for below, child in _held(schema, keyword):
            yield from subschemas(child, (*steps, *below))


def _held(schema: Mapping[str, Any], keyword: str) -> Iterator[tuple[Steps, Any]]:
    held = schema.get(keyword)
    if keyword in _ALONE:
        yield (keyword,), held
    elif isinstance(held, Mapping):
        yield from (((keyword, name), child) for name, child in held.items())
    elif isinstance(held, list):
        yield from (((keyword, index), child) for index, child in enumerate(held))


def declared(
    root: Mapping[str, Any], start: Any = None
) -> Iterator[tuple[Steps, bool, tuple[Mapping[str, Any], ...]]]:
    """Everything that values can be made of: where it is declared, whether by name, and all parts that speak of it.

    ``start``: a part of the schema to begin at; None: all of it.

    Each part of the schema is looked into once, so that a schema that refers to itself ends.
    """
    waiting: list[tuple[Steps, bool, Any]] = [((), False, root if start is None else start)]
    seen: set[int] = set()
    while waiting:
        steps, named, node = waiting.pop(0)
        speaking = tuple(_parts(node, steps, root))
        yield steps, named, tuple(part for _, part in speaking)
        for place, part in speaking:
            if id(part) in seen:
                continue
            seen.add(id(part))
            for keyword in ("properties", *_BELOW):
                for below, child in _held(part, keyword):
                    waiting.append(((*place, *below), keyword == "properties", child))


def _parts(node: Any, steps: Steps, root: Mapping[str, Any]) -> Iterator[Part]:
    """The node, what it refers to, and what holds with it."""
    waiting: list[tuple[Steps, Any]] = [(steps, node)]
    seen: set[int] = set()
    while waiting:
        place, part = waiting.pop(0)
        if not isinstance(part, Mapping) or id(part) in seen:
            continue
        seen.add(id(part))
        yield place, part
        if isinstance(part.get("$ref"), str):
            waiting.append(_referenced(part["$ref"], root))
        waiting += [((*place, *below), child) for below, child in _held(part, "allOf")]


def _referenced(reference: str, root: Mapping[str, Any]) -> tuple[Steps, Any]:
    steps = tuple(
        step.replace("~1", "/").replace("~0", "~")
        for step in unquote(reference.removeprefix("#")).split("/")[1:]
    )
    found: Any = root
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return steps, found


def property_faults(schema: Mapping[str, Any], parts: Sequence[Part]) -> Iterator[Fault]:
    """What properties lack, and ``x-ocdp`` where nothing looks for it; ``parts`` are all ``subschemas``.

    Each ``x-ocdp`` must be one that can be read.
    """
    by_pattern = _reached_by_pattern(schema, parts)
    looked_for: set[int] = set()
    immutable = 0
    for steps, named, speaking in declared(schema):
        looked_for |= {id(part) for part in speaking} - by_pattern
        if not named:
            if not by_pattern.issuperset(map(id, speaking)):
                yield from _nameless_faults(steps, speaking)
            continue
        lacking = [key for key in ("title", "description") if not any(part.get(key) for part in speaking)]
        if lacking:
            yield Fault(dotted(steps), f"give it a {' and a '.join(lacking)}: that is what people see of it")
        if any(_says(part, "immutable") for part in speaking):
            immutable += 1
            yield from _immutable_faults(steps, speaking)
    if immutable > MAX_IMMUTABLE:
        yield Fault("", f"at most {MAX_IMMUTABLE} properties can be immutable")
    unseen = {(*steps, KEYWORD) for steps, part in parts if KEYWORD in part and id(part) not in looked_for}
    for steps in sorted(unseen | {*_unseen(schema, parts)}, key=str):
        yield Fault(dotted(steps), _NOT_HERE if steps[-1] == KEYWORD else _NOT_FROM_HERE)


def _unseen(root: Mapping[str, Any], parts: Sequence[Part]) -> Iterator[Steps]:
    """Every ``x-ocdp`` below what only judges, and every ``$ref`` there that leads to one."""
    for steps, part in parts:
        for keyword in _UNSEEN:
            for below, child in _held(part, keyword):
                for place, inner in subschemas(child, (*steps, *below)):
                    if KEYWORD in inner:
                        yield (*place, KEYWORD)
                    if "$ref" in inner and _leads_to_keyword(inner["$ref"], root):
                        yield (*place, "$ref")


def _leads_to_keyword(reference: str, root: Mapping[str, Any]) -> bool:
    waiting, known = [reference], {reference}
    while waiting:
        for _, part in subschemas(_referenced(waiting.pop(), root)[1]):
            if KEYWORD in part:
                return True
            further = part.get("$ref", reference)
            if further not in known:
                known.add(further)
                waiting.append(further)
    return False


def _immutable_faults(steps: Steps, speaking: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    inside = any(step in _BELOW and before != "properties" for before, step in pairwise(("", *steps)))
    if inside or len(dotted(steps)) > MAX_PATH:
        message = "cannot be immutable: only a property that is in no list and has a short path can"
        yield Fault(dotted(steps), message)
    if any(_says(part, said) for part in speaking for said in ("hidden", "readonly")):
        message = "cannot be immutable: the platform sets it, and the user could not set it back"
        yield Fault(dotted((*steps, KEYWORD)), message)


def _reached_by_pattern(root: Mapping[str, Any], parts: Sequence[Part]) -> frozenset[int]:
    """Parts that say something of a property by a pattern of its name. Nothing looks for ``x-ocdp`` in them."""
    children = [child for _, part in parts for _, child in _held(part, "patternProperties")]
    reached = declared(root, {"allOf": children})
    return frozenset(id(part) for _, _, speaking in reached for part in speaking)


def _nameless_faults(steps: Steps, speaking: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """What only a property with a name can be: an item, or any other property, has nobody who sets it for the claim."""
    for said in ("immutable", "hidden", "readonly", "from"):
        if any(_says(part, said) for part in speaking):
            message = "is for a property with a name: this describes items, other properties or the whole"
            yield Fault(dotted((*steps, KEYWORD, said)), message)


def _says(part: Mapping[str, Any], name: str) -> bool:
    said = part.get(KEYWORD)
    return isinstance(said, Mapping) and bool(said.get(name))


def referenced(reference: str, root: Mapping[str, Any]) -> Any:
    """The part that ``#`` or ``#/...`` points at, by names alone; None: nothing, or something behind a list."""
    return _referenced(reference, root)[1]
