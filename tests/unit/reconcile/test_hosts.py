"""Hosts of Ingresses: the first claim keeps one, nobody's is taken, and one that gets free is taken by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.hosts import hosts_of
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID, OWNER
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.run import Rules
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app

HOST = "ide.apps.example.test"
ELSEWHERE = "other.apps.example.test"


def ingress(*hosts: str | None, name: str = "ide-web") -> Any:
    backend = {"service": {"name": "ide-web", "port": {"number": 80}}}
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    rules = [{"host": host, "http": paths} if host else {"http": paths} for host in hosts]
    return builders.manifest("Ingress", name, spec={"rules": rules})


def theirs(*hosts: str | None, name: str = "theirs", **metadata: Any) -> dict[str, Any]:
    body = dict(ingress(*hosts, name=name).body)
    return {**body, "metadata": {"name": name, **metadata}}


@pytest.fixture
def world() -> World:
    made = World(app(ingress(HOST)))
    made.cluster.namespaces["ns-b"] = {"labels": {}}
    made.reconciler.rules = Rules("local", Limits(ingress_domains=("apps.example.test",)))
    made.ask_for()
    return made


async def failure(world: World) -> tuple[str, str]:
    await world.reconcile(2)
    found = (await world.claim()).status.failure
    return (found.code, found.message) if found else ("", "")


@pytest.mark.parametrize(
    ("rules", "hosts"),
    [
        ([{"host": "a.test"}, {"host": "b.test"}], {"a.test", "b.test"}),
        ([{"host": "*.test"}, {"host": ""}, {}], set()),
        (None, set()),
    ],
)
def test_only_a_host_in_full_is_taken(rules: Any, hosts: set[str]):
    assert hosts_of({"spec": {"rules": rules}}) == hosts
    assert hosts_of({}) == frozenset()


async def test_a_free_host_is_taken(world: World):
    await world.settle()
    assert "Ingress/ide-web" in world.live()
    assert world.reconciler.reservations.holder(HOST) is None, "the watches know by now"


async def test_a_host_of_somebody_elses_ingress_is_not_taken(world: World):
    world.cluster.put(builders.NAMESPACE, theirs(HOST))
    code, message = await failure(world)
    assert code == Reason.HOST_TAKEN
    assert HOST in message
    assert "Ingress/theirs" in message
    assert "Ingress/ide-web" not in world.live()


async def test_the_name_of_another_tenants_ingress_is_not_told(world: World):
    world.cluster.put("ns-b", theirs(HOST))
    code, message = await failure(world)
    assert code == Reason.HOST_TAKEN
    assert "theirs" not in message
    assert "ns-b" not in message


async def test_a_host_of_another_claim_is_not_taken(world: World):
    mark = f"{'2' * 8} ns-b/other networking.k8s.io/Ingress/other-web"
    labels = {CLAIM_UID: "2" * 8, CLAIM_NAME: "other"}
    world.cluster.put("ns-b", theirs(HOST, name="other-web", labels=labels, annotations={OWNER: mark}))
    assert (await failure(world))[0] == Reason.HOST_TAKEN
    assert "Ingress/ide-web" not in world.live()


async def test_a_label_of_ours_makes_no_ingress_ours(world: World):
    claim = await world.claim()
    world.cluster.put(builders.NAMESPACE, theirs(HOST, labels={CLAIM_UID: claim.uid, CLAIM_NAME: "ide"}))
    assert (await failure(world))[0] == Reason.HOST_TAKEN


@pytest.mark.parametrize(
    "rule", [None, "*.apps.example.test", ELSEWHERE], ids=["all", "a wildcard", "another"]
)
async def test_who_has_no_such_host_in_full_has_it_not(world: World, rule: str | None):
    world.cluster.put("ns-b", theirs(rule))
    assert await failure(world) == ("", "")


async def test_a_host_is_taken_once_it_is_free(world: World):
    world.cluster.put("ns-b", theirs(HOST))
    assert (await failure(world))[0] == Reason.HOST_TAKEN
    world.cluster.remove("ns-b", builders.ref("Ingress", "theirs"))
    await world.settle()
    assert await failure(world) == ("", "")
    assert "Ingress/ide-web" in world.live()


async def test_what_runs_is_kept_while_a_new_host_is_taken(world: World):
    await world.settle()
    before = world.live()
    world.cluster.put("ns-b", theirs(ELSEWHERE))
    world.manifests = app(ingress(ELSEWHERE))
    world.ask_for(values={"another": "host"})
    assert (await failure(world))[0] == Reason.HOST_TAKEN
    assert world.live() - {"Ingress/theirs"} == before
    assert hosts_of(world.raw("Ingress", "ide-web")) == {HOST}


async def test_what_a_claim_has_it_keeps_whoever_comes_later(world: World):
    await world.settle()
    world.cluster.put("ns-b", theirs(HOST))
    world.ask_for(values={"another": "value"})
    assert await failure(world) == ("", "")


async def test_an_own_host_costs_no_look(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.settle()

    async def looked() -> tuple[()]:
        raise AssertionError("looked at the Ingresses of others")

    monkeypatch.setattr(world.cluster, "foreign_ingresses", looked)
    world.ask_for(values={"another": "value"})
    assert await failure(world) == ("", "")


async def test_nothing_is_taken_before_the_ingresses_are_known(world: World):
    world.cluster.observations.unlisted.add("Ingress")
    code, _ = await failure(world)
    assert code == Reason.CLUSTER_UNAVAILABLE
    assert "Ingress/ide-web" not in world.live()


async def test_of_two_claims_at_once_the_first_keeps_it(world: World, monkeypatch: pytest.MonkeyPatch):
    """Another worker looks while the first one's look at the cluster is under way."""
    first_looks, may_go_on = asyncio.Event(), asyncio.Event()
    look = world.cluster.foreign_ingresses

    async def slow() -> Any:
        first_looks.set()
        await may_go_on.wait()
        return await look()

    monkeypatch.setattr(world.cluster, "foreign_ingresses", slow)
    first = asyncio.create_task(world.reconcile(2))
    await first_looks.wait()
    assert world.reconciler.reservations.holder(HOST) == KEY

    second = ClaimKey(builders.NAMESPACE, "two")
    world.cluster.put_claim(second, templateId="code-server", workspaceId=builders.WORKSPACE)
    objects = (
        builders.manifest("Service", "two-web"),
        builders.manifest("Ingress", "two-web", spec=_to("two-web", HOST)),
        builders.manifest("Secret", "two-credentials", type="Opaque"),
    )

    async def render(*_: object) -> Rendering:
        return Rendering(objects)

    monkeypatch.setattr(World, "render", render)
    claim = await world.cluster.get_claim(second)
    assert claim is not None
    world.claims.put(claim)
    await world.reconciler.reconcile(second)
    refused = await world.cluster.get_claim(second)
    assert refused is not None
    assert refused.status.failure is not None
    assert refused.status.failure.code == Reason.HOST_TAKEN
    assert "the claim ide" in refused.status.failure.message

    may_go_on.set()
    await first
    assert "Ingress/ide-web" in world.live()
    assert "Ingress/two-web" not in world.live()


def _to(service: str, host: str) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {
        "rules": [
            {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        ]
    }


async def test_an_ingress_of_an_earlier_claim_of_the_name_is_left_to_its_owners_check(world: World):
    """It bears the name that ours will have: whose it is, and how to adopt it, is said when it is applied."""
    world.cluster.put(builders.NAMESPACE, theirs(HOST, name="ide-web"))
    assert (await failure(world))[0] == Reason.OWNERSHIP_CONFLICT
