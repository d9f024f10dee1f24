"""A smart-HTTP Git server on the loopback address, for as long as a block runs."""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from aiohttp import web

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitrepository import GitRepository, git, git_environment
from ocdp_operator.dev.ports import LOOPBACK, free_port
from ocdp_operator.dev.state import state_directory

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_ATTEMPTS: Final = 5
_CHUNK: Final = 64 * 1024
_HEADER_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """The one user that may fetch, when not everybody may."""

    username: str
    password: str = field(repr=False)

    def admits(self, header: str | None) -> bool:
        """Whether an ``Authorization`` header carries these credentials."""
        wanted = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return header is not None and hmac.compare_digest(header.encode(), wanted.encode())


class GitServer:
    """Serves the bare repositories in one directory, read-only, through ``git http-backend``."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.auth: BasicAuth | None = None
        """Set it to demand credentials; None lets everybody fetch."""
        self.requests = 0
        """How many requests came, refused ones too."""
        self._port = free_port()
        self._repositories: dict[str, GitRepository] = {}
        self._runner: web.AppRunner | None = None
        self._backend = ""

    @classmethod
    @asynccontextmanager
    async def start(cls, root: Path | None = None, *, auth: BasicAuth | None = None) -> AsyncIterator[Self]:
        """A server; ``root`` is a directory for its repositories, which then stays, else a temporary one is made.

        Raises:
            LocalEnvironmentError: git is not installed, or no port could be taken.
        """
        with ExitStack() as stack:
            server = cls(root or stack.enter_context(state_directory("git")))
            server.auth = auth
            server._backend = (await git("--exec-path")).decode().strip() + "/git-http-backend"
            await server._start_first()
            try:
                yield server
            finally:
                await server.stop()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``, the same after a restart."""
        return f"http://{LOOPBACK}:{self._port}"

    def url(self, name: str) -> str:
        """The URL of a repository, without credentials."""
        return f"{self.origin}/{name}.git"

    async def repository(self, name: str) -> GitRepository:
        """The repository of this name, made when it is new.

        Raises:
            LocalEnvironmentError: the name is not lower-case letters, digits, dots, dashes and underscores.
        """
        if not _NAME.fullmatch(name):
            raise LocalEnvironmentError(f"{name!r} cannot name a repository: use a-z, 0-9, '.', '_' and '-'.")
        if name not in self._repositories:
            repository = GitRepository(self.root / f"{name}.git")
            if not repository.path.exists():
                await repository.create()
            self._repositories[name] = repository
        return self._repositories[name]

    async def stop(self) -> None:
        """Closes the port and every connection; repositories and address stay. Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def restart(self) -> None:
        """Serves again at the same address, stopping first if it runs.

        Raises:
            OSError: somebody took the port meanwhile.
        """
        await self.stop()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        # A compressed request goes to the backend as it came, with the header that says so.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, auto_decompress=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, self._port, reuse_address=True).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def _start_first(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self.restart()
            except OSError as error:
                if attempt == _ATTEMPTS:
                    raise LocalEnvironmentError("The Git server found no port to listen on.") from error
                self._port = free_port()
            else:
                return

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.auth is not None and not self.auth.admits(request.headers.get("Authorization")):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        child = await asyncio.create_subprocess_exec(
            self._backend,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_cgi_environment(request, self.root),
            limit=_HEADER_LIMIT,
            start_new_session=True,
        )
        feeding = asyncio.create_task(_feed(request, child))
        try:
            answer = await _answer(request, child)
            await child.wait()
            return answer
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError):
                await feeding
            await _end(child)


def _cgi_environment(request: web.Request, root: Path) -> Mapping[str, str]:
    """RFC 3875 meta-variables, and ``GIT_PROTOCOL``: without version 2 a commit that no ref names is out of reach."""
    headers = request.headers
    variables = {
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"/{request.match_info['path']}",
        "QUERY_STRING": request.rel_url.raw_query_string,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "REMOTE_ADDR": LOOPBACK,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "CONTENT_LENGTH": headers.get("Content-Length", ""),
    }
    return git_environment() | {name: value for name, value in variables.items() if value}


async def _end(child: asyncio.subprocess.Process) -> None:
    """Ends the backend with the programs that it started, which hold its pipe: the client may have gone away."""
    assert child.stdout is not None
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    while await child.stdout.read(_CHUNK):
        pass
    await child.wait()


async def _feed(request: web.Request, child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    with suppress(ConnectionError):
        async for chunk in request.content.iter_chunked(_CHUNK):
            child.stdin.write(chunk)
            await child.stdin.drain()
    child.stdin.close()


async def _answer(request: web.Request, child: asyncio.subprocess.Process) -> web.StreamResponse:
    assert child.stdout is not None
    try:
        head = await child.stdout.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return web.Response(status=500, text="git http-backend gave no answer")
    status, headers = _parsed(head)
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    while chunk := await child.stdout.read(_CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """The status and headers of a CGI answer."""
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return int(headers.pop("Status", "200 OK").split()[0]), headers
