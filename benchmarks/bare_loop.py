"""The floor's own process: the least that one claim costs, with nothing around it.

For each claim: create it, write an overlay, build it with kustomize, apply the five objects, and do six small writes (the
finalizer, three times the status, two events). No marks, no inventory, no watches, no checks.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml

from benchmarks.application import claim

_PLURALS = {
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
}
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


class BareLoop:
    """Does the claims' work, ``concurrency`` at once."""

    def __init__(self, task: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self._namespace: str = task["namespace"]
        self._kustomize: str = task["kustomize"]
        self._work = Path(task["work"])
        self._session = session
        self._builds = asyncio.Semaphore(2)

    async def one(self, name: str) -> None:
        """One claim, from its creation to its last write."""
        claims = f"/apis/ocdp.io/v1alpha1/namespaces/{self._namespace}/workloadclaims"
        created = await self._send("POST", claims, claim(name, self._namespace))
        path = f"{claims}/{name}"
        await self._send("PATCH", path, {"metadata": {"finalizers": ["bench.example/x"]}}, _MERGE)
        status = _status(created["metadata"]["generation"])
        await self._send("PATCH", f"{path}/status", {"status": status}, _MERGE)
        objects = await self._build(name)
        for body in objects:
            group, plural = _PLURALS[body["kind"]]
            target = f"{group}/namespaces/{self._namespace}/{plural}/{body['metadata']['name']}"
            await self._send("PATCH", f"{target}?fieldManager=bench&force=true", body, _APPLY)
        await self._event(name, "ApplySucceeded")
        await self._send("PATCH", f"{path}/status", {"status": status | {"inputDigest": "a"}}, _MERGE)
        await self._event(name, "HealthCheckSucceeded")
        await self._send("PATCH", f"{path}/status", {"status": status | {"inputDigest": "b"}}, _MERGE)

    async def _build(self, name: str) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory(dir=self._work) as directory:
            overlay = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "namespace": self._namespace,
                "namePrefix": f"{name}-",
                "resources": ["../bench/base"],
                "labels": [
                    {
                        "pairs": {"app.kubernetes.io/instance": name},
                        "includeSelectors": True,
                        "includeTemplates": True,
                    }
                ],
            }
            _write(Path(directory, "kustomization.yaml"), orjson.dumps(overlay))
            async with self._builds:
                child = await asyncio.create_subprocess_exec(
                    self._kustomize,
                    "build",
                    directory,
                    stdout=asyncio.subprocess.PIPE,
                    env={"GOGC": "off", "PATH": "/nonexistent", "HOME": directory},
                )
                output, _ = await child.communicate()
        return [body for body in yaml.load_all(output, Loader=yaml.CSafeLoader) if body]

    async def _event(self, name: str, reason: str) -> None:
        body = {
            "metadata": {"generateName": f"{name}-", "namespace": self._namespace},
            "involvedObject": {"kind": "WorkloadClaim", "name": name, "namespace": self._namespace},
            "reason": reason,
            "message": "Something was done.",
            "type": "Normal",
        }
        await self._send("POST", f"/api/v1/namespaces/{self._namespace}/events", body)

    async def _send(
        self, method: str, path: str, body: dict[str, Any], content_type: str = "application/json"
    ) -> dict[str, Any]:
        headers = {"Content-Type": content_type}
        async with self._session.request(method, path, data=orjson.dumps(body), headers=headers) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {content[:300]!r}")
            read: dict[str, Any] = orjson.loads(content)
            return read


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _status(generation: int) -> dict[str, Any]:
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "Done",
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in ("Ready", "TemplateResolved", "Applied", "Healthy")
    ]
    return {"observedGeneration": generation, "conditions": conditions}


async def run(task: dict[str, Any]) -> dict[str, float]:
    """The whole loop; what it took."""
    context = ssl.create_default_context(cafile=task["authority"])
    session = aiohttp.ClientSession(
        base_url=task["server"],
        connector=aiohttp.TCPConnector(ssl=context, limit=0),
        headers={"Authorization": f"Bearer {task['token']}", "Accept-Encoding": "identity"},
        auto_decompress=False,
    )
    async with session:
        loop = BareLoop(task, session)
        names = iter([f"floor-{number}" for number in range(task["claims"])])

        async def worker() -> None:
            for name in names:
                await loop.one(name)

        started = time.monotonic()
        await asyncio.gather(*(worker() for _ in range(task["concurrency"])))
        seconds = time.monotonic() - started
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "seconds": seconds,
        "own_cpu": own.ru_utime + own.ru_stime,
        "children_cpu": children.ru_utime + children.ru_stime,
        "peak_mib": own.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.loads(sys.stdin.read())))))
