from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.plan.overlay import build_overlay
from tests.support.apps import app_files, document
from tests.support.overlays import GUARDED, patch_of, patching, said, setting, workload

GOLDEN = Path(__file__).parent / "golden" / "web"
FILES = app_files()
ARGS = "/spec/template/spec/containers/0/args/-"


def test_the_overlay_of_the_thin_application_is_the_golden_one():
    overlay = build_overlay(
        workload({"greeting": "hi", "storageGi": 20, "guarded": "yes"}, components=(GUARDED,)), FILES
    )
    golden = {
        path.relative_to(GOLDEN).as_posix(): path.read_bytes() for path in GOLDEN.rglob("*") if path.is_file()
    }
    assert {path: content.decode() for path, content in overlay.files.items()} == {
        path: content.decode() for path, content in golden.items()
    }


def test_without_values_the_overlay_names_labels_and_brings_the_secret():
    overlay = build_overlay(workload(), FILES)
    assert sorted(overlay.files) == ["credentials.yaml", "kustomization.yaml"]
    kustomization = said(overlay)
    assert kustomization["resources"] == ["../source/web/base", "credentials.yaml"]
    assert kustomization["namespace"] == "team-a"
    assert kustomization["namePrefix"] == "ide-"
    assert "patches" not in kustomization
    assert "configMapGenerator" not in kustomization
    secret = said(overlay, "credentials.yaml")
    assert secret == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "credentials"},
        "type": "Opaque",
    }


def test_components_get_a_layer_of_their_own():
    overlay = build_overlay(workload(components=(GUARDED, "web/components/other")), FILES)
    assert said(overlay)["resources"] == ["workload", "credentials.yaml"]
    layer = said(overlay, "workload/kustomization.yaml")
    assert layer["resources"] == ["../../source/web/base"]
    assert layer["components"] == [f"../../source/{GUARDED}", "../../source/web/components/other"]


def test_only_the_instance_is_selected_by():
    labels = said(build_overlay(workload(), FILES))["labels"]
    selecting = [each["pairs"] for each in labels if each.get("includeSelectors") or "fields" in each]
    assert selecting == [{"app.kubernetes.io/instance": "ide"}] * 2
    (described,) = (each["pairs"] for each in labels if each.get("includeTemplates"))
    assert described == {
        "app.kubernetes.io/managed-by": "ocdp-operator",
        "app.kubernetes.io/part-of": "web",
        "ocdp.io/claim-name": "ide",
    }


def test_a_secret_that_the_base_calls_otherwise_is_renamed_and_references_may_follow():
    overlay = build_overlay(workload(credentialsSecret="web.secrets"), FILES)
    assert said(overlay, "credentials.yaml")["metadata"]["name"] == "web.secrets"
    (patch,) = said(overlay)["patches"]
    assert patch["target"] == {"kind": "Secret", "name": "web\\.secrets"}
    assert patch["options"] == {"allowNameChange": True}
    assert patch_of(overlay, "Secret") == [
        {"op": "replace", "path": "/metadata/name", "value": "credentials"}
    ]


def test_a_secret_never_gets_into_an_overlay():
    given = {"secretKeyRef": {"name": "hunter2", "key": "hunter2"}}
    overlay = build_overlay(workload({"password": given, "greeting": "hi"}), FILES)
    assert overlay == build_overlay(workload({"greeting": "hi"}), FILES)


UNITS: dict[str, tuple[Any, Any]] = {
    "an integer": (20, "20Gi"),
    "a float": (1.5, "1.5Gi"),
    "a whole float": (2.0, "2Gi"),
    "text": ("20Mi", "20Mi"),
    "a boolean": (True, True),
}


@pytest.mark.parametrize(("value", "patched"), UNITS.values(), ids=UNITS.keys())
def test_a_number_gets_the_unit_that_its_schema_says(value: Any, patched: Any):
    overlay = build_overlay(workload({"storageGi": value}), FILES)
    assert patch_of(overlay, "PersistentVolumeClaim") == [
        {"op": "replace", "path": "/spec/resources/requests/storage", "value": patched}
    ]


@pytest.mark.parametrize("values", [{}, {"storageGi": None, "greeting": None}], ids=["absent", "null"])
def test_a_value_that_is_absent_or_null_adds_nothing(values: dict[str, Any]):
    assert build_overlay(workload(values), FILES) == build_overlay(workload(), FILES)


def test_mappings_read_the_claim_and_the_workspace_too():
    facts = ("claim.name", "claim.namespace", "workspace.id", "workspace.customer")
    mappings = [patching("Service", "web", f"/metadata/annotations/{fact}", fact) for fact in facts]
    overlay = build_overlay(workload(mappings=mappings), FILES)
    assert [each["value"] for each in patch_of(overlay, "Service")] == ["ide", "team-a", "team-a", "acme"]


def test_patches_of_one_object_are_one_patch_in_the_order_of_the_mappings():
    mappings = [
        patching("Service", "web", "/metadata/annotations", "values.all"),
        patching("Deployment", "web", "/spec/replicas", "values.replicas", op="replace"),
        patching("Service", "web", "/metadata/annotations/x~1y", "values.one"),
    ]
    overlay = build_overlay(workload({"all": {}, "one": "1", "replicas": 2}, mappings=mappings), FILES)
    assert [each["target"]["kind"] for each in said(overlay)["patches"]] == ["Service", "Deployment"]
    assert patch_of(overlay, "Service") == [
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/x~1y", "value": "1"},
    ]


def test_a_dollar_in_an_argument_means_itself():
    mappings = [patching("Deployment", "web", ARGS), patching("Deployment", "web", "/metadata/annotations/a")]
    overlay = build_overlay(workload({"it": "$(PASSWORD) costs $5"}, mappings=mappings), FILES)
    assert [each["value"] for each in patch_of(overlay, "Deployment")] == [
        "$$(PASSWORD) costs $$5",
        "$(PASSWORD) costs $5",
    ]


@pytest.mark.parametrize("text", ["\0", "\x07", "\x1b[0m", "\x7f", "\x85", "\ufffe", "a\x0bb"], ids=repr)
@pytest.mark.parametrize("value", [lambda t: t, lambda t: [t], lambda t: {t: 1}, lambda t: {"a": {"b": t}}])
def test_a_control_character_is_refused_by_its_path_and_never_shown(text: str, value: Any):
    mappings = [patching("Service", "web", "/metadata/annotations")]
    with pytest.raises(Stalled) as error:
        build_overlay(workload({"it": value(text)}, mappings=mappings), FILES)
    assert error.value.reason is Reason.INVALID_VALUES
    assert error.value.value_path == "/spec/values/it"
    assert error.value.message.isprintable()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Service", ".*"), ("Service|Secret", "web"), ("Service", "We b"), ("", "web")],
    ids=str,
)
def test_a_patch_names_one_object_and_no_pattern(kind: str, name: str):
    with pytest.raises(Stalled) as error:
        build_overlay(workload({"it": 1}, mappings=[patching(kind, name, "/x")]), FILES)
    assert error.value.reason is Reason.BUILD_FAILED


def test_a_setting_changes_one_value_of_the_generated_file_and_keeps_the_others():
    overlay = build_overlay(workload({"greeting": "hi"}), FILES)
    (generator,) = said(overlay)["configMapGenerator"]
    assert generator == {"name": "web-config", "behavior": "merge", "files": ["settings.yaml=config-0"]}
    assert said(overlay, "config-0") == {"greeting": "hi", "limits": {"requests": 10}}


def with_generators(*generators: dict[str, Any], **files: bytes) -> dict[str, bytes]:
    """The application with other generators in its base; ``files`` are beside it, by name with ``_`` for the dot."""
    base = orjson.loads(orjson.dumps({"resources": ["deployment.yaml"], "configMapGenerator": generators}))
    added = {f"web/base/{name.replace('_', '.')}": content for name, content in files.items()}
    return {**FILES, **added, "web/base/kustomization.yaml": document(base)}


def test_variables_of_an_env_file_become_keys_as_they_are():
    files = with_generators({"name": "env", "envs": ["app.env"]}, app_env=b"A=1\n")
    mappings = [setting("env", "app.env", "/B"), setting("env", "app.env", "/C", "values.other")]
    overlay = build_overlay(workload({"it": "'quoted'\n", "other": True}, mappings=mappings), files)
    (generator,) = said(overlay)["configMapGenerator"]
    assert generator["files"] == ["B=config-0", "C=config-1"]
    assert (overlay.files["config-0"], overlay.files["config-1"]) == (b"'quoted'\n", b"true")


def test_the_outermost_file_is_the_one_that_is_changed():
    files = {
        **FILES,
        f"{GUARDED}/kustomization.yaml": document(
            {
                "kind": "Component",
                "configMapGenerator": [
                    {"name": "web-config", "behavior": "merge", "files": ["settings.yaml=mine.yaml"]}
                ],
            }
        ),
        f"{GUARDED}/mine.yaml": b"from: component\n",
    }
    with_component = build_overlay(workload({"greeting": "hi"}, components=(GUARDED,)), files)
    without = build_overlay(workload({"greeting": "hi"}), files)
    assert said(with_component, "config-0") == {"from": "component", "greeting": "hi"}
    assert said(without, "config-0")["limits"] == {"requests": 10}


def test_a_base_may_build_on_other_directories_in_a_circle():
    files = {
        "web/base/kustomization.yaml": document({"resources": ["../inner"]}),
        "web/inner/kustomization.yaml": document(
            {
                "resources": ["../base"],
                "configMapGenerator": [{"name": "web-config", "files": ["settings.yaml"]}],
            }
        ),
        "web/inner/settings.yaml": b"",
    }
    assert said(build_overlay(workload({"greeting": "hi"}), files), "config-0") == {"greeting": "hi"}


@pytest.mark.parametrize(
    ("config_map", "file"), [("other", "settings.yaml"), ("web-config", "other.yaml")], ids=str
)
def test_a_file_that_the_base_does_not_generate_cannot_be_set(config_map: str, file: str):
    with pytest.raises(Stalled, match="does not generate") as error:
        build_overlay(workload({"it": 1}, mappings=[setting(config_map, file, "/x")]), FILES)
    assert error.value.reason is Reason.BUILD_FAILED


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "greeting": st.text(
            st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
        ),
        "storageGi": st.integers(1, 50),
        "guarded": st.sampled_from(["yes", "no"]),
    },
)


@given(VALUES)
def test_the_same_input_gives_the_same_bytes(values: dict[str, Any]):
    first = build_overlay(workload(values), FILES)
    again = build_overlay(workload(dict(reversed(values.items()))), dict(reversed(FILES.items())))
    assert first.files == again.files
    assert first.digest == again.digest


@given(VALUES)
def test_every_file_that_kustomize_reads_as_yaml_is_json(values: dict[str, Any]):
    for path, content in build_overlay(workload(values, components=(GUARDED,)), FILES).files.items():
        assert orjson.loads(content), path
