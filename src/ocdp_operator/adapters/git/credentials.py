"""Credentials for origins, from a file that is mounted beside the operator and read again when it changes.

They reach git in its environment, as configuration of one run: never in a URL, an argument, a log or an error.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from ocdp_operator.adapters.git.origins import Origin
from ocdp_operator.errors import SettingsError, Stalled
from ocdp_operator.model.documents import load_documents

_MAX_BYTES: Final = 64 * 1024

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one origin wants to know."""

    origin: Origin
    username: str
    password: str = field(repr=False)

    def environment(self) -> Mapping[str, str]:
        """Variables that make git send them to this origin and to no other."""
        token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.origin}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
        }


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, hide_input_in_errors=True
    )


class _Entry(_Part):
    origin: str
    username: str
    password: str | None = None
    password_file: str | None = None

    @model_validator(mode="after")
    def _one_password(self) -> _Entry:
        if (self.password is None) == (self.password_file is None):
            raise ValueError("give exactly one of password and passwordFile")
        if ":" in self.username or not (self.username + (self.password or "")).isprintable():
            raise ValueError("a username has no colon, and nothing here a control character")
        return self


class _File(_Part):
    origins: list[_Entry] = Field(default_factory=list)


class CredentialsFile:
    """The credentials file (docs/sources.md); without a path no origin has any."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: tuple[Path, ...] = ()
        self._stamp: _Stamp | None = None
        self._known: tuple[Credentials, ...] = ()

    def check(self) -> None:
        """Raises SettingsError, without anything of its content, when the file or a password file cannot be used."""
        if self._path is None:
            return
        try:
            if self._stamp is None or self._stamp != _stamp(self._read):
                self._refresh(self._path)
        except OSError as error:
            name = Path(error.filename or self._path).name
            raise SettingsError(f"The credentials file {name} cannot be read: {error.strerror}.") from None

    def find(self, url: Origin) -> Credentials | None:
        """Those of the longest origin that covers the URL, as the file has them now. Raises as ``check`` does."""
        self.check()
        covering = [each for each in self._known if each.origin.covers(url)]
        return max(covering, key=lambda each: len(each.origin.prefix), default=None)

    def _refresh(self, path: Path) -> None:
        self._stamp = None
        entries = _entries(path)
        files = (path, *(path.parent / name for entry in entries if (name := entry.password_file)))
        # Stamped before it is read: a change in between is read again, and never missed.
        stamp = _stamp(files)
        self._known = tuple(_credentials(path, entry) for entry in entries)
        self._read, self._stamp = files, stamp


def _stamp(files: tuple[Path, ...]) -> _Stamp:
    """Tells a changed file from the same one; a mounted Secret changes by exchanging a symbolic link."""
    return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in (f.stat() for f in files))


def _entries(path: Path) -> list[_Entry]:
    """Messages name the place and the rule; what is written there may be a password."""
    try:
        documents = load_documents(_bytes(path), name=path.name)
    except Stalled:
        raise _refusal(path, "it is no YAML that can be read safely") from None
    try:
        return _File.model_validate(documents[0] if documents else {}, by_alias=True, by_name=False).origins
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(step) for step in fault["loc"] if fault["type"] != "extra_forbidden")
        raise _refusal(path, f"{place}: {fault['msg']}".removeprefix(": ")) from None


def _credentials(path: Path, entry: _Entry) -> Credentials:
    try:
        origin = Origin.parse(entry.origin, insecure=True)
    except SettingsError as error:
        raise _refusal(path, str(error)) from None
    if entry.password_file is None:
        return Credentials(origin, entry.username, entry.password or "")
    try:
        password = _bytes(path.parent / entry.password_file).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password or not password.isprintable():
        raise _refusal(path, f"the passwordFile of {origin} holds no single line of text")
    return Credentials(origin, entry.username, password)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise _refusal(path, f"it has more than {_MAX_BYTES} bytes")
    return data


def _refusal(path: Path, what: str) -> SettingsError:
    return SettingsError(f"The credentials file {path.name} cannot be used: {what}.")
