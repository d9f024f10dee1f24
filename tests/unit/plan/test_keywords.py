"""Values by ``x-ocdp``: from the environment, for the platform alone, never changed, quantities; and control characters."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.plan.filling import immutables
from ocdp_operator.plan.subschemas import is_secret
from ocdp_operator.plan.values import fill, suggestion_faults

CANARY = "hunter2-canary"


def schema(properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, **rest}


def refusal(values: dict[str, Any], rules: dict[str, Any]) -> Stalled:
    with pytest.raises(Stalled) as caught:
        fill(values, rules)
    return caught.value


PROFILE = {"profile": {"gpu": {"resource": "nvidia.com/gpu"}}, "workspace": {"id": "team-a"}}


@pytest.mark.parametrize(
    ("keyword", "values", "complete"),
    [
        pytest.param({"from": "profile.gpu.resource"}, {}, {"a": "nvidia.com/gpu"}, id="from a profile"),
        pytest.param({"from": "workspace.id", "hidden": True}, {}, {"a": "team-a"}, id="hidden"),
        pytest.param({"from": "profile.gpu.resource"}, {"a": "mine"}, {"a": "mine"}, id="a given value wins"),
        pytest.param({"from": "profile.registry.prefix"}, {}, {"a": "default"}, id="else the default"),
    ],
)
def test_what_the_environment_gives_comes_before_the_default(keyword, values, complete):
    rules = schema({"a": {"type": "string", "default": "default", "x-ocdp": keyword}})

    assert fill(values, rules, PROFILE) == complete


@pytest.mark.parametrize("keyword", ["hidden", "readonly"])
def test_what_the_platform_sets_cannot_be_given(keyword):
    rules = schema(
        {"o": schema({"a": {"default": "x", "x-ocdp": {keyword: True}}}) | {"default": {"a": "y"}}}
    )

    assert fill({}, rules) == {"o": {"a": "y"}}
    error = refusal({"o": {"a": CANARY}}, rules)
    assert error.value_path == "/spec/values/o/a"
    assert error.actor is Actor.USER
    assert "set by the platform and cannot be given" in error.message
    assert CANARY not in error.message


def test_what_the_environment_gives_wrong_is_the_platforms_to_mend():
    rules = schema(
        {"a": {"enum": ["x"], "x-ocdp": {"from": "profile.gpu.resource"}}, "b": {"type": "integer"}}
    )

    with pytest.raises(Stalled) as caught:
        fill({}, rules, PROFILE)
    error = caught.value
    assert (error.reason, error.actor, error.value_path) == (
        Reason.INVALID_VALUES,
        Actor.PLATFORM,
        "/spec/values/a",
    )
    with pytest.raises(Stalled) as caught:
        fill({"b": CANARY}, rules, PROFILE)
    assert caught.value.actor is Actor.USER
    assert "/spec/values/a" not in caught.value.message


def test_a_required_value_that_no_profile_gives_names_the_field():
    rules = schema({"a": {"x-ocdp": {"from": "profile.ingress.domain", "hidden": True}}}, required=["a"])

    error = refusal({}, rules)

    assert error.reason is Reason.PROFILE_INCOMPLETE
    assert "'profile.ingress.domain'" in error.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("499m", "must be at least 500m"),
        ("0.5", ""),
        ("16", ""),
        ("16001m", "must be at most 16"),
        ("2e1", "must be at most 16"),
        ("two", "must be of the format quantity"),
        ("1 ", "must be of the format quantity"),
        ("1e999999", "must be of the format quantity"),
        ("9" * 5000, "must be of the format quantity"),
    ],
)
def test_a_quantity_is_compared_as_an_amount(text: str, says: str):
    rules = schema(
        {"a": {"type": "string", "format": "quantity", "x-ocdp": {"minimum": "500m", "maximum": "16"}}}
    )

    if not says:
        assert fill({"a": text}, rules) == {"a": text}
        return
    assert says in refusal({"a": text}, rules).message


@pytest.mark.parametrize("text", ["\0", "a\x1b[31m", "\x7f", "\x85", "\ufffe"], ids=ascii)
@pytest.mark.parametrize("where", ["value", "name", "item"])
def test_a_control_character_is_refused_wherever_it_stands(text: str, where: str):
    values: dict[str, Any] = {"value": {"a": text}, "name": {"a": {text: 1}}, "item": {"a": [text]}}[where]

    assert "control character" in refusal(values, schema({"a": {}})).message


def test_tabs_and_line_breaks_are_for_patterns_to_judge():
    assert fill({"a": "x\n\ty"}, schema({"a": {"type": "string"}})) == {"a": "x\n\ty"}


def test_what_may_not_change_has_a_digest_by_its_path():
    rules = schema(
        {"a": {"x-ocdp": {"immutable": True}}, "b": schema({"c": {"x-ocdp": {"immutable": True}}}), "d": {}}
    )

    first = immutables({"a": 1, "b": {"c": "x"}, "d": 1}, rules)

    assert set(first) == {"a", "b.c"}
    assert immutables({"a": 1, "b": {"c": "x"}, "d": 2}, rules) == first
    assert immutables({"a": 2, "b": {"c": "x"}}, rules)["a"] != first["a"]
    assert immutables({"a": 1}, rules)["b.c"] != first["b.c"]


def test_a_secret_is_told_by_its_keyword_alone():
    assert is_secret({"x-ocdp": {"generate": {}}}, {})
    assert not is_secret({"type": "string", "format": "password", "x-ocdp": {"immutable": True}}, {})


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        pytest.param(
            {"minimum": 5, "default": 1}, "default: does not fit its own schema: must be at least 5", id="low"
        ),
        pytest.param(
            {"type": "integer", "default": "x"}, "default: does not fit its own schema: must be", id="type"
        ),
        pytest.param(
            {"maxLength": 1, "examples": ["x", "xy"]}, "examples[1]: does not fit its own", id="example"
        ),
        pytest.param(
            schema({"b": {"type": "integer"}}, required=["b"]) | {"default": {}},
            "default: does not fit its own schema: b is required",
            id="an object",
        ),
        pytest.param(
            {"$ref": "#/$defs/d", "default": 9}, "default: does not fit its own schema", id="by reference"
        ),
        pytest.param({"minimum": 1, "default": 1, "examples": [2]}, "", id="it fits"),
        pytest.param(
            schema({"b": {"default": 1}}, required=["b"]) | {"default": {}},
            "",
            id="an object is filled in turn",
        ),
        pytest.param({"type": ["integer", "null"], "default": None}, "", id="null"),
    ],
)
def test_a_default_or_an_example_fits_its_own_schema(rules, says):
    rules_of_all = schema({"a": rules}, **{"$defs": {"d": {"maximum": 3}}})

    found = [str(fault) for fault in suggestion_faults(rules_of_all)]

    assert len(found) == bool(says), found
    assert all(each.startswith(f"properties.a.{says}") for each in found), found
