"""A proxy in front of a Git server that writes down every request of a fetch, and stops at one of them."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

import aiohttp
from aiohttp import web

from tests.support.call_record import CallRecord

_HOP: Final = frozenset({"transfer-encoding", "content-length", "connection", "host"})
_COMMAND: Final = re.compile(rb"command=([a-z-]+)")


class RecordingGit:
    """``record`` holds the requests for every repository, in the order in which they came."""

    def __init__(self, upstream: str) -> None:
        self.record = CallRecord()
        self._upstream = upstream

    @classmethod
    @asynccontextmanager
    async def before(cls, origin: str) -> AsyncIterator[Self]:
        """A proxy before the server at this origin; the proxy's ``origin`` leads through it."""
        proxy = cls(origin)
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            proxy._session = session
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", proxy._serve)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                host, port = runner.addresses[0][:2]
                proxy.origin = f"http://{host}:{port}"
                yield proxy
            finally:
                proxy.record.release()
                await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = self.record.enter(_line(request, body))
        if not await self.record.lets_through(call, "before"):
            return _closed(request)
        async with self._session.request(
            request.method,
            self._upstream + request.path_qs,
            data=body or None,
            headers=_end_to_end(request.headers),
            allow_redirects=False,
        ) as upstream:
            content = await upstream.read()
        if not await self.record.lets_through(call, "after"):
            return _closed(request)
        answer = web.StreamResponse(status=upstream.status, headers=_end_to_end(upstream.headers))
        await answer.prepare(request)
        half = len(content) // 2
        await answer.write(content[:half])
        if not await self.record.lets_through(call, "amid"):
            _closed(request)
            return answer
        await answer.write(content[half:])
        await answer.write_eof()
        return answer


def _line(request: web.Request, body: bytes) -> str:
    """The method, what is below the repository, and the command of protocol version 2."""
    _, _, below = request.path.partition(".git/")
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    command = _COMMAND.search(body[:200])
    return " ".join([request.method, below, *([command[1].decode()] if command else [])])


def _closed(request: web.Request) -> web.Response:
    """Ends the connection after what was written, as a server does that stops; what it returns goes nowhere."""
    if isinstance(request.transport, asyncio.Transport):
        request.transport.close()
    return web.Response(status=503)


def _end_to_end(headers: aiohttp.typedefs.LooseHeaders) -> dict[str, str]:
    return {name: value for name, value in dict(headers).items() if name.lower() not in _HOP}
