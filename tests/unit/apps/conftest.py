"""Builds need kustomize where `make setup` puts it; without it these tests are skipped, and `make test` never is without."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.binaries import Assets, Cache, cache_directory
from ocdp_operator.dev.recipes import RECIPES
from tests.support.app_renderings import Build, Objects, app_files


@pytest.fixture(scope="session")
async def kustomize() -> Path:
    (recipe,) = (recipe for recipe in RECIPES if recipe.name == "kustomize")
    for place in (Assets(), Cache(cache_directory())):
        answer = await place.find(recipe)
        if answer.path is not None:
            return answer.path
    pytest.skip("there is no kustomize yet: run `make setup`")


@pytest.fixture
def build(kustomize: Path, tmp_path: Path) -> Build:
    def write(overlay: Mapping[str, bytes]) -> None:
        files = {f"source/{path}": content for path, content in app_files().items()}
        files |= {f"overlay/{path}": content for path, content in overlay.items()}
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(content)

    async def run(overlay: Mapping[str, bytes]) -> Objects:
        write(overlay)
        child = await asyncio.create_subprocess_exec(
            str(kustomize),
            "build",
            str(tmp_path / "overlay"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        output, errors = await child.communicate()
        assert child.returncode == 0, errors.decode()
        assert not errors, errors.decode()
        documents = [document for document in yaml.safe_load_all(output) if document]
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in documents}

    return run
