"""An operator whose part does not let go, as often as ``CLINGS`` says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ocdp_operator import composition
from ocdp_operator.cli import run
from ocdp_operator.cli.app import main
from ocdp_operator.composition import Operator


class Clinging:
    """Its part is one of those that work, or one that was left by them."""

    async def run(self, stop: asyncio.Event) -> None:
        if os.environ["WHERE"] == "at work":
            with suppress(RuntimeError):
                await composition._first(stop, cling(), end(), ends=False)
        else:
            self.task = asyncio.create_task(cling())
            await asyncio.sleep(0)
        print("the Lease is given back", flush=True)  # noqa: T201 - what comes after the work


async def end() -> None:
    await asyncio.sleep(0)


async def cling() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.set_name("a part that clings")
    for _ in range(int(os.environ["CLINGS"])):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@asynccontextmanager
async def built(_: object) -> AsyncIterator[Clinging]:
    yield Clinging()


Operator.built = built  # type: ignore[method-assign,assignment]
composition.AGAIN, composition.WITHIN, run.WAY_OUT = 0.2, 2.0, 2.0

if __name__ == "__main__":
    main()
