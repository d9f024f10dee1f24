"""A model server that says what it is told to, and remembers who asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ocdp_operator.dev.ports import LOOPBACK, free_port

REPLY = "It is a fine day."


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    path: str
    authorization: str | None
    body: dict[str, Any]


@dataclass
class Upstream:
    """A running one. It answers while ``open`` is set."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(Asked(request.path, request.headers.get("Authorization"), body))
        await self.open.wait()
        message = {"role": "assistant", "content": REPLY}
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6},
            }
        )


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """An OpenAI-compatible server on the loopback address, for the block."""
    port = free_port()
    made = Upstream(f"http://{LOOPBACK}:{port}/v1")
    made.open.set()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.chat)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        yield made
    finally:
        await runner.cleanup()
