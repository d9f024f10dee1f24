"""A proxy in front of PostgreSQL that writes down every round trip, and stops at one of them.

It speaks as much of the protocol as it takes to know where a round trip begins and ends, and what it asks for: version 3,
without TLS, one round trip after another on each connection.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.call_record import Call, CallRecord

CONNECT: Final = "connect"
"""A whole login, up to the first ReadyForQuery."""
EMPTY: Final = "an empty statement"
"""What a pool asks that checks its connections before it hands them out."""

_CANCEL, _TLS, _GSS = 80877102, 80877103, 80877104
_AUTHENTICATED: Final = b"\0\0\0\0"
_TABLE: Final = re.compile(r"\bocdp\.(\w+)")


class RecordingPostgres:
    """``record`` holds the round trips of every connection, in the order in which they came.

    psycopg prepares a statement that a connection has executed five times: a round trip of its own, which comes or not
    according to what the connection did before. It is among the calls only while ``lists_preparing`` is set.
    """

    def __init__(self, dsn: str) -> None:
        url = urlsplit(dsn)
        assert url.hostname is not None
        assert url.port is not None
        self.record = CallRecord()
        self.address = url.hostname, url.port
        self._url = url
        self._clients: set[StreamWriter] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, dsn: str) -> AsyncIterator[Self]:
        """A proxy before the server of this URL; the proxy's ``dsn`` leads through it."""
        proxy = cls(dsn)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = proxy._url.netloc.rpartition("@")[0]
        proxy.dsn = urlunsplit(proxy._url._replace(netloc=f"{user}@127.0.0.1:{port}"))
        try:
            yield proxy
        finally:
            server.close()
            proxy.record.release()
            for client in proxy._clients:
                client.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._clients.add(writer)
        session = _Session(self, reader, writer)
        with suppress(OSError, EOFError):  # one of the two is gone
            await session.run()
        session.close()
        self._clients.discard(writer)


class _Message(NamedTuple):
    kind: bytes
    content: bytes
    raw: bytes


class _Session:
    """One connection, and the one that it is given on to."""

    def __init__(self, proxy: RecordingPostgres, reader: StreamReader, writer: StreamWriter) -> None:
        self._proxy = proxy
        self._record = proxy.record
        self._reader, self._writer = reader, writer
        self._upstream: StreamWriter | None = None
        self._asked: deque[Call] = deque()
        """Calls that the server has not answered."""
        self._statements: dict[bytes, str] = {}

    async def run(self) -> None:
        """Returns, or raises OSError or EOFError, when one of both sides has closed, or a call was stopped at."""
        startup = await self._startup()
        answers, self._upstream = await asyncio.open_connection(*self._proxy.address)
        if int.from_bytes(startup[4:8]) == _CANCEL:
            self._upstream.write(startup)
            await self._upstream.drain()
            return
        directions = [
            asyncio.create_task(self._questions(startup)),
            asyncio.create_task(self._answers(answers)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    def close(self) -> None:
        """Closes both sides."""
        self._writer.close()
        if self._upstream is not None:
            self._upstream.close()

    async def _startup(self) -> bytes:
        """The first packet that is no offer of encryption; such offers are declined."""
        while True:
            length = await self._reader.readexactly(4)
            packet = length + await self._reader.readexactly(int.from_bytes(length) - 4)
            if int.from_bytes(packet[4:8]) not in (_TLS, _GSS):
                return packet
            self._writer.write(b"N")
            await self._writer.drain()

    async def _questions(self, startup: bytes) -> None:
        if not await self._ask(CONNECT, startup):
            return
        waiting: list[_Message] = []
        while True:
            message = await _next(self._reader)
            if message.kind in b"pX":  # a step of the login, or the end
                self._give(message.raw)
                continue
            waiting.append(message)
            if message.kind in b"SQ":
                raw = b"".join(each.raw for each in waiting)
                if not await self._ask(self._line(waiting), raw):
                    return
                waiting = []

    async def _ask(self, line: str, raw: bytes) -> bool:
        call = self._record.enter(line, listed=not line.startswith("prepare "))
        if not await self._record.lets_through(call, "before"):
            return False
        self._asked.append(call)
        self._give(raw)
        return True

    def _give(self, raw: bytes) -> None:
        assert self._upstream is not None
        self._upstream.write(raw)

    async def _answers(self, answers: StreamReader) -> None:
        waiting = bytearray()
        while True:
            try:
                message = await _next(answers)
            except EOFError:
                self._writer.write(waiting)  # last words, such as why a login is refused
                return
            waiting += message.raw
            if message.kind == b"Z" and self._asked:
                call = self._asked.popleft()
                if not await self._record.lets_through(call, "after"):
                    return
            elif self._asked and not (message.kind == b"R" and message.content != _AUTHENTICATED):
                continue  # a part of an answer; a step of the login alone is given at once
            self._writer.write(waiting)
            await self._writer.drain()
            waiting.clear()

    def _line(self, messages: list[_Message]) -> str:
        """What a round trip asks for, by the tables it reads."""
        text, executed = "", False
        for kind, content, _ in messages:
            if kind == b"Q":
                text, executed = content.rstrip(b"\0").decode(), True
            elif kind == b"P":
                name, statement = content.split(b"\0")[:2]
                text = self._statements[name] = statement.decode()
            elif kind == b"B":
                text = self._statements[content.split(b"\0")[1]]
            executed = executed or kind == b"E"
        return _shown(text) if executed else f"prepare {_shown(text)}"


async def _next(reader: StreamReader) -> _Message:
    head = await reader.readexactly(5)
    content = await reader.readexactly(int.from_bytes(head[1:]) - 4)
    return _Message(head[:1], content, head + content)


def _shown(statement: str) -> str:
    words = statement.split()
    if not words:
        return EMPTY
    return " ".join([words[0].lower(), *dict.fromkeys(_TABLE.findall(statement))])
