"""``python -m benchmarks.scale``: many claims at once, and what a restart with all of them costs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.claims import Claims
from benchmarks.measurement import show
from benchmarks.processes import Cpu, resident_mib
from benchmarks.rig import Rig, settled
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.waiting import until

RESULTS = Path(__file__).parent / "results"


def scale(
    claims: Annotated[int, typer.Option(help="How many.")] = 1000,
    concurrency: Annotated[int, typer.Option(help="How many are asked for at once.")] = 16,
    save: Annotated[str, typer.Option(help="Keep the result under this name.")] = "",
) -> None:
    """Create the claims cold, restart the operator, and print times, requests and memory."""
    found = asyncio.run(_measure(claims, concurrency))
    print(json.dumps(found, indent=2))
    if save:
        (RESULTS / f"{save}.json").write_text(json.dumps(found, indent=2) + "\n")


async def _measure(count: int, concurrency: int) -> dict[str, object]:
    async with Rig.up() as rig:
        claims = Claims(rig, count, concurrency, namespace="bench-scale")
        await rig.workspace(claims.namespace)
        async with OperatorProcess.started(
            rig.directory / "scale", await claims.settings(), rig.platform.reader_dsn
        ) as operator:
            await settled(rig)
            created = await claims.create(operator, "cold create")
            show([created])
            at_rest = resident_mib(operator.pid)
            restart = await _restart(rig, operator, count)
    return {
        "created": created.document(),
        "resident_mib_at_rest": round(at_rest),
        "restart": restart,
    }


async def _restart(rig: Rig, operator: OperatorProcess, count: int) -> dict[str, object]:
    since = rig.audit_length()
    await operator.stop()
    started = asyncio.get_running_loop().time()
    await operator.start()

    async def all_looked_at() -> bool:
        return await _looked_at(operator) >= count

    await until(all_looked_at, what="every claim to be looked at", seconds=600)
    rested = asyncio.get_running_loop().time() - started
    cpu = Cpu.of(operator.pid)
    await settled(rig)
    return {
        "seconds_until_every_claim_was_looked_at": round(rested, 1),
        "cpu_seconds": round(cpu.own, 1),
        "mutating_requests": dict(rig.writes(since)),
        "resident_mib": round(resident_mib(operator.pid)),
        "peak_mib": round(resident_mib(operator.pid, peak=True)),
    }


async def _looked_at(operator: OperatorProcess) -> float:
    """Reconciles that ended since the start, as the operator itself counts them."""
    async with aiohttp.ClientSession() as session, session.get(f"{operator.url}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "ocdp_reconcile_total"
        )


if __name__ == "__main__":
    typer.run(scale)
