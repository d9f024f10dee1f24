"""``/healthz``, ``/readyz`` and ``/metrics`` on one port, from the first moment to the last."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import orjson
from aiohttp import web

from ocdp_operator.adapters.health import Report
from ocdp_operator.errors import SettingsError

_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Probes:
    """The server. Whoever answers here never waits for anybody."""

    def __init__(
        self, health: Callable[[], Report], readiness: Callable[[], Report], metrics: Callable[[], bytes]
    ) -> None:
        self._health = health
        self._readiness = readiness
        self._metrics = metrics

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Answers on this port of every address until the block ends; 0: nowhere.

        Raises SettingsError when the port is taken.
        """
        if not port:
            yield
            return
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._probe(self._health)),
                web.get("/readyz", self._probe(self._readiness)),
                web.get("/metrics", self._expose),
            ]
        )
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.SockSite(runner, _listen(port)).start()
            yield
        finally:
            await asyncio.shield(runner.cleanup())

    def _probe(self, ask: Callable[[], Report]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            report = ask()
            return web.Response(
                status=200 if report.ok else 503,
                body=orjson.dumps(report.body),
                content_type="application/json",
            )

        return answer

    async def _expose(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": _METRICS_TYPE})


def _listen(port: int) -> socket.socket:
    """Every address of both families, where there are two."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=64)
    except OSError as error:
        raise SettingsError(f"Nothing can listen on the healthPort {port}: {error.strerror}.") from None
