"""Row 25: watches that go silent, expire, end with an error, repeat, reorder and lose events. A little patience each time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Platform
from tests.adversarial.conftest import assert_truthful
from tests.support.audit import Audit
from tests.support.faulty_proxy import FaultyProxy
from tests.support.fix_operator import QUICK, TeamFactory
from tests.support.impatient import RELIST, SILENCE
from tests.support.world import Team, condition, eventually

NOTICED = 3 * SILENCE + 20
"""Seconds in which a change must be noticed; with the shipped patience, of 75 s for a silence, it is that much longer."""
SLOW = 300
"""Seconds between looks that nobody asked for: what is noticed here is noticed through the watches."""


@dataclass
class Watching:
    """An impatient operator, in place of the session's, behind a proxy; somebody starts it again when it ends."""

    proxy: FaultyProxy
    operator: OperatorProcess
    restarts: int = 0

    def watched(self, since: int = 0) -> set[str]:
        """The collections of objects that were watched, from the so-manyth request on; claims and CRDs are kopf's."""
        asked = (request.partition("?") for request in self.proxy.requests[since:])
        return {
            path
            for path, _, query in asked
            if "watch=true" in query and "ocdp.io" not in path and "apiextensions" not in path
        }

    async def supervise(self) -> None:
        while True:
            await self.operator.ended()
            self.restarts += 1
            await self.operator.start()


@pytest.fixture
async def watching(
    operator: OperatorProcess, platform: Platform, control_plane: Cluster, tmp_path: Path
) -> AsyncIterator[Watching]:
    await operator.stop()
    own = await control_plane.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    async with FaultyProxy.started(control_plane) as proxy:
        settings = await platform.operator_settings(**QUICK | {"resyncSeconds": SLOW})
        settings["kubeconfig"] = str(proxy.kubeconfig(tmp_path / "proxy.kubeconfig", account=own))
        impatient = OperatorProcess(
            tmp_path / "operator", settings, platform.reader_dsn, module="tests.support.impatient"
        )
        try:
            await impatient.start()
            seen = Watching(proxy, impatient)
            supervisor = asyncio.create_task(seen.supervise())
            yield seen
            supervisor.cancel()
            await asyncio.gather(supervisor, return_exceptions=True)
        finally:
            await impatient.stop()


@pytest.fixture
async def settled(watching: Watching, new_team: TeamFactory) -> Team:
    """A team with two claims that are Ready."""
    team: Team = await new_team()
    for name in ("ide", "other"):
        await team.claim(name, deletionPolicy="Delete")
    for name in ("ide", "other"):
        await team.ready(name)
    return team


async def disturb(team: Team) -> None:
    """What must be noticed: an object that goes, one that is changed, pods that fail, a claim's edit, and a new claim."""
    kubectl, here = team.platform.kubectl, ("-n", team.namespace)
    await kubectl("delete", "service", "ide-web", *here, "--wait=false")
    await kubectl("scale", "deploy", "other-web", "--replicas=3", *here)
    await team.claim("other", values={"guarded": "yes"}, deletionPolicy="Delete")
    await team.claim("new", deletionPolicy="Delete")


async def noticed(team: Team) -> None:
    async def all_of_it() -> bool:
        live = await team.objects()
        deploy = live.get("Deployment/other-web", {})
        return {"Service/ide-web", "NetworkPolicy/other-web", "Deployment/new-web"} <= live.keys() and deploy[
            "spec"
        ]["replicas"] == 1

    await eventually(all_of_it, "everything is noticed and done", seconds=NOTICED)
    for name in ("ide", "other", "new"):
        await team.ready(name, seconds=NOTICED)
    await assert_truthful(team)


async def test_25_streams_that_carry_nothing_more_are_given_up(settled: Team, watching: Watching):
    watching.proxy.stall()
    await disturb(settled)
    await noticed(settled)
    assert watching.restarts <= 1


@pytest.mark.parametrize("source", ["children", "claims"])
async def test_25_a_version_that_is_too_old_leads_to_a_new_list(
    settled: Team, watching: Watching, source: str
):
    """kopf, which watches the claims, ends the process; our own watches list anew."""
    expired: set[str] = set()

    def gone(request: web.Request) -> web.Response | None:
        """Every such watch that wants to go on from where it was, once."""
        if ("ocdp.io" in request.path or "apiextensions" in request.path) != (source == "claims"):
            return None
        if (
            "watch" not in request.query
            or not request.query.get("resourceVersion")
            or request.path in expired
        ):
            return None
        expired.add(request.path)
        return None if watching.restarts else web.Response(status=410, headers={"Audit-Id": "proxy"})

    watching.proxy.rules.append(gone)
    watching.proxy.cut()
    await disturb(settled)
    await noticed(settled)
    assert len(expired) >= (4 if source == "children" else 1)
    assert watching.restarts <= (source == "claims")


@pytest.mark.parametrize("code", [410, 500], ids=["expired", "internal"])
async def test_25_an_error_in_the_stream_is_outlived(settled: Team, watching: Watching, code: int):
    told: set[str] = set()
    error = {
        "type": "ERROR",
        "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Expired", "message": "gone"},
    }  # fmt: skip

    def rewrite(request: web.Request, line: bytes) -> list[bytes]:
        if request.path in told:
            return [line]
        told.add(request.path)
        return [json.dumps(error).encode()]  # in place of an event, which is lost

    watching.proxy.rewrite = rewrite
    await disturb(settled)
    await noticed(settled)
    assert len(told) >= 4
    # Each of kopf's own watches ends the process by its error; whether two of them meet theirs in one life is chance.
    assert watching.restarts <= sum("ocdp.io" in path or "apiextensions" in path for path in told)


async def test_25_events_that_come_twice_and_out_of_order_change_nothing(
    settled: Team, watching: Watching, audit_log: Path
):
    held: dict[int, bytes] = {}
    listed: set[int] = set()

    def rewrite(request: web.Request, line: bytes) -> list[bytes]:
        """Once the initial list is told, each event comes after the next one of its watch, and both come twice."""
        if "sendInitialEvents" in request.query and id(request) not in listed:
            if b"initial-events-end" in line:
                listed.add(id(request))
            return [line, line]
        earlier = held.pop(id(request), None)
        if earlier is not None:
            return [line, earlier, line, earlier]
        if b'"type":"BOOKMARK"' in line:
            return [line]
        held[id(request)] = line
        return []

    watching.proxy.rewrite = rewrite
    await disturb(settled)
    await noticed(settled)
    await settled.delete("new")
    await settled.gone("new", seconds=NOTICED)
    watching.proxy.rewrite = None
    watching.proxy.cut()
    audit = Audit(audit_log)

    async def quiet() -> bool:
        """Every watch of objects ended and was opened anew meanwhile: whatever there is to be heard was heard."""
        audit.begin()
        known, since = watching.watched(), len(watching.proxy.requests)

        async def heard_anew() -> bool:
            return known <= watching.watched(since)

        await eventually(heard_anew, "every watch is opened anew")
        return not audit.changes(settled.namespace)

    await eventually(quiet, "nothing is written any more", seconds=NOTICED)
    await assert_truthful(settled)
    assert not {name for name in await settled.objects() if "/new-" in name}
    assert watching.restarts == 0


async def test_25_an_event_that_is_lost_with_no_sign_of_it_is_found_by_the_next_list(
    settled: Team, watching: Watching
):
    lost: list[dict[str, Any]] = []

    def rewrite(_: web.Request, line: bytes) -> list[bytes]:
        event = json.loads(line)
        metadata = event["object"].get("metadata", {})
        if event["type"] == "DELETED" and metadata.get("name") == "ide-web":
            lost.append(metadata)
            return []
        return [line]

    watching.proxy.rewrite = rewrite
    await settled.platform.kubectl("delete", "service", "ide-web", "-n", settled.namespace)

    async def back() -> bool:
        return bool(lost) and await settled.find("service", "ide-web") is not None

    await eventually(back, "it is missed, and made anew", seconds=RELIST + NOTICED)
    ready = await settled.ready("ide")
    assert condition(ready, "Applied")["status"] == "True"
    assert watching.restarts == 0
