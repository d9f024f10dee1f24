"""A proxy in front of a Git server that does to single repositories what servers, gateways and attackers do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

import aiohttp
from aiohttp import web

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HOP: Final = frozenset({"transfer-encoding", "content-length", "connection", "host"})
_ADVERTISEMENT: Final = {"Content-Type": "application/x-git-upload-pack-advertisement"}


class FaultyGit:
    """``faults`` say, by the repository's name, what is done in place of asking the server."""

    def __init__(self, upstream: str) -> None:
        self.faults: dict[str, Fault] = {}
        self.requests: Counter[str] = Counter()
        """How often each repository was asked for anything."""
        self.authorizations: list[str] = []
        self._upstream = upstream

    @classmethod
    @asynccontextmanager
    async def before(cls, origin: str) -> AsyncIterator[Self]:
        """A proxy before the server at this origin; the proxy's ``origin`` leads through it."""
        proxy = cls(origin)
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            proxy._session = session
            application = web.Application()
            application.router.add_route("*", "/{name}.git/{path:.*}", proxy._serve)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                host, port = runner.addresses[0][:2]
                proxy.origin = f"http://{host}:{port}"
                yield proxy
            finally:
                await runner.cleanup()

    def url(self, name: str) -> str:
        """The URL of a repository, through the proxy."""
        return f"{self.origin}/{name}.git"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.requests[name] += 1
        self.authorizations.append(request.headers.get("Authorization", ""))
        fault = self.faults.get(name)
        if fault is not None:
            return await fault(request)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        async with self._session.request(
            request.method,
            self._upstream + request.path_qs,
            data=await request.read() or None,
            headers=headers,
            allow_redirects=False,
        ) as upstream:
            kept = {key: value for key, value in upstream.headers.items() if key.lower() not in _HOP}
            return web.Response(status=upstream.status, body=await upstream.read(), headers=kept)


def says(status: int, **headers: str) -> Fault:
    """Answers with this status; names of headers with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=named)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """Takes the request and says nothing, until the client leaves."""
    await asyncio.Event().wait()
    return web.Response(status=500)


async def trickles(request: web.Request) -> web.StreamResponse:
    """The right answer's beginning, and then a byte each second, for ever."""
    answer = web.StreamResponse(headers=_ADVERTISEMENT)
    await answer.prepare(request)
    while True:
        await answer.write(b"0")
        await asyncio.sleep(1)
