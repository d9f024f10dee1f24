"""What breaks claims when a template's schema changes: named, and never overlooked."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ocdp_operator.plan.compatibility import breaking_changes

Schema = dict[str, Any]


def of(properties: dict[str, Any], **rest: Any) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties, **rest}


def changes(before: Any, after: Any) -> tuple[str, ...]:
    """Of one property, ``a``."""
    return breaking_changes(of({"a": before}), of({"a": after}))


BREAKING: dict[str, tuple[Any, Any, str]] = {
    "minimum": ({"minimum": 1}, {"minimum": 5}, "/a: minimum raised from 1 to 5"),
    "a new minimum": ({}, {"minimum": 5}, "/a: minimum 5 added"),
    "maximum": ({"maximum": 9}, {"maximum": 5}, "/a: maximum lowered from 9 to 5"),
    "length": ({"maxLength": 9}, {"maxLength": 5}, "/a: maxLength lowered from 9 to 5"),
    "items": ({"minItems": 0}, {"minItems": 1}, "/a: minItems raised from 0 to 1"),
    "type": ({"type": ["integer", "null"]}, {"type": "integer"}, "/a: type null is not accepted any more"),
    "number": ({"type": "number"}, {"type": "integer"}, "/a: type fraction is not accepted any more"),
    "enum": ({"enum": ["x", "y"]}, {"enum": ["x"]}, '/a: "y" is not accepted any more'),
    "a new enum": ({"type": "string"}, {"enum": ["x"]}, "/a: only the values of enum are accepted now"),
    "switch": ({"type": "boolean"}, {"const": True}, "/a: false is not accepted any more"),
    "pattern": ({"pattern": "^a"}, {"pattern": "^a|b"}, "/a: pattern changed; that every value"),
    "a new pattern": ({}, {"pattern": "^a"}, "/a: pattern added"),
    "a new format": ({"type": "string"}, {"format": "quantity"}, "/a: format added"),
    "unique": ({}, {"uniqueItems": True}, "/a: uniqueItems added"),
    "multiple": ({"multipleOf": 4}, {"multipleOf": 3}, "/a: multipleOf changed from 4 to 3"),
    "condition": ({"anyOf": [{"minimum": 1}]}, {"anyOf": [{"minimum": 0}]}, "/a: anyOf changed; that every"),
    "a new secret": ({"type": "string"}, {"x-ocdp": {"secret": True}}, "/a: is a secret now"),
    "no secret": ({"x-ocdp": {"secret": True}}, {"type": "string"}, "/a: is no secret any more"),
    "null for a secret": (
        {"type": ["string", "null"], "x-ocdp": {"secret": True}},
        {"type": "string", "x-ocdp": {"secret": True}},
        "/a: type null is not accepted any more",
    ),
    "null for a secret that says no type now": (
        {"type": ["string", "null"], "x-ocdp": {"secret": True}},
        {"x-ocdp": {"secret": True}},
        "/a: type null is not accepted any more",
    ),
    "null for a secret that is generated now": (
        {"type": ["string", "null"], "x-ocdp": {"secret": True}},
        {"x-ocdp": {"generate": {}}},
        "/a: type null is not accepted any more",
    ),
    "null for a secret behind a condition that holds": (
        {"allOf": [{"type": ["string", "null"]}], "x-ocdp": {"secret": True}},
        {"type": "string", "x-ocdp": {"secret": True}},
        "/a: type null is not accepted any more",
    ),
    "null for a secret in a list": (
        {"items": {"type": ["string", "null"], "x-ocdp": {"secret": True}}},
        {"items": {"type": "string", "x-ocdp": {"secret": True}}},
        "/a/*: type null is not accepted any more",
    ),
    "null in a list": (
        {"items": {"type": ["string", "null"]}},
        {"items": {"type": "string"}},
        "/a/*: type null is not accepted any more",
    ),
    "not generated": (
        {"x-ocdp": {"generate": {}}},
        {"x-ocdp": {"secret": True}},
        "/a: is not generated any more",
    ),
    "hidden": ({}, {"default": 1, "x-ocdp": {"hidden": True}}, "/a: cannot be given any more"),
    "unit": ({"x-ocdp": {"unit": "Gi"}}, {"x-ocdp": {"unit": "Mi"}}, "/a: unit changed from Gi to Mi"),
    "quantity": (
        {"format": "quantity", "x-ocdp": {"minimum": "1Gi"}},
        {"format": "quantity", "x-ocdp": {"minimum": "1025Mi"}},
        "/a: minimum of the quantity changed from 1Gi to 1025Mi",
    ),
    "immutable default": (
        {"default": 1, "x-ocdp": {"immutable": True}},
        {"default": 2, "x-ocdp": {"immutable": True}},
        "/a: the default of an immutable value changed",
    ),
    "a source": (
        {"type": "integer"},
        {"type": "integer", "x-ocdp": {"from": "profile.parameters.size"}},
        "/a: comes from profile.parameters.size now; that it fits there cannot be proven",
    ),
    "an item": ({"items": of({"b": {}})}, {"items": of({})}, "/a/*/b: removed"),
    "an item's rule": ({"items": {}}, {"items": {"maxLength": 1}}, "/a/*: maxLength 1 added"),
    "within": (of({"b": {"maximum": 2}}), of({"b": {"maximum": 1}}), "/a/b: maximum lowered from 2 to 1"),
    "other fields": ({"type": "object"}, of({}), "/a: other values are not accepted any more"),
    "a free field with rules": (
        {"properties": {}},
        {"properties": {"b": {"minimum": 1}}},
        "/a/b: minimum 1 added",
    ),
    "a name of a pattern": (
        {"patternProperties": {"^b": {}}, "additionalProperties": False},
        {
            "patternProperties": {"^b": {}},
            "additionalProperties": False,
            "properties": {"b": {"minimum": 1}},
        },
        "/a/b: minimum 1 added",
    ),
}


@pytest.mark.parametrize(("before", "after", "says"), BREAKING.values(), ids=BREAKING.keys())
def test_a_narrower_property_is_named(before: Any, after: Any, says: str):
    assert any(each.startswith(says) for each in changes(before, after)), changes(before, after)


SAFE: dict[str, tuple[Any, Any]] = {
    "the same": ({"minimum": 1}, {"minimum": 1}),
    "a wider range": ({"minimum": 2, "maximum": 3}, {"minimum": 1, "maximum": 4}),
    "no range": ({"minimum": 2}, {}),
    "more types": ({"type": "integer"}, {"type": ["number", "null"]}),
    "more choices": ({"enum": ["x"]}, {"enum": ["x", "y"]}),
    "choices that fit": ({"enum": ["x", "y"]}, {"type": "string", "pattern": "^[xy]$"}),
    "no pattern": ({"pattern": "^a"}, {}),
    "words": ({"title": "A"}, {"title": "B", "description": "C", "examples": [1]}),
    "a form's format": ({"type": "string"}, {"type": "string", "format": "password"}),
    "a default": ({"type": "integer"}, {"type": "integer", "default": 3}),
    "a divisor": ({"multipleOf": 4}, {"multipleOf": 2}),
    "immutable": ({}, {"x-ocdp": {"immutable": True}}),
    "a longer secret": ({"x-ocdp": {"generate": {"length": 8}}}, {"x-ocdp": {"generate": {"length": 9}}}),
    "a secret's rules": ({"x-ocdp": {"secret": True}}, {"pattern": "^hf_", "x-ocdp": {"secret": True}}),
    "null for a secret": (
        {"type": "string", "x-ocdp": {"secret": True}},
        {"type": ["string", "null"], "x-ocdp": {"secret": True}},
    ),
    "null for a secret that stays": (
        {"type": ["string", "null"], "x-ocdp": {"secret": True}},
        {"type": ["null", "string"], "x-ocdp": {"generate": {}}},
    ),
    "a quantity": ({"x-ocdp": {"minimum": "1Gi"}}, {"x-ocdp": {"minimum": "1024Mi"}}),
    "a new field of an item": ({"items": of({"b": {}})}, {"items": of({"b": {}, "c": {"minimum": 1}})}),
}


@pytest.mark.parametrize(("before", "after"), SAFE.values(), ids=SAFE.keys())
def test_a_wider_property_breaks_nothing(before: Any, after: Any):
    assert changes(before, after) == ()


def test_a_property_that_goes_is_named_and_one_that_comes_is_fine():
    assert breaking_changes(of({"a": {}, "b": {}}), of({"a": {}, "c": {"minimum": 1}})) == ("/b: removed",)


def test_what_is_required_now_must_be_filled_in():
    for filled in ({"default": 1}, {"x-ocdp": {"generate": {}}}, {"x-ocdp": {"from": "claim.name"}}):
        assert breaking_changes(of({}), of({"a": filled}, required=["a"])) == ()
    for open_ in ({}, {"x-ocdp": {"secret": True}}, {"x-ocdp": {"from": "profile.storageClass"}}):
        (said,) = breaking_changes(of({}), of({"a": open_}, required=["a"]))
        assert said == "/a: is required now, and nothing fills it in"
    (said,) = breaking_changes(of({"a": {"default": 1}}, required=["a"]), of({"a": {}}, required=["a"]))
    assert said == "/a: is required now, and nothing fills it in"


CONDITION = {"if": {"properties": {"exposure": {"const": "ingress"}}}, "then": {"required": ["host"]}}


def test_a_condition_that_stays_breaks_nothing_unless_a_default_decides_it():
    exposure = {"enum": ["clusterip", "ingress"], "default": "clusterip"}
    old = of({"exposure": exposure, "host": {}}, **CONDITION)

    assert (
        breaking_changes(old, of({"exposure": exposure, "host": {}, "size": {"default": 1}}, **CONDITION))
        == ()
    )
    (said,) = breaking_changes(
        old, of({"exposure": exposure | {"default": "ingress"}, "host": {}}, **CONDITION)
    )
    assert said.startswith("/exposure: its default changed")


@pytest.mark.parametrize("first", ["p", "z"])
def test_what_is_referred_to_twice_is_judged_at_each_place(first: str):
    def schema(default: int) -> Schema:
        shared = of({"a": of({"b": {"default": default}})})
        listed = {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/x"}}
        return of({first: {"$ref": "#/$defs/x"}, "q": listed}, **{"$defs": {"x": shared}})

    (said,) = breaking_changes(schema(1), schema(2))
    assert said == "/q/*/a/b: its default changed, and other rules of the schema look at it"


def test_what_is_referred_to_is_judged_under_the_conditions_of_each_place():
    def schema(default: str) -> Schema:
        shared = {"properties": {"exposure": {"enum": ["clusterip", "ingress"], "default": default}}}
        inner = {"allOf": [CONDITION], "properties": {"x": {"$ref": "#/$defs/x"}}}
        return of({"p": {"$ref": "#/$defs/x"}, "q": inner}, **{"$defs": {"x": shared}})

    (said,) = breaking_changes(schema("clusterip"), schema("ingress"))
    assert said.startswith("/q/x/exposure: its default changed")


def test_schemas_that_refer_to_each_other_under_many_conditions_are_not_gone_through_for_ever():
    names = [f"n{index}" for index in range(24)]
    nodes = {
        name: {
            "properties": {other: {"$ref": f"#/$defs/{other}"} for other in names},
            "not": {"const": name},
        }
        for name in names
    }
    schema = of({"a": {"$ref": "#/$defs/n0"}}, **{"$defs": nodes})
    assert "/: changed; that every value of today still fits cannot be proven" in breaking_changes(
        schema, copy.deepcopy(schema)
    )


def test_references_are_followed_and_may_go_round():
    tree = {"tree": of({"left": {"$ref": "#/$defs/tree"}, "size": {"maximum": 9}})}
    old = of({"a": {"$ref": "#/$defs/tree"}}, **{"$defs": tree})
    lower = copy.deepcopy(old)
    lower["$defs"]["tree"]["properties"]["size"]["maximum"] = 8

    assert breaking_changes(old, copy.deepcopy(old)) == ()
    (said,) = breaking_changes(old, lower)
    assert said.endswith("/size: maximum lowered from 9 to 8")
