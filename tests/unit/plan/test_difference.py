"""Fields that differ between two states of an object."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.plan.difference import ABSENT, comparable, differences
from ocdp_operator.plan.tracing import Within

CASES: dict[str, tuple[Any, Any, list[tuple[str, Any, Any]]]] = {
    "nothing": ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, []),
    "a value": ({"a": 1}, {"a": 2}, [("/a", 1, 2)]),
    "true is not 1": ({"a": True}, {"a": 1}, [("/a", True, 1)]),
    "a new map, field by field": (
        {},
        {"a": {"b": 1, "c/d": 2}},
        [("/a/b", ABSENT, 1), ("/a/c~1d", ABSENT, 2)],
    ),
    "a field that goes": ({"a": {"b": 1}}, {}, [("/a", {"b": 1}, ABSENT)]),
    "an item in front": (
        [{"name": "x", "v": 1}],
        [{"name": "new"}, {"name": "x", "v": 2}],
        [("/0/name", ABSENT, "new"), ("/1/v", 1, 2)],
    ),
    "an item that goes": ([{"name": "x"}, {"name": "y"}], [{"name": "y"}], [("/0", {"name": "x"}, ABSENT)]),
    "inside a file": (
        {"data": {"c.yaml": Within({"a": 1})}},
        {"data": {"c.yaml": Within({"a": 2})}},
        [("/data/c.yaml#/a", 1, 2)],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES.keys())
def test_fields_that_differ_are_named(old: Any, new: Any, expected: list[tuple[str, Any, Any]]) -> None:
    assert [(each.pointer, each.old, each.new) for each in differences(old, new)] == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a"]),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["name", "x"]), below, max_size=2)
    ),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_no_difference_is_invented(one: Any, other: Any) -> None:
    assert not list(differences(one, one))
    if not list(differences(one, other)):
        assert unordered(one) == unordered(other)


def unordered(value: Any) -> str:
    """The value as JSON, with everything in it in one order."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(sorted(f"{json.dumps(key)}:{unordered(each)}" for key, each in value.items()))
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(sorted(map(unordered, value))) + "]"
    return json.dumps(value)


def test_what_the_server_keeps_for_itself_is_not_compared() -> None:
    body = {
        "kind": "Service",
        "metadata": {
            "name": "x",
            "uid": "1",
            "resourceVersion": "7",
            "managedFields": [],
            "labels": {"a": "b"},
        },
        "status": {"loadBalancer": {}},
    }
    assert comparable(body) == {"kind": "Service", "metadata": {"name": "x", "labels": {"a": "b"}}}
