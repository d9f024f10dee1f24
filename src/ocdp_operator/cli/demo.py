"""``ocdp dev demo``: from nothing to a Ready claim, on this machine."""

from __future__ import annotations

import asyncio
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from ocdp_operator.dev.demo import Demo


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the claims are Ready.")] = False,
) -> None:
    """Start everything, apply the example claims, show what came of them; stay until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_demo(once=once))


async def _demo(*, once: bool) -> None:
    start = monotonic()

    def say(text: str) -> None:
        typer.echo(f"[{monotonic() - start:5.1f} s] {text}")

    async with Demo.started(say) as running:
        await running.load_catalog(say)
        await running.apply_claims(say)
        say("Every claim is Ready\n")
        typer.echo(await running.shown())
        if once:
            return
        programs = (Path(sys.executable).parent, running.platform.cluster.binaries.kubectl.parent)
        typer.echo(f"\nexport PATH={':'.join(map(str, programs))}:$PATH")
        for name, value in running.exports().items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        typer.echo("It all stays up until Ctrl-C.")
        await asyncio.Event().wait()
