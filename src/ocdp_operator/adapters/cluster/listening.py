"""A session for an event source that keeps its bookmarks to itself: what its watches hear is heard here too."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

import aiohttp
from yarl import URL

from ocdp_operator.adapters.cluster.depth import parse, readable
from ocdp_operator.adapters.cluster.pulse import Pulse

_REFUSED: Final = 400


def listening_session(
    pulses: Mapping[str, Pulse],
    *,
    tls: ssl.SSLContext,
    headers: Mapping[str, str],
    proxy: str | None = None,
) -> aiohttp.ClientSession:
    """A session whose watches of these resources, by plural name, tell their pulse of each chunk and each failure."""

    def pulse_of(url: URL) -> Pulse | None:
        return pulses.get(url.name) if url.query.get("watch") == "true" else None

    async def failed(
        _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if pulse := pulse_of(told.url):
            pulse.failed()

    async def ended(
        _: aiohttp.ClientSession, __: SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        if told.response.status >= _REFUSED and (pulse := pulse_of(told.url)):
            pulse.failed()

    class Listened(aiohttp.ClientResponse):
        """A response whose stream is listened to."""

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            pulse = pulse_of(self.url)
            if pulse is not None:
                self.content = cast("aiohttp.StreamReader", _Stream(self.content, pulse))
            return self

        async def json(self, **_: Any) -> Any:
            """What the answer says, however deep it is nested."""
            return parse(await self.read())

    trace = aiohttp.TraceConfig()
    trace.on_request_exception.append(failed)
    trace.on_request_end.append(ended)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls),
        headers=headers,
        proxy=proxy,
        trace_configs=[trace],
        response_class=Listened,
    )


class _Stream:
    """A response's content that tells of each chunk."""

    def __init__(self, content: aiohttp.StreamReader, pulse: Pulse) -> None:
        self._content = content
        self._pulse = pulse

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Like the content's, in whole lines, each of which a parser can follow."""
        pending = b""
        async for chunk in self._content.iter_chunked(size):
            self._pulse.heard()
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                yield readable(line) + b"\n"
        if pending:
            yield readable(pending)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)
