"""The small repository, and validating it with the programs of the control plane."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.recipes import RECIPES
from ocdp_operator.manifests.rendering import Programs
from ocdp_operator.manifests.repository import Repository
from ocdp_operator.manifests.validation import Report, validate
from tests.support.manifest_trees import write_tree

Validate = Callable[..., Awaitable[Report]]


@pytest.fixture(scope="session")
def programs(binaries: Binaries) -> Programs:
    (version,) = (recipe.version for recipe in RECIPES if recipe.name == "kustomize")
    return Programs(binaries.kustomize, f"v{version}", binaries.kubectl)


@pytest.fixture(scope="session")
async def validated(programs: Programs) -> Validate:
    async def run(root: Path, *, kubectl: Path | None = None, write_golden: bool = False) -> Report:
        chosen = Programs(programs.kustomize, programs.kustomize_version, kubectl or programs.kubectl)
        return await validate(Repository.at(root), chosen, write_golden=write_golden)

    return run


@pytest.fixture(scope="session")
async def clean(validated: Validate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with its golden files; nobody changes it."""
    root = tmp_path_factory.mktemp("manifests")
    await asyncio.to_thread(write_tree, root)
    await validated(root, write_golden=True)
    return root


@pytest.fixture
def tree(clean: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(clean, tmp_path / "tree", symlinks=True)
