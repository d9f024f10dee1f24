"""A template's values as a table: one row for each that a claim can give, those inside lists and maps too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ocdp_operator.model.keyword import keyword_of
from ocdp_operator.model.wire import canonical_json

COLUMNS: Final = ("VALUE", "TYPE", "DEFAULT", "DESCRIPTION")


def value_rows(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """The cells of COLUMNS, for the properties that the schema itself lists; what is behind a ``$ref`` is not followed."""
    for name, each in schema.get("properties", {}).items():
        node = each if isinstance(each, dict) else {}
        default = _json(node["default"]) if "default" in node else "-"
        described = str(node.get("description") or node.get("title") or "")
        yield f"{path}{name}", ", ".join(_facts(node)), default, described
        yield from value_rows(node, f"{path}{name}.")
        items = node.get("items")
        if isinstance(items, dict):
            yield from value_rows(items, f"{path}{name}[].")


def _facts(node: Mapping[str, Any]) -> Iterator[str]:
    keyword = keyword_of(node)
    numbers = _bounds(node.get("minimum"), node.get("maximum"))
    quantities = _bounds(keyword.minimum, keyword.maximum)
    yield " ".join(part for part in (_type(node), numbers, quantities) if part)
    if items := _bounds(node.get("minItems"), node.get("maxItems")):
        yield f"{items} items"
    if keyword.is_secret:
        yield "secret"
    if keyword.is_platforms:
        yield "set by the platform"


def _type(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return " | ".join(value if isinstance(value, str) else _json(value) for value in node["enum"])
    declared = node.get("type", "any")
    return declared if isinstance(declared, str) else " | ".join(declared)


def _bounds(least: Any, most: Any) -> str:
    """``1..500``; an end that is open is left out."""
    return "" if least is None and most is None else f"{_end(least)}..{_end(most)}"


def _end(bound: Any) -> str:
    return "" if bound is None else str(bound)


def _json(value: Any) -> str:
    return canonical_json(value).decode()
