"""What a platform team and its users read of the values that a template takes."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.cli.value_rows import value_rows

TYPES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing said": ({}, "any"),
    "bounds": ({"type": "integer", "minimum": 1, "maximum": 500}, "integer 1..500"),
    "one bound": ({"type": ["integer", "null"], "minimum": 1}, "integer | null 1.."),
    "zero": ({"type": "number", "minimum": 0, "maximum": 0.5}, "number 0..0.5"),
    "a quantity": (
        {"type": "string", "format": "quantity", "x-ocdp": {"minimum": "1Gi", "maximum": "4Gi"}},
        "string 1Gi..4Gi",
    ),
    "choices": ({"enum": ["a", 1, None]}, "a | 1 | null"),
    "a list": ({"type": "array", "maxItems": 50}, "array, ..50 items"),
    "a secret": ({"type": "string", "x-ocdp": {"secret": True}}, "string, secret"),
    "a generated secret": ({"type": "string", "x-ocdp": {"generate": {"length": 24}}}, "string, secret"),
    "a hidden value": ({"type": "string", "x-ocdp": {"hidden": True}}, "string, set by the platform"),
}


@pytest.mark.parametrize(("node", "said"), TYPES.values(), ids=TYPES.keys())
def test_a_type_has_its_bounds_and_says_what_is_secret(node: dict[str, Any], said: str):
    assert list(value_rows({"properties": {"a": node}})) == [("a", said, "-", "")]


def test_values_inside_of_lists_and_maps_have_rows_of_their_own():
    name = {"type": "string", "title": "Name", "default": "x"}
    item = {"type": "object", "properties": {"name": name, "any": True}}
    schema = {
        "properties": {
            "models": {"type": "array", "description": "Several.", "items": item},
            "map": {"type": "object", "properties": {"name": name}},
        }
    }
    assert list(value_rows(schema)) == [
        ("models", "array", "-", "Several."),
        ("models[].name", "string", '"x"', "Name"),
        ("models[].any", "any", "-", ""),
        ("map", "object", "-", ""),
        ("map.name", "string", '"x"', "Name"),
    ]
