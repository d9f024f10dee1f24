"""Settings come from OCDP_* over one file; what cannot work is named, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocdp_operator.errors import SettingsError
from ocdp_operator.settings import AllowedOrigin, Settings


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCDP_SETTINGS", raising=False)


def written(path: Path, text: str) -> Path:
    file = path / "settings.yaml"
    file.write_text(text)
    return file


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = written(tmp_path, "clusterId: west\nworkers: 3\n")
    monkeypatch.setenv("OCDP_WORKERS", "5")
    settings = Settings.load(file)
    assert (settings.cluster_id, settings.workers) == ("west", 5)


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCDP_SETTINGS", str(written(tmp_path, "clusterId: west\n")))
    assert Settings.load().cluster_id == "west"


def test_origins_are_read(tmp_path: Path):
    file = written(tmp_path, 'origins: [{origin: "http://git.example.test", insecure: true}]\n')
    assert Settings.load(file).origins == (AllowedOrigin(origin="http://git.example.test", insecure=True),)


@pytest.mark.parametrize("name", ["KUBECONFIG", "GIT", "WORKERS", "CONTEXT"])
def test_variables_without_our_prefix_are_not_ours(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(name, raising=False)
    before = Settings.load()
    monkeypatch.setenv(name, "7")
    assert Settings.load() == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("workers: 0\n", "workers"), ("wrokers: 3\n", "wrokers"), ("origins: [{orign: x}]\n", "origins.0")],
    ids=["out of bounds", "misspelt", "misspelt inside"],
)
def test_what_cannot_work_is_named(tmp_path: Path, text: str, complaint: str):
    with pytest.raises(SettingsError, match=complaint):
        Settings.load(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="does not exist"):
        Settings.load(tmp_path / "nowhere.yaml")


def test_the_connection_string_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCDP_CATALOG_DSN", "postgresql://u:canary@db/catalog")
    assert "canary" not in repr(Settings.load())
