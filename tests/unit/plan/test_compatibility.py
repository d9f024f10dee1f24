"""What breaks claims when a template's schema changes: named, and never overlooked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocdp_operator.errors import Stalled
from ocdp_operator.plan.compatibility import breaking_changes
from ocdp_operator.plan.values import fill, suggestion_faults

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


SCALARS = st.sampled_from(
    [
        {},
        {"type": "integer"},
        {"type": "number"},
        {"type": "string"},
        {"type": ["string", "null"]},
        {"type": "boolean"},
        {"minimum": 2},
        {"type": "integer", "minimum": 1, "maximum": 3},
        {"type": "integer", "exclusiveMinimum": 1},
        {"multipleOf": 2},
        {"enum": ["a", 2, None]},
        {"enum": ["a"]},
        {"const": 2},
        {"type": "string", "minLength": 1},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^a"},
        {"type": "string", "format": "quantity", "x-ocdp": {"minimum": "1"}},
        {"not": {"const": 2}},
        {"$ref": "#/$defs/d"},
        {"type": "string", "x-ocdp": {"secret": True}},
        {"x-ocdp": {"generate": {}}},
        {"default": 2, "x-ocdp": {"hidden": True}},
        True,
        False,
    ]
)
SMALL = st.sampled_from([None, True, 0, 1, 2, 2.5, 4, "", "a", "ab", "abc", "2"])


def rules_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.dictionaries(st.sampled_from(["p", "q", "r"]), inner, max_size=3)
    objects = st.fixed_dictionaries(
        {"properties": names},
        optional={
            "type": st.just("object"),
            "additionalProperties": st.sampled_from([True, False, {"type": "integer"}]),
            "required": st.lists(st.sampled_from(["p", "q"]), max_size=2, unique=True),
            "maxProperties": st.sampled_from([1, 2]),
            "patternProperties": st.just({"^p": {"type": "integer"}}),
            "dependentRequired": st.just({"p": ["q"]}),
            "if": st.just({"required": ["p"]}),
            "then": st.just({"required": ["q"]}),
            "default": st.just({}),
        },
    )
    lists = st.fixed_dictionaries(
        {"items": inner},
        optional={
            "type": st.just("array"),
            "maxItems": st.sampled_from([1, 2]),
            "uniqueItems": st.booleans(),
            "default": st.just([]),
        },
    )
    return objects | lists | st.tuples(inner, SMALL).map(_with_default)


def _with_default(pair: tuple[Any, Any]) -> Any:
    node, default = pair
    return node | {"default": default} if isinstance(node, dict) and "x-ocdp" not in node else node


NODES = st.recursive(SCALARS, rules_of, max_leaves=6)
ROOTS = rules_of(NODES).filter(lambda node: isinstance(node, dict) and "properties" in node)
VALUES = st.recursive(
    SMALL | st.just({"secretKeyRef": {"name": "x", "key": "k"}}),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["p", "q", "r", "s"]), inner, max_size=3)
    ),
    max_leaves=6,
)
DEFINITIONS = st.sampled_from([{"d": {"type": "integer"}}, {"d": {"type": "number", "minimum": 2}}])


def _varied(root: Any, draw: Any) -> Any:
    """The same schema with one thing in it changed; most schemas drawn apart have nothing to do with each other."""
    changed = copy.deepcopy(root)
    node = changed
    while isinstance(node.get("properties"), dict) and node["properties"] and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(node["properties"])))
        below = node["properties"][name]
        if not isinstance(below, dict) or draw(st.booleans()):
            node["properties"][name] = draw(NODES)
            return changed
        node = below
    keyword = draw(
        st.sampled_from(["required", "additionalProperties", "properties", "default", "type", "minimum"])
    )
    node.pop(keyword, None) if draw(st.booleans()) else node.update(draw(ROOTS))
    return changed


def says_nothing(old: Schema, new: Schema) -> bool:
    """Whether the pair is of no use: it breaks, or no publishing would let it pass."""
    return bool(breaking_changes(old, new)) or any(
        fault for each in (old, new) for fault in suggestion_faults(each)
    )


def accepted(values: Any, schema: Schema) -> bool:
    try:
        fill(values, schema, {"claim": {"name": "ide"}})
    except Stalled as error:
        return "cannot be used" in error.message  # a schema that no publishing would let pass says nothing
    return True


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_where_nothing_breaks_every_value_of_today_is_accepted_tomorrow(data: st.DataObject):
    old = data.draw(ROOTS) | {"$defs": data.draw(DEFINITIONS)}
    new = _varied(old, data.draw) | {"$defs": data.draw(DEFINITIONS)}
    if says_nothing(old, new):
        return
    for values in data.draw(
        st.lists(VALUES.filter(lambda each: isinstance(each, dict)), min_size=5, max_size=20)
    ):
        if accepted(values, old):
            assert accepted(values, new), (values, old, new)


KEYWORDS: dict[str, list[Any]] = {
    "type": ["integer", "number", "string", "boolean", ["string", "null"], ["integer", "null"]],
    "minimum": [1, 2],
    "exclusiveMinimum": [1, 2],
    "maximum": [2, 4],
    "multipleOf": [2, 4],
    "minLength": [1, 2],
    "maxLength": [1, 2],
    "pattern": ["^a", "b$"],
    "format": ["quantity", "date"],
    "enum": [["a", 2, None], ["a"], [True, 2.5]],
    "const": [2, "a"],
    "not": [{"const": 2}, {"type": "string"}],
    "anyOf": [[{"type": "integer"}, {"maxLength": 1}]],
    "minItems": [1],
    "maxItems": [1],
    "uniqueItems": [True],
    "items": [{"type": "integer"}, {"type": "integer", "minimum": 2}],
    "default": [2, "a"],
    "x-ocdp": [
        {"secret": True},
        {"generate": {}},
        {"minimum": "2"},
        {"from": "claim.name"},
        {"from": "profile.x"},
    ],
}
"""Keywords of one property with what each may say."""
AROUND: dict[str, list[Any]] = {
    "required": [["a"]],
    "additionalProperties": [False, {"type": "integer"}],
    "minProperties": [1],
    "maxProperties": [1],
    "if": [{"required": ["a"]}, {"properties": {"a": {"const": 2}}}],
    "then": [{"required": ["b"]}, {"minProperties": 2}],
    "dependentRequired": [{"a": ["b"]}],
}
EVERYTHING: list[Any] = [
    None, True, False, 0, 1, 2, 2.5, 3, 4, 5, "", "a", "ab", "b", "2", "2000-01-01", [], [1], [2], [2, 2], [2, 3], {},
    {"secretKeyRef": {"name": "x", "key": "k"}},
]  # fmt: skip
"""Instead of drawing values, all of these are tried."""


def some_of(keywords: dict[str, list[Any]], most: int) -> st.SearchStrategy[dict[str, Any]]:
    chosen = st.lists(st.sampled_from(sorted(keywords)), max_size=most, unique=True)
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries({name: st.sampled_from(keywords[name]) for name in names})
    )


@st.composite
def two_revisions(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """A schema of one property, and another that keeps what it says but for one or two keywords."""
    said, around = draw(some_of(KEYWORDS, 3)), draw(some_of(AROUND, 2))
    says = {key: rule for key, rule in said.items() if draw(st.booleans())} | draw(some_of(KEYWORDS, 1))
    around_now = {key: rule for key, rule in around.items() if draw(st.booleans())} | draw(some_of(AROUND, 1))
    return {"properties": {"a": said}, **around}, {"properties": {"a": says}, **around_now}


@settings(max_examples=600, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(two_revisions())
def test_of_one_property_no_change_is_overlooked(revisions: tuple[Schema, Schema]):
    old, new = revisions
    if says_nothing(old, new):
        return
    given_values = [
        {},
        {"b": 1},
        *({"a": value} for value in EVERYTHING),
        *({"a": value, "b": 1} for value in EVERYTHING),
    ]
    for values in given_values:
        if accepted(values, old):
            assert accepted(values, new), values
