"""Writes that are refused, and answers that say so: every claim gets where it was going, without a storm."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.adversarial.conftest import Proxied, assert_truthful
from tests.support.apps import app_files
from tests.support.world import Team, condition, eventually, is_ready

PATIENCE = 180
"""Seconds for what waits longer after each refusal."""
WRITES = frozenset({"PATCH", "POST", "PUT", "DELETE"})
CONFLICT = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
            "message": "the object has been modified"}  # fmt: skip
INVALID = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": 422,
           "message": "is invalid"}  # fmt: skip
BROKEN = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500,
          "message": "etcdserver: request timed out"}  # fmt: skip


def answer(body: dict) -> web.Response:
    return web.json_response(body, status=body["code"], headers={"Audit-Id": "proxy"})


def refusing(team: Team, refuses: Callable[[str], bool], body: dict, seen: Counter[str]) -> Callable:
    """A rule on writes in the team's namespace, by method and path; ``seen`` counts them all."""

    def rule(request: web.Request) -> web.Response | None:
        if request.method not in WRITES or f"/namespaces/{team.namespace}/" not in request.path:
            return None
        key = f"{request.method} {request.path.partition(f'/{team.namespace}/')[2]}"
        seen[key] += 1
        return answer(body) if refuses(key) else None

    return rule


@pytest.mark.timeout(400)
async def test_24_a_conflict_on_every_second_write_delays_and_loses_nothing(team: Team, proxied: Proxied):
    seen: Counter[str] = Counter()
    proxied.proxy.rules.append(refusing(team, lambda _: seen.total() % 2 == 0, CONFLICT, seen))
    names = ("one", "two")
    for name in names:
        await team.claim(name, deletionPolicy="Delete")
    for name in names:
        await team.ready(name, seconds=PATIENCE)
        await team.claim(name, values={"guarded": "yes"}, deletionPolicy="Delete")
    for name in names:
        await team.ready(name, seconds=PATIENCE)
        assert "NetworkPolicy/" + name + "-web" in await team.objects()
    await assert_truthful(team)
    # An apply of eight objects and the account of it, twice, with each write refused as often as it is done.
    own = {
        name: sum(n for key, n in seen.items() if f"/{name}" in key or f"{name}-" in key) for name in names
    }
    assert all(count <= 120 for count in own.values()), seen
    for name in names:
        await team.delete(name)
    for name in names:
        await team.gone(name, seconds=PATIENCE)
    assert not await team.marked()


async def test_24_every_write_refused_once_is_done_without_another_event(team: Team, proxied: Proxied):
    seen: Counter[str] = Counter()
    proxied.proxy.rules.append(refusing(team, lambda key: seen[key] == 1, INVALID, seen))
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")  # nothing but our own resync looks at it again
    assert max(seen.values()) <= 12, seen
    await team.delete("ide")
    await team.gone("ide")
    assert not await team.marked()


async def test_24_an_api_server_that_fails_for_long_is_not_hammered_and_the_newest_generation_wins(
    team: Team, proxied: Proxied
):
    await team.claim("steady", deletionPolicy="Delete")
    before = await team.ready("steady")
    versions = {name: o["metadata"]["resourceVersion"] for name, o in (await team.objects()).items()}
    seen: Counter[str] = Counter()
    rule = refusing(team, lambda _: True, BROKEN, seen)
    proxied.proxy.rules.append(rule)
    for greeting in ("second", "third", "newest"):
        await team.claim("steady", values={"greeting": greeting}, deletionPolicy="Delete")
    await team.claim("new", deletionPolicy="Delete")

    async def tried(count: int) -> bool:
        return (
            seen["PATCH workloadclaims/steady/status"] >= count and seen["PATCH workloadclaims/new"] >= count
        )

    await eventually(lambda: tried(3), "each is tried three times")
    # Each attempt asks for little: no write is repeated within one.
    attempts = max(seen["PATCH workloadclaims/steady/status"], seen["PATCH workloadclaims/new"])
    assert seen.total() <= 6 * attempts, seen
    assert {n: o["metadata"]["resourceVersion"] for n, o in (await team.objects()).items()} == versions
    assert is_ready(before)

    proxied.proxy.rules.remove(rule)  # and no event follows
    after = await team.ready("steady")
    await team.ready("new")
    assert after["metadata"]["generation"] == after["status"]["observedGeneration"]
    deploy = await team.find("deploy", "steady-web")
    assert deploy is not None
    config = deploy["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
    found = await team.find("configmap", config)
    assert found is not None
    assert "newest" in found["data"]["settings.yaml"]
    await assert_truthful(team)


async def test_24_a_claim_that_changes_while_it_is_reconciled_ends_at_its_newest_generation(
    team: Team, proxied: Proxied
):
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")
    edits = [f"edit {number}" for number in range(4)]

    def edit_meanwhile(request: web.Request) -> None:
        if request.method == "PATCH" and f"/{team.namespace}/configmaps/ide-" in request.path and edits:
            patch = json.dumps({"spec": {"values": {"greeting": edits.pop(0)}}})
            proxied.meanwhile(team, "patch", "wc", "ide", "--type=merge", "-p", patch)

    proxied.proxy.rules.append(edit_meanwhile)
    await team.claim("ide", values={"greeting": "first"}, deletionPolicy="Delete")

    async def all_done() -> bool:
        return not edits and is_ready(await team.get_claim("ide"))

    await eventually(all_done, "every edit was made, and the last one is applied")
    found = await team.get_claim("ide")
    assert condition(found, "Ready")["observedGeneration"] == found["metadata"]["generation"] == 6
    maps = [o for n, o in (await team.objects()).items() if n.startswith("ConfigMap/ide-web-config")]
    assert any("edit 3" in each["data"]["settings.yaml"] for each in maps)
    assert team.files == app_files()
    await assert_truthful(team)
