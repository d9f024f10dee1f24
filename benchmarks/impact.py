"""``python -m benchmarks.impact``: what ``ocdp template impact`` costs with many live claims, beside bare kustomize builds."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final

import typer
import yaml

from benchmarks import application
from benchmarks.claims import Claims
from benchmarks.processes import resident_mib
from benchmarks.rig import ROOT, Rig, settled
from ocdp_operator.dev.operator import OperatorProcess

RESULTS: Final = Path(__file__).parent / "results"
_BUILDS: Final = 40
_SETTINGS: Final = f"{application.BASE}/settings.yaml"


def impact(
    claims: Annotated[int, typer.Option(help="How many.")] = 200,
    concurrency: Annotated[int, typer.Option(help="How many are asked for at once.")] = 16,
    save: Annotated[str, typer.Option(help="Keep the result under this name.")] = "",
) -> None:
    """Create the claims, ask for the impact of two candidates, and print times for each claim and as a ratio."""
    found = asyncio.run(_measure(claims, concurrency))
    print(json.dumps(found, indent=2))
    if not all(each["as_expected"] for each in found["candidates"].values()):
        raise typer.Exit(1)
    if save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{save}.json").write_text(json.dumps(found, indent=2) + "\n")


async def _measure(count: int, concurrency: int) -> dict[str, Any]:
    async with Rig.up() as rig:
        claims = Claims(rig, count, concurrency, namespace="bench-impact")
        await rig.workspace(claims.namespace)
        async with OperatorProcess.started(
            rig.directory / "impact", await claims.settings(), rig.platform.reader_dsn
        ) as operator:
            await settled(rig)
            await claims.create(operator, "create")
        build = await _bare_build(rig)
        desk = _Desk(rig, await _settings(rig), claims.namespace, count)
        same = {"README.md": b"Another commit, the same objects.\n"}
        other = {_SETTINGS: b"greeting: hello\nmore: yes\n"}
        candidates = {
            "the same objects": await desk.ask(same, "unchanged", build),
            "another ConfigMap, so another pod template": await desk.ask(other, "restart", build),
        }
    return {"claims": count, "bare_kustomize_build_ms": round(build * 1000, 1), "candidates": candidates}


@dataclass(frozen=True, slots=True)
class _Desk:
    """Asks as a platform person does: by the command, in a process of its own."""

    rig: Rig
    settings: Path
    namespace: str
    claims: int

    async def ask(self, changes: Mapping[str, bytes], expected: str, build: float) -> dict[str, Any]:
        """Moves the ref to a commit with these files, and asks before anything is published."""
        repository = await self.rig.platform.git.repository(application.NAME)
        commit = await repository.commit(application.files() | changes)
        await repository.tag("v1", commit, force=True)
        template = application.template(self.rig.platform.git.url(application.NAME))
        started = monotonic()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ocdp_operator", "template", "impact", "-", "-n", self.namespace, "-o", "json",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                "PATH": os.defpath,
                "HOME": str(self.rig.directory),
                "KUBECONFIG": str(self.rig.environment.cluster.kubeconfig),
                "OCDP_CATALOG_DSN": self.rig.platform.dsn,
                "OCDP_SETTINGS": str(self.settings),
            },
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(yaml.safe_dump(template).encode())
        child.stdin.close()
        watching = asyncio.create_task(_peak(child))
        output = await child.stdout.read()
        seconds = monotonic() - started
        await child.wait()
        summary = json.loads(output)["summary"]
        return {
            "seconds": round(seconds, 1),
            "ms_for_each_claim": round(seconds / self.claims * 1000, 1),
            "of_a_bare_build": round(seconds / self.claims / build, 2),
            "peak_mib": round(await watching),
            "summary": summary,
            "as_expected": summary[expected] == summary["claims"] == self.claims,
        }


async def _peak(child: asyncio.subprocess.Process) -> float:
    """MiB at its highest, as seen a moment before the end."""
    seen = 0.0
    while child.returncode is None:
        with suppress(OSError):
            seen = max(seen, resident_mib(child.pid, peak=True))
        await asyncio.sleep(0.1)
    return seen


async def _settings(rig: Rig) -> Path:
    path = rig.directory / "impact.yaml"
    path.write_text(yaml.safe_dump(await rig.platform.operator_settings()))
    return path


async def _bare_build(rig: Rig) -> float:
    """Seconds of one ``kustomize build`` of the base, one after the other, with nothing around it."""
    base = rig.directory / "bare"
    for path, content in application.files().items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_bytes(content)
    started = monotonic()
    for _ in range(_BUILDS):
        child = await asyncio.create_subprocess_exec(
            str(rig.environment.cluster.binaries.kustomize),
            "build",
            str(base / application.BASE),
            stdout=asyncio.subprocess.DEVNULL,
            env={"PATH": "", "HOME": str(base)},
        )
        assert await child.wait() == 0
    return (monotonic() - started) / _BUILDS


if __name__ == "__main__":
    typer.run(impact)
