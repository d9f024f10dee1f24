"""The object graphs: every part is built here and handed what it needs. Roots: the operator, publishing, the local demo."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Self

import kopf
import structlog

from ocdp_operator import __version__
from ocdp_operator.adapters.catalog.store import PostgresCatalog
from ocdp_operator.adapters.cluster import KubeClient, KubeCluster, Reflector
from ocdp_operator.adapters.git import GitSources, Origin
from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.errors import SettingsError
from ocdp_operator.handlers import event_settings, register
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.listing import CatalogWatch, Listing
from ocdp_operator.reconcile.parking import Parking
from ocdp_operator.reconcile.ports import Ports
from ocdp_operator.reconcile.queue import ClaimQueue
from ocdp_operator.reconcile.reconciler import Reconciler
from ocdp_operator.reconcile.run import Rules
from ocdp_operator.settings import Settings

_log = structlog.get_logger(__name__)

_PASSWORD_ALPHABET: Final = string.ascii_letters + string.digits


def sources(settings: Settings) -> GitSources:
    """Git under these settings; the operator and publishing use the same. Raises SettingsError."""
    return GitSources(
        settings.work_dir,
        [Origin.parse(allowed.origin, insecure=allowed.insecure) for allowed in settings.origins],
        git=settings.git,
        credentials_file=settings.credentials_file,
    )


def renderer(settings: Settings) -> KustomizeRenderer:
    """The confined kustomize, under these settings."""
    return KustomizeRenderer(settings.work_dir, kustomize=settings.kustomize)


def generate_password(length: int) -> str:
    """A password of letters and digits, from the system's own source of randomness."""
    return "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(length))


class Operator:
    """The operator: watches, queue, workers and probes, until it is told to stop."""

    def __init__(self, settings: Settings, client: KubeClient, ports: Ports, parts: _Parts) -> None:
        self._settings = settings
        self._client = client
        self._ports = ports
        self._parts = parts

    @classmethod
    @asynccontextmanager
    async def built(cls, settings: Settings) -> AsyncIterator[Self]:
        """Every part, opened; closed again after the block.

        Raises SettingsError. PostgreSQL and Git need not answer: claims wait for them one by one.
        """
        if not settings.catalog_dsn.get_secret_value():
            raise SettingsError(
                "Set OCDP_CATALOG_DSN to the connection string of the catalog's read-only role."
            )
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                KubeClient.connect(settings.kubeconfig, settings.context)
            )
            catalog = PostgresCatalog(settings.catalog_dsn.get_secret_value())
            await catalog.open()
            stack.push_async_callback(catalog.close)
            git = await stack.enter_async_context(sources(settings))
            kustomize = await stack.enter_async_context(renderer(settings))
            parts = _Parts(settings, client, catalog, git, kustomize)
            yield cls(settings, client, parts.ports, parts)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until ``stop`` is set, or until a part ends, which is a fault: then this raises."""
        parts, settings = self._parts, self._settings
        _log.info("starting", version=__version__, cluster=settings.cluster_id, workers=settings.workers)
        running: list[Coroutine[Any, Any, None]] = [
            parts.reflector.run(),
            parts.listing.run(settings.resync_seconds, parts.random),
            parts.catalog_watch.run(settings.catalog_poll_seconds, parts.random),
            parts.parking.run(settings.probe_seconds),
            *(parts.reconciler.work() for _ in range(settings.workers)),
            self._watch_events(stop),
        ]
        tasks = [asyncio.create_task(part) for part in running]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
                if not stop.is_set():
                    raise RuntimeError("a part of the operator ended by itself")
        finally:
            _log.info("stopping")
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)

    async def _watch_events(self, stop: asyncio.Event) -> None:
        registry = kopf.OperatorRegistry()
        parts, port = self._parts, self._settings.health_port
        register(
            registry,
            claims=parts.claims,
            workloads=parts.reflector,
            queue=parts.queue,
            connection=self._client.connection_info,
        )
        await kopf.operator(
            registry=registry,
            settings=event_settings(),
            clusterwide=True,
            standalone=True,
            stop_flag=stop,
            liveness_endpoint=f"http://0.0.0.0:{port}/healthz" if port else None,
        )


class _Parts:
    """The graph behind one operator."""

    def __init__(
        self,
        settings: Settings,
        client: KubeClient,
        catalog: PostgresCatalog,
        git: GitSources,
        kustomize: KustomizeRenderer,
    ) -> None:
        cluster = KubeCluster(client)
        self.random = Random()  # noqa: S311 - jitter
        self.claims = ClaimStore()
        self.queue = ClaimQueue(time.monotonic)
        self.reflector = Reflector(client, on_change=self._wake)
        self.ports = Ports(catalog, git, kustomize, cluster, self.reflector)
        self.parking = Parking(self.queue, catalog, git, self.random)
        self.listing = Listing(self.claims, self.queue, cluster.list_claims)
        self.catalog_watch = CatalogWatch(self.claims, self.queue, catalog.counter)
        self.reconciler = Reconciler(
            ports=self.ports,
            rules=Rules(
                settings.cluster_id, Limits(settings.allowed_kinds, settings.allowed_ingress_domains)
            ),
            claims=self.claims,
            queue=self.queue,
            parking=self.parking,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            generate=generate_password,
            random=self.random,
            resync_seconds=settings.resync_seconds,
        )

    def _wake(self, namespace: str, claim: str) -> None:
        key = ClaimKey(namespace, claim)
        if self.claims.get(key) is not None:
            self.queue.add(key)
