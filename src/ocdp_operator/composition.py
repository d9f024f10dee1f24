"""The object graphs: every part is built here and handed what it needs. Roots: the operator, publishing, the local demo."""

from __future__ import annotations

import asyncio
import secrets
import signal
import string
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from socket import gethostname
from typing import Any, Final, Self

import kopf
import structlog

from ocdp_operator import __version__
from ocdp_operator.adapters.catalog.store import PostgresCatalog
from ocdp_operator.adapters.cluster import (
    KubeClient,
    KubeCluster,
    KubeIdentityPolicy,
    Leadership,
    LeaseTerms,
    Patience,
    Pulse,
    Reflector,
    listening_session,
)
from ocdp_operator.adapters.expressions import CelExpressions
from ocdp_operator.adapters.git import GitSources, Origin
from ocdp_operator.adapters.health import Health, Readiness, Watch
from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.adapters.metrics import Metrics, Sights
from ocdp_operator.adapters.probes import Probes
from ocdp_operator.errors import SettingsError
from ocdp_operator.handlers import EVENT_SILENCE, event_settings, register
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import CLAIM, WORKLOAD
from ocdp_operator.model.secrets import Alphabet, GenerateRule
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.identity import IdentityWatch
from ocdp_operator.reconcile.listing import CatalogWatch, Listing
from ocdp_operator.reconcile.parking import Parking
from ocdp_operator.reconcile.ports import Ports
from ocdp_operator.reconcile.queue import ClaimQueue
from ocdp_operator.reconcile.reconciler import Reconciler
from ocdp_operator.reconcile.rollout import Terms
from ocdp_operator.reconcile.run import Rules
from ocdp_operator.reconcile.sweeping import OrphanSweeping
from ocdp_operator.settings import Settings

_log = structlog.get_logger(__name__)

AGAIN: float = 5.0
"""Seconds until a part that did not end is told so again: what it does on its way out is not to be cut short."""
WITHIN: float = 15.0
"""Seconds in which the parts must end; then the Lease is given back all the same, after which nothing can be written."""
_ALPHABETS: Final = {
    Alphabet.ALPHANUMERIC: string.ascii_letters + string.digits,
    Alphabet.HEX: "0123456789abcdef",
}


def sources(settings: Settings, **hooks: Any) -> GitSources:
    """Git under these settings; the operator and publishing use the same. Raises SettingsError."""
    return GitSources(
        settings.work_dir,
        [Origin.parse(allowed.origin, insecure=allowed.insecure) for allowed in settings.origins],
        git=settings.git,
        credentials_file=settings.credentials_file,
        **hooks,
    )


def renderer(settings: Settings) -> KustomizeRenderer:
    """The confined kustomize, under these settings."""
    return KustomizeRenderer(settings.work_dir, kustomize=settings.kustomize)


def expressions() -> CelExpressions:
    """CEL; the operator, publishing and previews use the same."""
    return CelExpressions()


@dataclass(frozen=True, slots=True)
class Publishing:
    """What publishing has of the operator's parts: by these a revision is proven."""

    sources: GitSources
    renderer: KustomizeRenderer
    expressions: CelExpressions
    limits: Limits

    @classmethod
    @asynccontextmanager
    async def built(cls, settings: Settings) -> AsyncIterator[Self]:
        """The parts, opened; closed again after the block. Raises SettingsError, which names a missing git or kustomize."""
        async with AsyncExitStack() as stack:
            yield cls(
                await stack.enter_async_context(sources(settings)),
                await stack.enter_async_context(renderer(settings)),
                await stack.enter_async_context(CelExpressions()),
                Limits(settings.allowed_kinds, settings.allowed_ingress_domains),
            )


def generate_password(rule: GenerateRule) -> str:
    """A new value by this rule, from the system's own source of randomness."""
    alphabet = _ALPHABETS[rule.alphabet]
    return rule.prefix + "".join(secrets.choice(alphabet) for _ in range(rule.length))


@dataclass(frozen=True, slots=True)
class PreviewParts:
    """What a preview reads: the catalog, Git, kustomize and CEL."""

    catalog: PostgresCatalog
    sources: GitSources
    renderer: KustomizeRenderer
    expressions: CelExpressions


@asynccontextmanager
async def preview_parts(settings: Settings, dsn: str) -> AsyncIterator[PreviewParts]:
    """The parts of a preview, opened; closed again after the block. Raises SettingsError."""
    async with AsyncExitStack() as stack:
        catalog = PostgresCatalog(dsn, max_connections=1)
        await catalog.open()
        stack.push_async_callback(catalog.close)
        git = await stack.enter_async_context(sources(settings))
        kustomize = await stack.enter_async_context(renderer(settings))
        cel = await stack.enter_async_context(expressions())
        yield PreviewParts(catalog, git, kustomize, cel)


class Operator:
    """The operator: watches, queue, workers and probes, until it is told to stop or loses its Lease."""

    def __init__(self, settings: Settings, client: KubeClient, leadership: Leadership, parts: _Parts) -> None:
        self._settings = settings
        self._client = client
        self._parts = parts
        self.leadership = leadership

    @classmethod
    @asynccontextmanager
    async def built(cls, settings: Settings, *, patience: Patience | None = None) -> AsyncIterator[Self]:
        """Every part, opened; closed again after the block. ``patience``: another one with watches, kopf's too.

        Raises SettingsError. PostgreSQL and Git need not answer: claims wait for them one by one.
        """
        if not settings.catalog_dsn.get_secret_value():
            raise SettingsError(
                "Set OCDP_CATALOG_DSN to the connection string of the catalog's read-only role."
            )
        async with AsyncExitStack() as stack:
            metrics = Metrics()
            client = await stack.enter_async_context(
                KubeClient.connect(settings.kubeconfig, settings.context, wrote=metrics.wrote)
            )
            leadership = await stack.enter_async_context(_leadership(settings))
            client.may_write = lambda: leadership.held
            catalog = PostgresCatalog(settings.catalog_dsn.get_secret_value(), asked=metrics.asked_catalog)
            await catalog.open()
            stack.push_async_callback(catalog.close)
            git = await stack.enter_async_context(sources(settings, asked=metrics.asked_git))
            kustomize = await stack.enter_async_context(renderer(settings))
            cel = await stack.enter_async_context(expressions())
            worlds = _Worlds(client, catalog, git, kustomize, cel)
            parts = _Parts(settings, worlds, _Senses(metrics, patience))
            parts.senses.readiness.require("lease", lambda: leadership.held)
            yield cls(settings, client, leadership, parts)

    async def run(self, stop: asyncio.Event) -> None:
        """Takes the Lease, then works until ``stop`` is set, and gives the Lease back.

        Raises LeaseLost when another operator may work now, and what a part raised that ended by itself.
        """
        parts, settings = self._parts, self._settings
        _log.info("starting", version=__version__, cluster=settings.cluster_id, workers=settings.workers)
        async with parts.senses.health.keeping_time(), parts.probes.served(settings.health_port):
            try:
                if await _first(stop, self.leadership.take()):
                    await _first(stop, *self._work(stop), ends=False)
            finally:
                await self.leadership.release()
                _log.info("stopped")

    def _work(self, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        parts, settings = self._parts, self._settings
        return [
            self.leadership.keep(),
            parts.reflector.run(),
            parts.listing.run(settings.resync_seconds, parts.random),
            parts.catalog_watch.run(settings.catalog_poll_seconds, parts.random),
            parts.identity.run(parts.random),
            parts.parking.run(settings.probe_seconds),
            parts.sweeping.run(parts.random),
            *(parts.reconciler.work() for _ in range(settings.workers)),
            self._watch_events(stop),
        ]

    async def _watch_events(self, stop: asyncio.Event) -> None:
        registry = kopf.OperatorRegistry()
        parts, senses = self._parts, self._parts.senses
        for pulse in senses.event_pulses.values():
            pulse.begin()
        register(
            registry,
            claims=parts.claims,
            workloads=parts.reflector,
            queue=parts.queue,
            connection=self._client.connection_info,
            session=partial(listening_session, senses.event_pulses),
        )
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=event_settings(silence=senses.event_silence),
            clusterwide=True,
            standalone=True,
            stop_flag=stop,
        )
        # kopf takes the signals for itself: it would end by them, and we would think that a part of ours had failed.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await kopf.run_tasks(tasks, ignored=_Anybodys())


class _Anybodys(Collection[asyncio.Task[Any]]):
    """Every task there is, for kopf to leave alone when it ends: else it cancels whatever was started meanwhile, ours too."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(asyncio.all_tasks())

    def __len__(self) -> int:
        return len(asyncio.all_tasks())


async def _first(stop: asyncio.Event, *running: Coroutine[Any, Any, None], ends: bool = True) -> bool:
    """Runs them together until one ends (True) or ``stop`` is set (False). None of them runs on after that.

    Raises what that one raised, and RuntimeError when it ended though none of them ``ends`` by itself.
    """
    tasks = [asyncio.create_task(each) for each in running]
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()
            if not ends and not stop.is_set():
                raise RuntimeError("a part of the operator ended by itself")
        return not stop.is_set()
    finally:
        await ended((*tasks, stopping), again=AGAIN, within=WITHIN)


async def ended(tasks: Collection[asyncio.Task[Any]], *, again: float, within: float) -> None:
    """Tells the tasks to end, anew each ``again`` seconds, and returns when none is left, or ``within`` seconds are over.

    asyncio itself tells a task once, and waits for ever. A watch of kopf that waits for a new login takes that for the end of its
    pause, and goes on (kopf 1.45.2, clients/api.py: stream).
    """
    loop = asyncio.get_running_loop()
    left, until = set(tasks), loop.time() + within
    while left and loop.time() < until:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=min(again, until - loop.time()))
        await asyncio.gather(*done, return_exceptions=True)


@asynccontextmanager
async def _leadership(settings: Settings) -> AsyncIterator[Leadership]:
    identity = settings.identity or f"{gethostname()}-{secrets.token_hex(4)}"
    terms = LeaseTerms(settings.lease_namespace, identity, settings.lease_seconds)
    async with KubeClient.connect(
        settings.kubeconfig, settings.context, request_seconds=max(1.0, terms.seconds / 3)
    ) as client:
        yield Leadership(client, terms)


class _Senses:
    """What the operator knows of itself: signs of life, health, readiness and numbers."""

    def __init__(self, metrics: Metrics, patience: Patience | None) -> None:
        self.metrics = metrics
        self.patience = patience
        self.event_silence = patience.silence if patience else EVENT_SILENCE
        self.event_pulses = {kind.plural: Pulse(self.event_silence) for kind in (CLAIM, WORKLOAD)}
        self.readiness = Readiness()
        """More conditions may be required of it; ``lease`` is also what ``ocdp_leader`` says."""
        self.health: Health

    def look_at(self, parts: _Parts, *, per_claim: bool) -> Probes:
        """Wires everything that is looked at, and makes the server that tells of it."""
        claims, queue, reflector = parts.claims, parts.queue, parts.reflector

        def watches() -> Mapping[str, Watch]:
            return {**self.event_pulses, **reflector.pulses}

        self.health = Health(clock=time.monotonic, watches=watches, oldest_wait=lambda: queue.oldest_wait)
        self.readiness.require("claims", lambda: claims.listed)
        self.readiness.require("kinds", lambda: not reflector.unlisted)
        self.metrics.look_at(
            Sights(
                claims=lambda: [claim for key in claims if (claim := claims.get(key))],
                queue=queue,
                watches=watches,
                health=self.health,
                leads=lambda: self.readiness.holds("lease"),
                now=lambda: datetime.now(UTC),
                per_claim=per_claim,
                verified=lambda: parts.identity.verified,
            )
        )
        return Probes(self.health.report, self.readiness.report, self.metrics.exposed)


@dataclass(frozen=True, slots=True)
class _Worlds:
    """The outside worlds of one operator, opened."""

    client: KubeClient
    catalog: PostgresCatalog
    git: GitSources
    kustomize: KustomizeRenderer
    cel: CelExpressions


class _Parts:
    """The graph behind one operator."""

    def __init__(self, settings: Settings, worlds: _Worlds, senses: _Senses) -> None:
        self.senses = senses
        catalog, git, cluster = worlds.catalog, worlds.git, KubeCluster(worlds.client)
        self.random = Random()  # noqa: S311 - jitter
        self.claims = ClaimStore()
        self.queue = ClaimQueue(time.monotonic)
        self.reflector = Reflector(worlds.client, on_change=self._wake, patience=senses.patience)
        self.ports = Ports(catalog, git, worlds.kustomize, cluster, self.reflector, worlds.cel)
        self.parking = Parking(self.queue, catalog, git, self.random)
        self.listing = Listing(self.claims, self.queue, cluster.list_claims)
        self.identity = IdentityWatch(self.claims, self.queue, KubeIdentityPolicy(worlds.client).read)
        self.catalog_watch = CatalogWatch(self.claims, self.queue, catalog.counter)
        self.sweeping = OrphanSweeping(
            self.claims,
            self.reflector,
            cluster,
            time.monotonic,
            after=settings.orphan_seconds,
            delete=settings.delete_orphans,
        )
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
            telemetry=senses.metrics,
            stamping=lambda: self.identity.stamping,
            terms=Terms(
                settings.rollout_concurrency, settings.rollout_failures, settings.rollout_patience_seconds
            ),
        )
        self.probes = senses.look_at(self, per_claim=settings.claim_metrics)

    def _wake(self, namespace: str, claim: str) -> None:
        key = ClaimKey(namespace, claim)
        if self.claims.get(key) is not None:
            self.queue.add(key)
