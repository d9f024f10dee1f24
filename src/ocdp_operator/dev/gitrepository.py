"""A bare Git repository whose content tests and the demo write directly, without a work tree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.process import run

_AUTHOR: Final = "OCDP <ocdp@example.invalid>"
_FIRST_COMMIT_TIME: Final = 1_700_000_000  # seconds; fixed, so that the same history has the same ids


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link in a commit."""

    target: str


@dataclass(frozen=True, slots=True)
class Submodule:
    """A link to a commit of another repository."""

    sha: str


Content = bytes | str | Symlink | Submodule


class GitRepository:
    """One bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits = 0

    async def create(self) -> None:
        """Makes it, empty, on the branch ``main``."""
        await git("init", "--quiet", "--bare", "--initial-branch=main", str(self.path))
        await self._git("config", "gc.auto", "0")  # what no ref names stays

    async def commit(
        self,
        files: Mapping[str, Content],
        message: str = "A change",
        *,
        branch: str = "main",
        amend: bool = False,
    ) -> str:
        """Commits exactly ``files`` (path to content) on ``branch``; returns the commit's id.

        With ``amend`` the commit has no parent: what the branch held before is named by nothing any more.
        """
        reference = f"refs/heads/{branch}"
        parent = None if amend else await self.resolve(reference)
        self._commits += 1
        stamp = f"{_AUTHOR} {_FIRST_COMMIT_TIME + self._commits} +0000"
        lines = [f"commit {reference}", f"author {stamp}", f"committer {stamp}"]
        stream = bytearray("\n".join(lines).encode() + b"\n" + _data(message.encode()))
        if amend:
            stream = bytearray(f"reset {reference}\n\n".encode()) + stream
        if parent is not None:
            stream += f"from {parent}\n".encode()
        stream += b"deleteall\n"
        for path, content in sorted(files.items()):
            stream += _entry(path, content)
        await self._git("fast-import", "--quiet", "--force", "--date-format=raw", stdin=bytes(stream))
        sha = await self.resolve(reference)
        assert sha is not None
        return sha

    async def tag(self, name: str, sha: str, *, force: bool = False) -> None:
        """Puts a lightweight tag on a commit; with ``force`` also one that is elsewhere already.

        Raises:
            LocalEnvironmentError: the tag exists, or there is no such commit.
        """
        await self._git("tag", *(("--force",) if force else ()), name, sha)

    async def point(self, branch: str, sha: str | None) -> None:
        """Moves ``branch`` to a commit, wherever it was; None deletes it."""
        reference = f"refs/heads/{branch}"
        await self._git("update-ref", *(("-d", reference) if sha is None else (reference, sha)))

    async def resolve(self, reference: str) -> str | None:
        """The commit that a ref names, or None."""
        answer = await self._git("rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}", check=False)
        return answer.decode().strip() or None

    async def _git(self, *arguments: str, stdin: bytes | None = None, check: bool = True) -> bytes:
        return await git(f"--git-dir={self.path}", *arguments, stdin=stdin, check=check)


def git_environment() -> dict[str, str]:
    """An environment in which git reads no configuration of a person or a machine."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": tempfile.gettempdir(),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


async def git(*arguments: str, stdin: bytes | None = None, check: bool = True) -> bytes:
    """What one git command printed.

    Raises:
        LocalEnvironmentError: git is not installed, or (with ``check``) the command failed.
    """
    try:
        ended = await run("git", *arguments, env=git_environment(), stdin=stdin)
    except FileNotFoundError as error:
        raise LocalEnvironmentError("git is not installed: install it.") from error
    if check and ended.code != 0:
        raise LocalEnvironmentError(f"git failed with code {ended.code}: {ended.errors[:500]}")
    return ended.output


def _entry(path: str, content: Content) -> bytes:
    match content:
        case Symlink(target):
            mode, body = "120000", target.encode()
        case Submodule(sha):
            return f"M 160000 {sha} {path}\n".encode()
        case str():
            mode, body = "100644", content.encode()
        case _:
            mode, body = "100644", content
    return f"M {mode} inline {path}\n".encode() + _data(body)


def _data(body: bytes) -> bytes:
    """fast-import's exact byte count format."""
    return f"data {len(body)}\n".encode() + body + b"\n"
