"""The one way in which git is run: an argv, never a shell; no configuration but ours; an end in every case."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocdp_operator.adapters.confined import Command, Ended, run
from ocdp_operator.adapters.git.credentials import Credentials
from ocdp_operator.adapters.git.origins import Origin
from ocdp_operator.errors import SettingsError

_HARDENING: Final = {
    "core.hooksPath": os.devnull,
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # One pack for a fetch, whatever it holds: a limit on one file is then a limit on the fetch.
    "fetch.unpackLimit": "1",
    # What is larger is hashed as it streams by; beneath it, one thread holds little at a time.
    "core.bigFileThreshold": "1m",
    "core.deltaBaseCacheLimit": "16m",
    "pack.threads": "1",
}
"""Every setting of security-reliability 2.2; ``protocol.<scheme>.allow`` is added for the URL's own scheme."""
_OUTPUT_LIMIT: Final = 4 * 1024 * 1024
_MEMORY_LIMIT: Final = 384 * 1024 * 1024
"""Bytes of memory of a git process of its own; a delta of a few bytes can ask for gigabytes."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository that may be asked: its URL was checked against the allow list."""

    url: str
    parts: Origin
    credentials: Credentials | None = None


class Git:
    """Runs git."""

    def __init__(self, executable: Path, home: Path) -> None:
        self.executable = executable
        self._home = home

    @classmethod
    def locate(cls, executable: Path, home: Path) -> Git:
        """``executable`` may be a bare name, looked up on PATH. Raises SettingsError when there is no such program.

        ``home`` is an empty directory: git's HOME, where it finds nothing.
        """
        found = shutil.which(executable)
        if found is None:
            raise SettingsError(
                f"git is needed, and {executable} is not installed: install it, or set `git`."
            )
        return cls(Path(found).absolute(), home)

    async def local(self, *arguments: str) -> Ended:
        """A command that asks nobody."""
        return await self._run(arguments, None, seconds=20)

    async def list_remote(self, remote: Remote, *patterns: str, seconds: float) -> Ended:
        """``ls-remote``: a commit and a ref's full name on each line."""
        arguments = ("ls-remote", "--quiet", "--end-of-options", remote.url, *patterns)
        return await self._run(arguments, remote, seconds=seconds)

    async def fetch(
        self, remote: Remote, mirror: Path, refspec: str, *, seconds: float, pack_limit: int
    ) -> Ended:
        """Fetches one refspec into a bare mirror, without history; ``pack_limit`` in bytes.

        The refspec goes in by standard input: git waits for it, so that its limits hold before it starts a helper.
        """
        options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--depth=1")
        arguments = (f"--git-dir={mirror}", "fetch", *options, "--stdin", "--end-of-options", remote.url)
        limits = {resource.RLIMIT_FSIZE: pack_limit}
        stdin = f"{refspec}\n".encode()
        return await self._run(arguments, remote, seconds=seconds, limits=limits, stdin=stdin)

    async def _run(
        self,
        arguments: Sequence[str],
        remote: Remote | None,
        *,
        seconds: float,
        limits: Mapping[int, int] | None = None,
        stdin: bytes | None = None,
    ) -> Ended:
        settings = [f"{name}={value}" for name, value in _HARDENING.items()]
        schemes = [remote.parts.scheme] if remote is not None else []
        settings += [f"protocol.{scheme}.allow=always" for scheme in schemes]
        command = Command(
            argv=(str(self.executable), *(part for said in settings for part in ("-c", said)), *arguments),
            environment=self._environment(schemes)
            | (dict(remote.credentials.environment()) if remote is not None and remote.credentials else {}),
            directory=self._home,
            seconds=seconds,
            output_limit=_OUTPUT_LIMIT,
            limits={
                resource.RLIMIT_CPU: max(1, int(seconds)),
                resource.RLIMIT_DATA: _MEMORY_LIMIT,
                resource.RLIMIT_CORE: 0,
                **(limits or {}),
            },
            stdin=stdin,
        )
        return await run(command)

    def _environment(self, schemes: Sequence[str]) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": ":".join(schemes),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_DEFAULT_HASH": "sha1",
            "GIT_DEFAULT_REF_FORMAT": "files",
            "LC_ALL": "C",
        }
