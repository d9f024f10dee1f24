"""A relay in front of a TCP server that does on demand what networks do: swallow, trickle, break off, refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_CHUNK = 64 * 1024


class FaultRelay:
    """Passes bytes on, both ways, until it is told otherwise. ``host`` and ``port`` are where it listens."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        """Where new connections lead; set another one, and ``cut``, for a failover."""
        self.swallows = False
        """Takes every byte, and new connections too, and passes nothing on: no answer, and no reset either."""
        self.host, self.port = "127.0.0.1", 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._running: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, host: str, port: int) -> AsyncIterator[Self]:
        """A relay before the server there."""
        relay = cls((host, port))
        server = await asyncio.start_server(relay._serve, relay.host, 0)
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            server.close()
            for task in list(relay._running):
                task.cancel()
            await asyncio.gather(*relay._running, return_exceptions=True)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._writers)

    def cut(self) -> None:
        """Resets every connection there is; new ones are served."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError):
                await self._relay(reader, writer)
        finally:
            writer.close()
            self._writers.discard(writer)
            self._running.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self.target)
        pumps = [
            asyncio.create_task(self._pump(reader, up_writer)),
            asyncio.create_task(self._pump(up_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up_writer.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if not self.swallows:
                writer.write(data)


@asynccontextmanager
async def before_postgres(dsn: str) -> AsyncIterator[tuple[FaultRelay, str]]:
    """A relay before the server of this DSN, and the DSN that leads through it."""
    target = conninfo_to_dict(dsn)
    async with FaultRelay.before(str(target["host"]), int(target["port"] or 5432)) as relay:
        yield relay, make_conninfo(dsn, host=relay.host, port=relay.port)
