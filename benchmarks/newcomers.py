"""How soon a new claim of one tenant is Applied, while claims of another fail and are tried again and again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, Final

from benchmarks import application
from benchmarks.claims import is_applied
from benchmarks.rig import CLAIMS, Rig
from ocdp_operator.dev.waiting import until

_NONE: Final = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-deployments"},
    "spec": {"hard": {"count/deployments.apps": "0"}},
}
_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Two workspaces: one in which the cluster refuses every Deployment, one in which all is well."""

    rig: Rig
    failing: int
    newcomers: int
    refused: str = "bench-refused"
    small: str = "bench-small"

    async def measure(self) -> dict[str, Any]:
        """Seconds from the request for its creation until the claim was seen Applied, one claim after the other."""
        await self._make_failing()
        taken = sorted([await self._one(f"n-{number}") for number in range(self.newcomers)])
        hundredths = quantiles(taken, n=100, method="inclusive")
        return {
            "failing": self.failing,
            "newcomers": self.newcomers,
            "p50_seconds": round(hundredths[49], 3),
            "p99_seconds": round(hundredths[98], 3),
            "slowest_seconds": round(taken[-1], 3),
            "failing_at_the_end": await self._failed(),
        }

    async def _make_failing(self) -> None:
        for namespace in (self.refused, self.small):
            await self.rig.workspace(namespace)
        await self.rig.api.create(f"/api/v1/namespaces/{self.refused}/resourcequotas", _NONE)
        path = f"{CLAIMS}/namespaces/{self.refused}/workloadclaims"
        for number in range(self.failing):
            await self.rig.api.create(path, application.claim(f"f-{number}", self.refused))

        async def all_failed() -> bool:
            return await self._failed() == self.failing

        await until(all_failed, what="every refused claim to fail", seconds=_SECONDS)

    async def _failed(self) -> int:
        listed = await self.rig.api.get(f"{CLAIMS}/namespaces/{self.refused}/workloadclaims")
        return sum(bool(item.get("status", {}).get("failure")) for item in listed["items"])

    async def _one(self, name: str) -> float:
        path = f"{CLAIMS}/namespaces/{self.small}/workloadclaims"
        version = (await self.rig.api.get(path))["metadata"]["resourceVersion"]
        started = asyncio.get_running_loop().time()
        await self.rig.api.create(path, application.claim(name, self.small))
        async with asyncio.timeout(_SECONDS):
            while True:
                async for event in self.rig.api.watch(path, version):
                    body = event["object"]
                    version = body["metadata"]["resourceVersion"]
                    if body["metadata"]["name"] == name and is_applied(body):
                        return asyncio.get_running_loop().time() - started
