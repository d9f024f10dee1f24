"""Builds need kustomize where `make setup` puts it; without it these tests are skipped, and `make test` never is without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.dev.binaries import Assets, Cache, cache_directory
from ocdp_operator.dev.recipes import RECIPES
from tests.support.app_renderings import Build, build_with


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
    return build_with(kustomize, tmp_path)
