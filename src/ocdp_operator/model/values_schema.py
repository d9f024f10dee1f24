"""A template's values schema (JSON Schema 2020-12): what is wrong with it, and what it says of a path.

Nothing is fetched: every reference stays inside the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from ocdp_operator.model.effort import Effort
from ocdp_operator.model.expression import ITEM
from ocdp_operator.model.faults import Fault, dotted
from ocdp_operator.model.keyword import KEYWORD, keyword_faults, keyword_of
from ocdp_operator.model.patterns import BadPattern, pattern
from ocdp_operator.model.schema_parts import Steps, property_faults, referenced, subschemas
from ocdp_operator.model.wire import canonical_json

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA_BYTES: Final = 32 * 1024
"""Of canonical JSON."""
REFUSED_KEYWORDS: Final[Mapping[str, str]] = {
    "unevaluatedProperties": "what it would cost to check is not bounded: write additionalProperties",
    "unevaluatedItems": "what it would cost to check is not bounded: write items",
}
_ANCHORS: Final = ("$anchor", "$dynamicAnchor", "$dynamicRef")
_MAX_SHOWN: Final = 200
_APPLICATORS: Final = ("allOf", "anyOf", "oneOf")
_CONDITIONALS: Final = ("then", "else")


class ValuesSchema:
    """One schema for the ``values`` of claims."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.root = schema
        self._schema = schema
        self._resolver: Any = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()

    def faults(self) -> tuple[Fault, ...]:
        """Why this cannot be the schema of a template's values; empty when it can."""
        if len(canonical_json(self._schema)) > MAX_SCHEMA_BYTES:
            return (Fault("", f"a schema has at most {MAX_SCHEMA_BYTES} bytes of JSON"),)
        try:
            # Without the check of formats: it would take patterns for Python's.
            Draft202012Validator.check_schema(self._schema, format_checker=FormatChecker(()))
        except SchemaError as error:
            return (Fault(dotted(list(error.absolute_path)), _shortened(error.message)),)
        if self._schema.get("type") != "object":
            return (Fault("type", "the values of a claim are an object: write `type: object`"),)
        if self._schema.get("$schema", DIALECT) != DIALECT:
            return (Fault("$schema", f"only {DIALECT} is spoken here"),)
        nodes = tuple(subschemas(self._schema, ()))
        faults = [
            fault.under(dotted(steps)) if steps else fault
            for steps, node in nodes
            for fault in self._node_faults(node)
        ]
        return tuple(faults or property_faults(self._schema, nodes))

    def declared_at(self, steps: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
        """The subschemas that describe the property at this path; empty when the schema declares no such property.

        The step ``[]`` stands for any item of a list.

        Raises TooMuchWork for a schema that would take for ever, and BadPattern for a pattern that nothing can match.
        """
        return tuple(self._find(self._schema, tuple(steps), frozenset(), Effort()))

    def sources(self) -> Iterator[tuple[Steps, str]]:
        """Every ``x-ocdp.from`` of a schema without faults, and where it is."""
        for steps, node in subschemas(self._schema):
            if (source := keyword_of(node).from_) is not None:
                yield (*steps, KEYWORD, "from"), source

    def _node_faults(self, node: Mapping[str, Any]) -> Iterator[Fault]:
        if KEYWORD in node:
            yield from (Fault(dotted(steps), message) for steps, message in keyword_faults(node))
        if "$id" in node:
            yield Fault("$id", "a schema inside the schema is not supported; use $defs and a local $ref")
        reference = node.get("$ref")
        if reference is not None and not self._resolves(reference):
            names = f"{_shortened(reference)!r} names nothing inside this schema"
            yield Fault("$ref", f"{names}: write # or #/ and names, such as #/$defs/port; nothing is fetched")
        for keyword in _ANCHORS:
            if keyword in node:
                yield Fault(
                    keyword, "is not supported: refer to a schema by #/ and names, such as #/$defs/port"
                )
        for keyword, why in REFUSED_KEYWORDS.items():
            if keyword in node:
                yield Fault(keyword, why)
        for keyword, text in _patterns(node):
            try:
                pattern(text)
            except BadPattern as error:
                yield Fault(keyword, f"{_shortened(repr(text))} cannot be used: {error}")

    def _resolves(self, reference: str) -> bool:
        """Whether it means one schema to everything that follows it; an anchor means none to the search for ``x-ocdp``."""
        if reference != "#" and not reference.startswith("#/"):
            return False
        try:
            found = self._resolver.lookup(reference).contents
        except Unresolvable:
            return False
        return isinstance(found, Mapping | bool) and found is referenced(reference, self.root)

    def _find(
        self, node: Any, steps: tuple[str, ...], seen: frozenset[tuple[str, int]], effort: Effort
    ) -> Iterator[Mapping[str, Any]]:
        effort.spend()
        if not isinstance(node, Mapping):
            return
        if not steps:
            yield node
        for child in _children(node, steps[0], effort) if steps else ():
            yield from self._find(child, steps[1:], seen, effort)
        for keyword in _APPLICATORS:
            for child in node.get(keyword, ()):
                yield from self._find(child, steps, seen, effort)
        for keyword in _CONDITIONALS:
            yield from self._find(node.get(keyword), steps, seen, effort)
        reference = node.get("$ref")
        if reference is not None and (reference, len(steps)) not in seen and self._resolves(reference):
            target = self._resolver.lookup(reference).contents
            yield from self._find(target, steps, seen | {(reference, len(steps))}, effort)


def _children(node: Mapping[str, Any], name: str, effort: Effort) -> Iterator[Any]:
    if name == ITEM:
        yield from (*node.get("prefixItems", ()), node.get("items"))
        return
    if name in node.get("properties", {}):
        yield node["properties"][name]
        return
    matching = [
        child for text, child in node.get("patternProperties", {}).items() if _matches(text, name, effort)
    ]
    yield from matching or [node.get("additionalProperties")]


def _matches(text: str, name: str, effort: Effort) -> bool:
    known = pattern(text)
    effort.spend(known.steps_for(name))
    return known.found_in(name)


def _patterns(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "pattern" in node:
        yield "pattern", node["pattern"]
    for text in node.get("patternProperties", ()):
        yield "patternProperties", text


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
