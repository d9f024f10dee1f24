from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.adapters.workdir import WorkDirectory
from ocdp_operator.errors import SettingsError


def test_a_directory_belongs_to_one_at_a_time_and_is_found_again(tmp_path: Path):
    first = WorkDirectory.take(tmp_path / "work", "git")
    second = WorkDirectory.take(tmp_path / "work", "git")
    assert first.path == (tmp_path / "work/git").resolve()
    assert second.path == (tmp_path / "work/git-1").resolve()
    assert first.path.stat().st_mode & 0o777 == 0o700
    first.release()
    again = WorkDirectory.take(tmp_path / "work", "git")
    assert again.path == first.path
    again.release()
    second.release()


def test_a_link_is_not_taken_for_a_directory_of_ours(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work/git").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="symbolic link"):
        WorkDirectory.take(tmp_path / "work", "git")


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be used"):
        WorkDirectory.take(tmp_path / "file", "git")
