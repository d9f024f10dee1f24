"""The schema of a template's values: faults in it, and what it says of paths."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.values_schema import ValuesSchema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "limits": {"$ref": "#/$defs/limits"},
        "$ref": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "tree": {"$ref": "#/$defs/tree"},
        "free": {"type": "object"},
    },
    "allOf": [
        {
            "if": {"properties": {"name": {"const": "x"}}},
            "then": {"properties": {"extra": {"type": "integer"}}},
        }
    ],
    "$defs": {
        "limits": {"type": "object", "properties": {"cpu": {"type": "number"}}},
        "tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}},
    },
}


def test_a_sound_schema_has_no_faults():
    assert ValuesSchema(SCHEMA).faults() == ()


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        (
            {"$ref": "https://example.test/schema.json"},
            "$ref: 'https://example.test/schema.json' names nothing",
        ),
        ({"$ref": "other.json"}, "$ref: 'other.json' names nothing"),
        ({"$ref": "#/$defs/nowhere"}, "$ref: '#/$defs/nowhere' names nothing"),
        ({"$dynamicRef": "https://example.test/"}, "$dynamicRef: "),
        ({"$id": "https://example.test/inner"}, "$id: a schema inside the schema"),
        ({"pattern": "("}, "pattern: '(' cannot be used: missing )"),
        ({"pattern": "(?=a)"}, "pattern: '(?=a)' cannot be used: invalid perl operator"),
        (
            {"pattern": "x" * 513},
            f"pattern: '{'x' * 198}… cannot be used: a pattern has at most 512 characters",
        ),
        ({"patternProperties": {"(": {}}}, "patternProperties: '(' cannot be used: missing )"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties: what it would cost"),
        ({"minimum": "1"}, "properties.a.minimum: "),
    ],
    ids=[
        "remote",
        "relative",
        "dangling",
        "dynamic",
        "id",
        "regex",
        "look-ahead",
        "long pattern",
        "name pattern",
        "unevaluated",
        "keyword",
    ],
)
@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
def test_what_cannot_be_published_is_named(node: dict[str, Any], fault: str, deep: bool):
    inner = {"items": {"anyOf": [node]}} if deep else node
    faults = [str(each) for each in ValuesSchema({"type": "object", "properties": {"a": inner}}).faults()]
    assert any(
        fault.rsplit("properties.a.", maxsplit=1)[-1].split(": ", maxsplit=1)[0] in each for each in faults
    ), faults
    if not deep:
        assert any(each.startswith(fault) for each in faults), faults


def test_data_that_looks_like_a_reference_is_data():
    schema = {
        "type": "object",
        "properties": {"a": {"default": {"$ref": "https://example.test/"}, "const": {"$id": 1}}},
    }
    assert ValuesSchema(schema).faults() == ()


def test_another_dialect_is_refused():
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    assert "2020-12" in str(ValuesSchema(schema).faults()[0])


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        ("name", True),
        ("limits.cpu", True),
        ("limits.gpu", False),
        ("$ref", True),
        ("labels.anything", True),
        ("extra", True),
        ("tree.left.left.left", True),
        ("tree.right", False),
        ("free.anything", False),
        ("name.length", False),
        ("nothing", False),
    ],
)
def test_a_path_is_declared_only_where_the_schema_names_it(path: str, declared: bool):
    assert bool(ValuesSchema(SCHEMA).declared_at(path.split("."))) is declared


def test_a_reference_to_itself_ends():
    looped = ValuesSchema({"type": "object", "allOf": [{"$ref": "#"}]})
    assert looped.declared_at(["a"]) == ()
