"""What is said against mappings before anything is fetched or evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.mapping_faults import mappings_faults
from ocdp_operator.model.template import RevisionBody
from ocdp_operator.model.values_schema import ValuesSchema

SECRET = {"type": "string", "x-ocdp": {"secret": True}}
MODELS = {
    "type": "array",
    "maxItems": 50,
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "rpm": {"type": ["integer", "null"]}, "apiKey": SECRET},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "exposure": {"enum": ["in", "out"]},
        "on": {"type": ["boolean", "null"]},
        "port": {"type": ["integer", "null"]},
        "password": {"$ref": "#/$defs/password"},
        "models": MODELS,
        "names": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {"password": {"type": "string", "x-ocdp": {"generate": {"length": 24}}}},
}
PATCH = {"patch": {"kind": "Deployment", "name": "web", "pointer": "/spec/x"}}
FILE = {"configFile": {"configMap": "web", "file": "web.yaml", "pointer": "/x"}}
KEYS = {"name": "name", "value": "apiKey", "prefix": "MODEL_"}


def faults(*mappings: dict[str, Any]) -> list[str]:
    body = RevisionBody.model_validate(
        {"schema": SCHEMA, "mappings": mappings, "components": ["components/out"]}
    )
    return [str(fault) for fault in mappings_faults(body, ValuesSchema(SCHEMA))]


SOUND = {
    "a value": {"from": "values.port", **PATCH},
    "a fact": {"from": "workspace.id", **PATCH},
    "a profile's field": {"from": "profile.ingress.domain", **PATCH},
    "a parameter": {"from": "profile.parameters.anything", **PATCH},
    "a table": {"from": "values.exposure", "components": {"in": None, "out": "components/out"}},
    "a switch": {"from": "values.on", "components": {"true": "components/out", "false": None}},
    "a table of an expression": {"value": "values.exposure", "components": {"in": None}},
    "a secret": {"from": "values.password", "secret": {"key": "PASSWORD"}},
    "a secret in an expression": {"value": "'x' + values.password", "secret": {"key": "URL"}},
    "whether there is a secret": {"value": "has(values.password)", **FILE},
    "a key for each": {"from": "values.models", "secret": {"forEach": KEYS}},
    "a macro": {"value": "values.models.map(m, {'name': m.name, 'key': 'K_' + envName(m.name)})", **FILE},
    "a condition": {"from": "values.port", "when": "values.exposure == 'out' && has(values.port)", **PATCH},
    "an escaped pointer": {
        "from": "values.port",
        "patch": {"kind": "Service", "name": "web", "pointer": "/metadata/annotations/a~1b"},
    },
}


@pytest.mark.parametrize("mapping", SOUND.values(), ids=SOUND.keys())
def test_a_sound_mapping_has_no_fault(mapping: dict[str, Any]):
    assert faults(mapping) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such value": ({"from": "values.prot", **PATCH}, "from: the schema declares no prot"),
    "no such fact": ({"from": "claim.uid", **PATCH}, "from: unknown; beside values and profile there are claim.name"),
    "no such field": ({"from": "profile.storage", **PATCH}, "from: a profile has no field storage"),
    "a field's field": ({"from": "profile.storageClass.name", **PATCH}, "from: a profile has no field storageClass.name"),
    "a value of an expression": ({"value": "values.prot + 1", **PATCH}, "value: the schema declares no prot"),
    "a field of an item": (
        {"value": "values.models.map(m, m.nam)", **FILE},
        "value: the schema declares no models[].nam",
    ),
    "a field of an expression": ({"value": "profile.domain", **PATCH}, "value: a profile has no field domain"),
    "a condition": ({"from": "values.port", "when": "values.prot > 1", **PATCH}, "when: the schema declares no prot"),
    "a macro over a free list": (
        {"value": "values.names.map(n, n)", **FILE},
        "value: names is gone over item by item: give it a maxItems of at most 200",
    ),
    "a nested macro": (
        {"value": "values.models.map(m, values.models.filter(n, true))", **FILE},
        "value: filter inside of another macro",
    ),
    "a secret to a file": ({"from": "values.password", **FILE}, "from: password is a secret: that goes to the target"),
    "a secret in an item": ({"from": "values.models", **FILE}, "from: models holds the secret apiKey: that goes to the target"),
    "no secret": (
        {"from": "values.port", "secret": {"key": "PORT"}},
        "from: values.port is no secret: write `x-ocdp: {secret: true}`",
    ),
    "no list": (
        {"from": "workspace.id", "secret": {"forEach": KEYS}},
        "secret.forEach: it goes over a list of the values",
    ),
    "no such field of an item": (
        {"from": "values.models", "secret": {"forEach": KEYS | {"name": "nam"}}},
        "secret.forEach.name: an item of models has no nam",
    ),
    "no secret of an item": (
        {"from": "values.models", "secret": {"forEach": KEYS | {"value": "rpm"}}},
        "secret.forEach.value: rpm is no secret",
    ),
    "a secret name": (
        {"from": "values.models", "secret": {"forEach": KEYS | {"name": "apiKey"}}},
        "secret.forEach.name: apiKey is a secret",
    ),
    "a table without a choice": (
        {"from": "values.exposure", "components": {"in": None}},
        "components: list each value that the schema offers: in, out",
    ),
    "a component that is not listed": (
        {"from": "values.on", "components": {"true": "components/x", "false": None}},
        "components.true: components/x is not listed",
    ),
    "a kind that is never written": (
        {"from": "values.port", "patch": {"kind": "Deploymnt", "name": "web", "pointer": "/spec"}},
        "patch.kind: the operator never writes a Deploymnt",
    ),
    "a name that none can have": (
        {"from": "values.port", "patch": {"kind": "Service", "name": "Web", "pointer": "/spec"}},
        "patch.name: no object can have this name",
    ),
    "a tilde": (
        {"from": "values.port", "patch": {"kind": "Service", "name": "web", "pointer": "/spec/a~b"}},
        "patch.pointer: a ~ is written ~0",
    ),
    "the name of an object": (
        {"from": "values.port", "patch": {"kind": "Service", "name": "web", "pointer": "/metadata/name"}},
        "patch.pointer: the operator sets this itself",
    ),
    "a file that none can hold": (
        {"from": "values.port", "configFile": {"configMap": "web", "file": "a/b", "pointer": "/x"}},
        "configFile.file: no ConfigMap can hold a file of this name",
    ),
    "replicas of what has no name": (
        {"from": "values.port", "replicas": {"name": "W eb"}},
        "replicas.name: no object can have this name",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mapping", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_mapping_is_named(mapping: dict[str, Any], says: str):
    found = faults(mapping)
    assert any(each.startswith(f"mappings[0].{says}") for each in found), found


def test_two_mappings_give_no_key_twice():
    again = {"from": "values.password", "secret": {"key": "PASSWORD"}}
    assert faults(again, again) == ["mappings[1].secret.key: mappings[0] sets PASSWORD already"]
    assert faults(again | {"when": "values.on == true"}, again | {"when": "values.on != true"}) == []
