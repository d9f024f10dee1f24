"""What publishing tries: every choice once, every switch both ways, what may be left out given and not."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.mapping import Mapping_
from ocdp_operator.model.template import RevisionBody
from ocdp_operator.plan.proof import MAX_CASES, cases, example_profile


def body(properties: dict[str, Any], *examples: dict[str, Any], **rest: Any) -> RevisionBody:
    schema = {"type": "object", "properties": properties, **rest}
    return RevisionBody(schema=schema, examples=examples or ({},))


def tried(properties: dict[str, Any], *examples: dict[str, Any], **rest: Any) -> list[Any]:
    return [case.values for case in cases(body(properties, *examples, **rest)).tried]


def test_the_authors_examples_come_first_and_must_be_possible():
    found = cases(body({"a": {"type": "boolean"}}, {"a": True}, {"a": False})).tried

    assert [(case.name, case.required) for case in found[:3]] == [
        ("examples[0]", True),
        ("examples[1]", True),
        ("the defaults", False),
    ]


def test_each_choice_switch_and_null_is_taken():
    found = tried(
        {
            "exposure": {"enum": ["in", "out"]},
            "on": {"type": "boolean"},
            "length": {"type": ["integer", "null"], "minimum": 256},
        }
    )

    for values in ({}, {"exposure": "in"}, {"exposure": "out"}, {"on": True}, {"on": False}):
        assert values in found
    assert {"length": None} in found
    assert {"length": 256} in found


@pytest.mark.parametrize(
    ("rules", "numbers"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, [1, 9]),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 9}, [2, 8]),
        ({"type": "number", "minimum": 0.5, "maximum": 0.9}, [0.5, 0.9]),
        ({"type": "integer", "minimum": 0.5, "maximum": 2.5}, [1, 2]),
        ({"type": "integer", "minimum": 3, "maximum": 3}, [3]),
        ({"type": "integer", "maximum": -2}, [-2]),
        ({"type": "integer", "minimum": 3}, [3]),
        ({"type": "integer"}, [0]),
    ],
    ids=str,
)
def test_of_a_range_both_ends_are_taken(rules: dict[str, Any], numbers: list[float]):
    assert tried({"a": rules}) == [{}, *({"a": number} for number in numbers)]


def test_what_is_too_much_to_try_is_counted():
    choices = {"a": {"enum": list(range(MAX_CASES + 56))}}

    assert cases(body({"a": {"enum": list(range(456))}})).left == 0
    found = cases(body(choices))
    assert (len(found.tried), found.left) == (MAX_CASES, 57)
    assert cases(body({"a": {"enum": list(range(20_000))}})).left == 10_000


def test_one_factor_is_changed_at_a_time():
    found = tried({"a": {"enum": [1, 2]}, "b": {"enum": [1, 2]}}, {"a": 1, "b": 1})

    assert {"a": 2, "b": 1} in found
    assert {"a": 1, "b": 2} in found
    assert {"b": 1} in found
    assert {"a": 2, "b": 2} not in found


def test_a_secret_is_given_as_a_reference_and_left_out():
    found = tried({"token": {"x-ocdp": {"secret": True}, "pattern": "^hf_"}})

    assert found[0] == {}
    assert {"token": {"secretKeyRef": {"name": "example", "key": "key"}}} in found


def test_items_of_a_list_are_varied_too():
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "rpm": {"type": "integer"}},
    }
    found = tried({"models": {"type": "array", "items": item}}, {"models": [{"name": "a"}, {"name": "b"}]})

    assert {"models": [{"name": "a", "rpm": 0}, {"name": "b"}]} in found
    assert {"models": [{"name": "x"}]} in found
    assert {"models": []} in found


def test_a_text_with_a_pattern_is_taken_from_its_author():
    assert {"a": "v1"} in tried({"a": {"type": "string", "pattern": "^v", "examples": ["v1"]}})
    assert {"a": "v2"} in tried({"a": {"type": "string", "pattern": "^v", "default": "v2"}})
    assert tried({"a": {"type": "string", "pattern": "^v"}}) == [{}]
    assert {"a": "xxx"} in tried({"a": {"type": "string", "minLength": 3}})
    assert {"a": "500m"} in tried(
        {"a": {"type": "string", "format": "quantity", "x-ocdp": {"minimum": "500m"}}}
    )


def test_what_only_the_platform_sets_is_not_tried():
    assert tried({"a": {"default": 1, "x-ocdp": {"hidden": True}, "enum": [1, 2]}}) == [{}]


def test_a_schema_that_goes_round_ends():
    found = tried({"child": {"$ref": "#"}, "on": {"type": "boolean"}})

    assert {"on": True} in found
    assert len(found) < 100


def test_the_example_environment_has_each_parameter_that_is_asked_for():
    mappings = (
        Mapping_.model_validate(
            {"from": "profile.parameters.tier", "components": {"gold": "c/gold", "silver": None}}
        ),
        Mapping_.model_validate({"value": "profile.parameters.hub + '/x'", "replicas": {"name": "web"}}),
    )
    said = example_profile(
        body({"a": {"x-ocdp": {"from": "profile.parameters.zone"}}}).model_copy(update={"mappings": mappings})
    )

    assert said.body["parameters"] == {"tier": "gold", "hub": "example", "zone": "example"}
