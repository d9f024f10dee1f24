"""A platform team at its desk: a catalog, a Git server, kustomize, and the ``ocdp`` command run in this process."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import yaml

from ocdp_operator.cli.app import main
from ocdp_operator.dev.gitrepository import GitRepository
from ocdp_operator.dev.gitserver import GitServer


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Desk:
    """Everything that publishing needs, all of it real."""

    git: GitServer
    repository: GitRepository
    monkeypatch: pytest.MonkeyPatch = field(repr=False)
    capsys: pytest.CaptureFixture[str] = field(repr=False)

    @classmethod
    @asynccontextmanager
    async def at(
        cls,
        directory: Path,
        *,
        dsn: str,
        kustomize: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> AsyncIterator[Self]:
        """With an empty catalog and an empty repository ``apps``."""
        async with GitServer.start(directory / "git") as git:
            settings = {
                "origins": [{"origin": git.origin, "insecure": True}],
                "kustomize": str(kustomize),
                "workDir": str(directory / "work"),
            }
            (directory / "settings.yaml").write_text(yaml.safe_dump(settings))
            monkeypatch.setenv("OCDP_CATALOG_DSN", dsn)
            monkeypatch.setenv("OCDP_SETTINGS", str(directory / "settings.yaml"))
            yield cls(git, await git.repository("apps"), monkeypatch, capsys)

    @property
    def url(self) -> str:
        """Of the repository."""
        return self.git.url("apps")

    async def commit(self, files: Mapping[str, bytes], *, tag: str = "v1") -> str:
        """Commits exactly these files, and moves the tag there."""
        commit = await self.repository.commit(files, "a change")
        await self.repository.tag(tag, commit, force=True)
        return commit

    async def ocdp(self, *arguments: str, documents: Sequence[Mapping[str, Any]] = ()) -> Said:
        """Runs the command with documents on standard input."""
        data = yaml.safe_dump_all([dict(each) for each in documents]).encode()
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

        def run() -> int:
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            return int(ended.value.code or 0)

        code = await asyncio.to_thread(run)  # it has a loop of its own; the Git server goes on in this one
        printed = self.capsys.readouterr()
        return Said(code, printed.out, printed.err)

    async def publish(self, *documents: Mapping[str, Any], options: Sequence[str] = ()) -> Said:
        """``ocdp template publish``."""
        return await self.ocdp("template", "publish", *options, "-f", "-", documents=documents)

    async def revisions(self, template: str) -> list[int]:
        """Every revision that the catalog has of a template, newest first."""
        said = await self.ocdp("template", "history", template, "-o", "json")
        return [each["published"]["revision"] for each in json.loads(said.out)] if said.code == 0 else []
