"""Files of a platform team: what is taken, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.publication import (
    BindingEntry,
    ClusterEntry,
    PublicationError,
    TemplateEntry,
    WorkspaceEntry,
    parse_entries,
    to_document,
)
from tests.support.catalog_entries import binding, declared, template, template_document, workspace


def dump(*documents: Any) -> bytes:
    return yaml.safe_dump_all(documents).encode()


def refusal(*documents: Any, entry: Any = TemplateEntry) -> list[str]:
    with pytest.raises(PublicationError) as caught:
        parse_entries(dump(*documents), name="file.yaml", entry=entry)
    first, *faults = str(caught.value).splitlines()
    assert first == "file.yaml is not accepted:"
    return [fault.strip() for fault in faults]


def test_a_template_becomes_an_entry_with_all_it_says():
    (entry,) = parse_entries(dump(template_document(title="Editor")), name="file.yaml", entry=TemplateEntry)
    assert entry == template(title="Editor")
    assert entry.body.components == ("apps/code-server/components/ingress",)
    assert entry.pinned("a" * 40).path == "apps/code-server/base"


def test_several_documents_become_entries_in_their_order():
    data = b"---\n" + dump(template_document("a")) + b"---\n---\n" + dump(template_document("b"))
    assert [entry.id for entry in parse_entries(data, name="file.yaml", entry=TemplateEntry)] == ["a", "b"]


def test_every_fault_of_every_document_is_told_at_once():
    faults = refusal(
        template_document(titel="x", id="Code Server"), template_document(), {"kind": "Workspace"}
    )
    assert [fault.split(": ")[0] for fault in faults] == [
        "document 1, id",
        "document 1, titel",
        "document 3, kind",
    ]


WRONG = {
    "an unknown key": ({"titel": "x"}, "titel: unknown key"),
    "an unknown key far down": (
        {"mappings": [{"from": "values.exposure", "secret": {"key": "K", "kee": "x"}}]},
        "mappings[0].secret.kee: unknown key",
    ),
    "python's name of a key": ({"template_type": "kustomize"}, "template_type: unknown key"),
    "a number for a mapping": ({"source": 3}, "source: must be a mapping"),
    "a list for a mapping": ({"schema": []}, "schema: must be a mapping"),
    "a number among mappings": ({"mappings": [3]}, "mappings[0]: must be a mapping"),
    "a mapping for a list": ({"examples": {}}, "examples: must be a list"),
    "a missing schema": ({"schema": ...}, "schema: is required"),
    "another template type": ({"templateType": "helm"}, "templateType: Input should be 'kustomize'"),
    "a path that leaves the repository": (
        {"source": template_document()["source"] | {"path": "a/../../b"}},
        "source.path: a path is relative to the repository's root",
    ),
    "an absolute path": (
        {"source": template_document()["source"] | {"path": "/etc"}},
        "source.path: a path is",
    ),
    "a component outside": ({"components": ["../x"], "mappings": []}, "components[0]: a path is relative"),
    "an option as ref": (
        {"source": template_document()["source"] | {"ref": "--upload-pack=x"}},
        "source.ref: ",
    ),
    "a number as ref": (
        {"source": template_document()["source"] | {"ref": 1.0}},
        "source.ref: Input should be a",
    ),
    "credentials in the URL": (
        {"source": template_document()["source"] | {"repositoryUrl": "https://me:hunter2@host/x"}},
        "source.repositoryUrl: ",
    ),
    "another scheme": (
        {"source": template_document()["source"] | {"repositoryUrl": "file:///etc"}},
        "source.repositoryUrl: ",
    ),
    "no examples": ({"examples": []}, "examples: give at least one example"),
    "an unknown kind": (
        {"allowedKinds": ["ClusterRole"]},
        "allowedKinds[0]: the operator never writes a ClusterRole",
    ),
    "an ignored field that the policy guards": (
        {
            "ignore": [
                {"target": {"kind": "Deployment"}, "pointers": ["/spec/template/spec/serviceAccountName"]}
            ]
        },
        "ignore[0].pointers[0]: this field of a Deployment is always the template's",
    ),
    "an ignored kind": (
        {"ignore": [{"target": {"kind": "Secret"}, "pointers": ["/data/a"]}]},
        "ignore[0].pointers[0]: no field of a Secret can be ignored",
    ),
    "an ignore rule without pointers": (
        {"ignore": [{"target": {"kind": "Deployment"}, "pointers": []}]},
        "ignore[0].pointers: ",
    ),
    "a mapping without target": (
        {"mappings": [{"from": "values.exposure"}]},
        "mappings[0]: a mapping has exactly one",
    ),
    "a mapping from nowhere": (
        {"mappings": [{"from": "values.exposre", "secret": {"key": "K"}}]},
        "mappings[0].from: the schema declares no exposre",
    ),
    "a mapping from an unknown fact": (
        {"mappings": [{"from": "claim.uid", "secret": {"key": "K"}}]},
        "mappings[0].from: unknown; beside values and profile there are claim.name",
    ),
    "a component that is not listed": (
        {"mappings": [{"from": "values.exposure", "components": {"ingress": "apps/x"}}]},
        "mappings[0].components.ingress: apps/x is not listed",
    ),
    "a choice that the schema does not offer": (
        {"mappings": [{"from": "values.exposure", "components": {"clusterip": None, "ingres": None}}]},
        "mappings[0].components: list each value that the schema offers: clusterip, ingress",
    ),
    "a choice that a mapping forgets": (
        {"mappings": [{"from": "values.exposure", "components": {"clusterip": None}}]},
        "mappings[0].components: list each value that the schema offers: clusterip, ingress",
    ),
    "a switch that a mapping forgets to turn off": (
        {
            "schema": {"type": "object", "properties": {"on": declared(type="boolean")}},
            "mappings": [{"from": "values.on", "components": {"true": None}}],
        },
        "mappings[0].components: list each value that the schema offers: false, true",
    ),
    "a schema against the metaschema": ({"schema": {"type": "objekt"}}, "schema.type: "),
    "a property without a title": (
        {"schema": {"type": "object", "properties": {"cpu": {"type": "string"}}}, "mappings": []},
        "schema.properties.cpu: give it a title and a description",
    ),
    "a misspelt keyword": (
        {"schema": {"type": "object", "properties": {"key": declared(**{"x-ocdp": {"sceret": True}})}}},
        "schema.properties.key.x-ocdp.sceret: unknown; there are secret, generate, immutable",
    ),
    "a value from a profile's field that is none": (
        {
            "schema": {
                "type": "object",
                "properties": {"key": declared(**{"x-ocdp": {"from": "profile.storage"}})},
            },
            "mappings": [],
        },
        "schema.properties.key.x-ocdp.from: a profile has no field storage",
    ),
    "a value from a fact that is none": (
        {
            "schema": {
                "type": "object",
                "properties": {"key": declared(**{"x-ocdp": {"from": "claim.uid"}})},
            },
            "mappings": [],
        },
        "schema.properties.key.x-ocdp.from: unknown; beside values and profile there are claim.name",
    ),
    "a schema of a list": ({"schema": {"type": "array"}}, "schema.type: the values of a claim are an object"),
    "an infinite number": (
        {"examples": [{"storageGi": float("inf")}]},
        "examples[0].storageGi: JSON knows no",
    ),
    "a huge integer": (
        {"examples": [{"storageGi": 2**64}]},
        "examples[0].storageGi: an integer has at most 64 bits",
    ),
    "a NUL": ({"title": "a\0b"}, "title: a NUL"),
}


@pytest.mark.parametrize(("changes", "fault"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_template_is_named_with_its_path(changes: dict[str, Any], fault: str):
    document = {key: value for key, value in template_document(**changes).items() if value is not ...}
    faults = refusal(document)
    assert any(each.startswith(f"document 1, {fault}") for each in faults), faults
    assert "hunter2" not in "".join(faults)


def test_text_that_looks_like_something_else_stays_text():
    data = yaml.safe_dump(template_document()).encode() + b"title: 2024-01-01\n"
    assert parse_entries(data, name="f", entry=TemplateEntry)[0].title == "2024-01-01"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "it holds no document"),
        (b"---\n---\n", "it holds no document"),
        (b"[1, 2]", "document 1, a document is a mapping"),
        (b"kind: AccessBinding\n", "document 1, kind: `ocdp binding apply` takes kind AccessBinding"),
        (b"kind: [x]\n", "document 1, kind: `kind: WorkloadTemplate` is expected here"),
        (b"id: x\n", "document 1, kind: `kind: WorkloadTemplate` is expected here"),
    ],
    ids=["nothing", "empty documents", "a list", "another command's kind", "a strange kind", "no kind"],
)
def test_a_file_of_something_else_is_refused(data: bytes, fault: str):
    with pytest.raises(PublicationError, match=fault.replace("[", r"\[")):
        parse_entries(data, name="file.yaml", entry=TemplateEntry)


@pytest.mark.parametrize(
    "data",
    [b"a: [", b"a: *nothing", b"!!python/object:os.system {}", b"\xff\xfe\x00", b"id: a\nid: b", b"1: a"],
    ids=repr,
)
def test_broken_or_unsafe_yaml_is_one_refusal(data: bytes):
    with pytest.raises(PublicationError, match=r"file\.yaml"):
        parse_entries(data, name="file.yaml", entry=TemplateEntry)


def test_a_workspace_has_one_enabled_placement_in_a_cluster():
    document: dict[str, Any] = {
        "kind": "Workspace",
        "id": "team-a",
        "customer": "acme",
        "placements": [{"cluster": "c", "namespace": "a"}, {"cluster": "c", "namespace": "b"}],
    }
    assert "at most one enabled placement" in refusal(document, entry=WorkspaceEntry)[0]
    document["placements"][0]["disabled"] = True
    assert parse_entries(dump(document), name="f", entry=WorkspaceEntry)


@pytest.mark.parametrize("subjects", [{}, {"workspace": "a", "user": "b"}], ids=["none", "two"])
def test_a_binding_names_exactly_one_subject(subjects: dict[str, str]):
    document = {"kind": "AccessBinding", "template": "x", **subjects}
    assert "exactly one of workspace, user and group" in refusal(document, entry=BindingEntry)[0]


@pytest.mark.parametrize(
    "entry",
    [
        template(title="Editor", disabled=True, defaults={"deletionPolicy": "Delete"}),
        workspace("team-a", "a", "-old"),
        ClusterEntry(id="local", disabled=True),
        binding(),
        BindingEntry(template="x", group="system:authenticated"),
    ],
    ids=lambda entry: entry.kind,
)
def test_what_is_shown_can_be_applied_again(entry: Any):
    assert parse_entries(dump(to_document(entry)), name="f", entry=type(entry)) == (entry,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*template_document(), "disabled", "defaults"]), JSON))
def test_any_document_is_taken_or_refused_by_a_refusal_of_ours(changes: dict[str, Any]):
    data = yaml.safe_dump(template_document() | changes).encode()
    try:
        (entry,) = parse_entries(data, name="f", entry=TemplateEntry)
    except PublicationError:
        return
    assert entry.id
