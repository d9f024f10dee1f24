"""The CRDs say exactly what the models read and write, and every field is explained."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
import yaml

from ocdp_operator.errors import Actor, Reason, Stage
from ocdp_operator.model.claim import ClaimSpec, ClaimStatus
from ocdp_operator.model.conditions import Condition
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import CLAIM, POD, RUNTIME_KINDS, SECRET, WATCHED_KINDS, WORKLOAD, Kind
from ocdp_operator.model.names import MAX_CLAIM_NAME, MAX_INVENTORY
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.wire import WireModel
from ocdp_operator.model.workload import ObjectHealth, WorkloadSpec

PROJECT = Path(__file__).parents[2]
Schema = dict[str, Any]


def crd(kind: Kind) -> dict[str, Any]:
    return dict(yaml.safe_load((PROJECT / "crds" / f"{kind.plural}.yaml").read_text()))


def version(kind: Kind) -> dict[str, Any]:
    (only,) = crd(kind)["spec"]["versions"]
    return dict(only)


def schema(kind: Kind, *path: str) -> Schema:
    node = version(kind)["schema"]["openAPIV3Schema"]
    for name in path:
        node = node["properties"][name]
    return dict(node)


def unwrapped(annotation: Any) -> Any:
    """The type behind ``X | None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(annotation) if each is not type(None))
        return inner
    return annotation


def differences(model: type[WireModel], node: Schema, path: str) -> Iterator[str]:
    properties = node.get("properties", {})
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    yield from (f"{path}.{name}: only in the model" for name in fields.keys() - properties.keys())
    yield from (f"{path}.{name}: only in the CRD" for name in properties.keys() - fields.keys())
    required = {name for name, field in fields.items() if field.is_required()}
    if required != set(node.get("required", ())):
        yield f"{path}: required are {sorted(required)} in the model, {node.get('required')} in the CRD"
    for name in fields.keys() & properties.keys():
        yield from type_differences(unwrapped(fields[name].annotation), properties[name], f"{path}.{name}")


def type_differences(annotation: Any, node: Schema, path: str) -> Iterator[str]:
    origin = get_origin(annotation)
    if origin is tuple:
        if node["type"] != "array":
            yield f"{path}: an array in the model"
        else:
            yield from type_differences(get_args(annotation)[0], node["items"], f"{path}[]")
    elif isinstance(annotation, type) and issubclass(annotation, WireModel):
        yield from differences(annotation, node, path)
    else:
        plain = "object" if origin is dict else plain_type(annotation)
        if node["type"] != plain:
            yield f"{path}: {plain} in the model, {node['type']} in the CRD"
        if "enum" in node and set(node["enum"]) != set(annotation):
            yield f"{path}: other words in the model than in the CRD"


def plain_type(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, str):
        return "string"
    return {bool: "boolean", int: "integer", str: "string"}[annotation]


def nodes(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")


EVERY_NODE = [
    pytest.param(node, id=path)
    for kind in (CLAIM, WORKLOAD)
    for path, node in nodes(schema(kind), kind.kind)
    if not path.endswith((".metadata", ".apiVersion", ".kind"))
]


@pytest.mark.parametrize(
    ("kind", "path", "model"),
    [
        pytest.param(CLAIM, "spec", ClaimSpec, id="claim's spec"),
        pytest.param(CLAIM, "status", ClaimStatus, id="claim's status"),
        pytest.param(WORKLOAD, "spec", WorkloadSpec, id="workload's spec"),
    ],
)
def test_model_and_crd_have_the_same_fields(kind: Kind, path: str, model: type[WireModel]) -> None:
    assert list(differences(model, schema(kind, path), path)) == []


def test_workload_status_has_the_fields_that_are_written() -> None:
    status = schema(WORKLOAD, "status")
    assert set(status["properties"]) == {"observedGeneration", "conditions", "objects"}
    assert list(differences(ObjectHealth, status["properties"]["objects"]["items"], "objects[]")) == []
    assert list(differences(Condition, status["properties"]["conditions"]["items"], "conditions[]")) == []


def test_inventory_entry_has_the_fields_that_are_written() -> None:
    ref = ObjectRef("apps", "Deployment", "ide")
    fullest = Entry(
        ref, 3, "uid", "sent", "applied", desired=False, content_named=True, last_healthy=True, approved=True
    )
    barest = Entry(ref, 3)
    items = schema(CLAIM, "status", "inventory")["items"]
    assert set(fullest.to_wire()) == set(items["properties"])
    assert set(barest.to_wire()) == set(items["required"])


def test_bounds_are_those_of_the_code() -> None:
    assert schema(CLAIM, "status", "inventory")["maxItems"] == MAX_INVENTORY
    (rule,) = schema(CLAIM)["x-kubernetes-validations"]
    assert f"<= {MAX_CLAIM_NAME} " in rule["rule"]
    assert schema(WORKLOAD, "spec", "claim")["maxLength"] == MAX_CLAIM_NAME


@pytest.mark.parametrize("node", EVERY_NODE)
def test_field_is_bounded(node: Schema) -> None:
    if node["type"] == "array":
        assert node["maxItems"]
        assert node["x-kubernetes-list-type"] == "atomic"
    if node["type"] == "string":
        assert {"maxLength", "enum", "format"} & node.keys()


@pytest.mark.parametrize("kind", [CLAIM, WORKLOAD], ids=str)
def test_every_field_has_a_description(kind: Kind) -> None:
    silent = [
        path
        for path, node in nodes(schema(kind), kind.kind)
        if not node.get("description") and not path.endswith(("[]", ".metadata"))
    ]
    assert silent == []


@pytest.mark.parametrize("kind", [CLAIM, WORKLOAD], ids=str)
def test_crd_names_the_kind(kind: Kind) -> None:
    spec = crd(kind)["spec"]
    assert crd(kind)["metadata"]["name"] == f"{kind.plural}.{kind.group}"
    assert (spec["group"], spec["scope"]) == (kind.group, "Namespaced")
    assert (spec["names"]["kind"], spec["names"]["plural"]) == (kind.kind, kind.plural)
    assert version(kind)["name"] == kind.version
    assert version(kind)["subresources"] == {"status": {}}


def test_kubectl_get_shows_what_users_look_for() -> None:
    columns = version(CLAIM)["additionalPrinterColumns"]
    narrow = [column["name"].upper() for column in columns if not column.get("priority")]
    wide = [column["name"].upper() for column in columns if column.get("priority")]
    assert narrow == ["TEMPLATE", "READY", "REASON", "URL", "AGE"]
    assert wide == ["WORKSPACE", "REVISION", "HEALTHY", "STATUS"]


API_DOCS = (PROJECT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("kind", [CLAIM, WORKLOAD], ids=str)
def test_every_field_is_documented(kind: Kind) -> None:
    section = API_DOCS.partition(f"\n## {kind.kind}\n")[2].partition("\n## ")[0]
    paths = {
        path.removeprefix(f"{kind.kind}.")
        for path, _ in nodes(schema(kind), kind.kind)
        if path.startswith((f"{kind.kind}.spec.", f"{kind.kind}.status.")) and not path.endswith("[]")
    }
    assert {path for path in paths if f"`{path}`" not in section} == set()


@pytest.mark.parametrize("word", [*Reason, *Actor, *Stage])
def test_every_word_of_a_status_is_documented(word: str) -> None:
    assert f"`{word}`" in API_DOCS


def roles() -> dict[str, list[dict[str, Any]]]:
    texts = [(PROJECT / "config" / "rbac" / f"{name}.yaml").read_text() for name in ("operator", "applier")]
    documents = [document for text in texts for document in yaml.safe_load_all(text)]
    return {document["metadata"]["name"]: document.get("rules", []) for document in documents}


ROLES = roles()
EVERYWHERE, IN_WORKSPACES = ROLES["ocdp-operator"], ROLES["ocdp-applier-base"]
LOOKING = {"get", "list", "watch"}


def verbs(rules: list[dict[str, Any]], group: str, resource: str) -> set[str]:
    return {
        verb
        for rule in rules
        if group in rule["apiGroups"] and resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_nothing_is_granted_by_a_star() -> None:
    words = [word for rules in ROLES.values() for rule in rules for part in rule.values() for word in part]
    assert words
    assert "*" not in words


@pytest.mark.parametrize("kind", [*WATCHED_KINDS, WORKLOAD], ids=str)
def test_watched_kind_may_be_watched_everywhere(kind: Kind) -> None:
    # Pods are read from the watch alone; of the others a single look confirms what a watch told.
    assert verbs(EVERYWHERE, kind.group, kind.plural) == (LOOKING - {"get"} if kind == POD else LOOKING)


def test_secrets_may_be_neither_listed_nor_watched() -> None:
    assert verbs(EVERYWHERE, SECRET.group, SECRET.plural) == set()
    assert verbs(IN_WORKSPACES, SECRET.group, SECRET.plural) == {"get", "create", "patch", "delete"}


@pytest.mark.parametrize("kind", [*RUNTIME_KINDS, WORKLOAD], ids=str)
def test_kind_may_be_written_where_the_applier_is_bound(kind: Kind) -> None:
    assert {"create", "patch", "delete"} <= verbs(IN_WORKSPACES, kind.group, kind.plural)


def test_operator_writes_nothing_everywhere_but_claims_and_events() -> None:
    written = {
        (resource, verb)
        for rule in EVERYWHERE
        for resource in rule["resources"]
        for verb in set(rule["verbs"]) - LOOKING
    }
    assert written == {("workloadclaims", "patch"), ("workloadclaims/status", "patch"), ("events", "create")}
