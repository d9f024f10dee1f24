"""The real parts that are measured on: control plane, PostgreSQL, Git server, and one workspace for each run."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from benchmarks import application
from benchmarks.processes import Cpu
from ocdp_operator.dev.api import ApiServer
from ocdp_operator.dev.environment import LocalEnvironment
from ocdp_operator.dev.kubeconfig import Login
from ocdp_operator.dev.platform import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Platform

ROOT: Final = Path(__file__).resolve().parents[1]
OPERATOR: Final = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}"
CLAIMS: Final = "/apis/ocdp.io/v1alpha1"
_COLLECTIONS: Final = {
    "deployments": "/apis/apps/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "workloads": CLAIMS,
}
_SERVERS: Final = ("kube-apiserver", "etcd", "kube-controller-manager")


@dataclass(slots=True)
class Rig:
    """Everything that is up for a measurement."""

    environment: LocalEnvironment
    platform: Platform
    api: ApiServer
    token: str
    directory: Path

    @classmethod
    @asynccontextmanager
    async def up(cls) -> AsyncIterator[Self]:
        """Starts it all, with the template published; nothing is left after the block."""
        with TemporaryDirectory(prefix="ocdp-bench-") as name:
            directory = Path(name)
            async with LocalEnvironment.start(directory) as environment:
                login = await _administrator(environment)
                async with ApiServer(login) as api:
                    platform = Platform(
                        environment.cluster, environment.postgres, environment.git, directory / "platform"
                    )
                    await platform.prepare()
                    rig = cls(environment, platform, api, login.token, directory)
                    await rig._publish()
                    yield rig

    async def workspace(self, name: str) -> None:
        """A placed workspace, in a namespace of its name, that may use the template."""
        await self.platform.place(name, name)
        await self.platform.bind(application.NAME, name)

    def servers(self) -> dict[str, Cpu]:
        """CPU of the control plane's programs so far."""
        pids = self.environment.cluster.pids
        return {name: Cpu.of(pids[name]) for name in _SERVERS}

    def audit_length(self) -> int:
        """Bytes of the audit log so far."""
        return self.environment.cluster.audit_log.stat().st_size

    def writes(self, since: int, *, by_anybody_in: str = "") -> Counter[str]:
        """The operator's mutating requests since then by verb and resource; its Lease and dry runs don't count.

        Those of all users, in one namespace, where that is named.
        """
        with self.environment.cluster.audit_log.open("rb") as log:
            log.seek(since)
            events = [json.loads(line) for line in log]
        found: Counter[str] = Counter()
        for event in events:
            ref = event.get("objectRef", {})
            lease = ref.get("resource") == "leases"
            counts = event["user"]["username"] == OPERATOR and not lease
            if by_anybody_in:
                counts = counts or ref.get("namespace") == by_anybody_in
            if counts and "dryRun" not in event["requestURI"]:
                resource = "/".join(filter(None, (ref.get("resource", ""), ref.get("subresource", ""))))
                found[f"{event['verb']} {resource}"] += 1
        return found

    async def missing(
        self, namespace: str, names: list[str], resources: tuple[str, ...] = application.OBJECTS
    ) -> list[str]:
        """What an independent list does not hold of each claim's objects."""
        missing = []
        for resource in resources:
            path = f"{_COLLECTIONS.get(resource, '/api/v1')}/namespaces/{namespace}/{resource}"
            items = (await self.api.get(path))["items"]
            found = {item["metadata"]["name"] for item in items}
            missing += [
                f"{resource} of {name}"
                for name in names
                if not any(one == name or one.startswith(f"{name}-bench") for one in found)
            ]
        return missing

    async def empty(self, namespace: str) -> None:
        """Removes a namespace and what is in it, and waits until it is gone."""
        listed = await self.api.get(f"{CLAIMS}/namespaces/{namespace}/workloadclaims")
        for item in listed["items"]:
            path = f"{CLAIMS}/namespaces/{namespace}/workloadclaims/{item['metadata']['name']}"
            await self.api.merge(path, {"metadata": {"finalizers": None}})
        await self.platform.kubectl("delete", "namespace", namespace, "--wait", "--timeout=300s")

    async def _publish(self) -> None:
        repository = await self.platform.git.repository(application.NAME)
        await repository.tag("v1", await repository.commit(application.files()))
        await self.platform.publish(application.template(self.platform.git.url(application.NAME)))


async def _administrator(environment: LocalEnvironment) -> Login:
    """A token of an account that may do anything, for the measuring side."""
    cluster = environment.cluster
    await cluster.kubectl("create", "serviceaccount", "bench", "--namespace=default")
    await cluster.kubectl(
        "create",
        "clusterrolebinding",
        "bench",
        "--clusterrole=cluster-admin",
        "--serviceaccount=default:bench",
    )
    token = (
        await cluster.kubectl("create", "token", "bench", "--namespace=default", "--duration=24h")
    ).strip()
    return Login(cluster.server, cluster.ca_file.read_text(), user="bench", token=token)


async def settled(rig: Rig, *, quiet_seconds: float = 3.0) -> float:
    """Waits until nobody writes for a while; returns the seconds until the last write was seen."""
    loop = asyncio.get_running_loop()
    started = last = loop.time()
    length = rig.audit_length()
    while loop.time() - last < quiet_seconds:
        await asyncio.sleep(0.1)
        if (now := rig.audit_length()) != length and _writes_of_anybody(rig, length):
            last = loop.time()
        length = now
    return last - started


def _writes_of_anybody(rig: Rig, since: int) -> bool:
    with rig.environment.cluster.audit_log.open("rb") as log:
        log.seek(since)
        return any(b'"resource":"leases"' not in line and b'"nodes"' not in line for line in log)


def per_claim(used: Mapping[str, Cpu], earlier: Mapping[str, Cpu], claims: int) -> dict[str, float]:
    """CPU milliseconds for each claim by program."""
    return {name: (used[name] - earlier[name]).own / claims * 1000 for name in used}


def plain(counter: Counter[str], claims: int) -> dict[str, Any]:
    """Requests for each claim, most frequent first."""
    return {name: round(count / claims, 3) for name, count in counter.most_common()}
