"""Asking a server of this machine, each answer shown as it comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

_MARKUP = re.compile(r"<!--.*?-->|<(style|script)\b.*?</\1>|<[^>]+>", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The text, parsed."""
        return orjson.loads(self.text)


async def ask(method: str, url: str, **options: Any) -> Answer:
    """One request; a redirect is an answer like any other."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session,
        session.request(method, url, allow_redirects=False, **options) as response,
    ):
        answer = Answer(response.status, response.headers.copy(), await response.text())
    begin = " ".join(_MARKUP.sub(" ", answer.text).split())[:110]
    where = f" to {answer.headers['Location']}" if "Location" in answer.headers else ""
    show(f"{method} {response.url.relative()}: {answer.status}{where} {begin}")
    return answer


def show(line: str) -> None:
    """Below the name of the test that is running."""
    print(f"\n    {line}", end=" ", flush=True)  # noqa: T201 - what a program answered is what these tests are for
