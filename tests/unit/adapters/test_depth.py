"""Documents nested deeper than a parser follows."""

from __future__ import annotations

import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.adapters.cluster.depth import MAX_LEVELS, parse, readable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab{}[]"\\', max_size=5), inner, max_size=4),
    max_leaves=40,
)  # fmt: skip


def nested(levels: int, inner: str = "1") -> str:
    return '{"a": [' * levels + inner + "]}" * levels


def levels_of(value) -> int:
    levels = 0
    while value is not None:
        value = value["a"] if isinstance(value, dict) else value[0]
        levels += 1
    return levels


@given(JSON)
def test_what_is_not_deep_is_left_as_it_is(value):
    document = orjson.dumps(value)

    assert readable(document) is document
    assert parse(document) == value


def test_many_brackets_beside_each_other_are_not_deep():
    document = json.dumps([{"a": [1, {"b": "}{[]"}]}] * 1000).encode()

    assert readable(document) is document


@pytest.mark.parametrize("levels", [300, 600, 5000])
def test_what_lies_too_deep_is_left_out_and_the_rest_stays(levels):
    text = f'{{"before": "{{[", "deep": {nested(levels)}, "after": [{nested(levels)}, "]"]}}'

    found = json.loads(readable(text.encode()))

    assert (found["before"], found["after"][1]) == ("{[", "]")
    assert {levels_of(found["deep"]), levels_of(found["after"][0])} <= set(range(1, MAX_LEVELS + 1))
    assert parse(text.encode())["before"] == "{["


def test_a_long_text_with_brackets_costs_little_memory():
    document = orjson.dumps({"text": "{" * 600 + "x" * 2_000_000})

    tracemalloc.start()
    assert readable(document) is document
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 8_000_000


def test_several_deep_parts_of_one_list_are_each_cut():
    text = "[" + ", ".join([nested(400, '"x"')] * 3) + "]"

    assert len(parse(text.encode())) == 3


def test_what_is_no_json_is_no_json():
    with pytest.raises(orjson.JSONDecodeError):
        parse(b'{"a": ')
    with pytest.raises(orjson.JSONDecodeError):
        parse(b"[" * 5000)
