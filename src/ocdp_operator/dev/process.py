"""One child process: in its own group, its output in a file, dead when we are."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from ocdp_operator.dev import launch
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.waiting import until

_TAIL_LINES: Final = 12
_KILL_DEADLINE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and group a command runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: an argument vector, never a shell line."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    log: Path
    output: Path | None = None
    """Where standard output goes, if not to the log."""
    env: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None
    death_signal: signal.Signals = signal.SIGKILL
    """Sent by the kernel when the process that started it dies (Linux)."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a short command left."""

    code: int
    output: bytes
    errors: str


async def run(
    *argv: str, env: Mapping[str, str], stdin: bytes | None = None, seconds: float = 120.0
) -> Finished:
    """Runs a short command to its end; it is killed when it takes longer than ``seconds``.

    Raises:
        OSError: it cannot be started.
        TimeoutError: it took too long.
    """
    child = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await child.communicate(stdin)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return Finished(await child.wait(), output, errors.decode(errors="replace").strip())


class Process:
    """A started command."""

    def __init__(self, command: Command, child: asyncio.subprocess.Process) -> None:
        self.command = command
        self._child = child

    @classmethod
    async def start(cls, command: Command) -> Self:
        """Starts ``command`` with its output appended to its log.

        Call it from a thread that lives as long as the child should: the kernel ties the child to that thread.
        """
        identity = command.identity
        uid, gid = (str(identity.uid), str(identity.gid)) if identity else ("-", "-")
        tie = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(command.death_signal)))
        with command.log.open("ab") as log, (command.output or command.log).open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *tie,
                uid,
                gid,
                *command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=command.cwd,
                env={"PATH": os.defpath, **command.env},
                process_group=0,
            )
        return cls(command, child)

    @property
    def pid(self) -> int:
        """The process id, which is the process group's too."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.returncode is None

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        return await self._child.wait()

    async def ready(self, predicate: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
        """Returns when ``predicate`` holds.

        Raises:
            LocalEnvironmentError: the process ended, or ``seconds`` went by; with the last lines it wrote.
        """

        async def ready_or_ended() -> bool:
            return not self.running or await predicate()

        try:
            await until(ready_or_ended, what=f"{self.command.name} to be ready", seconds=seconds)
        except LocalEnvironmentError as error:
            raise LocalEnvironmentError(f"{error} It wrote last:\n{self.tail()}") from error
        if not self.running:
            raise LocalEnvironmentError(
                f"{self.command.name} ended with code {self._child.returncode}. It wrote last:\n{self.tail()}"
            )

    async def stop(self, *, seconds: float, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ends the whole process group: ``sign`` first, SIGKILL after ``seconds``; idempotent."""
        if self.running:
            self._signal(sign)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), seconds)
        self._signal(signal.SIGKILL)
        await asyncio.wait_for(self._child.wait(), _KILL_DEADLINE)

    def tail(self) -> str:
        """The last lines it wrote, without the path of the state directory."""
        text = ""
        for path in (self.command.output, self.command.log):
            if path is not None and path.exists():
                text += path.read_text(errors="replace")
        lines = text.replace(str(self.command.cwd), ".").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"  {line[:300]}" for line in lines) or "  (nothing)"

    def _signal(self, sign: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, sign)
