"""Examples of a template are tried as claims before it is published."""

from __future__ import annotations

import pytest

from ocdp_operator.cli.template import check_examples
from ocdp_operator.model.publication import PublicationError
from tests.support.catalog_entries import template

SECRET = {"type": "string", "x-ocdp": {"secret": True, "generate": {"length": 24}}}


def test_examples_that_can_be_claimed_pass():
    check_examples([template()])


def test_a_generated_secret_may_be_required_and_needs_no_value():
    schema = {"type": "object", "required": ["password"], "properties": {"password": SECRET}}
    mappings = [{"from": "values.password", "secret": {"key": "PASSWORD"}}]
    check_examples([template(schema=schema, mappings=mappings, examples=[{}])])


def test_every_example_that_cannot_be_claimed_is_named_without_its_values():
    schema = {"type": "object", "properties": {"key": {"type": "string", "pattern": "^sk-"}}}
    wrong = template("a", schema=schema, mappings=[], examples=[{"key": "sk-1"}, {"key": "hunter2"}])
    also = template("b", examples=[{"storageGi": 0}])
    with pytest.raises(PublicationError) as caught:
        check_examples([wrong, also])
    _, *faults = str(caught.value).splitlines()
    assert [fault.strip().split(":")[0] for fault in faults] == [
        "template a, examples[1]",
        "template b, examples[0]",
    ]
    assert "hunter2" not in str(caught.value)


def test_a_secret_mapping_from_a_plain_value_is_refused():
    mappings = [{"from": "values.storageGi", "secret": {"key": "SIZE"}}]
    with pytest.raises(PublicationError, match=r"x-ocdp\.generate"):
        check_examples([template(mappings=mappings)])


def test_a_schema_without_end_is_refused():
    with pytest.raises(PublicationError, match="schema of the template"):
        check_examples([template(schema={"type": "object", "allOf": [{"$ref": "#"}]}, mappings=[])])
