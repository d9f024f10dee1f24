"""The schema of a template's values: faults in it, and what it says of paths."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.values_schema import ValuesSchema

SEEN = {"title": "Title", "description": "Description."}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {**SEEN, "type": "string", "maxLength": 5},
        "limits": {"$ref": "#/$defs/limits"},
        "$ref": {**SEEN, "type": "string"},
        "labels": {**SEEN, "type": "object", "additionalProperties": {"type": "string"}},
        "tree": {"$ref": "#/$defs/tree"},
        "free": {**SEEN, "type": "object"},
    },
    "allOf": [
        {
            "if": {"properties": {"name": {"const": "x"}}},
            "then": {"properties": {"extra": {"type": "integer"}}},
        }
    ],
    "$defs": {
        "limits": {**SEEN, "type": "object", "properties": {"cpu": {**SEEN, "type": "number"}}},
        "tree": {**SEEN, "type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}},
    },
}


def test_a_sound_schema_has_no_faults():
    assert ValuesSchema(SCHEMA).faults() == ()


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        (
            {"$ref": "https://example.test/schema.json"},
            "$ref: 'https://example.test/schema.json' names nothing",
        ),
        ({"$ref": "other.json"}, "$ref: 'other.json' names nothing"),
        ({"$ref": "#/$defs/nowhere"}, "$ref: '#/$defs/nowhere' names nothing"),
        ({"$ref": "#here"}, "$ref: '#here' names nothing inside this schema: write # or #/ and names"),
        ({"$ref": "#/properties/b/allOf/0"}, "$ref: '#/properties/b/allOf/0' names nothing"),
        ({"$dynamicRef": "https://example.test/"}, "$dynamicRef: is not supported"),
        ({"$anchor": "here"}, "$anchor: is not supported"),
        ({"$dynamicAnchor": "here"}, "$dynamicAnchor: is not supported"),
        ({"$id": "https://example.test/inner"}, "$id: a schema inside the schema"),
        ({"pattern": "("}, "pattern: '(' cannot be used: missing )"),
        ({"pattern": "(?=a)"}, "pattern: '(?=a)' cannot be used: invalid perl operator"),
        (
            {"pattern": "x" * 513},
            f"pattern: '{'x' * 198}… cannot be used: a pattern has at most 512 characters",
        ),
        ({"patternProperties": {"(": {}}}, "patternProperties: '(' cannot be used: missing )"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties: what it would cost"),
        ({"minimum": "1"}, "minimum: "),
    ],
    ids=[
        "remote",
        "relative",
        "dangling",
        "anchor",
        "behind a list",
        "dynamic",
        "an anchor's name",
        "a dynamic anchor's name",
        "id",
        "regex",
        "look-ahead",
        "long pattern",
        "name pattern",
        "unevaluated",
        "keyword",
    ],
)
@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
def test_what_cannot_be_published_is_named(node: dict[str, Any], fault: str, deep: bool):
    inner, place = (
        ({"items": {"anyOf": [node]}}, "properties.a.items.anyOf[0].") if deep else (node, "properties.a.")
    )
    other = {"allOf": [{"$defs": {"d": {"$anchor": "here"}}}]}
    schema = {"type": "object", "properties": {"a": inner, "b": other}}
    faults = [str(each) for each in ValuesSchema(schema).faults()]
    assert any(each.startswith(place + fault) for each in faults), faults


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        (
            {"sceret": True},
            ".x-ocdp.sceret: unknown; there are secret, generate, immutable, hidden, readonly",
        ),
        ({"secret": "yes"}, ".x-ocdp.secret: "),
        ({"generate": {"length": 7}}, ".x-ocdp.generate.length: "),
        ({"generate": {"size": 9}}, ".x-ocdp.generate.size: unknown; there are length, alphabet, prefix"),
        ({"generate": {"alphabet": "emoji"}}, ".x-ocdp.generate.alphabet: "),
        ({"from": "values.b"}, ".x-ocdp.from: "),
        ({"hidden": True}, ".x-ocdp: what a claim may not set needs a value"),
        ({"readonly": True}, ".x-ocdp: what a claim may not set needs a value"),
        ({"minimum": "1"}, ".x-ocdp: minimum and maximum are quantities here"),
        ({"minimum": "lots"}, ".x-ocdp.minimum: is a Kubernetes quantity"),
        (
            {"secret": True, "from": "claim.name"},
            ".x-ocdp.from: a secret is given by the claim, or generated",
        ),
        (True, ".x-ocdp: is a mapping"),
    ],
    ids=str,
)
def test_a_keyword_that_means_nothing_is_named(node: Any, fault: str):
    schema = {"type": "object", "properties": {"a": {**SEEN, "type": "string", "x-ocdp": node}}}
    faults = [str(each) for each in ValuesSchema(schema).faults()]
    assert any(each.startswith(f"properties.a{fault}") for each in faults), faults


@pytest.mark.parametrize("keyword", ["default", "enum", "const", "examples"])
def test_no_schema_tells_a_secret(keyword: str):
    node = {**SEEN, keyword: ["hunter2"], "x-ocdp": {"secret": True}}
    (fault,) = ValuesSchema({"type": "object", "properties": {"a": node}}).faults()
    assert fault.path == f"properties.a.{keyword}"
    assert "hunter2" not in fault.message


def test_bounds_of_a_quantity_the_wrong_way_round_are_named():
    node = {**SEEN, "format": "quantity", "x-ocdp": {"minimum": "2Gi", "maximum": "1000Mi"}}
    (fault,) = ValuesSchema({"type": "object", "properties": {"a": node}}).faults()
    assert str(fault) == "properties.a.x-ocdp.minimum: is more than maximum"


def test_every_property_says_what_people_see_of_it():
    schema = {
        "type": "object",
        "properties": {
            "bare": {},
            "titled": {"title": "Titled"},
            "far": {**SEEN, "items": {"properties": {"down": {"description": "Down."}}}},
            "referred": {"$ref": "#/$defs/d"},
        },
        "if": {"properties": {"bare": {"const": 1}}},
        "$defs": {"d": {**SEEN, "properties": {"within": {}}}},
    }
    assert [str(fault).split(": that")[0] for fault in ValuesSchema(schema).faults()] == [
        "properties.bare: give it a title and a description",
        "properties.titled: give it a description",
        "$defs.d.properties.within: give it a title and a description",
        "properties.far.items.properties.down: give it a title",
    ]


def held(place: str, node: Any) -> dict[str, Any]:
    if place in {"anyOf", "oneOf"}:
        return {place: [node]}
    return {place: {"b": node} if place == "dependentSchemas" else node}


UNSEEN = (
    *("anyOf", "oneOf", "not", "if", "then", "else"),
    *("dependentSchemas", "contains", "propertyNames"),
)


@pytest.mark.parametrize("place", UNSEEN)
def test_a_keyword_where_nothing_looks_for_it_is_named(place: str):
    node: Any = {**SEEN, "x-ocdp": {"secret": True}}
    for inner, below in ((node, ".x-ocdp"), ({"properties": {"c": node}}, ".properties.c.x-ocdp")):
        schema = {"type": "object", "properties": {"a": {**SEEN, **held(place, inner)}}}
        (fault,) = ValuesSchema(schema).faults()
        assert fault.path.startswith(f"properties.a.{place}")
        assert fault.path.endswith(below)


@pytest.mark.parametrize("place", UNSEEN)
def test_a_keyword_that_is_seen_elsewhere_alone_is_named_where_it_is_not(place: str):
    """The definition is a property's too, where it means what it says."""
    inner = {"properties": {"c": {"$ref": "#/$defs/token"}}}
    definitions = {"token": {"$ref": "#/$defs/key"}, "key": {**SEEN, "x-ocdp": {"secret": True}}}
    known = {"a": {**SEEN, **held(place, inner)}, "token": {"$ref": "#/$defs/token"}}
    schema = {"type": "object", "properties": known, "$defs": definitions}
    (fault,) = ValuesSchema(schema).faults()
    assert fault.path.startswith(f"properties.a.{place}")
    assert fault.path.endswith(".properties.c.$ref")
    assert "leads to x-ocdp" in fault.message


def test_references_without_a_keyword_may_be_anywhere_and_go_round():
    tree = {**SEEN, "anyOf": [{"type": "null"}, {"properties": {"left": {**SEEN, "$ref": "#/$defs/tree"}}}]}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}
    assert ValuesSchema(schema).faults() == ()


@pytest.mark.parametrize(
    "node",
    [{"secret": True}, {"generate": {}}, {"readonly": True, "from": "claim.name"}, {"from": "claim.name"}],
    ids=str,
)
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_a_keyword_behind_a_pattern_of_names_is_named(node: dict[str, Any], shared: bool):
    kept = {**SEEN, "type": "string", "x-ocdp": node}
    below = {"type": "object", "properties": {"pw": {"$ref": "#/$defs/kept"} if shared else kept}}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"m": {**SEEN, "type": "object", "patternProperties": {"^x": below}}},
        "$defs": {"kept": kept} if shared else {},
    }
    if shared:
        schema["properties"]["own"] = {"$ref": "#/$defs/kept"}
    (fault,) = ValuesSchema(schema).faults()
    assert fault.path == (
        "$defs.kept.x-ocdp" if shared else "properties.m.patternProperties.^x.properties.pw.x-ocdp"
    )


@pytest.mark.parametrize(
    "said", [{"readonly": True}, {"hidden": True}, {"from": "claim.name"}, {"immutable": True}], ids=str
)
@pytest.mark.parametrize("place", ["items", "additionalProperties"])
def test_what_has_no_name_is_set_by_no_platform(place: str, said: dict[str, Any]):
    node = {"type": "string", "default": "a", "x-ocdp": said}
    schema = {"type": "object", "properties": {"l": {**SEEN, place: node}}}
    (name,) = said
    assert [fault.path for fault in ValuesSchema(schema).faults()] == [f"properties.l.{place}.x-ocdp.{name}"]


@pytest.mark.parametrize("said", ["hidden", "readonly"])
def test_what_the_platform_sets_is_not_immutable(said: str):
    node = {**SEEN, "x-ocdp": {"immutable": True, said: True, "from": "profile.storageClass"}}
    (fault,) = ValuesSchema({"type": "object", "properties": {"a": node}}).faults()
    assert fault.path == "properties.a.x-ocdp"
    assert "cannot be immutable: the platform sets it" in fault.message


def test_what_may_not_change_is_in_no_list_and_at_most_twenty():
    kept = {**SEEN, "x-ocdp": {"immutable": True}}
    listed = {"type": "object", "properties": {"l": {**SEEN, "items": {"properties": {"a": kept}}}}}
    (fault,) = ValuesSchema(listed).faults()
    assert fault.path == "properties.l.items.properties.a"
    many = {f"p{n}": dict(kept) for n in range(21)}
    assert "at most 20" in str(ValuesSchema({"type": "object", "properties": many}).faults()[0])
    many.pop("p0")
    assert ValuesSchema({"type": "object", "properties": many}).faults() == ()


def test_data_that_looks_like_a_reference_is_data():
    schema = {
        "type": "object",
        "properties": {"a": {**SEEN, "default": {"$ref": "https://example.test/"}, "const": {"$id": 1}}},
    }
    assert ValuesSchema(schema).faults() == ()


def test_another_dialect_is_refused():
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    assert "2020-12" in str(ValuesSchema(schema).faults()[0])


@pytest.mark.parametrize(
    ("path", "declared"),
    [
        ("name", True),
        ("limits.cpu", True),
        ("limits.gpu", False),
        ("$ref", True),
        ("labels.anything", True),
        ("extra", True),
        ("tree.left.left.left", True),
        ("tree.right", False),
        ("free.anything", False),
        ("name.length", False),
        ("nothing", False),
    ],
)
def test_a_path_is_declared_only_where_the_schema_names_it(path: str, declared: bool):
    assert bool(ValuesSchema(SCHEMA).declared_at(path.split("."))) is declared


def test_a_reference_to_itself_ends():
    looped = ValuesSchema({"type": "object", "allOf": [{"$ref": "#"}]})
    assert looped.declared_at(["a"]) == ()
