"""``ocdp run``: the operator itself."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path
from threading import Timer
from typing import Annotated

import structlog
import typer

from ocdp_operator.cli.logs import start_logging, tell_unhandled
from ocdp_operator.cli.output import FAILED
from ocdp_operator.errors import OcdpError
from ocdp_operator.settings import Settings

_log = structlog.get_logger(__name__)

_ALLOCATIONS = 50_000
"""Between two collections of the youngest objects: 4 % less CPU for each claim, for 5 MiB (benchmarks/README.md)."""

WAY_OUT = 20.0
"""Seconds in which whatever was begun must let go, once the Lease is given back."""
_AGAIN = 0.2
"""Seconds until a task that did not end is told so again."""


def run(
    settings: Annotated[
        Path | None, typer.Option("--settings", envvar="OCDP_SETTINGS", help="The YAML settings file.")
    ] = None,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C."""
    loaded = Settings.load(settings)
    start_logging(loaded.log_level, as_json=loaded.log_json)
    try:
        asyncio.run(_run(loaded))
    except OcdpError:
        raise
    except Exception as fault:  # noqa: BLE001 - the last word of the process is a line of the log
        _log.critical("ended by a fault", exc_info=fault)
        raise typer.Exit(FAILED) from None


async def _run(settings: Settings) -> None:
    # Imported here: it loads every adapter and kopf, which the other commands do without.
    from ocdp_operator.composition import Operator, ended  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_unhandled)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # What is loaded by now stays; and reconciles leave few cycles behind, so that the collector may come less often.
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 20)
    try:
        async with Operator.built(settings) as operator:
            try:
                await operator.run(stop)
            finally:
                _end_in_time(loop)
    finally:
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await ended(left, again=_AGAIN, within=WAY_OUT)


def _end_in_time(loop: asyncio.AbstractEventLoop) -> None:
    """A process that works no more must end, or nobody starts another one."""

    def end() -> None:
        try:
            left = sorted(task.get_name() for task in asyncio.all_tasks(loop))
            _log.critical("ended by force", seconds=WAY_OUT, left=left)
        finally:
            os._exit(FAILED)

    timer = Timer(WAY_OUT, end)
    timer.daemon = True
    timer.start()
