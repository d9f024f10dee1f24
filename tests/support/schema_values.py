"""Values that a template's schema accepts, made from the schema: a strategy of hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.support.every_target import JSON, REFERENCE, TEXTS

Schema = Mapping[str, Any]

_QUANTITIES = st.sampled_from(["500m", "1", "2", "0.5", "4", "1536Mi", "2Gi", "8Gi", "16Gi", "1e3"])


def values_of(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of the schema; what it says of several properties together is for a check to judge."""
    return _of(schema, schema)


def _of(node: Schema, root: Schema) -> st.SearchStrategy[Any]:
    if "$ref" in node:
        found: Any = root
        for step in node["$ref"].split("/")[1:]:
            found = found[step]
        return _of(found, root)
    keyword = node.get("x-ocdp", {})
    if keyword.get("secret") or "generate" in keyword:
        return REFERENCE
    if "enum" in node:
        return st.sampled_from(node["enum"])
    kinds = node.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_of_type(kind, node, root) for kind in kinds])


def _of_type(kind: str, node: Schema, root: Schema) -> st.SearchStrategy[Any]:
    made = {
        "string": lambda: _text(node),
        "array": lambda: _list(node, root),
        "object": lambda: _object(node, root),
    }
    if kind in made:
        return made[kind]()
    low, high = node.get("minimum", -(10**6)), node.get("maximum", 10**6)
    plain = {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(low, high),
        "number": st.floats(low, high, allow_nan=False) | st.sampled_from([low, high]),
    }
    return plain.get(kind, JSON)


def _list(node: Schema, root: Schema) -> st.SearchStrategy[list[Any]]:
    item = node.get("items", {})
    least = node.get("minItems", 0)
    by_name = (lambda each: each["name"]) if "name" in item.get("required", ()) else None
    most = min(node.get("maxItems", 4), max(least, 4))
    return st.lists(_of(item, root), min_size=least, max_size=most, unique_by=by_name)


def _text(node: Schema) -> st.SearchStrategy[str]:
    if node.get("format") == "quantity":
        return _QUANTITIES
    known = st.sampled_from(node["examples"]) if node.get("examples") else st.nothing()
    if "pattern" not in node:
        return known | TEXTS.filter(lambda text: len(text) <= node.get("maxLength", len(text)))
    return known | st.from_regex(node["pattern"], fullmatch=True).filter(
        lambda text: node.get("minLength", 0) <= len(text) <= node.get("maxLength", 200)
    )


def _object(node: Schema, root: Schema) -> st.SearchStrategy[dict[str, Any]]:
    properties = {name: _of(below, root) for name, below in node.get("properties", {}).items()}
    for name, below in node.get("properties", {}).items():
        keyword = below.get("x-ocdp", {})
        if keyword.get("hidden") or keyword.get("readonly"):
            properties.pop(name)  # the platform's to set
    required = {name: properties.pop(name) for name in node.get("required", ()) if name in properties}
    return st.fixed_dictionaries(required, optional=properties)
