"""Waiting on a predicate, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ocdp_operator.dev.errors import LocalEnvironmentError


async def until(
    predicate: Callable[[], Awaitable[bool]], *, what: str, seconds: float, every: float = 0.05
) -> None:
    """Returns when ``predicate`` holds.

    Raises:
        LocalEnvironmentError: it did not hold within ``seconds``; the message names ``what``.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await predicate():  # noqa: ASYNC110 - the world outside sets no event
                await asyncio.sleep(every)
    except TimeoutError as error:
        raise LocalEnvironmentError(
            f"{what}: not within {seconds:g} s. Is the machine overloaded?"
        ) from error
