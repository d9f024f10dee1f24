"""A proxy in front of a real API server that does on demand what networks, old servers and busy ones do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import aiohttp
import yaml
from aiohttp import web

from ocdp_operator.dev.cluster import Cluster

Rule = Callable[[web.Request], web.Response | None]
_HOP = frozenset({"transfer-encoding", "content-length", "connection", "host"})


class FaultyProxy:
    """``rules`` answer instead of the server; ``silent`` holds back what streams carry; ``break_next`` cuts connections."""

    def __init__(self, upstream: Cluster) -> None:
        self._upstream = upstream
        self._streams: set[asyncio.Transport] = set()
        self._port = 0
        self.requests: list[str] = []
        """Method and path with query of each request that came."""
        self.rules: list[Rule] = []
        self.lies: list[Rule] = []
        """Answers in place of the server's own to mutating requests, which it has done."""
        self.break_next = 0
        """So many requests are done by the server, and their answers lost."""
        self.silent = False
        self.rewrite: Callable[[web.Request, bytes], list[bytes]] | None = None
        """What is told in place of each line of a stream: other lines, or none."""
        self._stalled: set[asyncio.Transport] = set()
        self.authorizations: list[str] = []

    @classmethod
    @asynccontextmanager
    async def started(cls, upstream: Cluster) -> AsyncIterator[Self]:
        proxy = cls(upstream)
        context = ssl.create_default_context(cafile=str(upstream.ca_file))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            proxy._session = session
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", proxy._handle)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            try:
                proxy._runner = runner
                await proxy.come_back()
                yield proxy
            finally:
                proxy.cut()
                await runner.cleanup()

    def kubeconfig(self, path: Path, token: str | None = None, *, account: Path | None = None) -> Path:
        """A kubeconfig that leads here, as the administrator, with another token, or as the user of another kubeconfig."""
        document = yaml.safe_load((account or self._upstream.kubeconfig).read_text())
        document["clusters"][0]["cluster"] = {"server": self.server}
        if token is not None:
            document["users"][0]["user"] = {"token": token}
        path.write_text(yaml.safe_dump(document))
        return path

    def in_place_of(self, kubeconfig: Path, path: Path) -> Path:
        """The login of that kubeconfig, wherever its token is; it leads here."""
        document = yaml.safe_load(kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": self.server}
        path.write_text(yaml.safe_dump(document))
        return path

    def refuse(self, part: str, status: int, times: int = 1_000_000, **headers: str) -> None:
        """Answers requests whose path or query holds ``part`` with this status, so many times."""
        left = [times]

        def rule(request: web.Request) -> web.Response | None:
            if part not in request.path_qs or not left[0]:
                return None
            left[0] -= 1
            return web.Response(status=status, headers={"Audit-Id": "proxy", **headers})

        self.rules.append(rule)

    async def come_back(self) -> None:
        """Listens, at the same address as before."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        host, self._port = self._runner.addresses[0][:2]
        self.server = f"http://{host}:{self._port}"

    async def leave(self) -> None:
        """Closes the port and breaks every connection: new ones are refused until it comes back."""
        await self._site.stop()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        self._streams.clear()

    def stall(self) -> None:
        """From now on the streams that there are carry nothing more, as if packets were dropped; new ones do."""
        self._stalled |= self._streams

    def cut(self) -> None:
        """Breaks the connections of all streams."""
        for transport in self._streams:
            transport.abort()
        self._streams.clear()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        self.authorizations.append(request.headers.get("Authorization", ""))
        for rule in self.rules:
            answer = rule(request)
            if answer is not None:
                return answer
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method,
            self._upstream.server + request.path_qs,
            data=await request.read() or None,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            if "watch=true" in request.query_string:
                return await self._stream(request, response)
            content = await response.read()
            if request.method not in ("GET", "HEAD"):
                for lie in self.lies:
                    answer = lie(request)
                    if answer is not None:
                        return answer
            if self.break_next and request.transport is not None:
                self.break_next -= 1
                request.transport.abort()
            kept = {name: value for name, value in response.headers.items() if name.lower() not in _HOP}
            return web.Response(status=response.status, body=content, headers=kept)

    async def _stream(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        answer = web.StreamResponse(status=upstream.status)
        await answer.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._streams.add(transport)
        pending = b""
        with suppress(aiohttp.ClientError, ConnectionError):
            async for chunk in upstream.content.iter_any():
                told, pending = self._told(request, pending + chunk)
                if told and transport not in self._stalled and await self._lets_through(request):
                    await answer.write(told)
        self._streams.discard(transport)
        self._stalled.discard(transport)
        return answer

    def _told(self, request: web.Request, content: bytes) -> tuple[bytes, bytes]:
        """What goes on to the client, and what waits for the end of its line."""
        if self.rewrite is None:
            return content, b""
        *lines, pending = content.split(b"\n")
        return b"".join(told + b"\n" for line in lines for told in self.rewrite(request, line)), pending

    async def _lets_through(self, request: web.Request) -> bool:
        """Whether what a stream carries goes on to the client; it may take its time to say so."""
        return not self.silent
