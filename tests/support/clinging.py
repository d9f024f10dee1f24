"""An operator whose part never lets go, whatever it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ocdp_operator.cli import run
from ocdp_operator.cli.app import main
from ocdp_operator.composition import Operator


class Clinging:
    async def run(self, _: asyncio.Event) -> None:
        self.task = asyncio.create_task(cling(), name="a part that clings")
        await asyncio.sleep(0)


async def cling() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@asynccontextmanager
async def built(_: object) -> AsyncIterator[Clinging]:
    yield Clinging()


Operator.built = built  # type: ignore[method-assign,assignment]
run.WAY_OUT = 0.5

if __name__ == "__main__":
    main()
