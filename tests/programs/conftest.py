"""The applications' own programs. ``make programs`` puts them in place; ``make test-programs`` shows what they answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.dev.binaries import Binaries
from tests.support.app_renderings import Build, build_with


@pytest.fixture
def build(binaries: Binaries, tmp_path: Path) -> Build:
    return build_with(binaries.kustomize, tmp_path / "build")
