"""What is kept of the API server's documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocdp_operator.manifests.openapi import condensed, document_paths, written
from ocdp_operator.manifests.schema import shipped_bytes
from ocdp_operator.model.kinds import RUNTIME_KINDS

REF = "#/components/schemas/"


def documents(**more: Any) -> list[dict[str, Any]]:
    """One document that has every kind, each with a spec of a shape of its own."""
    schemas: dict[str, Any] = {
        "example.Spec": {
            "type": "object",
            "description": "What is wanted.",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "format": "int32", "default": 0, "description": "How many."},
                "labels": {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
            },
        },
        "example.Unused": {"type": "string"},
    }
    for kind in RUNTIME_KINDS:
        schemas[f"example.{kind.kind}"] = {
            "type": "object",
            "properties": {"spec": {"default": {}, "allOf": [{"$ref": f"{REF}example.Spec"}]}},
            "x-kubernetes-group-version-kind": [
                {"group": kind.group, "version": kind.version, "kind": kind.kind}
            ],
        }
    return [{"components": {"schemas": schemas | more}}]


def test_a_kind_takes_its_declared_fields_and_no_others():
    schema = condensed(documents(), "1.2.3")
    assert schema["title"] == "Kubernetes v1.2.3"
    assert schema["x-kinds"]["apps/v1/Deployment"] == "#/$defs/example.Deployment"
    assert schema["$defs"]["example.Deployment"] == {
        "type": "object",
        "properties": {"spec": {"$ref": "#/$defs/example.Spec"}},
        "additionalProperties": False,
    }
    assert schema["$defs"]["example.Spec"] == {
        "type": "object",
        "required": ["size"],
        "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "size": {"type": "integer", "format": "int32"},
        },
        "additionalProperties": False,
    }


def test_what_no_kind_refers_to_is_left_out():
    assert "example.Unused" not in condensed(documents(), "1.2.3")["$defs"]


def test_unknown_fields_pass_where_the_server_preserves_them():
    free = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "x-kubernetes-preserve-unknown-fields": True,
    }
    definitions = condensed(documents(**{"example.Spec": free}), "1.2.3")["$defs"]
    assert "additionalProperties" not in definitions["example.Spec"]


def test_a_kind_that_is_not_served_is_an_error():
    (document,) = documents()
    del document["components"]["schemas"]["example.Deployment"]
    with pytest.raises(KeyError):
        condensed([document], "1.2.3")


def test_the_file_has_a_line_for_each_definition_and_the_same_bytes_every_time():
    schema = condensed(documents(), "1.2.3")
    content = written(schema)
    assert json.loads(content) == schema
    assert len(content.splitlines()) == len(schema["$defs"]) + 2
    assert written(json.loads(content)) == content


def test_the_committed_file_is_as_it_is_written():
    assert written(json.loads(shipped_bytes())) == shipped_bytes()


def test_each_version_of_the_kinds_is_asked_for_once():
    assert document_paths()[:2] == ("/openapi/v3/apis/apps/v1", "/openapi/v3/apis/autoscaling/v2")
    assert document_paths()[-1] == "/openapi/v3/api/v1"
