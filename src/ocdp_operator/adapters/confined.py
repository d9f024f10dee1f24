"""Programs of others, confined: an argv and never a shell, a clean environment, limits, and an end in every case."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_ERRORS_LIMIT: Final = 64 * 1024
_CHUNK: Final = 64 * 1024


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
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=DEVNULL if command.stdin is None else PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(command.environment),
        cwd=command.directory,
        start_new_session=True,
    )
    ended = False
    try:
        _limit(process.pid, command.limits)
        result = await _talk(process, command)
        ended = True
        return result
    finally:
        if not ended:
            _kill(process, signal.SIGKILL)
            await process.wait()


async def _talk(process: Process, command: Command) -> Ended:
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = bytearray(), bytearray()
    timed_out = overflowed = False
    try:
        async with asyncio.timeout(command.seconds):
            overflowed, _, _ = await asyncio.gather(
                _read(process.stdout, output, command.output_limit, process),
                _read(process.stderr, errors, _ERRORS_LIMIT, None),
                _feed(process, command.stdin),
            )
            await process.wait()
    except TimeoutError:
        timed_out = True
        await _end(process)
    code = await process.wait()
    return Ended(code, bytes(output), errors.decode(errors="replace"), timed_out, overflowed)


async def _feed(process: Process, stdin: bytes | None) -> None:
    if process.stdin is None or stdin is None:
        return
    with suppress(ConnectionError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _read(stream: asyncio.StreamReader, into: bytearray, limit: int, kill: Process | None) -> bool:
    """Reads to the end and drops what is past the limit. Returns whether anything was: that kills ``kill``."""
    overflowed = False
    while chunk := await stream.read(_CHUNK):
        room = limit - len(into)
        into += chunk[:room]
        if len(chunk) > room and not overflowed:
            overflowed = True
            if kill is not None:
                _kill(kill, signal.SIGKILL)
    return overflowed


def _limit(pid: int, limits: Mapping[int, int]) -> None:
    if sys.platform != "linux":
        return
    with suppress(ProcessLookupError):  # it ended already
        for kind, value in limits.items():
            resource.prlimit(pid, kind, (value, value))


def _kill(process: Process, number: signal.Signals) -> None:
    """To the whole group, whose leader is the process: its children do not outlive it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _end(process: Process) -> None:
    _kill(process, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    _kill(process, signal.SIGKILL)
