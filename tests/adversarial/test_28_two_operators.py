"""Row 28: two operators at once, by mistake or in a rollout; one of them frozen and resumed."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from tests.support.audit import Audit
from tests.support.faulty_proxy import FaultyProxy
from tests.support.fix_operator import OperatorFactory
from tests.support.observed import Telling
from tests.support.world import Team, eventually

FRESH = {"leaseSeconds": 0, "resyncSeconds": 1, "logLevel": "debug"}
"""No Lease: a mistake, under which all must be right all the same."""
_MOST_ROUNDS = 5
NEVER = 100_000
"""Seconds of a Lease that is not over before this test is."""


@pytest.fixture
def audit(audit_log: Path) -> Audit:
    return Audit(audit_log)


def looks(operator: OperatorProcess, team: Team, name: str) -> int:
    lines = operator.log.read_text().splitlines()
    return sum('"reconciled"' in line and f'"{team.namespace}/{name}"' in line for line in lines)


async def look_again(team: Team, name: str, *operators: OperatorProcess, times: int = 3) -> None:
    """Returns when each of them has looked at the claim so often more."""
    start = [looks(operator, team, name) for operator in operators]

    async def enough() -> bool:
        return all(
            looks(operator, team, name) >= before + times
            for operator, before in zip(operators, start, strict=True)
        )

    await eventually(enough, f"{times} looks at {name} by each of {len(operators)} operators", seconds=90)


async def at_rest(team: Team, name: str, audit: Audit, *operators: OperatorProcess) -> None:
    """They agree: looking again and again changes nothing. What was on its way may come to its end first."""
    for _ in range(_MOST_ROUNDS):
        audit.begin()
        await look_again(team, name, *operators)
        changes = audit.changes(team.namespace)
        if not changes:
            return
    raise AssertionError(f"they never come to rest; in the last round: {', '.join(map(str, changes))}")


async def holder(platform: Platform) -> str:
    lease = await platform.get("lease", "ocdp-operator", "-n", "ocdp-system")
    return str(lease["spec"].get("holderIdentity", ""))


async def until_holder(platform: Platform, wanted: str) -> None:
    async def held() -> bool:
        return await holder(platform) == wanted

    await eventually(held, f"{wanted} holds the Lease")


async def test_28_two_that_know_nothing_of_each_other_agree(
    team: Team, operator: OperatorProcess, another_operator: OperatorFactory, audit: Audit
):
    await operator.restart(**FRESH)
    second = await another_operator("second", **FRESH)
    audit.begin()
    names = ("one", "two", "three")
    for name in names:
        await team.claim(name, deletionPolicy="Delete")
    for name in names:
        await team.ready(name)
    created = audit.counted(team.namespace, "patch", 201)
    assert created, "objects are created by apply"
    assert set(created.values()) == {1}, created
    for name in names:
        await team.claim(name, values={"greeting": "again", "guarded": "yes"}, deletionPolicy="Delete")
    for name in names:
        await team.ready(name)
    await at_rest(team, "one", audit, operator, second)
    audit.begin()
    for name in names:
        await team.delete(name)
    for name in names:
        await team.gone(name)
    deleted = audit.counted(team.namespace, "delete", 200)
    # A volume claim leaves when its pod has left: until then a second deletion is answered like the first, and does nothing.
    twice = {name for name, times in deleted.items() if times > 1}
    assert all(name.startswith("persistentvolumeclaims/") for name in twice), deleted
    assert await team.marked() == set()
    assert operator.running
    assert second.running


class Holding(FaultyProxy):
    """Holds back requests that somebody chose, until they are let go."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.part = ""
        self.held = asyncio.Event()
        self.go = asyncio.Event()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.part and request.method == "PATCH" and self.part in request.path:
            self.held.set()
            await self.go.wait()
        return await super()._handle(request)

    def hold(self, part: str) -> None:
        """Of now: every apply to a path that ends so."""
        self.part = part
        self.held.clear()
        self.go.clear()


@pytest.fixture
async def holding(platform: Platform) -> AsyncIterator[Holding]:
    async with Holding.started(platform.cluster) as proxy:
        yield proxy


@pytest.fixture
async def frozen(
    holding: Holding,
    platform: Platform,
    operator: OperatorProcess,
    another_operator: OperatorFactory,
    tmp_path: Path,
) -> OperatorProcess:
    """The only operator that runs; its writes can be held back."""
    await operator.stop()
    settings = await platform.operator_settings()
    kubeconfig = holding.in_place_of(Path(settings["kubeconfig"]), tmp_path / "held.kubeconfig")
    return await another_operator("frozen", kubeconfig=str(kubeconfig), **FRESH)


async def freeze_at(team: Team, frozen: OperatorProcess, holding: Holding, part: str) -> None:
    """The process stands still with a write of generation 2 on its way."""
    holding.hold(part)
    await team.claim("ide", values={"greeting": "second"}, deletionPolicy="Delete")
    async with asyncio.timeout(60):
        await holding.held.wait()
    frozen.send(signal.SIGSTOP)


async def a_second_later() -> None:
    """The API server's clock counts seconds."""
    began = int(time.time())

    async def passed() -> bool:
        return int(time.time()) > began

    await eventually(passed, "the second is over")


async def test_28_a_write_that_comes_after_the_claim_is_gone_creates_nothing(
    team: Team, operator: OperatorProcess, frozen: OperatorProcess, holding: Holding, audit: Audit
):
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")
    await freeze_at(team, frozen, holding, f"/{team.namespace}/deployments/")
    await operator.start(**FRESH)
    await team.delete("ide")
    await team.gone("ide")
    assert await team.marked() == set()
    audit.begin()
    holding.go.set()
    frozen.send(signal.SIGCONT)

    async def refused() -> bool:
        return audit.counted(team.namespace, "patch", 409)["deployments/ide-web"] > 0

    await eventually(refused, "the late write is refused")
    await team.claim("other", deletionPolicy="Delete")
    await team.ready("other")
    await look_again(team, "other", frozen)
    assert {name for name in await team.marked() if "ide" in name} == set()
    assert await team.find("wc", "ide") is None


async def test_28_a_write_that_comes_after_the_object_was_made_anew_leaves_the_new_one(
    team: Team, operator: OperatorProcess, frozen: OperatorProcess, holding: Holding, audit: Audit
):
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")
    await freeze_at(team, frozen, holding, f"/{team.namespace}/deployments/")
    await operator.start(**FRESH)
    await team.delete("ide")
    await team.gone("ide")
    await team.claim("ide", values={"greeting": "third"}, deletionPolicy="Delete")
    await team.ready("ide")
    before = await team.find("deployment", "ide-web")
    audit.begin()
    holding.go.set()
    frozen.send(signal.SIGCONT)
    await at_rest(team, "ide", audit, operator, frozen)
    after = await team.find("deployment", "ide-web")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    await team.assert_no_orphan()


async def test_28_after_a_frozen_one_is_back_the_newest_generation_holds(
    team: Team, operator: OperatorProcess, frozen: OperatorProcess, holding: Holding, audit: Audit
):
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")
    await freeze_at(team, frozen, holding, f"/{team.namespace}/deployments/")
    await operator.start(**FRESH)
    await team.claim("ide", values={"greeting": "third"}, deletionPolicy="Delete")
    await team.ready("ide")
    await a_second_later()  # a write of the same second cannot be told from the one before it
    audit.begin()
    holding.go.set()
    frozen.send(signal.SIGCONT)

    async def came() -> bool:
        return audit.counted(team.namespace, "patch", 200, 409)["deployments/ide-web"] > 0

    await eventually(came, "the late write came")
    await at_rest(team, "ide", audit, operator, frozen)
    await team.ready("ide")
    mounted = next(
        volume["configMap"]["name"]
        for volume in (await team.find("deployment", "ide-web") or {})["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "config"
    )
    config = await team.find("configmap", mounted)
    assert config is not None
    assert "third" in json.dumps(config["data"])
    await team.assert_no_orphan()


async def test_28_the_second_stands_by_and_is_ready_at_once_when_the_first_is_stopped(
    team: Team,
    platform: Platform,
    operator: OperatorProcess,
    another_operator: OperatorFactory,
):
    await operator.restart(leaseSeconds=NEVER)
    second = await another_operator("second", leaseSeconds=10)
    telling = Telling(second.url)
    assert await telling.healthy()
    assert not await telling.ready()
    assert (await telling.checks("/readyz"))["lease"] == {"ok": False}

    async def says_who() -> bool:
        return "local holds the Lease" in await asyncio.to_thread(second.log.read_text)

    await eventually(says_who, "it says whom it waits for")
    await operator.stop()
    await until_holder(platform, "second")
    await eventually(telling.ready, "the second is ready")
    await team.claim("ide")
    await team.ready("ide")


async def test_28_the_second_takes_over_from_a_first_that_was_killed(
    team: Team,
    platform: Platform,
    operator: OperatorProcess,
    another_operator: OperatorFactory,
):
    await operator.stop()
    first = await another_operator("first", leaseSeconds=6)
    await until_holder(platform, "first")
    second = await another_operator("second", leaseSeconds=6)
    assert not await Telling(second.url).ready()
    await first.kill()
    await team.claim("ide")
    await team.ready("ide")
    assert await holder(platform) == "second"
    lease = await platform.get("lease", "ocdp-operator", "-n", "ocdp-system")
    assert lease["spec"]["leaseTransitions"] >= 1


async def test_28_a_container_that_was_killed_works_again_at_once(
    team: Team, platform: Platform, operator: OperatorProcess
):
    await operator.restart(leaseSeconds=NEVER)
    await until_holder(platform, "local")
    await operator.kill()
    await operator.start(leaseSeconds=NEVER)
    await team.claim("ide")
    await team.ready("ide")


async def test_28_who_was_frozen_for_longer_than_its_lease_ends_when_it_is_resumed(
    team: Team,
    platform: Platform,
    operator: OperatorProcess,
    another_operator: OperatorFactory,
    audit: Audit,
):
    await operator.stop()
    first = await another_operator("first", leaseSeconds=6)
    await until_holder(platform, "first")
    await team.claim("ide")
    await team.ready("ide")
    first.send(signal.SIGSTOP)
    second = await another_operator("second", leaseSeconds=60)
    await until_holder(platform, "second")
    await team.claim("ide", values={"greeting": "meanwhile"})
    await team.ready("ide")
    told = len(first.log.read_text())
    first.send(signal.SIGCONT)
    async with asyncio.timeout(30):
        assert await first.ended() == 1
    last_words = first.log.read_text()[told:]
    assert "lease lost" in last_words
    assert "Traceback" not in last_words
    assert await holder(platform) == "second"
    assert second.running
    await at_rest_of_one(team, audit, second)


async def at_rest_of_one(team: Team, audit: Audit, operator: OperatorProcess) -> None:
    await operator.restart(resyncSeconds=1, logLevel="debug")
    await at_rest(team, "ide", audit, operator)
