"""The operator: from the first to the last claim that is Applied at its generation, and what that cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks import application
from benchmarks.measurement import Measurement
from benchmarks.processes import Cpu, resident_mib
from benchmarks.rig import CLAIMS, Rig, per_claim, plain, settled
from ocdp_operator.dev.operator import OperatorProcess

_SECONDS: Final = 900.0


@dataclass(slots=True)
class Claims:
    """A run of the operator on a rig, in a namespace of its own."""

    rig: Rig
    claims: int
    concurrency: int
    namespace: str = "bench-claims"

    async def measure(self, name: str = "operator") -> Measurement:
        """Starts an operator, creates the claims, and counts until nobody writes any more."""
        await self.rig.workspace(self.namespace)
        async with OperatorProcess.started(
            self.rig.directory / name, await self.settings(), self.rig.platform.reader_dsn
        ) as operator:
            await settled(self.rig)
            return await self.create(operator, name)

    async def settings(self) -> Mapping[str, Any]:
        """As in an installation: workers and log level are the defaults."""
        return await self.rig.platform.operator_settings()

    async def create(self, operator: OperatorProcess, name: str) -> Measurement:
        """Creates the claims, ``concurrency`` at once, under an operator that runs."""
        since, servers, used = self.rig.audit_length(), self.rig.servers(), Cpu.of(operator.pid)
        listed = await self.rig.api.get(f"{CLAIMS}/namespaces/{self.namespace}/workloadclaims")
        watching = asyncio.create_task(self.applied(listed["metadata"]["resourceVersion"]))
        started = asyncio.get_running_loop().time()
        await self._submit()
        async with asyncio.timeout(_SECONDS):
            last = await watching
        quiet = await settled(self.rig)
        cpu = Cpu.of(operator.pid) - used
        return Measurement(
            name=name,
            claims=self.claims,
            per_second=self.claims / (last - started),
            own_ms=cpu.own / self.claims * 1000,
            children_ms=cpu.children / self.claims * 1000,
            servers_ms=per_claim(self.rig.servers(), servers, self.claims),
            peak_mib=resident_mib(operator.pid, peak=True),
            writes=plain(self.rig.writes(since), self.claims),
            missing=await self.rig.missing(self.namespace, self.names(), (*application.OBJECTS, "workloads")),
            more={"seconds_to_applied": last - started, "seconds_more_to_quiet": quiet},
        )

    def names(self) -> list[str]:
        """Of the claims."""
        return [f"c-{number}" for number in range(self.claims)]

    async def applied(self, version: str) -> float:
        """The time at which the last claim was seen Applied at its generation."""
        path = f"{CLAIMS}/namespaces/{self.namespace}/workloadclaims"
        waiting = set(self.names())
        while waiting:
            async for event in self.rig.api.watch(path, version):
                body = event["object"]
                version = body["metadata"]["resourceVersion"]
                if is_applied(body):
                    waiting.discard(body["metadata"]["name"])
                if not waiting:
                    break
        return asyncio.get_running_loop().time()

    async def _submit(self) -> None:
        path = f"{CLAIMS}/namespaces/{self.namespace}/workloadclaims"
        names = iter(self.names())

        async def submitter() -> None:
            for name in names:
                await self.rig.api.create(path, application.claim(name, self.namespace))

        await asyncio.gather(*(submitter() for _ in range(self.concurrency)))


def is_applied(claim: Mapping[str, Any]) -> bool:
    """Whether the condition says so of the claim's own generation."""
    generation = claim["metadata"]["generation"]
    conditions = claim.get("status", {}).get("conditions", [])
    return any(
        one["type"] == "Applied" and one["status"] == "True" and one["observedGeneration"] == generation
        for one in conditions
    )
