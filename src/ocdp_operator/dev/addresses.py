"""The address controller: gives Services of type LoadBalancer and Ingresses the address that a cloud would give."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from ocdp_operator.dev.api import ApiError, ApiServer

INGRESS_CLASS: Final = "local"

_RETRY_SECONDS: Final = 0.5
# Where the controller-manager's provisioner makes the directories of volumes, whatever TMPDIR says.
_VOLUMES: Final = Path("/tmp/hostpath_pv")  # noqa: S108


def address_of(kind: str, namespace: str, name: str) -> str:
    """An address of TEST-NET-3 (RFC 5737), the same for the same object on every run."""
    digest = hashlib.sha256(f"{kind}/{namespace}/{name}".encode()).digest()
    return f"203.0.113.{1 + digest[0] % 254}"


def wants_address(kind: str, item: Mapping[str, Any]) -> bool:
    """Whether a cloud would give ``item`` an address and it has none yet."""
    spec = item.get("spec", {})
    if item.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return False
    if kind == "Service":
        return spec.get("type") == "LoadBalancer" and "loadBalancerClass" not in spec
    return bool(spec.get("ingressClassName") == INGRESS_CLASS)


@dataclass(frozen=True, slots=True)
class _Watched:
    kind: str
    path: str

    def status_path(self, item: Mapping[str, Any]) -> str:
        prefix, _, plural = self.path.rpartition("/")
        metadata = item["metadata"]
        return f"{prefix}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}/status"


_SERVICES: Final = _Watched("Service", "/api/v1/services")
_INGRESSES: Final = _Watched("Ingress", "/apis/networking.k8s.io/v1/ingresses")
_PERSISTENT_VOLUMES: Final = _Watched("PersistentVolume", "/api/v1/persistentvolumes")


class AddressController:
    """Watches and patches until cancelled; an API server that is away is waited for."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    async def run(self) -> None:
        """Runs until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for watched in (_SERVICES, _INGRESSES, _PERSISTENT_VOLUMES):
                    tasks.create_task(self._follow(watched), name=f"addresses-{watched.kind}")
        finally:
            _remove_if_empty(_VOLUMES)

    async def _follow(self, watched: _Watched) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, ApiError):
                listed = await self._api.get(watched.path)
                for item in listed["items"]:
                    await self._see(watched, item)
                async for event in self._api.watch(watched.path, listed["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":  # the version is too old: list again
                        break
                    if event["type"] != "DELETED":
                        await self._see(watched, event["object"])
            await asyncio.sleep(_RETRY_SECONDS)

    async def _see(self, watched: _Watched, item: Mapping[str, Any]) -> None:
        if watched is _PERSISTENT_VOLUMES:
            _remove_directory_of(item)
        elif wants_address(watched.kind, item):
            await self._give(watched, item)

    async def _give(self, watched: _Watched, item: Mapping[str, Any]) -> None:
        metadata = item["metadata"]
        address = address_of(watched.kind, metadata["namespace"], metadata["name"])
        status = {"loadBalancer": {"ingress": [{"ip": address}]}}
        with suppress(ApiError):  # changed or gone meanwhile: its next event tells
            await self._api.merge(watched.status_path(item), {"status": status})


def _remove_directory_of(volume: Mapping[str, Any]) -> None:
    """Removes the empty directory that the hostPath provisioner made: no container ever runs here to use it."""
    path = Path(volume.get("spec", {}).get("hostPath", {}).get("path", "/"))
    if path.parent == _VOLUMES:
        _remove_if_empty(path)


def _remove_if_empty(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()
