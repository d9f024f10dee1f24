"""Row 23: an API server that restarts, is away, refuses, is busy, or does what it is asked and says that it did not."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Platform
from tests.adversarial.conftest import Proxied, assert_truthful
from tests.support.apps import claim
from tests.support.audit import Audit
from tests.support.crash_state import difference, states
from tests.support.faulty_proxy import FaultyProxy
from tests.support.fix_operator import QUICK, TeamFactory
from tests.support.world import Team, eventually, is_ready

PATIENCE = 150.0
TROUBLE = 12.0
"""Seconds that a fault lasts."""
WRITES = frozenset({"PATCH", "POST", "PUT", "DELETE"})
EDIT = {"values": {"greeting": "edited", "guarded": "yes"}}


async def apply(team: Team, *names: str, **spec: object) -> None:
    bodies = [
        claim(name, team.namespace, team.template_id, team.workspace, deletionPolicy="Delete", **spec)
        for name in names
    ]
    await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))


async def all_ready(team: Team, *names: str) -> None:
    async def ready() -> bool:
        items = (await team.platform.get("wc", "-n", team.namespace))["items"]
        return set(names) <= {item["metadata"]["name"] for item in items if is_ready(item)}

    await eventually(ready, f"{', '.join(names)} are Ready", seconds=PATIENCE)


@asynccontextmanager
async def refused(proxy: FaultyProxy) -> AsyncIterator[None]:
    await proxy.leave()
    yield
    await proxy.come_back()


def answering(status: int, **headers: str) -> Callable[[FaultyProxy], object]:
    @asynccontextmanager
    async def fault(proxy: FaultyProxy) -> AsyncIterator[None]:
        proxy.refuse("", status, **headers)
        proxy.cut()
        yield
        proxy.rules.clear()

    return fault


FAULTS = {
    "refused": refused,
    "503": answering(503),
    "429": answering(429, **{"Retry-After": "2"}),
}


async def as_without_trouble(team: Team, pairs: dict[str, str]) -> None:
    """I1, I3, I5: each claim comes to the end of the one that went the same way before the trouble.

    A ConfigMap of the content before stays for as long as a Pod that uses it.
    """

    async def alike() -> bool:
        return not await differences(team, pairs)

    try:
        await eventually(alike, "they came to the same end", seconds=60, every=1)
    except AssertionError:
        raise AssertionError("\n".join(await differences(team, pairs))) from None


async def differences(team: Team, pairs: dict[str, str]) -> list[str]:
    found = await states(team, [*pairs, *pairs.values()])
    texts = {name: state.text(history=False) for name, state in found.items()}
    return [fault for name in pairs for fault in found[name].faults()] + [
        f"{name}: {difference(texts[reference], texts[name])}"
        for name, reference in pairs.items()
        if texts[name] != texts[reference]
    ]


async def at_rest(team: Team, audit: Audit) -> None:
    """I4: soon there is a time of several resyncs in which nothing is written."""
    for _ in range(8):
        audit.begin()
        await asyncio.sleep(5)
        if not audit.changes(team.namespace):
            return
    raise AssertionError(f"it never comes to rest: {', '.join(map(str, audit.changes(team.namespace)))}")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_23_claims_end_where_they_would_have_ended(
    team: Team, proxied: Proxied, fault: Callable, audit_log: Path
):
    await apply(team, "newx", "editx", "edity", "gonex")
    await all_ready(team, "newx", "editx", "edity", "gonex")
    await apply(team, "editx", **EDIT)
    await all_ready(team, "editx")
    async with fault(proxied.proxy):
        await apply(team, "newy")
        await apply(team, "edity", **EDIT)
        await team.delete("gonex")
        await asyncio.sleep(TROUBLE)
        assert not await team.find("deploy", "newy-web")
        assert (await team.objects()).keys() >= {"Deployment/gonex-web", "Deployment/edity-web"}
    await all_ready(team, "newx", "newy", "editx", "edity")
    await team.gone("gonex")
    await as_without_trouble(team, {"newy": "newx", "edity": "editx"})
    await assert_truthful(team)
    await at_rest(team, Audit(audit_log))
    assert proxied.operator.running


@pytest.mark.timeout(400)
async def test_23_writes_that_were_done_and_whose_answers_are_lost_make_nothing_twice(
    team: Team, proxied: Proxied, audit_log: Path
):
    audit = Audit(audit_log)
    names = [f"w{number}x" for number in range(8)]
    await apply(team, "w9x")
    await all_ready(team, "w9x")
    await apply(team, "w9x", **EDIT)
    await all_ready(team, "w9x")
    dice, lied = random.Random(23), []

    def lie(request: web.Request) -> web.Response | None:
        if f"/namespaces/{team.namespace}/" not in request.path or dice.random() >= 0.1:
            return None
        lied.append(f"{request.method} {request.path}")
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": "etcdserver: request timed out",
        }
        return web.json_response(body, status=dice.choice((500, 504)), headers={"Audit-Id": "proxy"})

    proxied.proxy.lies.append(lie)
    await apply(team, *names)
    await all_ready(team, *names)
    await apply(team, *names, **EDIT)
    await all_ready(team, *names)
    await team.delete(names[-1])
    await team.gone(names[-1], seconds=PATIENCE)
    assert len(lied) >= 8, lied
    proxied.proxy.lies.clear()
    # Each object was created once: what was done and not believed is found again.
    created = audit.counted(team.namespace, "patch", 201)
    assert set(created.values()) == {1}, created
    await as_without_trouble(team, dict.fromkeys(names[:-1], "w9x"))
    await assert_truthful(team)
    await at_rest(team, audit)
    assert not {name for name in await team.objects() if f"/{names[-1]}-" in name}
    assert proxied.operator.running


async def test_23_a_long_retry_after_is_obeyed(team: Team, proxied: Proxied):
    wanted = 9.0
    loop, asked = asyncio.get_running_loop(), defaultdict(list)

    def busy(request: web.Request) -> web.Response | None:
        if request.method not in WRITES or f"/{team.namespace}/workloadclaims/" not in request.path:
            return None
        asked[request.path].append(loop.time())
        return web.Response(status=429, headers={"Audit-Id": "proxy", "Retry-After": f"{wanted:.0f}"})

    proxied.proxy.rules.append(busy)
    await team.claim("ide", deletionPolicy="Delete")

    async def thrice() -> bool:
        return any(len(times) >= 3 for times in asked.values())

    await eventually(thrice, "it is asked three times")
    for path, times in asked.items():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(gap >= wanted * 0.95 for gap in gaps), (path, gaps)
    proxied.proxy.rules.clear()
    await team.ready("ide")


@pytest.mark.timeout(300)
async def test_23_an_api_server_that_restarts_in_the_middle_of_applies(
    team: Team, proxied: Proxied, control_plane: Cluster
):
    await apply(team, "w9x")
    await all_ready(team, "w9x")
    names = [f"w{number}x" for number in range(8)]
    await apply(team, *names)
    await eventually(team.marked, "some objects are there", every=0.05)
    await control_plane.stop_apiserver()  # type: ignore[attr-defined]
    await control_plane.start_apiserver()  # type: ignore[attr-defined]

    async def answers() -> bool:
        try:
            await apply(team, "w8x")
        except LocalEnvironmentError:
            return False
        return True

    await eventually(answers, "the API server takes claims again")
    await all_ready(team, "w9x", *names, "w8x")
    await as_without_trouble(team, dict.fromkeys([*names, "w8x"], "w9x"))
    await assert_truthful(team)
    assert proxied.operator.running


@pytest.mark.timeout(300)
async def test_23_an_outage_longer_than_the_lease_costs_one_restart(
    new_team: TeamFactory,
    operator: OperatorProcess,
    platform: Platform,
    control_plane: Cluster,
    tmp_path: Path,
):
    await operator.stop()
    own = await control_plane.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    async with FaultyProxy.started(control_plane) as proxy:
        settings = await platform.operator_settings(**QUICK | {"leaseSeconds": 6, "resyncSeconds": 2})
        settings["kubeconfig"] = str(proxy.kubeconfig(tmp_path / "proxy.kubeconfig", account=own))
        async with OperatorProcess.started(tmp_path / "operator", settings, platform.reader_dsn) as brief:
            team: Team = await new_team()
            await apply(team, "oldx")
            await all_ready(team, "oldx")
            await brief_outage(team, proxy, brief)
            await all_ready(team, "oldx", "newx")
            await as_without_trouble(team, {"newx": "oldx"})
            assert brief.running


async def brief_outage(team: Team, proxy: FaultyProxy, operator: OperatorProcess) -> None:
    """As long as it takes the operator to end, and then some time more, in which its successor stands by."""
    async with refused(proxy):
        async with asyncio.timeout(60):
            assert await operator.ended() != 0
        await apply(team, "newx")
        await operator.start()
        await asyncio.sleep(TROUBLE)
        assert operator.running
        assert not await team.find("deploy", "newx-web")
