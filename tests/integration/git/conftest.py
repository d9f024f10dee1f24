from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.git import GitSources, Origin
from ocdp_operator.dev.gitrepository import GitRepository
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.model.source import PinnedSource
from tests.support.apps import app_files

BASE = "web/base"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MakeSources = Callable[..., Awaitable[GitSources]]


@dataclass
class Listener:
    """A server that is no Git server; what it was sent, by connection."""

    origin: str
    heard: list[bytes] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, name: str = "apps") -> str:
        return f"{self.origin}/{name}.git"


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[Listener]:
    """Answers every connection in this way."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            listener.heard.append(await reader.readuntil(b"\r\n\r\n"))
            listener.connected.set()
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener = Listener(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield listener
        server.close()


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Reads until the client goes away, and says nothing."""
    while await reader.read(1024):
        pass


@pytest.fixture
async def server() -> AsyncIterator[GitServer]:
    """A Git server of this test's own, to be stopped and locked."""
    async with GitServer.start() as started:
        yield started


@pytest.fixture
async def repository(server: GitServer) -> GitRepository:
    return await server.repository("apps")


@pytest.fixture
async def make_sources(tmp_path: Path, server: GitServer) -> AsyncIterator[MakeSources]:
    """Opened sources, which may read from the test's server, and from origins named beside it."""
    async with AsyncExitStack() as stack:

        async def make(*origins: str, **arguments: Any) -> GitSources:
            listed = [Origin.parse(each, insecure=True) for each in (server.origin, *origins)]
            sources = GitSources(arguments.pop("work_dir", tmp_path / "work"), listed, **arguments)
            return await stack.enter_async_context(sources)

        yield make


@pytest.fixture
async def commit(repository: GitRepository) -> str:
    """The thin application, committed."""
    return await repository.commit(app_files())


@dataclass
class Recorder:
    """A git that writes down how it was called before it does its work."""

    path: Path
    log: Path

    def calls(self, command: str) -> list[str]:
        """Lines, one for each call that names the command."""
        return [line for line in self.log.read_text().splitlines() if f" {command} " in line]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    found = Recorder(tmp_path / "git", tmp_path / "calls")
    found.log.touch()
    real = shutil.which("git")
    found.path.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$$ $*"; env; }} >> {found.log}\nexec {real} "$@"\n')
    found.path.chmod(0o755)
    return found


def pinned(server: GitServer | Listener, commit: str, path: str = BASE) -> PinnedSource:
    return PinnedSource(server.url("apps"), "v1", path, commit)
