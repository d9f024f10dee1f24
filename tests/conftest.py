"""Fixtures come from tests/support; the folder of a test is its mark."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from hypothesis import settings

# A busy machine is no reason to fail: what a test may take is bounded by its timeout.
settings.register_profile("patient", settings.default, deadline=None)
settings.load_profile("patient")

structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
    logger_factory=structlog.PrintLoggerFactory(),
)

pytest_plugins = [
    "tests.support.fix_controlplane",
    "tests.support.fix_postgres",
    "tests.support.fix_operator",
    "tests.support.golden_files",
]

_MARKS = ("unit", "contract", "integration", "e2e", "adversarial", "programs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(root).parts[0]
        if folder in _MARKS:
            item.add_marker(folder)
    # The quick ones first; the operator of the end-to-end tests starts last, so that it meddles with no other test's claims.
    items.sort(key=lambda item: _MARKS.index(item.path.relative_to(root).parts[0]))
