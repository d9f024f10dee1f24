from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ocdp_operator.adapters.git.credentials import CredentialsFile
from ocdp_operator.adapters.git.origins import Origin
from ocdp_operator.errors import SettingsError

HOST = Origin.parse("https://git.example.test/apps.git")


def written(path: Path, text: str) -> CredentialsFile:
    path.write_text(text)
    return CredentialsFile(path)


def password_of(file: CredentialsFile, url: Origin = HOST) -> str | None:
    found = file.find(url)
    return found.password if found is not None else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.yaml"


def test_the_longest_origin_that_covers_the_url_wins(path: Path):
    file = written(
        path,
        """
origins:
- {origin: "https://git.example.test", username: all, password: general}
- {origin: "https://git.example.test/apps.git", username: one, password: special}
- {origin: "https://git.example.test/apps", username: other, password: wrong}
""",
    )
    assert password_of(file) == "special"
    assert password_of(file, Origin.parse("https://git.example.test/else")) == "general"
    assert password_of(file, Origin.parse("https://other.example.test/apps.git")) is None


def test_without_a_file_nobody_has_credentials():
    assert CredentialsFile(None).find(HOST) is None


def test_a_password_may_be_in_a_file_beside_it(path: Path):
    (path.parent / "token").write_text("hunter2\n")
    file = written(path, "origins: [{origin: 'https://git.example.test', username: u, passwordFile: token}]")
    assert password_of(file) == "hunter2"


def test_a_changed_file_and_a_changed_password_are_read_again(path: Path):
    token = path.parent / "token"
    token.write_text("one")
    file = written(path, "origins: [{origin: 'https://git.example.test', username: u, passwordFile: token}]")
    assert password_of(file) == "one"
    exchanged = path.parent / "new"
    exchanged.write_text("two")
    exchanged.replace(token)
    assert password_of(file) == "two"
    exchanged.write_text("origins: []")
    exchanged.replace(path)
    assert password_of(file) is None


def test_a_file_that_breaks_and_is_mended_is_read_again(path: Path):
    file = written(path, "origins: []")
    file.check()
    path.write_text("origins: [")
    with pytest.raises(SettingsError):
        file.check()
    path.write_text("origins: [{origin: 'https://git.example.test', username: u, password: p}]")
    assert password_of(file) == "p"


def test_git_is_told_to_send_them_to_this_origin_alone(path: Path):
    file = written(
        path, "origins: [{origin: 'https://git.example.test/apps.git', username: u, password: 'p:w'}]"
    )
    found = file.find(HOST)
    assert found is not None
    assert found.environment() == {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.https://git.example.test/apps.git/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {base64.b64encode(b'u:p:w').decode()}",
    }
    assert "p:w" not in repr(found)


UNUSABLE = {
    "no YAML": "hunter2: [",
    "a key twice": "hunter2: 1\nhunter2: 2",
    "no mapping": "hunter2",
    "an unknown key": "origins: [{origin: 'https://h.test', username: u, password: p, hunter2: x}]",
    "an unknown key at the top": "hunter2: x",
    "no password": "origins: [{origin: 'https://h.test', username: u}]",
    "two passwords": "origins: [{origin: 'https://h.test', username: u, password: hunter2, passwordFile: x}]",
    "a colon in the username": "origins: [{origin: 'https://h.test', username: 'u:hunter2', password: p}]",
    "a line break": 'origins: [{origin: "https://h.test", username: u, password: "hunter2\\nx"}]',
    "a number as a password": "origins: [{origin: 'https://h.test', username: u, password: 12345678}]",
    "no origin": "origins: [{origin: 'u:hunter2@h.test', username: u, password: p}]",
    "a password file that is missing": "origins: [{origin: 'https://h.test', username: u, passwordFile: none}]",
    "an empty password file": "origins: [{origin: 'https://h.test', username: u, passwordFile: empty}]",
}


@pytest.mark.parametrize("text", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_file_that_cannot_be_used_is_refused_without_its_content(path: Path, text: str):
    (path.parent / "empty").write_text("\n")
    with pytest.raises(SettingsError, match="credentials file") as error:
        written(path, text).check()
    assert "hunter2" not in str(error.value)
    assert "12345678" not in str(error.value)
    assert str(path.parent) not in str(error.value)


def test_a_missing_file_is_named_without_its_directory(path: Path):
    with pytest.raises(SettingsError, match=r"credentials\.yaml cannot be read") as error:
        CredentialsFile(path).check()
    assert str(path.parent) not in str(error.value)
