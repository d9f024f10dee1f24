"""kopf's decorators, and nothing else: kopf watches, we schedule (design 5, ADR 2).

Each handler stores what it was given, puts a key on the queue and returns. kopf persists nothing on our objects.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final, Protocol, cast

import aiohttp
import kopf
import structlog

from ocdp_operator.errors import Stalled
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.kinds import CLAIM, WORKLOAD, Kind
from ocdp_operator.model.names import CLAIM_NAME
from ocdp_operator.model.objects import Observed
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.queue import ClaimQueue

_log = structlog.get_logger(__name__)

_LOGIN_SECONDS: Final = 2.0
"""Before a login that was refused is tried again, with what the files hold then."""


class WorkloadStore(Protocol):
    """Where Workloads that kopf saw are kept."""

    def record(self, observed: Observed) -> bool:
        """Takes in a Workload unless something as new is known; False then."""
        ...

    def remove(self, observed: Observed) -> None:
        """Forgets a Workload that is gone."""
        ...


class SessionFactory(Protocol):
    """Makes the session that kopf speaks through."""

    def __call__(
        self, *, tls: ssl.SSLContext, headers: Mapping[str, str], proxy: str | None
    ) -> aiohttp.ClientSession:
        """A new one, to be closed by kopf."""
        ...


class _PatientBackoffs:
    """About ten minutes of growing, jittered delays: kopf ends the process when they run out."""

    def __iter__(self) -> Iterator[float]:
        return (min(30.0, 2.0**step) * random.uniform(0.8, 1.2) for step in range(24))  # noqa: S311 - jitter


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf compares nothing for us: without this it copies every object for a comparison that no handler asks for."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return cast("kopf.BodyEssence", {})

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


EVENT_SILENCE = 70.0
"""Seconds without an event or a bookmark after which kopf begins a watch anew."""


def event_settings(health_grace: float = 50.0, *, silence: float = EVENT_SILENCE) -> kopf.OperatorSettings:
    """Settings for kopf: patient with the API server, quiet on the objects, never in anybody's way."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.watching.server_timeout, settings.watching.client_timeout = 240, 270
    settings.watching.connect_timeout, settings.watching.inactivity_timeout = 10, silence
    settings.watching.chunk_size = 500
    settings.networking.connect_timeout, settings.networking.request_timeout = 5, 30
    settings.networking.error_backoffs = _PatientBackoffs()
    settings.networking.enforce_retry_after = True
    settings.queueing.idle_timeout, settings.queueing.exit_timeout = 2, 2
    settings.process.ultimate_exiting_timeout = health_grace
    return settings


def register(
    registry: kopf.OperatorRegistry,
    *,
    claims: ClaimStore,
    workloads: WorkloadStore,
    queue: ClaimQueue,
    connection: Callable[[], Mapping[str, Any]],
    session: SessionFactory,
) -> None:
    """Registers every handler there is. kopf speaks through a session of ours: we hear what it hears."""
    logins = count()

    @kopf.on.login(registry=registry, id="login", errors=kopf.ErrorsMode.TEMPORARY)
    async def login(**_: Any) -> kopf.AiohttpSession:
        if next(logins):
            # The last one was not accepted: the token may just be exchanged, or the account be gone for a while. Each session
            # is new to kopf, which would end the process if it were given once more what was refused.
            await asyncio.sleep(_LOGIN_SECONDS)
        info = kopf.ConnectionInfo(**connection())
        ours = session(tls=info.as_ssl_context(), headers=info.as_http_headers(), proxy=info.proxy_url)
        return kopf.AiohttpSession(server=info.server, aiohttp_session=ours)

    @kopf.on.event(*_resource(CLAIM), registry=registry, id="claims")
    async def see_claim(body: kopf.Body, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        see_claim_event(dict(body), deleted=type == "DELETED", claims=claims, queue=queue)

    @kopf.on.event(*_resource(WORKLOAD), registry=registry, id="workloads")
    async def see_workload(body: kopf.Body, type: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        observed = Observed.of(WORKLOAD, dict(body))
        if type == "DELETED":
            workloads.remove(observed)
        elif not workloads.record(observed):
            return
        name = observed.labels.get(CLAIM_NAME)
        if name:
            queue.add(ClaimKey(observed.namespace, name))


def see_claim_event(raw: Mapping[str, Any], *, deleted: bool, claims: ClaimStore, queue: ClaimQueue) -> None:
    """Stores a claim and puts it on the queue, unless this version is known already."""
    try:
        claim = WorkloadClaim.parse(raw)
    except Stalled as error:
        _log.error("claim cannot be read", name=raw["metadata"]["name"], error=error.message)
        return
    news = claims.remove(claim.key, claim.uid) if deleted else claims.put(claim)
    if news:
        queue.add(claim.key)


def _resource(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural
