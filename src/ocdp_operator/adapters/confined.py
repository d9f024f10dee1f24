"""Programs of others, confined: an argv and never a shell, a clean environment, limits, and an end in every case."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from asyncio import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_ERRORS_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """One run of a program."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    """All of it: nothing is inherited."""
    directory: Path
    seconds: float
    """Wall time."""
    output_limit: int
    """Bytes of standard output."""
    limits: Mapping[int, int] = field(default_factory=dict)
    """``resource.RLIMIT_*`` -> hard limit, in the unit of each. Set before the program gets its input (Linux only)."""
    stdin: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended."""

    code: int
    """The exit code; negative: the signal that killed it."""
    output: bytes = field(repr=False)
    errors: str = field(repr=False)
    """What it complained of, cut at 64 KiB. It may hold anything: never show it as it is."""
    timed_out: bool = False
    overflowed: bool = False
    """It printed more than it may, and was killed."""

    @property
    def succeeded(self) -> bool:
        """It ended by itself, with code 0, and all of its output is here."""
        return self.code == 0 and not self.timed_out and not self.overflowed


async def run(command: Command) -> Ended:
    """Runs the program to its end. When time is up, or the caller is cancelled, its whole process group is killed.

    Raises OSError when it cannot be started.
    """
    transport, talk = await _start(command)
    try:
        _limit(talk.pid, command.limits)
        talk.hear(command.stdin)
        timed_out = not await _ends_within(talk, command.seconds)
        if timed_out:
            talk.kill(signal.SIGTERM)
            await _ends_within(talk, _GRACE)
    finally:
        await _end(transport, talk)
    errors = talk.errors.decode(errors="replace")
    return Ended(transport.get_returncode() or 0, bytes(talk.output), errors, timed_out, talk.overflowed)


async def _start(command: Command) -> tuple[asyncio.SubprocessTransport, _Talk]:
    """The process, of which nothing is left when the caller is cancelled meanwhile.

    asyncio itself then kills the process alone and waits for its pipes, which its children hold for as long as they like.
    """
    loop = asyncio.get_running_loop()
    starting = loop.create_task(
        loop.subprocess_exec(
            lambda: _Talk(command.output_limit, loop.create_future()),
            *command.argv,
            stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(command.environment),
            cwd=command.directory,
            start_new_session=True,
            # Python ignores SIGXFSZ, and so does the child then: a file that grows too large is an error that it tells.
            restore_signals=False,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        while not starting.done():
            with suppress(asyncio.CancelledError):  # told once more; it is on its way out already
                await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await _end(*starting.result())
        raise


async def _end(transport: asyncio.SubprocessTransport, talk: _Talk) -> None:
    try:
        if not talk.ended.done():
            talk.kill(signal.SIGKILL)
            await asyncio.shield(talk.ended)
    finally:
        transport.close()


async def _ends_within(talk: _Talk, seconds: float) -> bool:
    done, _ = await asyncio.wait([talk.ended], timeout=seconds)
    return bool(done)


class _Talk(asyncio.SubprocessProtocol):
    """What a process says, until it has ended and nobody holds its pipes any more."""

    def __init__(self, output_limit: int, ended: asyncio.Future[None]) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self.overflowed = False
        self.ended = ended
        self._limit = output_limit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self.pid = transport.get_pid()

    def hear(self, stdin: bytes | None) -> None:
        """Gives the process its input, and the end of it."""
        pipe = self._transport.get_pipe_transport(0)
        if stdin is not None and isinstance(pipe, asyncio.WriteTransport):
            pipe.write(stdin)
            pipe.close()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        into, limit = (self.output, self._limit) if fd == 1 else (self.errors, _ERRORS_LIMIT)
        room = limit - len(into)
        into += data[:room]
        if fd == 1 and len(data) > room and not self.overflowed:
            self.overflowed = True
            self.kill(signal.SIGKILL)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def kill(self, number: signal.Signals) -> None:
        """To the whole group, whose leader is the process: its children do not outlive it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _limit(pid: int, limits: Mapping[int, int]) -> None:
    if sys.platform != "linux":
        return
    with suppress(ProcessLookupError):  # it ended already
        for kind, value in limits.items():
            own = resource.prlimit(pid, kind)[1]  # raising it would take a privilege
            least = value if own == resource.RLIM_INFINITY else min(value, own)
            resource.prlimit(pid, kind, (least, least))
