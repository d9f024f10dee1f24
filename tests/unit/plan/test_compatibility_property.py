"""Where nothing is said to break, nothing breaks: over schemas and values of any shape."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocdp_operator.errors import Stalled
from ocdp_operator.plan.compatibility import breaking_changes
from ocdp_operator.plan.values import fill, suggestion_faults

Schema = dict[str, Any]

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
