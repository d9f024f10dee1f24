"""``python -m benchmarks``: floor and operator in one run on one machine, side by side."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.claims import Claims
from benchmarks.floor import Floor
from benchmarks.measurement import Measurement, show
from benchmarks.rig import Rig

RESULTS = Path(__file__).parent / "results"


def bench(
    claims: Annotated[int, typer.Option(help="How many.")] = 300,
    concurrency: Annotated[int, typer.Option(help="How many at once.")] = 8,
    save: Annotated[str, typer.Option(help="Keep the result under this name.")] = "",
) -> None:
    """Measure the floor and the operator, and print them side by side with the run before the tuning."""
    found = asyncio.run(_measure(claims, concurrency))
    show(found)
    kept = RESULTS / "before-tuning.json"
    if kept.exists() and save != kept.stem:
        print("Before the tuning, in its own run:")
        show([Measurement.read(one) for one in json.loads(kept.read_text())])
    if any(one.missing for one in found):
        raise typer.Exit(1)
    if save:
        RESULTS.mkdir(exist_ok=True)
        documents = [one.document() for one in found]
        (RESULTS / f"{save}.json").write_text(json.dumps(documents, indent=2) + "\n")


async def _measure(claims: int, concurrency: int) -> list[Measurement]:
    async with Rig.up() as rig:
        floor = await Floor(rig, claims, concurrency).measure()
        operator = await Claims(rig, claims, concurrency).measure()
    return [floor, operator]


if __name__ == "__main__":
    typer.run(bench)
