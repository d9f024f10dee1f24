"""What several tests of the pipeline need."""

from __future__ import annotations

import pytest

from tests.support.secret_world import Uses, said_by_hand


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> Uses:
    return said_by_hand(monkeypatch)
