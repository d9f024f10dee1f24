"""What the watches saw last of every object of every claim, and who must be told when it changes (design 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from random import Random

import structlog

from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.pulse import Pulse
from ocdp_operator.adapters.cluster.store import ObservationStore
from ocdp_operator.adapters.cluster.trimming import trimmed
from ocdp_operator.adapters.cluster.watch import KindWatch, Patience, Shared
from ocdp_operator.errors import OcdpError
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import SECRET, WATCHED_KINDS, WORKLOAD, Kind
from ocdp_operator.model.names import CLAIM_NAME
from ocdp_operator.model.objects import ObjectRef, Observed

_log = structlog.get_logger(__name__)

_FIRST_PAUSE = 1.0


class Reflector:
    """Fulfils ``Observations`` by one watch for each kind, in all namespaces, of objects with a claim's label.

    ``on_change(namespace, claim name)`` is called soon after objects of the claim came, changed or went, once for what
    came together; not for the echo of a write whose answer is recorded, nor for a change in parts that nobody reads.

    Kinds in ``fed`` are watched by somebody else, who calls ``record`` and ``remove``: they are only listed here, at the
    start and then every ``patience.relist`` seconds, so that absence means something and nothing is missed for long.
    """

    def __init__(
        self,
        client: KubeClient,
        on_change: Callable[[str, str], None],
        *,
        kinds: Iterable[Kind] = WATCHED_KINDS,
        fed: Iterable[Kind] = (WORKLOAD,),
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._echoes = _Echoes(on_change, self._patience.settle)
        self._random = Random()  # noqa: S311 - jitter
        self._store = ObservationStore()
        shared = Shared(client, self._store, self._tell, self._patience, self._random)
        self._kinds = tuple(kinds)
        self._watches = {kind.kind: KindWatch(kind, shared) for kind in self._kinds}
        self._fed = {kind.kind: KindWatch(kind, shared) for kind in fed}
        if SECRET.kind in self._watches or SECRET.kind in self._fed:
            raise ValueError("Secrets are never listed or watched.")

    async def run(self) -> None:
        """Watches until it is cancelled. Nothing that the API server does or says ends it."""
        async with asyncio.TaskGroup() as group:
            for name, watch in self._watches.items():
                group.create_task(watch.run(), name=f"watch {name}")
            for name, listing in self._fed.items():
                group.create_task(self._keep_listed(listing), name=f"list {name}")

    @property
    def pulses(self) -> Mapping[str, Pulse]:
        """The signs of life of each watch, by the plural name of its kind."""
        return {kind.plural: self._watches[kind.kind].pulse for kind in self._kinds}

    @property
    def unlisted(self) -> tuple[str, ...]:
        """The kinds that were not listed completely yet."""
        return tuple(name for name, watch in (self._watches | self._fed).items() if not watch.listed)

    def is_listed(self, kind: Kind) -> bool:
        """As the port says. Secrets, which are never listed, do not hold anything up."""
        watch = self._watches.get(kind.kind) or self._fed.get(kind.kind)
        return kind == SECRET if watch is None else watch.listed

    def of_claim(self, namespace: str, claim_uid: str) -> Mapping[ObjectRef, Observed]:
        """As the port says."""
        return self._store.of_claim(namespace, claim_uid)

    def all_of(self, kind: Kind) -> tuple[Observed, ...]:
        """As the port says."""
        return self._store.all_of(kind)

    def owners(self) -> Collection[tuple[str, str]]:
        """As the port says."""
        return self._store.owners()

    def pods_of_claim(self, key: ClaimKey) -> tuple[Observed, ...]:
        """As the port says."""
        return self._store.pods_of_claim(key)

    def record(self, observed: Observed) -> bool:
        """As the port says. Nobody is told, not even when the watch was faster: who records it knows."""
        self._echoes.answered(observed)
        return self._store.put(trimmed(observed))

    def remove(self, observed: Observed) -> None:
        """Forgets an object of a fed kind that is gone, unless it is back by now."""
        metadata = {
            "namespace": observed.namespace,
            "name": observed.ref.name,
            "uid": observed.uid,
            "resourceVersion": observed.resource_version,
        }
        self._store.remove(observed.ref.known_kind, metadata)

    async def _keep_listed(self, listing: KindWatch) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                if await listing.relist():
                    pause, wait = _FIRST_PAUSE, self._patience.relist
                else:
                    _log.warning("not listed", error="The API server does not serve this kind.")
                    pause, wait = min(30.0, pause * 2), pause
            except OcdpError as error:
                _log.warning("not listed", error=str(error))
                pause, wait = min(30.0, pause * 2), pause
            await asyncio.sleep(wait * self._random.uniform(0.8, 1.2))

    def _tell(self, observed: Observed) -> None:
        claim = observed.labels.get(CLAIM_NAME)
        if claim:
            self._echoes.seen(ClaimKey(observed.namespace, claim), observed)


class _Echoes:
    """Changes that a watch told of and that are not passed on yet: some are writes of ours whose answer is on its way."""

    def __init__(self, on_change: Callable[[str, str], None], settle: float) -> None:
        self._on_change = on_change
        self._settle = settle
        self._unsettled: dict[ClaimKey, dict[ObjectRef, str]] = {}

    def seen(self, key: ClaimKey, observed: Observed) -> None:
        unsettled = self._unsettled.get(key)
        if unsettled is None:
            unsettled = self._unsettled[key] = {}
            asyncio.get_running_loop().call_later(self._settle, self._pass_on, key)
        unsettled[observed.ref] = observed.resource_version

    def answered(self, observed: Observed) -> None:
        claim = observed.labels.get(CLAIM_NAME, "")
        unsettled = self._unsettled.get(ClaimKey(observed.namespace, claim))
        if unsettled and unsettled.get(observed.ref) == observed.resource_version:
            del unsettled[observed.ref]

    def _pass_on(self, key: ClaimKey) -> None:
        if self._unsettled.pop(key):
            self._on_change(key.namespace, key.name)
