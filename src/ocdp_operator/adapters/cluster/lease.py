"""One operator works at a time: a coordination Lease, taken before anything is watched and renewed while it works.

Whether a Lease is over is judged as Kubernetes' own components do it: by how long this process has seen the same record, on
a clock of its own. Times that another machine wrote are never compared with ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import orjson
import structlog

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import Answer, KubeClient
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.errors import LeaseLost, OcdpError
from ocdp_operator.model.objects import ObjectRef

_log = structlog.get_logger(__name__)

_CONFLICT: Final = 409
# Parts of a Lease's duration.
_RENEWAL: Final = 1 / 5
_RETRY: Final = 1 / 15
_DEADLINE: Final = 2 / 3
"""Who could not renew for so long stops writing: well before anybody else may take over."""
_RELEASE_SECONDS: Final = 2.0


def since_boot() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine is suspended, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """Which Lease, for whom, for how long."""

    namespace: str
    identity: str
    """A process with the same identity takes its own Lease again at once: no two of them may run at the same time."""
    seconds: int
    """How long others wait when they see no renewal; 0: no Lease at all."""
    name: str = "ocdp-operator"


class Leadership:
    """Whether this process is the one that works. ``take`` it, ``keep`` it, and ``release`` it at the end.

    The client must be one that nobody else uses: a renewal waits for no other request.
    """

    def __init__(
        self,
        client: KubeClient,
        terms: LeaseTerms,
        *,
        clock: Callable[[], float] = since_boot,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._client = client
        self._terms = terms
        self._clock = clock
        self._now = now
        self._random = Random()  # noqa: S311 - jitter
        self._lease: Mapping[str, Any] = {}
        """As we wrote it last."""
        self._renewed_at = float("-inf")
        self._unanswered: set[str] = set()
        """Renewal times that we sent and that may have been stored, though no answer said so."""
        self._seen: Mapping[str, Any] | None = None
        self._seen_at = 0.0
        self._said = ""

    @property
    def held(self) -> bool:
        """Whether we may write: the Lease was ours a moment ago, and nobody else can have it yet."""
        return not self._terms.seconds or self._age < self._terms.seconds * _DEADLINE

    async def take(self) -> None:
        """Stands by until the Lease is ours. Nothing that the API server does or says ends it."""
        while self._terms.seconds:
            try:
                if await self._try_to_take():
                    _log.info("lease taken", lease=self._terms.name, identity=self._terms.identity)
                    return
            except OcdpError as error:
                self._say(f"The Lease cannot be asked for: {error}")
            await self._pause(_RETRY)

    async def keep(self) -> None:
        """Renews the Lease for as long as it is ours.

        Raises LeaseLost when it was not renewed in time, after this process or its machine was frozen too, or when somebody
        else has it.
        """
        if not self._terms.seconds:
            await asyncio.Event().wait()
        try:
            part = _RENEWAL
            while True:
                await self._pause(part)
                part = _RENEWAL if await self._renewed() else _RETRY
        except LeaseLost as lost:
            self._renewed_at = float("-inf")
            _log.error("lease lost", error=str(lost))
            raise

    async def release(self) -> None:
        """Gives the Lease back, so that another process need not wait for its end. Call it when no work goes on."""
        if not self._terms.seconds or not self.held:
            return
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                if (await self._put({"holderIdentity": None, "leaseDurationSeconds": 1})).ok:
                    _log.info("lease released", lease=self._terms.name)
        except (OcdpError, TimeoutError) as error:
            _log.warning("lease not released", error=str(error) or "no answer in time")
        finally:
            self._renewed_at = float("-inf")

    async def _try_to_take(self) -> bool:
        lease = await self._read()
        if lease is None:
            return await self._create()
        spec = lease.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._terms.identity) and not self._is_over(spec):
            self._say(f"Standing by: {holder} holds the Lease {self._terms.name}.")
            return False
        self._lease = lease
        taken: dict[str, Any] = {}
        if holder != self._terms.identity:
            taken = {
                "acquireTime": self._stamp(),
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
            }
        return (await self._put(taken | self._claimed)).ok

    async def _create(self) -> bool:
        started = self._clock()
        body = {
            "apiVersion": paths.LEASE.api_version,
            "kind": paths.LEASE.kind,
            "metadata": {"name": self._terms.name, "namespace": self._terms.namespace},
            "spec": {
                "acquireTime": self._stamp(),
                "renewTime": self._stamp(),
                "leaseTransitions": 0,
                **self._claimed,
            },
        }
        path = paths.collection(paths.LEASE, self._terms.namespace)
        answer = await self._client.send("POST", path, orjson.dumps(body))
        return self._take_in(answer, started, "create")

    async def _renewed(self) -> bool:
        if not self.held:
            raise LeaseLost(f"The Lease {self._terms.name} was not renewed in time.")
        try:
            async with asyncio.timeout(self._terms.seconds * _DEADLINE - self._age):
                return await self._renew()
        except LeaseLost:
            raise
        except (OcdpError, TimeoutError) as error:
            self._say(f"The Lease is not renewed: {str(error) or 'no answer in time.'}")
            return False

    async def _renew(self) -> bool:
        """False: the Lease must be asked for once more."""
        answer = await self._put(self._claimed)
        if answer.ok:
            return True
        lease = await self._read()
        spec = (lease or {}).get("spec") or {}
        if lease is None or spec.get("renewTime") not in self._unanswered:
            holder = spec.get("holderIdentity") or "nobody"
            raise LeaseLost(f"The Lease {self._terms.name} is lost: {holder} holds it.")
        self._lease = lease  # a renewal of ours whose answer was lost
        return False

    async def _put(self, changes: Mapping[str, Any]) -> Answer:
        """Writes the Lease as we know it, with these changes. That it changed or went is an answer like another."""
        started, stamp = self._clock(), self._stamp()
        spec = {**(self._lease.get("spec") or {}), "renewTime": stamp, **changes}
        body = {**self._lease, "spec": {name: value for name, value in spec.items() if value is not None}}
        self._unanswered.add(stamp)
        path = paths.item(paths.LEASE, self._terms.namespace, self._terms.name)
        answer = await self._client.send("PUT", path, orjson.dumps(body))
        self._take_in(answer, started, "update")
        return answer

    def _take_in(self, answer: Answer, started: float, verb: str) -> bool:
        if answer.status == _CONFLICT or (answer.is_absent and verb == "update"):
            return False
        self._lease = require(answer, self._request(verb))
        # Counted from before the request was sent: others can have seen the renewal no earlier.
        self._renewed_at = started
        self._unanswered.clear()
        self._said = ""
        return True

    async def _read(self) -> Mapping[str, Any] | None:
        path = paths.item(paths.LEASE, self._terms.namespace, self._terms.name)
        answer = await self._client.send("GET", path)
        return None if answer.is_absent else require(answer, self._request("get"))

    def _is_over(self, spec: Mapping[str, Any]) -> bool:
        seconds = float(spec.get("leaseDurationSeconds") or self._terms.seconds)
        return self._clock() - self._seen_at >= seconds

    @property
    def _age(self) -> float:
        return self._clock() - self._renewed_at

    @property
    def _claimed(self) -> dict[str, Any]:
        return {"holderIdentity": self._terms.identity, "leaseDurationSeconds": self._terms.seconds}

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _request(self, verb: str) -> Request:
        ref = ObjectRef(paths.LEASE.group, paths.LEASE.kind, self._terms.name)
        return Request(verb, ref, self._terms.namespace)

    async def _pause(self, part: float) -> None:
        await asyncio.sleep(self._terms.seconds * part * self._random.uniform(0.8, 1.0))

    def _say(self, what: str) -> None:
        """Once, however often it is found."""
        if what != self._said:
            self._said = what
            _log.warning(what)
