"""One kind, listed and watched for ever: whatever breaks, it goes on, and what it missed is found and reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any, Final

import structlog

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import Answer, KubeClient
from ocdp_operator.adapters.cluster.depth import parse
from ocdp_operator.adapters.cluster.pages import list_pages
from ocdp_operator.adapters.cluster.pulse import Pulse
from ocdp_operator.adapters.cluster.refusals import Request, refuse
from ocdp_operator.adapters.cluster.store import ObservationStore
from ocdp_operator.adapters.cluster.trimming import observe
from ocdp_operator.errors import OcdpError
from ocdp_operator.model.kinds import POD, Kind
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID
from ocdp_operator.model.objects import ObjectRef, Observed

_log = structlog.get_logger(__name__)

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_GONE: Final = 410
_LIST_END: Final = "k8s.io/initial-events-end"
_CHANGES: Final = frozenset({"ADDED", "MODIFIED"})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a watch is believed. In seconds."""

    silence: float = 75.0
    """Without an event or a bookmark, of which the API server sends one a minute, a watch counts as stalled."""
    watch: tuple[int, int] = (240, 300)
    """One request lasts as long as drawn from here, so that the watches of many kinds don't all end at once."""
    relist: float = 600.0
    """Between lists of a kind, whatever its watch said; one that we watch ourselves, with the next request for a watch."""
    steady: float = 5.0
    """After so long, a watch that ends has not failed: the next one begins at once."""
    settle: float = 0.05
    """Before a change is told: often a watch tells of a write of ours before its answer is here."""


class _Expired(Exception):
    """The version that we know is too old, or unknown to the server: only a new list helps."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the watches of all kinds have in common."""

    client: KubeClient
    store: ObservationStore
    tell: Callable[[Observed], None]
    patience: Patience
    random: Random


class KindWatch:
    """Keeps the store's objects of one kind up to date, and tells of each that changed."""

    def __init__(self, kind: Kind, shared: Shared) -> None:
        self._kind = kind
        self._client = shared.client
        self._store = shared.store
        self._tell = shared.tell
        self._patience = shared.patience
        self._random = shared.random
        self._version = ""
        """Everything up to here is in the store; empty: list anew."""
        self._seen: set[str] | None = None
        """UIDs that the list told of so far, while it is under way."""
        self._listed_at = float("-inf")
        self._not_before = 0.0
        """Seconds that the API server asked for with its last refusal."""
        self._streams_lists = True
        self.pulse = Pulse(shared.patience.silence)
        self.listed = False
        """The kind was listed completely, once at least."""

    async def run(self) -> None:
        """Follows the kind until it is cancelled."""
        self.pulse.begin()
        failures = 0
        while True:
            started = monotonic()
            if started - self._listed_at > self._patience.relist:
                self._version = ""  # what got lost on the way, with no sign of it, is found again
            self._not_before = 0.0
            ended_well = await self._try_to_follow()
            if monotonic() - started > self._patience.steady:
                failures = 0
                if ended_well:
                    continue
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures)
            failures = min(failures + 1, 10)
            await asyncio.sleep(max(self._not_before, pause * self._random.uniform(0.5, 1.0)))

    async def _try_to_follow(self) -> bool:
        try:
            await self._follow()
        except _Expired:
            self._version = ""
        except TimeoutError:
            self._version = ""
            _log.warning("watch stalled", kind=str(self._kind), seconds=self._patience.silence)
        except OcdpError as error:
            self.pulse.failed()
            _log.warning("watch failed", kind=str(self._kind), error=str(error))
        except Exception:  # noqa: BLE001 - our own fault must not end a watch: it starts anew
            self._version = ""
            _log.exception("watch failed", kind=str(self._kind))
        else:
            return True
        return False

    async def relist(self) -> bool:
        """Lists the kind, page by page, and reports what changed and what is gone.

        False: the API server does not serve the kind, and so nothing of it is there.
        """
        self._seen = set()
        version = ""
        accept = paths.JSON if self._kind.observes_status else paths.METADATA_LIST
        query = f"&{self._selector}"
        pages = list_pages(
            self._client, self._kind, self._request, query=query, accept=accept, unserved_is_empty=True
        )
        async for page in pages:
            for raw in page.items:
                self._change(raw)
            version = page.version
        if not version:
            self._seen, self.listed = None, True
            return False
        self._end_list(version)
        return True

    async def _follow(self) -> None:
        """One watch, from where we are until the server ends it."""
        streamed_list = not self._version and self._streams_lists
        if streamed_list:
            self._seen = set()
        elif not self._version:
            await self.relist()
        path = f"{paths.collection(self._kind)}?{self._query(streamed_list=streamed_list)}"
        accept = paths.JSON if self._kind.observes_status else paths.METADATA
        async with self._client.stream(path, accept=accept, silence_seconds=self._patience.silence) as (
            refusal,
            lines,
        ):
            if refusal is None:
                await self._take_in(lines)
            elif streamed_list and refusal.status in (400, 422):
                self._streams_lists = False  # the server is older than streamed lists (KEP-3157)
            else:
                self._refused(refusal)

    def _refused(self, refusal: Answer) -> None:
        if refusal.status == _GONE:
            raise _Expired
        self.listed = self.listed or refusal.is_absent  # not served: nothing of the kind is there
        self._not_before = refusal.retry_after
        refuse(refusal, self._request)

    async def _take_in(self, lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            event = parse(line)
            self.pulse.heard()
            raw = event["object"]
            if event["type"] == "ERROR":
                _log.info("watch ended", kind=str(self._kind), code=raw.get("code"), reason=raw.get("reason"))
                raise _Expired
            if event["type"] in _CHANGES:
                self._change(raw)
            elif event["type"] == "DELETED":
                self._remove(raw["metadata"])
            if self._seen is None:
                self._version = raw["metadata"]["resourceVersion"]
            elif event["type"] == "BOOKMARK" and _LIST_END in (raw["metadata"].get("annotations") or {}):
                self._end_list(raw["metadata"]["resourceVersion"])

    def _change(self, raw: Mapping[str, Any]) -> None:
        metadata = raw["metadata"]
        if self._seen is not None:
            self._seen.add(metadata["uid"])
        if not self._store.is_news(self._kind, metadata):
            return
        observed = observe(self._kind, raw)
        before = self._store.known(self._kind, observed.namespace, observed.ref.name)
        if not self._store.put(observed):
            return
        self._tell(observed)
        # Whoever had the object by its labels must hear that they say something else now.
        if before is not None and before.labels.get(CLAIM_NAME) != observed.labels.get(CLAIM_NAME):
            self._tell(before)

    def _remove(self, metadata: Mapping[str, Any]) -> None:
        if self._seen is not None:
            self._seen.discard(metadata["uid"])
        gone = self._store.remove(self._kind, metadata)
        if gone is not None:
            self._tell(gone)

    def _end_list(self, version: str) -> None:
        seen, self._seen = self._seen or set(), None
        self._version = version
        self.pulse.heard()
        self.listed = True
        self._listed_at = monotonic()
        for gone in self._store.prune(self._kind, seen, int(self._version)):
            self._tell(gone)

    @property
    def _selector(self) -> str:
        return paths.having(CLAIM_NAME if self._kind == POD else CLAIM_UID)

    @property
    def _request(self) -> Request:
        return Request("watch", ObjectRef(self._kind.group, self._kind.kind, "*"), "")

    def _query(self, *, streamed_list: bool) -> str:
        seconds = self._random.randint(*self._patience.watch)
        start = (
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            if streamed_list
            else f"resourceVersion={self._version}"
        )
        return f"watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&{start}&{self._selector}"
