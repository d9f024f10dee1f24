"""A proxy in front of the API server that writes down every mutating call, and stops the world of a claim at one of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from aiohttp import web

from ocdp_operator.dev.cluster import Cluster
from tests.support.faulty_proxy import FaultyProxy

When = Literal["before", "after"]

_READS = frozenset({"GET", "HEAD"})
_OWN_GROUP = "/apis/ocdp.io/"
_PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<resource>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?$"
)
_HASH = re.compile(r"-[bcdfghkmt2456789]{10}$")
"""What kustomize appends to the name of a generated ConfigMap."""
_NUMBERED = re.compile(r"(?:^|-)(?P<claim>w\d\dx\d\d)(?:-|$)")
"""A claim of the crash tests, anywhere in a name: the volumes of a StatefulSet begin with that of their template."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Call:
    """One mutating call. ``line`` says what it does, the same for claims of any name."""

    claim: str
    """The claim that it is for; empty when the path names none."""
    line: str
    """``verb resource[/subresource] name``, the name without the claim's and without a content hash."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """Where a claim's world stops: at the so many-th call with this line (from 1), before or after the server did it."""

    line: str
    occurrence: int
    when: When


class RecordingProxy(FaultyProxy):
    """``calls`` are the mutating calls that came, in order. ``stop_at`` sets a claim's point.

    Once a claim is held, no mutating call for it is let through any more, whatever its client does about the silence.
    """

    def __init__(self, upstream: Cluster) -> None:
        super().__init__(upstream)
        self.calls: list[Call] = []
        self.held: set[str] = set()
        """Claims whose point was reached."""
        self.pods = asyncio.Event()
        """Cleared: streams of Pods wait."""
        self.objects = asyncio.Event()
        """Cleared: streams of the other runtime kinds wait."""
        self._points: dict[str, Point] = {}
        self._seen: Counter[tuple[str, str]] = Counter()
        self._over = asyncio.Event()
        self.heard: Callable[[Call], None] = lambda call: None
        """Told of each mutating call, before the server sees it."""
        self.open()

    @classmethod
    @asynccontextmanager
    async def before(cls, cluster: Cluster, account: Path, workdir: Path) -> AsyncIterator[Self]:
        """A proxy, and in ``workdir`` the ``kubeconfig`` that leads there as the user of the kubeconfig ``account``."""
        async with cls.started(cluster) as proxy:
            proxy.kubeconfig(workdir / "kubeconfig", account=account)
            yield proxy

    def stop_at(self, points: Mapping[str, Point]) -> None:
        """From now on these claims' worlds stop at their points, counted from here."""
        self.forget()
        self._points = dict(points)

    def release(self) -> None:
        """Lets go of every call that is held, unanswered: its client is dead. Nothing stops any more."""
        self._points = {}
        self._over.set()
        self._over = asyncio.Event()
        self.held.clear()

    def forget(self) -> None:
        """Starts a new record."""
        self.calls.clear()
        self._seen.clear()

    def open(self) -> None:
        """Streams flow."""
        self.pods.set()
        self.objects.set()

    def close(self) -> None:
        """What watches would tell of runtime objects and Pods waits; claims and Workloads are told of."""
        self.pods.clear()
        self.objects.clear()

    def lines(self, claim: str) -> list[str]:
        """The claim's calls as they came, dry runs left out."""
        return [call.line for call in self.calls if call.claim == claim and not call.dry_run]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = None if request.method in _READS else await _call(request)
        if call is None:
            return await super()._handle(request)
        over = self._over
        self.calls.append(call)
        self.heard(call)
        self._seen[call.claim, call.line] += 1
        point = self._points.get(call.claim)
        reached = point is not None and self._is_at(point, call)
        if call.claim in self.held or (reached and point is not None and point.when == "before"):
            return await self._hold(request, call.claim, over)
        answer = await super()._handle(request)
        return await self._hold(request, call.claim, over) if reached else answer

    def _is_at(self, point: Point, call: Call) -> bool:
        seen = self._seen[call.claim, call.line]
        return not call.dry_run and call.line == point.line and seen == point.occurrence

    async def _hold(self, request: web.Request, claim: str, over: asyncio.Event) -> web.StreamResponse:
        self.held.add(claim)
        await over.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    async def _lets_through(self, request: web.Request) -> bool:
        if not request.path.startswith(_OWN_GROUP):
            await (self.pods if request.path.endswith("/pods") else self.objects).wait()
        return await super()._lets_through(request)


async def _call(request: web.Request) -> Call | None:
    """The call that a request is; None for what is no business of a claim: reviews, and the operator's own Lease."""
    parsed = _PATH.fullmatch(request.path)
    if parsed is None or parsed["resource"] == "leases":
        return None
    body = await request.read()
    document: dict[str, Any] = json.loads(body) if body.startswith(b"{") else {}
    resource, name = parsed["resource"], parsed["name"] or ""
    if resource == "events":
        claim, shown = document["involvedObject"]["name"], document["reason"]
    else:
        claim, rest = _split(name)
        shown = _HASH.sub("-#", rest)
    kind = f"{resource}/{parsed['subresource']}" if parsed["subresource"] else resource
    verb = "apply" if "apply-patch" in request.headers.get("Content-Type", "") else _VERBS[request.method]
    dry_run = "dryRun" in request.query_string
    return Call(claim, " ".join(part for part in (verb, kind, shown) if part), dry_run)


def _split(name: str) -> tuple[str, str]:
    """The claim that an object is named for, and what is left of the name; a claim of these tests has no dash in its name."""
    found = _NUMBERED.search(name)
    claim = found["claim"] if found else name.partition("-")[0]
    return claim, "-".join(part for part in name.split("-") if part != claim)
