"""An operator whose part does not let go, as often as ``CLINGS`` says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ocdp_operator.cli import run
from ocdp_operator.cli.app import main
from ocdp_operator.composition import Operator


class Clinging:
    async def run(self, _: asyncio.Event) -> None:
        self.task = asyncio.create_task(cling(), name="a part that clings")
        await asyncio.sleep(0)


async def cling() -> None:
    for _ in range(int(os.environ["CLINGS"])):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@asynccontextmanager
async def built(_: object) -> AsyncIterator[Clinging]:
    yield Clinging()


Operator.built = built  # type: ignore[method-assign,assignment]
run.WAY_OUT = 2.0

if __name__ == "__main__":
    main()
