"""A traced value: its leaves know who set them, whatever stands around them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.plan.tracing import Traced, Within, leaves, traced, untraced

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "no", "1"]),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "x", "a/b"]), below, max_size=3)
    ),
    max_leaves=12,
)


def layered(*values: Any) -> Traced[int]:
    """The last value, each one a layer of its own, counted from 0."""
    node: Traced[int] | None = None
    for layer, value in enumerate(values):
        node = traced(value, layer, node)
    assert node is not None
    return node


def owners(node: Traced[int]) -> dict[str, int]:
    return {pointer: leaf.layer for pointer, leaf in leaves(node)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([{"a": 1, "b": 2}, {"a": 1, "b": 3}], {"/a": 0, "/b": 1}, id="a changed field"),
        pytest.param([{"a": 1}, {"a": 1, "c/d": 3}], {"/a": 0, "/c~1d": 1}, id="a new field"),
        pytest.param([{"a": 1}, {"a": 2}, {"a": 1}], {"/a": 2}, id="changed back: the last one did it"),
        pytest.param([{"a": {}}, {"a": {"b": 1}}], {"/a/b": 1}, id="an empty map is filled"),
        pytest.param([{"a": True}, {"a": 1}], {"/a": 1}, id="true is not 1"),
        pytest.param(
            [[{"name": "x", "v": 1}], [{"name": "new", "v": 1}, {"name": "x", "v": 1}]],
            {"/0/name": 1, "/0/v": 1, "/1/name": 0, "/1/v": 0},
            id="an item before others makes nobody their author",
        ),
        pytest.param(
            [[{"name": "x", "v": 1}, {"name": "y", "v": 1}], [{"name": "y", "v": 2}]],
            {"/0/name": 0, "/0/v": 1},
            id="an item that is gone",
        ),
        pytest.param(
            [["serve", "--x"], ["serve", "--y", "--x"]], {"/0": 0, "/1": 1, "/2": 0}, id="arguments"
        ),
        pytest.param(
            [Within({"port": 1}), Within({"port": 1, "host": "h"})], {"#/port": 0, "#/host": 1}, id="a file"
        ),
        pytest.param(["text", Within({"port": 1})], {"#/port": 1}, id="a text that becomes a file"),
    ],
)
def test_a_leaf_is_of_the_last_layer_that_changed_it(values: list[Any], expected: dict[str, int]) -> None:
    assert owners(layered(*values)) == expected


@given(st.lists(_JSON, min_size=1, max_size=4))
def test_every_leaf_has_exactly_one_layer_and_the_value_stays_what_it_is(values: list[Any]) -> None:
    node = layered(*values)

    pointers = [pointer for pointer, _ in leaves(node)]
    assert untraced(node) == values[-1]
    assert len(pointers) == len(set(pointers))
    assert all(leaf.layer in range(len(values)) for _, leaf in leaves(node))


@given(_JSON)
def test_a_layer_that_changes_nothing_sets_nothing(value: Any) -> None:
    assert set(owners(layered(value, value)).values()) <= {0}
