"""What overlays say, as the real kustomize understands it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from tests.integration.kustomize.conftest import MakeArtifact, Objects, build
from tests.support.apps import app_files, deployment, document
from tests.support.overlays import GUARDED, patching, setting, workload

HOSTILE = [
    *(
        "---\nkind: Secret",
        "...",
        "a: b",
        "{{ x }}",
        "$(PASSWORD)",
        "$$(PASSWORD)",
        "$",
        "${HOME}",
        "%YAML 1.2",
    ),
    *(
        "'",
        '"',
        "\\",
        "\\n",
        "`x`",
        "{",
        "[",
        "]}",
        "# comment",
        "- x",
        "? x",
        ": x",
        "!!int 3",
        "&a",
        "*a",
        "|",
        ">",
    ),
    *(
        "no",
        "y",
        "null",
        "~",
        "1e3",
        "0o7",
        "010",
        "22:22",
        "2020-01-01",
        "0x1f",
        ".inf",
        "1_000",
        "",
        "=",
        "<<",
    ),
    *(
        " lead",
        "trail ",
        "\tx",
        "a\r\nb",
        "\r",
        "a\nb\n",
        "\n",
        "\u2028",
        "\ufeff",
        "é",
        "\U0001f600",
        "a/b~c~1d",
    ),
    *("k=v", "A=1\nB=2", "../../etc/passwd", "x" * 5000),
]
TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=30
)


def files_with_seams() -> dict[str, bytes]:
    """The application with a file of each kind, and a container whose arguments and variables can be added to."""
    app = deployment()
    app["metadata"]["annotations"] = {}
    app["spec"]["template"]["spec"]["containers"][0]["args"] = ["fixed"]
    generators = [
        {"name": "web-config", "files": ["settings.yaml", "more.json", "plain.env"]},
        {"name": "variables", "envs": ["app.env"]},
    ]
    resources = ["deployment.yaml", "service.yaml", "account.yaml", "volume.yaml"]
    return app_files(deployment=document(app)) | {
        "web/base/kustomization.yaml": document({"resources": resources, "configMapGenerator": generators}),
        "web/base/more.json": b"{}",
        "web/base/plain.env": b"",
        "web/base/app.env": b"OLD=1\n",
    }


def data_of(objects: Objects, name: str) -> Mapping[str, str]:
    (found,) = (body for key, body in objects.items() if key.startswith(f"ConfigMap/ide-{name}-"))
    data: Mapping[str, str] = found["data"]
    return data


def everywhere(count: int) -> list[dict[str, Any]]:
    """Mappings that put each of so many values into every kind of place."""
    container = "/spec/template/spec/containers/0"
    mappings = []
    for n in range(count):
        value = f"values.v{n}"
        mappings += [
            patching("Deployment", "web", f"/metadata/annotations/a{n}", value),
            patching("Deployment", "web", f"{container}/args/-", value),
            setting("web-config", "settings.yaml", f"/v{n}", value),
            setting("web-config", "more.json", f"/v{n}", value),
            setting("variables", "app.env", f"/V{n}", value),
        ]
    return mappings


async def assert_literal(renderer: KustomizeRenderer, make_artifact: MakeArtifact, texts: list[str]) -> None:
    plain = await build(renderer, make_artifact(files_with_seams()), workload())
    claimed = workload({f"v{n}": text for n, text in enumerate(texts)}, mappings=everywhere(len(texts)))
    objects = await build(renderer, make_artifact(files_with_seams()), claimed)
    assert {name for name in objects if "ConfigMap" not in name} == {
        name for name in plain if "ConfigMap" not in name
    }
    app = objects["Deployment/ide-web"]
    assert [app["metadata"]["annotations"][f"a{n}"] for n in range(len(texts))] == texts
    arguments = app["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments == ["fixed", *(text.replace("$", "$$") for text in texts)]
    config, variables = data_of(objects, "web-config"), data_of(objects, "variables")
    assert [yaml.safe_load(config["settings.yaml"])[f"v{n}"] for n in range(len(texts))] == texts
    assert [orjson.loads(config["more.json"])[f"v{n}"] for n in range(len(texts))] == texts
    assert [variables[f"V{n}"] for n in range(len(texts))] == texts
    assert variables["OLD"] == "1"


async def test_hostile_text_stays_literal_everywhere(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    await assert_literal(renderer, make_artifact, HOSTILE)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
async def test_any_text_stays_literal_everywhere(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, texts: list[str]
):
    await assert_literal(renderer, make_artifact, texts)


VALUES = [
    1,
    -1,
    2**53,
    1.5,
    1e21,
    1e-5,
    1.5e300,
    True,
    False,
    [],
    {},
    [1, "no", None],
    {"a": {"b": [{"c": "1e3"}]}},
]


async def test_every_json_value_keeps_its_type(renderer: KustomizeRenderer, make_artifact: MakeArtifact):
    mappings = [setting("web-config", "settings.yaml", f"/v{n}", f"values.v{n}") for n in range(len(VALUES))]
    claimed = workload({f"v{n}": value for n, value in enumerate(VALUES)}, mappings=mappings)
    objects = await build(renderer, make_artifact(), claimed)
    found = yaml.safe_load(data_of(objects, "web-config")["settings.yaml"])
    assert [found[f"v{n}"] for n in range(len(VALUES))] == VALUES
    assert [type(found[f"v{n}"]) for n in range(len(VALUES))] == [type(value) for value in VALUES]


async def test_references_follow_a_secret_that_the_base_calls_otherwise(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    app = deployment()
    pod = app["spec"]["template"]["spec"]
    pod["containers"][0]["env"] = []
    pod["containers"][0]["envFrom"] = [{"secretRef": {"name": "web.secrets"}}]
    pod["volumes"].append({"name": "secret", "secret": {"secretName": "web.secrets"}})
    projected = {"sources": [{"secret": {"name": "web.secrets"}}]}
    pod["volumes"].append({"name": "projected", "projected": projected})
    files = app_files(deployment=document(app))
    objects = await build(renderer, make_artifact(files), workload(credentialsSecret="web.secrets"))
    built = objects["Deployment/ide-web"]["spec"]["template"]["spec"]
    assert [name for name in objects if name.startswith("Secret/")] == ["Secret/ide-credentials"]
    assert built["containers"][0]["envFrom"] == [{"secretRef": {"name": "ide-credentials"}}]
    volumes = {volume["name"]: volume for volume in built["volumes"]}
    assert volumes["secret"]["secret"]["secretName"] == "ide-credentials"
    assert volumes["projected"]["projected"]["sources"] == [{"secret": {"name": "ide-credentials"}}]


async def test_a_component_does_not_undo_what_a_value_sets(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    component = {
        "kind": "Component",
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "configMapGenerator": [
            {
                "name": "web-config",
                "behavior": "merge",
                "files": ["settings.yaml=mine.yaml", "extra.yaml=mine.yaml"],
            },
            {"name": "own", "files": ["mine.yaml"]},
        ],
    }
    files = app_files() | {
        f"{GUARDED}/kustomization.yaml": document(component),
        f"{GUARDED}/mine.yaml": b"greeting: from the component\n",
    }
    mappings = [setting("web-config", "settings.yaml", "/greeting"), setting("own", "mine.yaml", "/greeting")]
    claimed = workload({"it": "mine"}, components=(GUARDED,), mappings=mappings)
    objects = await build(renderer, make_artifact(files), claimed)
    data = data_of(objects, "web-config")
    assert yaml.safe_load(data["settings.yaml"]) == {"greeting": "mine"}
    assert yaml.safe_load(data["extra.yaml"]) == {"greeting": "from the component"}
    assert yaml.safe_load(data_of(objects, "own")["mine.yaml"]) == {"greeting": "mine"}


async def test_a_config_map_without_a_hash_keeps_its_name(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    base = yaml.safe_load(app_files()["web/base/kustomization.yaml"])
    base["generatorOptions"] = {"disableNameSuffixHash": True}
    files = app_files() | {"web/base/kustomization.yaml": document(base)}
    objects = await build(renderer, make_artifact(files), workload({"greeting": "hi"}))
    assert "ConfigMap/ide-web-config" in objects


def selectors(objects: Objects) -> dict[str, Mapping[str, str]]:
    """What each object selects pods by."""
    found = {}
    for name, body in objects.items():
        spec = body.get("spec", {})
        if body["kind"] == "Service":
            found[name] = spec["selector"]
        elif "podSelector" in spec:
            found[name] = spec["podSelector"]["matchLabels"]
        elif "selector" in spec:
            found[name] = spec["selector"]["matchLabels"]
    return found


@pytest.fixture
def selecting_files() -> dict[str, bytes]:
    """The application with everything that selects pods, as empty as a base may leave it."""
    policy = {"podSelector": {}, "policyTypes": ["Ingress"]}
    budget = {"maxUnavailable": 1}
    stateful = deployment() | {"kind": "StatefulSet"}
    stateful["metadata"] = {"name": "store"}
    stateful["spec"] = {**stateful["spec"], "serviceName": "store"}
    for field in ("strategy", "revisionHistoryLimit"):
        del stateful["spec"][field]
    objects = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "all"},
            "spec": policy,
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "all"},
            "spec": budget,
        },
        stateful,
    ]
    return app_files(service=document_stream(objects) + b"---\n" + app_files()["web/base/service.yaml"])


def document_stream(objects: list[dict[str, Any]]) -> bytes:
    return b"---\n".join(document(each) for each in objects)


async def test_two_claims_in_one_namespace_never_select_each_others_pods(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, selecting_files: dict[str, bytes]
):
    artifact = make_artifact(selecting_files)
    one = await build(renderer, artifact, workload(claim_name="one"))
    other = await build(renderer, artifact, workload(claim_name="other"))
    found = selectors(one)
    assert {name.partition("/")[0] for name in found} == {
        *("Deployment", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget")
    }
    for name, selector in found.items():
        for objects, selected in ((one, True), (other, False)):
            pods = [
                body["spec"]["template"]["metadata"]["labels"]
                for body in objects.values()
                if "template" in body.get("spec", {})
            ]
            assert all((selector.items() <= pod.items()) is selected for pod in pods), name


async def test_labels_of_a_pod_do_not_change_with_values(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    artifact = make_artifact()
    pods = [
        (await build(renderer, artifact, claimed))["Deployment/ide-web"]["spec"]["template"]["metadata"]
        for claimed in (workload(), workload({"greeting": "x", "storageGi": 9}, components=(GUARDED,)))
    ]
    assert pods[0] == pods[1]
