"""The ``Renderer`` port, held against the fake and real kustomize, standalone and inside kubectl."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.source import Artifact
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.reconcile.ports import Renderer
from tests.support.apps import app_files, document
from tests.support.fakes_renderer import FakeRenderer
from tests.support.overlays import COMMIT, GUARDED, patching, workload

HASHED = re.compile(r"ide-web-config-[2456789bcdfghkmt]{10}")

Objects = dict[str, Mapping[str, Any]]


@pytest.fixture
def fake() -> Renderer:
    return FakeRenderer()


@pytest.fixture
async def standalone(tmp_path: Path, binaries: Binaries) -> AsyncIterator[Renderer]:
    async with KustomizeRenderer(tmp_path / "work", kustomize=binaries.kustomize) as renderer:
        yield renderer


@pytest.fixture
async def in_kubectl(tmp_path: Path, binaries: Binaries) -> AsyncIterator[Renderer]:
    async with KustomizeRenderer(tmp_path / "work", kustomize=binaries.kubectl) as renderer:
        yield renderer


@pytest.fixture(params=["fake", "standalone", "in_kubectl"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    found: Renderer = request.getfixturevalue(request.param)
    return found


class Build:
    """Renders a workload on files, and gives the objects by kind and name."""

    def __init__(self, renderer: Renderer, directory: Path) -> None:
        self._renderer = renderer
        self._directory = directory
        self._builds = 0

    async def __call__(
        self, claimed: ResolvedWorkload | None = None, files: Mapping[str, bytes] | None = None
    ) -> Objects:
        self._builds += 1
        artifact = self._artifact(files or app_files(), self._directory / f"artifact-{self._builds}")
        overlay = build_overlay(claimed or workload(), artifact.files)
        rendering = await self._renderer.render(artifact, overlay)
        return {str(manifest.ref): manifest.body for manifest in rendering.manifests}

    @staticmethod
    def _artifact(files: Mapping[str, bytes], root: Path) -> Artifact:
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return Artifact(COMMIT, root, files)


@pytest.fixture
def build(renderer: Renderer, tmp_path: Path) -> Build:
    return Build(renderer, tmp_path)


def config_map(objects: Objects) -> Mapping[str, Any]:
    (found,) = (body for name, body in objects.items() if name.startswith("ConfigMap/"))
    return found


async def test_every_object_of_the_base_gets_the_claims_name_and_namespace(build: Build):
    objects = await build()
    assert sorted(name for name in objects if not name.startswith("ConfigMap/")) == [
        "Deployment/ide-web",
        "PersistentVolumeClaim/ide-data",
        "Secret/ide-credentials",
        "Service/ide-web",
        "ServiceAccount/ide-web",
    ]
    assert {body["metadata"]["namespace"] for body in objects.values()} == {"team-a"}


async def test_references_follow_the_names(build: Build):
    objects = await build()
    pod = objects["Deployment/ide-web"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "ide-web"
    assert pod["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"] == "ide-credentials"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "ide-data"
    assert volumes["config"]["configMap"]["name"] == config_map(objects)["metadata"]["name"]


async def test_labels_are_on_objects_and_pods_and_only_the_instance_is_selected_by(build: Build):
    objects = await build()
    labels = {
        "app.kubernetes.io/instance": "ide",
        "app.kubernetes.io/managed-by": "ocdp-operator",
        "app.kubernetes.io/part-of": "web",
        "ocdp.io/claim-name": "ide",
    }
    assert all(labels.items() <= body["metadata"]["labels"].items() for body in objects.values())
    spec = objects["Deployment/ide-web"]["spec"]
    assert spec["template"]["metadata"]["labels"] == {"app.kubernetes.io/name": "web", **labels}
    selected = {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "ide"}
    assert spec["selector"]["matchLabels"] == selected
    assert objects["Service/ide-web"]["spec"]["selector"] == selected


async def test_the_secret_is_empty(build: Build):
    secret = (await build())["Secret/ide-credentials"]
    assert secret["type"] == "Opaque"
    assert not secret.get("data")
    assert not secret.get("stringData")


async def test_a_generated_config_map_is_named_by_its_content(build: Build):
    one = config_map(await build(workload({"greeting": "one"})))
    two = config_map(await build(workload({"greeting": "two"})))
    again = config_map(await build(workload({"greeting": "one"})))
    names = [each["metadata"]["name"] for each in (one, two, again)]
    assert all(HASHED.fullmatch(name) for name in names)
    assert names[0] == names[2] != names[1]
    assert '"one"' in one["data"]["settings.yaml"]


async def test_without_values_the_generated_file_is_the_bases_own(build: Build):
    assert config_map(await build())["data"]["settings.yaml"].startswith("greeting: hello\n")


async def test_a_component_brings_its_objects(build: Build):
    objects = await build(workload(components=(GUARDED,)))
    selected = objects["NetworkPolicy/ide-web"]["spec"]["podSelector"]["matchLabels"]
    assert selected["app.kubernetes.io/instance"] == "ide"


async def test_a_value_is_patched_in(build: Build):
    claim = (await build(workload({"storageGi": 20})))["PersistentVolumeClaim/ide-data"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"


async def test_the_same_overlay_gives_the_same_rendering(build: Build):
    wanted = workload({"greeting": "hi", "storageGi": 3}, components=(GUARDED,))
    assert await build(wanted) == await build(wanted)


async def failed(build: Build, *arguments: Any) -> str:
    with pytest.raises(Stalled) as error:
        await build(*arguments)
    assert error.value.reason is Reason.BUILD_FAILED
    return error.value.message


async def test_a_patch_that_finds_no_place_is_a_failed_build(build: Build):
    mapping = patching("Service", "web", "/spec/nothing/here", "claim.name")
    assert "/spec/nothing/here" in await failed(build, workload(mappings=[mapping]))


async def test_an_object_without_a_kind_is_a_failed_build(build: Build):
    files = app_files(service=document({"apiVersion": "v1", "metadata": {"name": "web"}}))
    await failed(build, None, files)
