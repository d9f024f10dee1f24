"""The process that renders: what it may cost, what it is told, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.kustomize import KustomizeRenderer, RenderLimits
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.errors import Actor, Reason, ReconcileError, SettingsError, Stalled, Waiting
from ocdp_operator.model.source import Artifact, Overlay
from tests.integration.kustomize.conftest import MakeArtifact
from tests.support.apps import app_files, document
from tests.support.cluster_worlds import until
from tests.support.overlays import COMMIT
from tests.support.processes import processes, processes_in

OBJECT = "apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: x}\\n"
OVERLAY = Overlay({"kustomization.yaml": b'{"resources": ["../source/web/base"]}'})

Script = Callable[..., Awaitable[KustomizeRenderer]]


@pytest.fixture
def script(tmp_path: Path, work: Path) -> Script:
    """A renderer whose kustomize is a shell script."""

    async def make(body: str, **limits: Any) -> KustomizeRenderer:
        return await KustomizeRenderer(
            work, kustomize=_written(tmp_path, body), limits=RenderLimits(**limits)
        ).open()

    return make


def _written(directory: Path, body: str) -> Path:
    path = directory / "kustomize"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def artifact(make_artifact: MakeArtifact) -> Artifact:
    return make_artifact()


def left_in(work: Path) -> list[Path]:
    return list((work / "renders").glob("render-*"))


async def refused(
    renderer: KustomizeRenderer, artifact: Artifact, overlay: Overlay = OVERLAY
) -> ReconcileError:
    with pytest.raises(ReconcileError) as error:
        await renderer.render(artifact, overlay)
    assert error.value.reason is Reason.BUILD_FAILED
    return error.value


async def test_it_is_told_nothing_but_its_directory(
    script: Script, artifact: Artifact, work: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OCDP_CATALOG_DSN", "postgresql://canary")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    renderer = await script(
        f"printf '{OBJECT}env: |\\n'; /usr/bin/env | while read -r l; do echo \"  $l\"; done"
    )
    (manifest,) = (await renderer.render(artifact, OVERLAY)).manifests
    told = dict(line.split("=", 1) for line in str(manifest.body["env"]).splitlines())
    assert told["PATH"] == ""
    assert told["GOGC"] == "off"
    assert told["HOME"].startswith(str(work))
    assert told.keys() - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        *("PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR", "KUBECONFIG"),
        *("HTTP_PROXY", "HTTPS_PROXY", "LC_ALL", "GOGC", "GOMEMLIMIT"),
    }


async def test_it_is_called_with_the_load_restriction_and_no_plugins(script: Script, artifact: Artifact):
    renderer = await script(f'printf \'{OBJECT}args: "%s"\' "$*"')
    (manifest,) = (await renderer.render(artifact, OVERLAY)).manifests
    assert manifest.body["args"] == "build --load-restrictor LoadRestrictionsRootOnly overlay"


async def test_one_that_does_not_end_is_killed_with_its_children(
    script: Script, artifact: Artifact, work: Path
):
    renderer = await script("/bin/sleep 4711 & /bin/sleep 4711; wait", seconds=0.3)
    error = await refused(renderer, artifact)
    assert isinstance(error, Waiting)
    assert error.actor is Actor.CLUSTER_OPERATOR
    assert processes_in(work) == []
    assert left_in(work) == []


async def test_one_that_ignores_the_first_signal_is_killed_too(
    script: Script, artifact: Artifact, work: Path
):
    renderer = await script("trap '' TERM; while :; do /bin/sleep 0.1; done", seconds=0.3)
    building = asyncio.create_task(refused(renderer, artifact))
    while not processes_in(work):
        await asyncio.wait([building], timeout=0.01)
    await building
    assert processes_in(work) == []


async def test_one_that_only_computes_is_stopped_by_its_processor_time(script: Script, artifact: Artifact):
    error = await refused(await script("while :; do :; done", cpu_seconds=1), artifact)
    assert isinstance(error, Stalled)
    assert "costs too much" in error.message


async def test_one_that_prints_without_end_is_stopped(script: Script, artifact: Artifact):
    error = await refused(await script("while :; do echo 'a: b'; done", output_bytes=10_000), artifact)
    assert isinstance(error, Stalled)
    assert "10000 bytes" in error.message


async def test_what_it_says_on_the_side_is_cut(script: Script, artifact: Artifact):
    renderer = await script(
        "i=0; while [ $i -lt 20000 ]; do echo 'Error: noise' >&2; i=$((i+1)); done; exit 1"
    )
    error = await refused(renderer, artifact)
    assert error.message == "kustomize refuses the build: noise"


async def test_it_can_write_no_file(script: Script, artifact: Artifact):
    error = await refused(await script("echo x > written || exit 3; exit 4"), artifact)
    assert isinstance(error, Stalled)


NO_OBJECTS = {
    "no YAML": "printf 'a: ['",
    "text": "echo text",
    "no kind": "printf 'apiVersion: v1\\nmetadata: {name: x}\\n'",
    "no name": "printf 'apiVersion: v1\\nkind: X\\nmetadata: {}\\n'",
    "metadata that is none": "printf 'apiVersion: v1\\nkind: X\\nmetadata: x\\n'",
    "a number as a name": "printf 'apiVersion: v1\\nkind: X\\nmetadata: {name: 1}\\n'",
}


@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=NO_OBJECTS.keys())
async def test_output_that_holds_no_objects_is_a_failed_build(script: Script, artifact: Artifact, body: str):
    assert isinstance(await refused(await script(body), artifact), Stalled)


async def test_more_objects_than_allowed_are_a_failed_build(script: Script, artifact: Artifact):
    renderer = await script(f"printf '{OBJECT}---\\n{OBJECT}---\\n{OBJECT}'", objects=2)
    assert "3 objects" in (await refused(renderer, artifact)).message


async def test_no_output_is_an_empty_rendering(script: Script, artifact: Artifact):
    assert (await (await script("exit 0")).render(artifact, OVERLAY)).manifests == ()


async def test_no_more_than_two_build_at_once(script: Script, artifact: Artifact, tmp_path: Path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    renderer = await script(f"read line < {gate}")  # no child, which for a moment would look like a build

    def builds() -> int:
        return len([line for line in processes(str(tmp_path / "kustomize")) if line.startswith("/bin/sh")])

    opened = os.open(gate, os.O_RDWR)
    building = [asyncio.create_task(renderer.render(artifact, OVERLAY)) for _ in range(4)]
    await until(lambda: builds() >= 2, "two build")
    most = builds()
    os.write(opened, b"\n" * 4)
    while not all(task.done() for task in building):
        most = max(most, builds())
        await asyncio.wait(building, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
    os.close(opened)
    assert most == 2
    assert [(await each).manifests for each in building] == [()] * 4


async def test_a_cancelled_build_leaves_nothing(script: Script, artifact: Artifact, work: Path):
    renderer = await script("/bin/sleep 4714")
    building = asyncio.create_task(renderer.render(artifact, OVERLAY))
    while not processes_in(work):
        await asyncio.wait([building], timeout=0.01)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert processes_in(work) == []
    assert left_in(work) == []


async def test_what_an_earlier_process_left_is_swept(work: Path, binaries: Binaries):
    left = work / "renders/render-left/overlay"
    left.mkdir(parents=True)
    async with KustomizeRenderer(work, kustomize=binaries.kustomize):
        assert left_in(work) == []


async def test_a_build_leaves_nothing_and_changes_nothing(
    renderer: KustomizeRenderer, artifact: Artifact, work: Path
):
    before = {path: path.stat().st_mtime_ns for path in artifact.root.rglob("*")}
    await renderer.render(artifact, OVERLAY)
    assert {path: path.stat().st_mtime_ns for path in artifact.root.rglob("*")} == before
    assert left_in(work) == []


BAD_BASES = {
    "a missing file": {"resources": ["nothing.yaml"]},
    "a wrong field": {"resources": ["service.yaml"], "images": [{"newTag": 15}]},
    "a patch without a target": {"resources": ["service.yaml"], "patches": [{"patch": "a: b"}]},
    "a file above": {"resources": ["../../secret.yaml"]},
    "a circle": {"resources": ["../base"]},
}


@pytest.mark.parametrize("base", BAD_BASES.values(), ids=BAD_BASES.keys())
async def test_what_kustomize_complains_of_is_told_without_our_paths(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, tmp_path: Path, base: dict[str, Any]
):
    files = app_files() | {"web/base/kustomization.yaml": document(base), "secret.yaml": b"hunter2: x"}
    error = await refused(renderer, make_artifact(files))
    assert isinstance(error, Stalled)
    assert "web/base" in error.message
    assert str(tmp_path) not in error.message
    assert "hunter2" not in error.message


async def test_without_the_scan_a_remote_base_still_finds_no_git(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, tmp_path: Path
):
    marker = tmp_path / "marker"
    remote = f"https://127.0.0.1:1/owner/repository?ref=--upload-pack=touch {marker}"
    files = app_files() | {"web/base/kustomization.yaml": document({"resources": [remote]})}
    await refused(renderer, make_artifact(files))
    assert not marker.exists()


async def test_charts_and_plugins_are_not_enabled(renderer: KustomizeRenderer, make_artifact: MakeArtifact):
    chart = {"helmCharts": [{"name": "x", "repo": "https://127.0.0.1:1", "version": "1"}]}
    exec_plugin = {
        "apiVersion": "x/v1",
        "kind": "X",
        "metadata": {
            "name": "x",
            "annotations": {"config.kubernetes.io/function": "exec: {path: /bin/sh}"},
        },
    }
    for base in (
        chart,
        {"generators": ["x.yaml"]},
        {"resources": ["service.yaml"], "transformers": ["x.yaml"]},
    ):
        files = app_files() | {
            "web/base/kustomization.yaml": document(base),
            "web/base/x.yaml": document(exec_plugin),
        }
        await refused(renderer, make_artifact(files))


async def test_an_artifact_that_is_gone_is_a_failed_build(renderer: KustomizeRenderer, tmp_path: Path):
    await refused(renderer, Artifact(COMMIT, tmp_path / "gone", {}))


async def test_a_rendering_of_a_mebibyte_is_parsed_off_the_event_loop(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    large = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x"},
        "data": {f"k{n}": "x" * 350 for n in range(3_000)},
    }
    files = app_files(service=document(large))
    rendering = await renderer.render(make_artifact(files), OVERLAY)
    (found,) = (manifest for manifest in rendering.manifests if manifest.ref.name == "x")
    assert len(found.body["data"]) == 3_000


async def test_versions_are_told_alike(work: Path, binaries: Binaries):
    for path in (binaries.kustomize, binaries.kubectl):
        async with KustomizeRenderer(work, kustomize=path) as renderer:
            assert (await renderer.version()).startswith("v5.")


async def test_kustomize_is_looked_up_first_and_kubectl_next(
    work: Path, binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    with pytest.raises(SettingsError, match="kustomize is needed"):
        await KustomizeRenderer(work).open()
    _link(path / "kubectl", binaries.kubectl)
    async with KustomizeRenderer(work) as renderer:
        in_kubectl = await renderer.version()
    _link(path / "kustomize", binaries.kustomize)
    async with KustomizeRenderer(work) as renderer:
        assert await renderer.version() != "" != in_kubectl
        assert renderer._program == (str(path / "kustomize"),)


def _link(path: Path, target: Path) -> None:
    path.symlink_to(target)
