"""Archives of pretended programs, and a server on this machine that gives them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from ocdp_operator.dev.envtest import PROGRAMS, Archive
from ocdp_operator.dev.recipes import RECIPES, Recipe

FOLDER = "controller-tools/envtest"
PROGRAM = b"#!/bin/sh\necho version %s\n"

Members = list[tuple[tarfile.TarInfo, bytes]]


def file(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    return member, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def program(recipe: Recipe) -> bytes:
    # Of our minor version, as the newest release is; etcd of exactly ours.
    version = f"{recipe.version.major}.{recipe.version.minor}.{min(recipe.version.patch, 2)}"
    return PROGRAM % version.encode()


def programs(*without: str) -> Members:
    return [
        file(f"{FOLDER}/{recipe.name}", program(recipe))
        for recipe in RECIPES
        if recipe.name in PROGRAMS - set(without)
    ]


def packed(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@asynccontextmanager
async def served(answer: Callable[[web.Request], object]) -> AsyncIterator[str]:
    """The URL of a server whose every answer is ``answer``'s."""

    async def handle(request: web.Request) -> web.StreamResponse:
        given = answer(request)
        if asyncio.iscoroutine(given):
            given = await given
        return given if isinstance(given, web.StreamResponse) else web.Response(body=given)

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/envtest.tar.gz"
    finally:
        await runner.cleanup()


def archive(url: str, content: bytes) -> Archive:
    return Archive(url, hashlib.sha512(content).hexdigest())
