"""Text for messages: what comes from outside made fit for one line, and lists that end within 1 KiB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

MAX_MESSAGE: Final = 1024
"""Bytes of UTF-8 in a condition's message (features 4.1)."""
_ROOM_FOR_REST: Final = len("; and 1234 more")
_AGES: Final = (
    (timedelta(days=1), "a day"),
    (timedelta(hours=6), "6 hours"),
    (timedelta(hours=1), "an hour"),
    (timedelta(minutes=15), "15 minutes"),
    (timedelta(minutes=5), "5 minutes"),
    (timedelta(minutes=1), "a minute"),
)


def shown(name: object, limit: int = 80) -> str:
    """A name from outside, fit for one line: printable characters only, at most ``limit`` of them."""
    if not isinstance(name, str):
        return "?"
    text = "".join(char if char.isprintable() else "?" for char in name[:limit])
    return text if len(name) <= limit else f"{text}…"


def listed(lead: str, items: Sequence[str], limit: int = MAX_MESSAGE) -> str:
    """``<lead>: a; b; and 3 more``, at most ``limit`` bytes; says how many items did not fit.

    The lead and the first item are taken to fit in half of the limit each; a longer item is cut.
    """
    text, left = "", len(items)
    for item in items:
        part = f"; {item}" if text else f"{lead}: {_cut(item, limit // 2)}"
        room = limit if left == 1 else limit - _ROOM_FOR_REST
        if len((text + part).encode()) > room and text:
            break
        text, left = text + part, left - 1
    return f"{text}; and {left} more" if left else text


def sentence(text: str) -> str:
    """With a full stop, where it has no other end, so that another sentence can follow."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def coarse_age(age: timedelta) -> str:
    """``over 5 minutes``: rounded down to few steps, so that what is said stays as it is between them."""
    return next((f"over {words}" for step, words in _AGES if age >= step), "less than a minute")


def _cut(item: str, limit: int) -> str:
    return item.encode()[:limit].decode(errors="ignore")
