from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.kustomization import (
    GeneratedConfigMap,
    Kustomization,
    ReferenceKind,
    find_kustomization,
    generated_config_maps,
)

PATH = "apps/web/base/kustomization.yaml"
UNSAFE = Reason.UNSAFE_BUILD


def parse(**fields: Any) -> Kustomization:
    return Kustomization.parse(PATH, yaml.safe_dump(fields).encode())


def refusal(**fields: Any) -> str:
    with pytest.raises(Stalled) as error:
        parse(**fields)
    assert error.value.reason is UNSAFE
    assert error.value.message.startswith(PATH)
    return error.value.message


NOT_ALLOWED = {
    "secretGenerator": "map the value as `secret`",
    "bases": "list it under `resources`",
    "commonLabels": "write `labels`",
    "namePrefix": "<claim>-<name>",
    "nameSuffix": "<claim>-<name>",
    "patchesStrategicMerge": "write `patches`",
    "patchesJson6902": "write `patches`",
    "vars": "write `replacements`",
    "helmCharts": "charts",
    "helmGlobals": "charts",
    "helmChartInflationGenerator": "charts",
    "generators": "no program",
    "transformers": "no program",
    "validators": "no program",
    "openapi": "rules of the build",
    "crds": "rules of the build",
    "configurations": "rules of the build",
    "buildMetadata": "changing values",
    "anythingElse": "not allowed",
    "RESOURCES": "not allowed",
    "helmcharts": "not allowed",
}


@pytest.mark.parametrize(("key", "why"), NOT_ALLOWED.items(), ids=NOT_ALLOWED.keys())
def test_a_key_that_is_not_listed_is_refused_with_what_to_write_instead(key: str, why: str):
    message = refusal(**{key: ["x"]})
    assert key in message
    assert why in message


def test_an_inner_key_that_is_not_listed_is_refused_too():
    assert "patches[0].Path" in refusal(patches=[{"Path": "https://x.test/y"}])
    assert "configMapGenerator[0].namespace" in refusal(configMapGenerator=[{"name": "x", "namespace": "y"}])


ELSEWHERE = {
    "https": "https://git.example.test/base",
    "https with an option": "https://h/r?ref=--upload-pack=touch x",
    "http": "http://git.example.test/base",
    "ssh": "ssh://git@git.example.test/base",
    "scp": "git@git.example.test:owner/base",
    "a forced git": "git::https://git.example.test/base",
    "a file": "file:///etc/passwd",
    "GitHub without a scheme": "github.com/owner/repository",
    "GitHub in capitals": "GitHub.com/owner/repository",
    "a query": "base?ref=main",
    "an option": "--upload-pack",
    "a variable": "$HOME/base",
    "a home": "~/base",
    "an absolute path": "/etc",
    "a backslash": "..\\..\\etc",
    "NUL": "base\0",
    "a line break": "base\n",
    "a blank before": " https://x",
    "nothing": "",
    "too long": "a" * 513,
}
FIELDS = {
    "resources": lambda said: {"resources": [said]},
    "components": lambda said: {"components": [said]},
    "patches": lambda said: {"patches": [{"path": said}]},
    "replacements": lambda said: {"replacements": [{"path": said}]},
    "files": lambda said: {"configMapGenerator": [{"name": "x", "files": [said]}]},
    "files with a key": lambda said: {"configMapGenerator": [{"name": "x", "files": [f"k={said}"]}]},
    "envs": lambda said: {"configMapGenerator": [{"name": "x", "envs": [said]}]},
    "env": lambda said: {"configMapGenerator": [{"name": "x", "env": said}]},
}


@pytest.mark.parametrize("said", ELSEWHERE.values(), ids=ELSEWHERE.keys())
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS.keys())
def test_nothing_that_could_be_fetched_from_elsewhere_passes_in_any_field(fields: Any, said: str):
    message = refusal(**fields(said))
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize("said", ["../../../../etc", "../../../..", "x/../../../../../y"], ids=str)
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS.keys())
def test_a_path_that_leads_out_of_the_repository_is_refused(fields: Any, said: str):
    assert "leads out of the repository" in refusal(**fields(said))


def test_references_are_resolved_from_the_file_that_makes_them():
    found = parse(
        resources=["deployment.yaml", "../shared/", "../../.."],
        components=["../components/x"],
        patches=[{"path": "p.yaml"}, {"patch": "https://not.fetched: is data"}],
        replacements=[{"path": "./r.yaml"}, {"source": {}, "targets": []}],
        configMapGenerator=[
            {"name": "c", "files": ["a.yaml", "key=conf/b.yaml"], "envs": ["x.env"], "env": "y.env"}
        ],
    )
    assert [(ref.path, ref.field) for ref in found.references] == [
        ("apps/web/base/deployment.yaml", "resources[0]"),
        ("apps/web/shared", "resources[1]"),
        ("", "resources[2]"),
        ("apps/web/components/x", "components[0]"),
        ("apps/web/base/p.yaml", "patches[0].path"),
        ("apps/web/base/r.yaml", "replacements[0].path"),
        ("apps/web/base/a.yaml", "configMapGenerator[0].files[0]"),
        ("apps/web/base/conf/b.yaml", "configMapGenerator[0].files[1]"),
        ("apps/web/base/x.env", "configMapGenerator[0].envs[0]"),
        ("apps/web/base/y.env", "configMapGenerator[0].envs[1]"),
    ]
    kinds = {ref.field.partition("[")[0]: ref.kind for ref in found.references}
    assert kinds["resources"] is ReferenceKind.EITHER
    assert kinds["components"] is ReferenceKind.DIRECTORY
    assert kinds["patches"] is ReferenceKind.FILE


def test_generated_config_maps_have_their_files_by_key():
    (found,) = parse(
        configMapGenerator=[
            {"name": "c", "files": ["a.yaml", "key=b.yaml"], "envs": ["x.env"], "literals": ["l=1"]}
        ]
    ).config_maps
    assert found == GeneratedConfigMap(
        "c",
        {"a.yaml": "apps/web/base/a.yaml", "key": "apps/web/base/b.yaml"},
        ("apps/web/base/x.env",),
    )


@pytest.mark.parametrize("said", ["a=b=c", "=b", "a=", "a b=c"], ids=str)
def test_a_generated_file_has_at_most_one_key(said: str):
    assert "key=path" in refusal(configMapGenerator=[{"name": "c", "files": [said]}])


def test_only_config_maps_with_a_hash_are_named_by_their_content():
    plain = {"disableNameSuffixHash": True}
    files = {
        "a/kustomization.yaml": yaml.safe_dump(
            {"configMapGenerator": [{"name": "hashed"}, {"name": "plain", "options": plain}]}
        ).encode(),
        "b/kustomization.yml": yaml.safe_dump(
            {"generatorOptions": plain, "configMapGenerator": [{"name": "plain-too"}]}
        ).encode(),
        "b/other.yaml": b"configMapGenerator: [{name: no}]",
    }
    assert generated_config_maps(files) == {"hashed"}


def test_the_file_is_built_from_what_was_understood_not_from_its_text():
    text = (
        b"# a comment\nresources:\n- &x 'a.yaml'\ncomponents:\n- b\nnamespace: \nsortOptions: {order: fifo}\n"
    )
    found = Kustomization.parse(PATH, text)
    assert orjson.loads(found.canonical) == {
        "resources": ["a.yaml"],
        "components": ["b"],
        "sortOptions": {"order": "fifo"},
    }
    again = Kustomization.parse(PATH, found.canonical)
    assert again == found


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"a", b"{}\n---\n{}", b"resources: x", b"resources: [1]"], ids=repr
)
def test_what_is_no_kustomization_is_refused(data: bytes):
    with pytest.raises(Stalled) as error:
        Kustomization.parse(PATH, data)
    assert error.value.reason is UNSAFE


def test_the_outermost_directories_come_first():
    found = parse(resources=["../a", "../b"], components=["../c", "../d"])
    assert found.directories == ("apps/web/d", "apps/web/c", "apps/web/b", "apps/web/a")


def test_a_directory_is_found_by_any_of_kustomizes_names():
    for name in ("kustomization.yaml", "kustomization.yml", "Kustomization"):
        found = find_kustomization({f"a/{name}": b"kind: Component"}, "a")
        assert found is not None
        assert found.path == f"a/{name}"
    assert find_kustomization({"a/kustomize.yaml": b""}, "a") is None
    assert find_kustomization({"Kustomization": b"kind: Component"}, "") is not None


@given(st.text(max_size=40))
def test_a_path_passes_only_when_it_stays_inside(said: str):
    try:
        found = parse(resources=[said])
    except Stalled as error:
        assert error.reason is UNSAFE  # noqa: PT017
        return
    (reference,) = found.references
    assert not reference.path.startswith(("/", "../"))
    assert ".." not in reference.path.split("/")
    assert ":" not in said
