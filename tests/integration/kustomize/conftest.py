from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.model.source import Artifact
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.overlay import build_overlay
from tests.support.apps import app_files
from tests.support.overlays import COMMIT

Objects = dict[str, Mapping[str, Any]]
MakeArtifact = Callable[..., Artifact]


@pytest.fixture
def make_artifact(tmp_path: Path) -> MakeArtifact:
    """An artifact of these files; without any, of the thin application."""
    made = 0

    def make(files: Mapping[str, bytes] | None = None) -> Artifact:
        nonlocal made
        made += 1
        root = tmp_path / f"artifact-{made}"
        for path, content in (files or app_files()).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return Artifact(COMMIT, root, files or app_files())

    return make


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
async def renderer(work: Path, binaries: Binaries) -> AsyncIterator[KustomizeRenderer]:
    async with KustomizeRenderer(work, kustomize=binaries.kustomize) as opened:
        yield opened


async def build(renderer: KustomizeRenderer, artifact: Artifact, workload: ResolvedWorkload) -> Objects:
    """The objects of a workload by kind and name."""
    rendering = await renderer.render(artifact, build_overlay(workload, artifact.files))
    return {str(manifest.ref): manifest.body for manifest in rendering.manifests}
