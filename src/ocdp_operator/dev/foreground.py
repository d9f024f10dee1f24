"""Keeping the local environment up, in the foreground or behind it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.environment import LocalEnvironment
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.record import Record, Running
from ocdp_operator.dev.waiting import until

_UP_SECONDS: Final = 180.0
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def keep_up(root: Path, tell: Callable[[Running], None]) -> None:
    """Starts everything, tells where it is, and ends it all on Ctrl-C or SIGTERM, which may come at any time.

    Raises:
        LocalEnvironmentError: a part did not start, or another environment is up.
    """
    record = Record()
    with record.claimed(), suppress(asyncio.CancelledError), _ended_by_signals():
        async with LocalEnvironment.start(root) as environment:
            running = Running.of(environment)
            record.write(running)
            tell(running)
            await asyncio.Event().wait()


async def start_detached(command: tuple[str, ...]) -> Running:
    """Runs Python with ``command`` (which keeps everything up) in a session of its own; returns when all is up.

    Raises:
        LocalEnvironmentError: it ended or did not get ready; with what it wrote last.
    """
    await Binaries.locate()  # a build is worth watching
    record = Record()
    if record.read() is not None:
        raise LocalEnvironmentError(
            "A local environment is up already: see `ocdp dev status`, end it with `ocdp dev down`."
        )
    pid = _spawn(record, command)

    async def up_or_ended() -> bool:
        return _ended(pid) or record.read() is not None

    await until(up_or_ended, what="the local environment to start", seconds=_UP_SECONDS, every=0.2)
    running = record.read()
    if running is None:
        raise LocalEnvironmentError(f"The local environment did not start. It wrote last:\n{record.tail()}")
    return running


def _ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG) != (0, 0)


def _spawn(record: Record, command: tuple[str, ...]) -> int:
    record.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with record.log.open("wb") as log:
        return os.posix_spawn(
            sys.executable,
            (sys.executable, *command),
            os.environ,
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ),
            setsid=True,
        )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """The first of the signals cancels the current task; what it then cleans up is not disturbed by another."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    asked = False

    def end() -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    for sign in _ENDING:
        loop.add_signal_handler(sign, end)
    try:
        yield
    finally:
        for sign in _ENDING:
            loop.remove_signal_handler(sign)
