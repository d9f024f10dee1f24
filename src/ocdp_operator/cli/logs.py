"""The operator's log: one line for each event, ours and our libraries' alike, as JSON or for people.

An exception is told by its type and the places it came through. Its message is left out, unless it is ours: a library's
message repeats what it was given, and that may be a secret.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from ocdp_operator.errors import OcdpError

_log = structlog.get_logger(__name__)
_DEPTH: Final = 5
"""So many causes of an exception are told."""
_FRAMES: Final = 30

_Event = MutableMapping[str, Any]


def start_logging(level: str, *, as_json: bool) -> None:
    """Lines on standard output from ``level`` on; of libraries from warning on, for kopf's debug lines hold whole objects."""
    number = getattr(logging, level.upper(), logging.INFO)
    renderer = structlog.processors.JSONRenderer(serializer=_json) if as_json else _for_people()
    stamps = (
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )
    structlog.configure(
        processors=[*stamps, tell_exception, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(),  # a whole line at once
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*stamps, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                tell_exception,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def tell_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the event loop could tell nobody else. Its own words would show the exception's message."""
    del loop
    _log.error("unhandled", message=context.get("message"), exc_info=context.get("exception"))


def tell_exception(_: Any, __: str, event: _Event) -> _Event:
    """Puts ``exception`` in the place of ``exc_info``."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_told(error, _DEPTH))
    return event


def _told(error: BaseException, depth: int) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth:
        yield from _told(cause, depth - 1)
        yield "and then"
    if isinstance(error, BaseExceptionGroup) and depth:
        for each in error.exceptions:
            yield from _told(each, depth - 1)
    for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]:
        yield f"  {'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}"
    yield _named(error)


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, OcdpError):
        return f"{name}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return name


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def _for_people() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
