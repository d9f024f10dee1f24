"""Templates that publishing must refuse: the thin application's, each with one thing wrong, and what is said of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]


def with_property(body: Document, name: str, **rules: Any) -> Document:
    changed = copy.deepcopy(body)
    seen = {"title": name, "description": name}
    changed["schema"]["properties"][name] = seen | rules
    return changed


def with_mapping(body: Document, **mapping: Any) -> Document:
    changed = copy.deepcopy(body)
    named = {"from_": "from", "config_file": "configFile"}
    changed["mappings"].append({named.get(key, key): value for key, value in mapping.items()})
    return changed


def patch(pointer: str, kind: str = "Deployment", name: str = "web", op: str = "replace") -> Document:
    return {"kind": kind, "name": name, "pointer": pointer, "op": op}


REPLICAS = {"type": "integer", "minimum": 0, "maximum": 3, "default": 1}
CONFIG = {"configMap": "web-config", "file": "settings.yaml", "pointer": "/x"}
SWITCH = {"type": "boolean", "default": False}
EXPOSURE = {"type": "string", "enum": ["inside", "guarded"], "default": "inside"}
POINTS = {"type": "integer", "minimum": 1, "default": 3, "maximum": 9}
MODELS = {
    "type": "array",
    "maxItems": 9,
    "default": [],
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "title": "Name", "description": "Name."}},
    },
}
BOMB = "((a{1,100}){1,100}){1,100}"

BROKEN: dict[str, tuple[Callable[[Document], Document], str]] = {
    "a pointer that is not there": (
        lambda body: with_mapping(
            with_property(body, "replicas", **REPLICAS), from_="values.replicas", patch=patch("/spec/replica")
        ),
        "mappings[4], from values.replicas: Deployment web has no /spec/replica (op replace)",
    ),
    "an add below what is not there": (
        lambda body: with_mapping(
            with_property(body, "port", type="integer", default=80),
            from_="values.port",
            patch=patch("/spec/ports/3/nodePort", "Service", op="add"),
        ),
        "mappings[4], from values.port: Service web cannot add to /spec/ports/3/nodePort (op add)",
    ),
    "a pointer that exists with one component alone": (
        lambda body: with_mapping(
            with_property(body, "open", **SWITCH),
            from_="values.open",
            patch=patch("/spec/policyTypes", "NetworkPolicy"),
        ),
        "mappings[4], from values.open: there is no NetworkPolicy web",
    ),
    "an expression that is no CEL": (
        lambda body: with_mapping(
            body, value="values.greeting + ", patch=patch("/metadata/labels/a", op="add")
        ),
        "mappings[4].value: line 1",
    ),
    "an expression that fails": (
        lambda body: with_mapping(
            with_property(body, "points", **POINTS),
            value='values.points + "x"',
            patch=patch("/metadata/labels/a", op="add"),
        ),
        "mappings[4], to patch Deployment/web /metadata/labels/a: `value` cannot be evaluated: it puts together",
    ),
    "a function that does not exist": (
        lambda body: with_mapping(body, value="format(values.greeting)", replicas={"name": "web"}),
        "document 1, mappings[4].value: there is no function format",
    ),
    "a typing error in a path": (
        lambda body: with_mapping(body, from_="values.greting", config_file=CONFIG),
        "document 1, mappings[4].from: the schema declares no greting",
    ),
    "a typing error in an expression": (
        lambda body: with_mapping(body, value="values.greting + 'x'", config_file=CONFIG),
        "document 1, mappings[4].value: the schema declares no greting",
    ),
    "a profile's field that does not exist": (
        lambda body: with_mapping(body, from_="profile.ingress.domian", config_file=CONFIG),
        "document 1, mappings[4].from: a profile has no field ingress.domian",
    ),
    "a secret in a ConfigMap": (
        lambda body: with_mapping(body, from_="values.password", config_file=CONFIG),
        "document 1, mappings[4].from: password is a secret: that goes to the target secret, and nowhere else",
    ),
    "a secret in a ConfigMap by an expression": (
        lambda body: with_mapping(body, value="'key ' + values.password", config_file=CONFIG),
        "mappings[4], to configFile web-config/settings.yaml /x: a secret goes nowhere but to the target `secret`",
    ),
    "a reference that leads out": (
        lambda body: with_property(body, "far", **{"$ref": "https://example.test/schema.json"}),
        "document 1, schema.properties.far.$ref: 'https://example.test/schema.json' names nothing inside this schema",
    ),
    "a pattern that explodes": (
        lambda body: with_property(body, "text", type="string", pattern=BOMB),
        f"document 1, schema.properties.text.pattern: '{BOMB}' cannot be used",
    ),
    "a keyword that is not known": (
        lambda body: with_property(body, "key", type="string", **{"x-ocdp": {"sceret": True}}),
        "document 1, schema.properties.key.x-ocdp.sceret: unknown",
    ),
    "a mapping that nothing reaches": (
        lambda body: with_mapping(
            with_property(body, "tag", type="string", pattern="^v[0-9]{2}$"),
            from_="values.tag",
            image={"name": "registry.example.test/web"},
        ),
        "mappings[4], from values.tag: no example and no value that was tried reaches it",
    ),
    "a condition that is never true": (
        lambda body: with_mapping(
            body, from_="values.greeting", when="values.storageGi > 99", patch=patch("/spec/x", op="add")
        ),
        "mappings[4], from values.greeting: no example and no value that was tried reaches it",
    ),
    "a component that is not listed": (
        lambda body: with_mapping(
            with_property(body, "more", **SWITCH),
            from_="values.more",
            components={"true": "web/components/more", "false": None},
        ),
        "document 1, mappings[4].components.true: web/components/more is not listed",
    ),
    "a component that the repository does not have": (
        lambda body: with_mapping(
            with_property(body, "more", **SWITCH)
            | {"components": ["web/components/guarded", "web/components/no"]},
            from_="values.more",
            components={"true": "web/components/no", "false": None},
        ),
        "web/components/no, which the template names, does not exist",
    ),
    "a table that lacks a choice": (
        lambda body: with_mapping(
            with_property(body, "exposure", **EXPOSURE),
            from_="values.exposure",
            components={"guarded": "web/components/guarded"},
        ),
        "document 1, mappings[4].components: list each value that the schema offers: guarded, inside",
    ),
    "a table of an expression that lacks a choice": (
        lambda body: with_mapping(
            with_property(body, "exposure", **EXPOSURE),
            value="'is-' + values.exposure",
            components={"is-guarded": "web/components/guarded"},
        ),
        "mappings[4], to components: its value must be one of is-guarded, since it chooses a component",
    ),
    "a default that does not fit": (
        lambda body: with_property(body, "size", type="integer", minimum=5, default=1),
        "schema.properties.size.default: does not fit its own schema: must be at least 5",
    ),
    "an example that does not fit": (
        lambda body: body | {"examples": [{"storageGi": 51}]},
        "spec.values does not fit the template: /spec/values/storageGi must be at most 50 (with examples[0])",
    ),
    "a macro in a macro": (
        lambda body: with_mapping(
            with_property(body, "models", **MODELS),
            value="values.models.map(m, values.models.map(n, n.name))",
            config_file=CONFIG,
        ),
        "document 1, mappings[4].value: map inside of another macro is not allowed",
    ),
    "a macro over a list without end": (
        lambda body: with_mapping(
            with_property(body, "models", **{key: rule for key, rule in MODELS.items() if key != "maxItems"}),
            value="values.models.map(m, m.name)",
            config_file=CONFIG,
        ),
        "document 1, mappings[4].value: models is gone over item by item: give it a maxItems of at most 200",
    ),
    "an image that the base does not have": (
        lambda body: with_mapping(
            with_property(body, "tag", type="string", default="1.0.1"),
            from_="values.tag",
            image={"name": "registry.example.test/wep"},
        ),
        "mappings[4], from values.tag: no container has the image registry.example.test/wep; there are registry.example.",
    ),
    "replicas of nothing": (
        lambda body: with_mapping(
            with_property(body, "replicas", **REPLICAS), from_="values.replicas", replicas={"name": "wep"}
        ),
        "mappings[4], from values.replicas: there is no Deployment and no StatefulSet wep",
    ),
    "a file that the ConfigMap does not have": (
        lambda body: with_mapping(
            body, from_="values.greeting", config_file=CONFIG | {"file": "seetings.yaml"}
        ),
        "mappings[4], from values.greeting: A mapping sets a value in ConfigMap web-config, file seetings.yaml, which the base",
    ),
    "a keyword where nobody looks for it": (
        lambda body: (
            body
            | {
                "schema": body["schema"]
                | {
                    "$defs": {"key": {"title": "Key", "description": "Key.", "x-ocdp": {"secret": True}}},
                    "anyOf": [{"properties": {"key": {"$ref": "#/$defs/key"}}}],
                    "properties": body["schema"]["properties"] | {"token": {"$ref": "#/$defs/key"}},
                }
            }
        ),
        "document 1, schema.anyOf[0].properties.key.$ref: leads to x-ocdp, and nothing looks for that from here",
    ),
    "a property without words": (
        lambda body: body | {"schema": {"type": "object", "properties": {"a": {}}}, "mappings": []},
        "document 1, schema.properties.a: give it a title and a description",
    ),
}
