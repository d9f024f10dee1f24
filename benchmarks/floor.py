"""The floor: how fast a bare asyncio loop does the same work on this machine (design: measured costs)."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import application
from benchmarks.measurement import Measurement
from benchmarks.rig import CLAIMS, ROOT, Rig, per_claim

NAMESPACE = "bench-floor"


@dataclass(frozen=True, slots=True)
class Floor:
    """The bare loop, on a rig."""

    rig: Rig
    claims: int
    concurrency: int

    async def measure(self) -> Measurement:
        """Runs it, checks by an independent list that the objects are there, and removes them."""
        await self.rig.workspace(NAMESPACE)
        work = self.rig.directory / "floor"
        for path, content in application.files().items():
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        before = self.rig.servers()
        ran = await self._run(work)
        servers = per_claim(self.rig.servers(), before, self.claims)
        listed = await self.rig.api.get(f"{CLAIMS}/namespaces/{NAMESPACE}/workloadclaims?limit={self.claims}")
        names = [item["metadata"]["name"] for item in listed["items"]]
        missing = await self.rig.missing(NAMESPACE, names)
        await self.rig.empty(NAMESPACE)
        return Measurement(
            name="floor",
            claims=self.claims,
            per_second=self.claims / ran["seconds"],
            own_ms=ran["own_cpu"] / self.claims * 1000,
            children_ms=ran["children_cpu"] / self.claims * 1000,
            servers_ms=servers,
            peak_mib=ran["peak_mib"],
            writes={"all": 11.0},
            missing=missing,
        )

    async def _run(self, work: Path) -> dict[str, float]:
        cluster = self.rig.environment.cluster
        task: dict[str, Any] = {
            "server": cluster.server,
            "authority": str(cluster.ca_file),
            "token": self.rig.token,
            "namespace": NAMESPACE,
            "kustomize": str(cluster.binaries.kustomize),
            "work": str(work),
            "claims": self.claims,
            "concurrency": self.concurrency,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.bare_loop",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await child.communicate(json.dumps(task).encode())
        ran: dict[str, float] = json.loads(output)
        return ran
