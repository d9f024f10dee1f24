"""Schemas and values that would take for ever, or all memory: counted steps end each of them, on any machine."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.effort import Effort, TooMuchWork
from ocdp_operator.model.patterns import BadPattern, Pattern
from ocdp_operator.plan.values import check_size, fill

BACKTRACKING = "^(a+)+$"
WIDE = "((a|b)?){300}$"
LONG = {"k": ["x" * 100] * 500}


def doubling(keyword: str, levels: int = 40) -> dict[str, Any]:
    """A schema of a few lines that is checked two times at each level: 2^levels times at the last."""
    steps = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**steps, f"d{levels}": {"type": "string"}}}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alternatives that double": (doubling("anyOf"), {}),
    "choices that double": (doubling("oneOf"), {}),
    "defaults that double": ({"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}, nested(45)),
    "defaults of a long text": (
        {"additionalProperties": {"properties": {"x": {"default": "x" * 20_000}}}},
        {f"{n}": {} for n in range(5000)},
    ),
    "patterns of many states": (
        {"additionalProperties": {"allOf": [{"pattern": WIDE}] * 50}},
        {f"k{n}": "ab" * 50 + "!" for n in range(400)},
    ),
    "patterns of names": ({"patternProperties": {WIDE: {}}}, {"ab" * 20 + f"!{n}": 1 for n in range(1000)}),
    "a thousand constants for ten thousand items": (
        {"properties": {"a": {"items": {"anyOf": [{"const": n} for n in range(1000)]}}}},
        {"a": [-1] * 10_000},
    ),
    "a long list compared with itself": (
        {"properties": {"a": {"uniqueItems": True}}},
        {"a": [{"n": n} for n in range(5000)]},
    ),
    "a long list compared again and again": (
        {
            "properties": {"k": {"anyOf": [{"$ref": "#/$defs/e"}] * 1000}},
            "$defs": {"e": {"enum": [["x" * 100] * 10]}},
        },
        LONG,
    ),
    "a long value that many messages would quote": (
        {"properties": {"k": {"anyOf": [{"type": "string"}] * 1000}}},
        LONG,
    ),
    "thirty thousand items": (
        {"properties": {"a": {"items": {"type": "integer"}}}},
        {"a": [1] * 32_000},
    ),
}


@pytest.mark.parametrize(("rules", "values"), REFUSED.values(), ids=REFUSED.keys())
def test_what_takes_too_many_steps_is_given_up(rules: dict[str, Any], values: dict[str, Any]):
    check_size(values)
    with pytest.raises(Stalled) as error:
        fill(values, rules)
    assert error.value.reason is Reason.VALUES_TOO_LARGE
    assert error.value.value_path == "/spec/values"
    assert "platform" in error.value.remedy


def test_a_pattern_that_goes_back_and_forth_elsewhere_is_matched_in_linear_time():
    rules = {"properties": {"a": {"pattern": BACKTRACKING}}, "propertyNames": {"pattern": BACKTRACKING}}
    with pytest.raises(Stalled) as error:
        fill({"a": "a" * 60_000 + "!"}, rules)
    assert error.value.reason is Reason.INVALID_VALUES
    assert "aaa" not in error.value.message
    assert fill({"a": "a" * 1000}, rules) == {"a": "a" * 1000}


UNUSABLE = {
    "look-ahead": {"pattern": "(?=a)a"},
    "a backreference": {"pattern": r"(a)\1"},
    "a pattern that is too long": {"pattern": "x" * 513},
    "a pattern that is too large": {"pattern": "(x{100}){100}"},
    "a pattern of names": {"patternProperties": {"(": {}}},
    "a count that is not bounded": {"unevaluatedProperties": False},
    "a schema that is too long": {"description": "x" * 32_768},
}


@pytest.mark.parametrize("rule", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_schema_that_cannot_be_bounded_is_the_platforms_to_mend(rule: dict[str, Any]):
    with pytest.raises(Stalled) as error:
        fill({"a": {"b": "aa"}, "b": "aa"}, {"properties": {"b": rule}, "additionalProperties": rule})
    assert error.value.reason is Reason.INVALID_VALUES
    assert error.value.actor is Actor.PLATFORM


def test_three_thousand_plain_values_are_few_enough():
    values = {f"key{n}": n for n in range(3000)}
    assert fill(values, {"additionalProperties": {"type": "integer"}}) == values


def test_an_effort_ends_at_the_same_step_every_time():
    effort = Effort(3)
    effort.spend(2)
    effort.spend()
    with pytest.raises(TooMuchWork):
        effort.spend()


@pytest.mark.parametrize(
    ("text", "matching", "not_matching"),
    [
        ("^[a-z]+$", "abc", "abc\n"),
        (r"^\d+$", "12", "١٢"),
        (r"^\w+$", "a_1", "é"),
        ("b", "abc", "ac"),
        (r"^\p{L}+$", "é", "1"),
        ("^.$", "\N{GRINNING FACE}", "\n"),
    ],
)
def test_a_pattern_means_what_json_schema_means(text: str, matching: str, not_matching: str):
    assert Pattern(text).found_in(matching)
    assert not Pattern(text).found_in(not_matching)


@pytest.mark.parametrize("text", ["(", "[", "*", r"\u00e9", "(?<!a)b", "a{2000}", "\ud800"], ids=ascii)
def test_what_re2_does_not_take_is_no_pattern(text: str):
    with pytest.raises(BadPattern) as error:
        Pattern(text)
    assert str(error.value).isprintable()
