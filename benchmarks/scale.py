"""``python -m benchmarks.scale``: many claims at once, what a restart with all of them costs, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.claims import Claims
from benchmarks.measurement import show
from benchmarks.newcomers import Newcomers
from benchmarks.processes import Cpu, resident_mib
from benchmarks.rig import Rig, settled
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.waiting import until

RESULTS = Path(__file__).parent / "results"
_REST_SECONDS = 30.0


def scale(
    claims: Annotated[int, typer.Option(help="How many.")] = 1000,
    concurrency: Annotated[int, typer.Option(help="How many are asked for at once.")] = 16,
    failing: Annotated[int, typer.Option(help="Claims that fail for ever beside them.")] = 200,
    newcomers: Annotated[int, typer.Option(help="New claims that are timed beside those.")] = 50,
    save: Annotated[str, typer.Option(help="Keep the result under this name.")] = "",
) -> None:
    """Create the claims cold, restart the operator, and print times, requests, CPU and memory."""
    found = asyncio.run(_measure(claims, concurrency, failing, newcomers))
    print(json.dumps(found, indent=2))
    created, restart = found["created"], found["restart"]
    if created["missing"] or restart["mutating_requests"]:
        raise typer.Exit(1)
    if save:
        (RESULTS / f"{save}.json").write_text(json.dumps(found, indent=2) + "\n")


async def _measure(count: int, concurrency: int, failing: int, newcomers: int) -> dict[str, Any]:
    async with Rig.up() as rig:
        claims = Claims(rig, count, concurrency, namespace="bench-scale")
        await rig.workspace(claims.namespace)
        async with OperatorProcess.started(
            rig.directory / "scale", await claims.settings(), rig.platform.reader_dsn
        ) as operator:
            await settled(rig)
            created = await claims.create(operator, "cold create")
            show([created])
            at_rest = await _at_rest(operator)
            restart = await _restart(rig, operator, claims)
            found = {
                "created": created.document(),
                "at_rest": at_rest,
                "restart": restart,
                "at_rest_after_restart": await _at_rest(operator),
            }
            print(json.dumps(found), flush=True)
            beside = await Newcomers(rig, failing, newcomers).measure()
    return {**found, "new_claims_beside_failing_ones": beside}


async def _at_rest(operator: OperatorProcess) -> dict[str, object]:
    """CPU and memory while nothing is asked for."""
    used = Cpu.of(operator.pid)
    await asyncio.sleep(_REST_SECONDS)
    cpu = Cpu.of(operator.pid) - used
    return {
        "resident_mib": round(resident_mib(operator.pid)),
        "cpu_percent_of_a_core": round((cpu.own + cpu.children) / _REST_SECONDS * 100, 1),
    }


async def _restart(rig: Rig, operator: OperatorProcess, claims: Claims) -> dict[str, object]:
    """Looks that change nothing are told at debug: that is how each claim's is known."""
    await operator.stop()
    since, said = rig.audit_length(), operator.log.stat().st_size
    started = asyncio.get_running_loop().time()
    await operator.start(logLevel="debug")

    async def all_looked_at() -> bool:
        return len(_looked_at(operator, said)) >= claims.claims

    await until(all_looked_at, what="every claim to be looked at", seconds=600)
    rested = asyncio.get_running_loop().time() - started
    cpu = Cpu.of(operator.pid)
    last_write = await settled(rig)
    return {
        "seconds_until_every_claim_was_looked_at": round(rested, 1),
        "seconds_more_to_quiet": round(last_write, 1),
        "cpu_seconds": round(cpu.own, 1),
        "mutating_requests": dict(rig.writes(since, by_anybody_in=claims.namespace)),
        "resident_mib": round(resident_mib(operator.pid)),
        "peak_mib": round(resident_mib(operator.pid, peak=True)),
    }


def _looked_at(operator: OperatorProcess, since: int) -> set[str]:
    """The claims that were reconciled, by the log from this byte on."""
    with operator.log.open("rb") as log:
        log.seek(since)
        lines = [json.loads(line) for line in log if line.endswith(b"\n") and b'"reconciled"' in line]
    return {line["claim"] for line in lines}


if __name__ == "__main__":
    typer.run(scale)
