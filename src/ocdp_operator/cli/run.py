"""``ocdp run``: the operator itself."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from ocdp_operator.settings import Settings


def run(
    settings: Annotated[
        Path | None, typer.Option("--settings", envvar="OCDP_SETTINGS", help="The YAML settings file.")
    ] = None,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C."""
    loaded = Settings.load(settings)
    start_logging(loaded.log_level, as_json=loaded.log_json)
    asyncio.run(_run(loaded))


async def _run(settings: Settings) -> None:
    # Imported here: it loads every adapter and kopf, which the other commands do without.
    from ocdp_operator.composition import Operator  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Operator.built(settings) as operator:
        await operator.run(stop)


def start_logging(level: str, *, as_json: bool) -> None:
    """Structured lines on standard output. kopf's own debug lines hold whole objects, so they stay at warning."""
    number = getattr(logging, level.upper(), logging.INFO)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s"
    )
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback  # the pretty one prints variables, and so secrets
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
