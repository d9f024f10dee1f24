"""Values against a schema: every violation at once, no value in a message, defaults filled in."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.plan.values import check_size, fill, look_up, pointer, roots_of
from tests.support.builders import resolved

CANARY = "hunter2-canary"


def schema(properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, **rest}


def refusal(values: dict[str, Any], rules: dict[str, Any]) -> Stalled:
    with pytest.raises(Stalled) as caught:
        fill(values, rules)
    return caught.value


def test_values_that_fit_are_kept():
    assert fill({"storageGi": 20}, schema({"storageGi": {"type": "integer"}})) == {"storageGi": 20}


@pytest.mark.parametrize(
    ("rules", "values", "path", "says"),
    [
        pytest.param({"type": "integer"}, {"a": CANARY}, "/spec/values/a", "integer", id="type"),
        pytest.param({"type": ["integer", "null"]}, {"a": CANARY}, "/spec/values/a", "integer, null", id="types"),
        pytest.param({"enum": ["x", "y"]}, {"a": CANARY}, "/spec/values/a", "one of x, y", id="enum"),
        pytest.param({"const": "x"}, {"a": CANARY}, "/spec/values/a", "must be x", id="const"),
        pytest.param({"minimum": 7}, {"a": 3}, "/spec/values/a", "at least 7", id="minimum"),
        pytest.param({"maximum": 7}, {"a": 9}, "/spec/values/a", "at most 7", id="maximum"),
        pytest.param({"exclusiveMinimum": 7}, {"a": 7}, "/spec/values/a", "more than 7", id="above"),
        pytest.param({"multipleOf": 5}, {"a": 7}, "/spec/values/a", "multiple of 5", id="multiple"),
        pytest.param({"minLength": 99}, {"a": CANARY}, "/spec/values/a", "at least 99 characters", id="short"),
        pytest.param({"maxLength": 2}, {"a": CANARY}, "/spec/values/a", "at most 2 characters", id="long"),
        pytest.param({"pattern": "^[a-z]+$"}, {"a": CANARY}, "/spec/values/a", "pattern ^[a-z]+$", id="pattern"),
        pytest.param({"pattern": "^[a-z]+$"}, {"a": "abc\n"}, "/spec/values/a", "pattern", id="line break at the end"),
        pytest.param({"format": "ipv4"}, {"a": CANARY}, "/spec/values/a", "format ipv4", id="format"),
        pytest.param({"items": {"maxLength": 2}}, {"a": ["x", CANARY]}, "/spec/values/a/1", "at most 2", id="item"),
        pytest.param({"uniqueItems": True}, {"a": [CANARY, CANARY]}, "/spec/values/a", "twice", id="twice"),
        pytest.param({"maxItems": 1}, {"a": [CANARY, "y"]}, "/spec/values/a", "at most 1 items", id="items"),
        pytest.param({"not": {"type": "string"}}, {"a": CANARY}, "/spec/values/a", "not allowed", id="not"),
        pytest.param({"anyOf": [{"type": "integer"}]}, {"a": CANARY}, "/spec/values/a", "none of", id="anyOf"),
        pytest.param({"oneOf": [{}, {}]}, {"a": CANARY}, "/spec/values/a", "exactly one", id="oneOf"),
        pytest.param(False, {"a": CANARY}, "/spec/values", "not allowed", id="never"),
        pytest.param({}, {"b": CANARY}, "/spec/values/b", "not a value of this template", id="unknown"),
        pytest.param(schema({}), {"a": {"x/y~": 1}}, "/spec/values/a/x~1y~0", "not a value", id="unknown within"),
        pytest.param({"x-ocdp": {"secret": True}}, {"a": CANARY}, "/spec/values/a", "secret", id="secret"),
        pytest.param({"x-ocdp": {"generate": {"length": 9}}}, {"a": CANARY}, "/spec/values/a", "secret", id="generated"),
    ],
)  # fmt: skip
def test_a_violation_says_where_and_which_rule_but_never_the_value(rules, values, path, says):
    error = refusal(values, schema({"a": rules}))

    assert error.reason is Reason.INVALID_VALUES
    assert error.actor is Actor.USER
    assert error.value_path == path
    assert path in error.message
    assert says in error.message
    assert CANARY not in error.message


def test_all_violations_are_told_at_once_and_the_first_decides_the_path():
    rules = schema({"cpu": {"minimum": 1}, "size": {"type": "integer"}}, required=["name"])

    error = refusal({"size": "x", "cpu": 0}, rules)

    assert error.value_path == "/spec/values/cpu"
    for path in ("/spec/values/cpu", "/spec/values/name", "/spec/values/size"):
        assert path in error.message


def test_a_thousand_violations_still_fit_in_a_kibibyte_and_say_how_many_are_left():
    error = refusal({f"key{n:04}": 1 for n in range(1000)}, schema({}))

    assert len(error.message.encode()) <= 1024
    assert "more" in error.message


def test_a_hostile_key_cannot_break_the_line():
    error = refusal({"a\nb\x1b[31m" + "x" * 5000: 1}, schema({}))

    assert error.message.isprintable()
    assert len(error.message) < 300


@pytest.mark.parametrize(
    ("rules", "values", "filled"),
    [
        pytest.param(schema({"a": {"default": 1}}), {}, {"a": 1}, id="at the top"),
        pytest.param(schema({"a": {"default": 1}}), {"a": 2}, {"a": 2}, id="a given value wins"),
        pytest.param(schema({"a": {"default": 1}}), {"a": None}, {"a": None}, id="null is given"),
        pytest.param(schema({"a": {"default": None}}), {}, {"a": None}, id="null is a default"),
        pytest.param(
            schema({"a": {"properties": {"b": {"default": 1}}}}), {"a": {}}, {"a": {"b": 1}}, id="in what is given"
        ),
        pytest.param(schema({"a": {"properties": {"b": {"default": 1}}}}), {}, {}, id="no parent is made up"),
        pytest.param(
            schema({"a": {"default": {}, "properties": {"b": {"default": 1}}}}), {}, {"a": {"b": 1}}, id="in a default"
        ),
        pytest.param(
            schema({"a": {"items": {"properties": {"b": {"default": 1}}}}}),
            {"a": [{}, {"b": 2}]},
            {"a": [{"b": 1}, {"b": 2}]},
            id="in items",
        ),
        pytest.param(
            schema({"a": {"additionalProperties": {"properties": {"b": {"default": 1}}}}}),
            {"a": {"any": {}}},
            {"a": {"any": {"b": 1}}},
            id="in other fields",
        ),
        pytest.param(
            schema({"a": {"$ref": "#/$defs/d"}}, **{"$defs": {"d": {"default": 7}}}), {}, {"a": 7}, id="by reference"
        ),
        pytest.param({"allOf": [schema({"a": {"default": 7}})]}, {}, {"a": 7}, id="in allOf"),
    ],
)  # fmt: skip
def test_defaults_are_filled_in(rules, values, filled):
    assert fill(values, rules) == filled


def test_filling_changes_nothing_in_place():
    given_values, rules = {"a": {}}, schema({"a": {"properties": {"b": {"default": []}}}})
    before = json.dumps([given_values, rules])

    fill(given_values, rules)

    assert json.dumps([given_values, rules]) == before


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({"type": "no-such-type"}, id="no schema"),
        pytest.param({"properties": {"a": {"pattern": "("}}}, id="no pattern"),
        pytest.param({"$ref": "http://127.0.0.1:1/schema"}, id="remote reference"),
        pytest.param({"$ref": "file:///etc/passwd"}, id="file reference"),
        pytest.param({"$ref": "#/$defs/none"}, id="dangling reference"),
        pytest.param({"$ref": "#"}, id="reference to itself"),
        pytest.param(
            {
                "$ref": "#/$defs/n",
                "$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n", "default": {}}}}},
            },
            id="defaults without end",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_is_the_platforms_to_mend(rules):
    error = refusal({"a": "x"}, rules)

    assert error.actor is Actor.PLATFORM
    assert "schema" in error.message


def test_no_schema_makes_the_operator_fetch_anything():
    asked: list[str] = []

    class Canary(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Canary) as server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        address = f"http://127.0.0.1:{server.server_port}/schema"
        for rules in ({"$ref": address}, {"$id": address, "$ref": "other"}, {"$dynamicRef": address}):
            assert refusal({"a": "x"}, rules).actor is Actor.PLATFORM
        server.shutdown()
        serving.join()

    assert asked == []


def test_a_recursive_schema_without_endless_defaults_works():
    rules = {"properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}, "additionalProperties": False}

    assert fill({"child": {"child": {"n": 1}}}, rules) == {"child": {"child": {"n": 1}}}
    assert refusal({"child": {"child": {"n": "x"}}}, rules).value_path == "/spec/values/child/child/n"


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1])
def test_values_may_have_64_kib_of_canonical_json(size):
    values = {"a": "x" * (size - len('{"a":""}'))}

    if size <= 64 * 1024:
        check_size(values)
        return
    with pytest.raises(Stalled) as caught:
        check_size(values)
    assert caught.value.reason is Reason.VALUES_TOO_LARGE


def nested(depth: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for _ in range(depth):
        values = {"a": values}
    return values


@pytest.mark.parametrize("depth", [50, 51, 900, 100_000])
def test_values_may_be_nested_50_levels(depth):
    values = nested(depth - 1)

    if depth <= 50:
        check_size(values)
        return
    with pytest.raises(Stalled) as caught:
        check_size(values)
    assert caught.value.reason is Reason.VALUES_TOO_LARGE


@pytest.mark.parametrize("odd", ["\ud800", 2**70], ids=["lone surrogate", "too many bits"])
def test_what_json_cannot_carry_is_refused(odd):
    with pytest.raises(Stalled) as caught:
        check_size({"a": odd})
    assert caught.value.reason is Reason.INVALID_VALUES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(values=st.dictionaries(st.text(max_size=10), JSON, max_size=5), rules=st.dictionaries(st.text(), JSON))
def test_any_values_and_any_schema_end_in_values_or_in_our_own_error(values, rules):
    try:
        assert isinstance(fill(values, rules), dict)
    except Stalled as error:
        assert error.reason is Reason.INVALID_VALUES  # noqa: PT017 - values are an answer too


@given(text=st.text(min_size=6, alphabet=st.characters(codec="ascii", categories=("L", "N"))))
def test_no_message_quotes_a_value(text):
    rules = schema({"a": {"type": "integer", "enum": [1], "minLength": 10_000, "pattern": "^$"}})

    message = refusal({"a": f"«{text}»"}, rules).message

    assert f"«{text}" not in message
    assert f"{text}»" not in message


def test_a_mapping_reads_values_workspace_and_claim():
    roots = roots_of(resolved("ide", values={"a": {"b": False}}))

    assert look_up("values.a.b", roots) is False
    assert look_up("values.a.c", roots) is None
    assert look_up("values.a.b.c", roots) is None
    assert look_up("workspace.id", roots) == "team-a"
    assert look_up("workspace.customer", roots) == "acme"
    assert look_up("claim.name", roots) == "ide"
    assert look_up("claim.namespace", roots) == "ns-a"


def test_a_pointer_of_any_depth_fits_into_the_status():
    assert len(pointer(["x" * 64] * 50)) <= 520


def test_a_pattern_need_not_work_on_what_is_too_long():
    rules = {"maxLength": 40, "pattern": "^(a+)+$"}

    assert "at most 40" in refusal({"a": "a" * 60_000 + "!"}, schema({"a": rules})).message


def test_a_pointer_is_escaped():
    assert pointer(["a/b", "c~d", 3]) == "/spec/values/a~1b/c~0d/3"
