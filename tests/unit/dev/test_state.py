from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.state import state_directory, state_root


@pytest.fixture(autouse=True)
def _own_temp_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_state_directory_is_private_and_ends_with_its_block() -> None:
    with state_directory("x") as directory:
        (directory / "file").write_text("state")
        assert directory.stat().st_mode & 0o777 == 0o700
        assert directory.parent.stat().st_mode & 0o777 == 0o711
    assert not directory.exists()


def test_the_directory_of_a_killed_run_is_swept() -> None:
    left = state_root() / "x-left"
    left.mkdir()
    (left / "owned.lock").touch()
    (left / "file").write_text("state")

    with state_directory("x"):
        assert not left.exists()


def test_the_directory_of_a_living_run_stays() -> None:
    living = state_root() / "x-living"
    living.mkdir()
    with (living / "owned.lock").open("wb") as owned:
        fcntl.flock(owned, fcntl.LOCK_EX)

        with state_directory("x"):
            assert living.exists()


def test_a_planted_root_is_refused(tmp_path: Path) -> None:
    root = state_root()
    root.chmod(0o777)

    with pytest.raises(LocalEnvironmentError, match="not ours alone") as caught:
        state_root()
    assert str(tmp_path) not in str(caught.value)


def test_a_root_that_is_a_link_is_refused(tmp_path: Path) -> None:
    root = state_root()
    root.rmdir()
    (tmp_path / "elsewhere").mkdir()
    root.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(LocalEnvironmentError):
        state_root()
