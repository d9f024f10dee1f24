"""Secrets in values: given by reference or left out, and in no other way."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Stalled
from ocdp_operator.model.secrets import Alphabet, GenerateRule
from ocdp_operator.plan.secret_values import secrets_of
from ocdp_operator.plan.values import fill

CANARY = "hunter2-canary"


def schema(properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, **rest}


def refusal(values: dict[str, Any], rules: dict[str, Any]) -> Stalled:
    with pytest.raises(Stalled) as caught:
        fill(values, rules)
    return caught.value


def rule_at(path: str, rules: dict[str, Any]) -> Any:
    """How the secret at a path is made, where the values have what is around it."""
    values: Any = None
    for step in reversed(path.split(".")):
        values = [values] if step == "[]" else {step: values}
    return next((found.origin for found in secrets_of(values, {"properties": rules})), None)


def test_a_secret_behind_a_reference_is_still_a_secret():
    rules = schema({"a": {"$ref": "#/$defs/s"}}, **{"$defs": {"s": {"x-ocdp": {"secret": True}}}})

    assert "secret" in refusal({"a": CANARY}, rules).message


REFERENCE = {"secretKeyRef": {"name": "team.keys", "key": "HF_TOKEN"}}
SECRET = {"type": "string", "minLength": 12, "pattern": "^hf_", "x-ocdp": {"secret": True}}


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(schema({"a": SECRET}), id="a property"),
        pytest.param(schema({"a": {"x-ocdp": {"generate": {}}}}), id="a generated one"),
        pytest.param(
            schema({"a": {"$ref": "#/$defs/s", "maxLength": 1}}, **{"$defs": {"s": SECRET}}),
            id="by reference",
        ),
        pytest.param(schema({"a": {"allOf": [SECRET, {"type": "string"}]}}), id="in allOf"),
    ],
)
def test_a_secret_is_given_as_a_reference_and_kept_as_it_is(rules):
    assert fill({"a": REFERENCE}, rules) == {"a": REFERENCE}


def test_a_secret_of_an_item_is_a_reference_too():
    rules = schema({"models": {"items": schema({"name": {}, "apiKey": SECRET}, required=["name", "apiKey"])}})
    models = [{"name": "a", "apiKey": REFERENCE}]

    assert fill({"models": models}, rules) == {"models": models}
    error = refusal({"models": [*models, {"name": "b"}, {"name": "c", "apiKey": CANARY}]}, rules)
    assert "/spec/values/models/1/apiKey is required" in error.message
    assert "/spec/values/models/2/apiKey is a secret: give it as secretKeyRef" in error.message
    assert CANARY not in error.message


@pytest.mark.parametrize(
    ("given_value", "path", "says"),
    [
        pytest.param(None, "/spec/values/a", "is a secret: give it as secretKeyRef", id="null"),
        pytest.param("", "/spec/values/a", "is a secret: give it as secretKeyRef", id="an empty text"),
        pytest.param({}, "/spec/values/a", "is a secret: give it as secretKeyRef", id="nothing"),
        pytest.param([CANARY], "/spec/values/a", "is a secret: give it as secretKeyRef", id="a list"),
        pytest.param({"secretKeyRef": CANARY}, "/spec/values/a", "is a secret", id="a text as reference"),
        pytest.param({"secretKeyRef": {"name": "x"}}, "/spec/values/a", "is a secret", id="no key"),
        pytest.param({**REFERENCE, "value": CANARY}, "/spec/values/a", "is a secret", id="a value beside it"),
        pytest.param(
            {"secretKeyRef": {"name": "x", "key": "k", "namespace": "other"}},
            "/spec/values/a",
            "is a secret",
            id="another namespace",
        ),
        pytest.param(
            {"secretKeyRef": {"name": "Team_Keys", "key": "k"}},
            "/spec/values/a/secretKeyRef/name",
            "must be the name of a Secret",
            id="no name",
        ),
        pytest.param(
            {"secretKeyRef": {"name": "x" * 254, "key": "k"}},
            "/spec/values/a/secretKeyRef/name",
            "must be the name of a Secret",
            id="a long name",
        ),
        pytest.param(
            {"secretKeyRef": {"name": "x", "key": "a/b"}},
            "/spec/values/a/secretKeyRef/key",
            "must be a key of a Secret",
            id="no key",
        ),
        pytest.param(
            {"secretKeyRef": {"name": "x\n", "key": "k"}},
            "/spec/values/a/secretKeyRef/name",
            "must be the name of a Secret",
            id="a line break",
        ),
    ],
)
def test_a_secret_in_any_other_form_is_refused_without_quoting_it(given_value, path, says):
    error = refusal({"a": given_value}, schema({"a": SECRET}))

    assert error.value_path == path
    assert says in error.message
    assert CANARY not in error.message


def test_a_secret_may_be_null_where_its_types_say_so():
    nullable = SECRET | {"type": ["string", "null"]}

    assert fill({"a": None}, schema({"a": nullable})) == {"a": None}
    assert "is a secret" in refusal({"a": CANARY}, schema({"a": nullable})).message


def test_a_secret_that_can_be_generated_says_so_when_it_is_refused():
    rules = schema({"a": {"x-ocdp": {"generate": {}}}, "b": SECRET})

    assert "leave it out to have it generated" in refusal({"a": CANARY}, rules).message
    assert "leave it out" not in refusal({"b": CANARY}, rules).message


def test_a_required_secret_need_not_be_given_when_it_is_generated():
    rules = schema({"password": {"x-ocdp": {"generate": {"length": 24}}}}, required=["password"])

    assert fill({}, rules) == {}


def test_a_required_secret_that_is_not_generated_must_be_given():
    error = refusal({}, schema({"token": SECRET}, required=["token"]))

    assert error.message.endswith("/spec/values/token is required")


def test_a_secret_gets_no_default():
    assert fill({}, schema({"password": {"default": CANARY, "x-ocdp": {"secret": True}}})) == {}


@pytest.mark.parametrize(
    ("rules", "path", "rule"),
    [
        pytest.param({"p": {"x-ocdp": {"generate": {"length": 32}}}}, "p", GenerateRule(32), id="length"),
        pytest.param({"p": {"x-ocdp": {"generate": {}}}}, "p", GenerateRule(), id="default length"),
        pytest.param(
            {"p": {"x-ocdp": {"generate": {"alphabet": "hex", "prefix": "sk-"}}}},
            "p",
            GenerateRule(24, Alphabet.HEX, "sk-"),
            id="alphabet and prefix",
        ),
        pytest.param({"p": {"x-ocdp": {"secret": True}}}, "p", None, id="not generated"),
        pytest.param({"p": {}}, "q", None, id="no such property"),
        pytest.param(
            {"a": {"properties": {"p": {"x-ocdp": {"generate": {"length": 8}}}}}},
            "a.p",
            GenerateRule(8),
            id="within",
        ),
        pytest.param(
            {"a": {"items": {"properties": {"p": {"x-ocdp": {"generate": {"length": 8}}}}}}},
            "a.[].p",
            GenerateRule(8),
            id="in every item",
        ),
    ],
)
def test_a_generated_secret_follows_the_schemas_rule(rules, path, rule):
    assert rule_at(path, rules) == rule


@pytest.mark.parametrize("length", [0, -1, 7, 1025, True, "24", 2.5])
def test_a_length_that_cannot_be_is_refused(length):
    with pytest.raises(ValueError, match="length"):
        rule_at("p", {"p": {"x-ocdp": {"generate": {"length": length}}}})
