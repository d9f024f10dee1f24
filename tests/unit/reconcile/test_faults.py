"""A fault of ours, in whatever stage it happens, is said on the claim as InternalError, and nowhere with its message."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

import ocdp_operator.reconcile
from ocdp_operator.cli.logs import tell_exception
from ocdp_operator.errors import Reason
from ocdp_operator.model.conditions import Truth
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

CANARY = "canary-f0e1d2c3b4a5"
MODULES = [
    import_module(f"ocdp_operator.reconcile.{each.name}")
    for each in pkgutil.iter_modules(ocdp_operator.reconcile.__path__)
]


class Fault(Exception):
    """What nobody thought of."""


def fail(*_: Any, **__: Any) -> Any:
    raise Fault(CANARY)


async def fail_later(*_: Any, **__: Any) -> Any:
    raise Fault(CANARY)


def break_function(monkeypatch: pytest.MonkeyPatch, name: str, *, is_async: bool = False) -> None:
    """The function fails wherever the reconcile calls it by this name."""
    users = [module for module in MODULES if hasattr(module, name)]
    assert users, f"nothing in the reconcile is called {name}"
    for module in users:
        monkeypatch.setattr(module, name, fail_later if is_async else fail)


PURE = {
    "question": "question",
    "resolve": "resolve",
    "bind": "bind",
    "input digest": "input_digest",
    "drift": "find_drift",
    "overlay": "build_overlay",
    "direct references": "allot",
    "stamp": "stamp",
    "projection": "workload_manifest",
    "prune plan": "plan_prune",
    "observe health": "assess",
    "observe endpoints": "endpoints",
}
ASYNC = {
    "secret references": "check_references",
    "environment": "as_they_live",
    "credentials": "provide_credentials",
    "apply": "apply_all",
    "delete while pruning": "remove",
}
PORTS = {
    "catalog": "ask",
    "fetch": "fetch",
    "build": "render",
}
CLUSTER = {
    "finalizer": "patch_claim",
    "namespace": "namespace",
    "read an object": "get",
    "apply an object": "apply",
    "delete an object": "delete",
}


def say(world: World) -> dict[str, Any]:
    """Status and events: all that a user may see."""
    raw = world.cluster.claims[KEY]
    return {"status": raw.get("status", {}), "events": [str(event) for event in world.cluster.events]}


async def assert_told(world: World) -> None:
    """On the claim in our words; in the log with its type and place; its message nowhere."""
    with capture_logs() as lines:
        await world.reconcile()
    status = (await world.claim()).status
    told = status.failure
    assert told is not None
    assert (told.code, told.actor) == (Reason.INTERNAL_ERROR, "Maintainers")
    ready = status.condition_set.get("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == (Truth.FALSE, Reason.INTERNAL_ERROR)
    assert "Traceback" not in str(say(world))
    assert "Fault" not in str(say(world))
    assert_logged(lines)
    assert CANARY not in str(say(world))


def assert_logged(lines: list[Any]) -> None:
    written = [orjson.dumps(tell_exception(None, "", dict(line)), default=str).decode() for line in lines]
    errors = [line for line in written if '"log_level":"error"' in line]
    assert errors
    assert any("Fault" in line and "test_faults.py" in line and "InternalError" in line for line in errors)
    assert not any(CANARY in line for line in written)


@pytest.fixture
async def changing() -> World:
    """A claim that is Ready and was edited, so that the next reconcile goes through every stage, and prunes."""
    world = World(app(service("ide-more")))
    world.ask_for()
    await world.settle()
    world.manifests = app(greeting="mtkhgfdcbb")
    world.ask_for(values={"edited": True})
    return world


@pytest.mark.parametrize("name", PURE.values(), ids=PURE.keys())
async def test_a_fault_in_a_pure_stage_is_said(changing: World, monkeypatch: pytest.MonkeyPatch, name: str):
    break_function(monkeypatch, name)
    await assert_told(changing)


@pytest.mark.parametrize("name", ASYNC.values(), ids=ASYNC.keys())
async def test_a_fault_in_a_stage_that_acts_is_said(
    changing: World, monkeypatch: pytest.MonkeyPatch, name: str
):
    break_function(monkeypatch, name, is_async=True)
    await assert_told(changing)


async def test_a_fault_in_the_policy_is_said(changing: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ocdp_operator.plan.policy.check", fail)
    await assert_told(changing)


@pytest.mark.parametrize("name", PORTS.values(), ids=PORTS.keys())
async def test_a_fault_of_an_adapter_is_said(changing: World, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(changing, name, fail_later)
    await assert_told(changing)


@pytest.mark.parametrize("name", CLUSTER.values(), ids=CLUSTER.keys())
async def test_a_fault_of_the_cluster_is_said(changing: World, monkeypatch: pytest.MonkeyPatch, name: str):
    if name == "patch_claim":
        changing.cluster.claims[KEY]["metadata"]["finalizers"] = []
    if name == "get":
        changing.cluster.remove(KEY.namespace, builders.ref("Service", "ide-web"))
    monkeypatch.setattr(changing.cluster, name, fail_later)
    await assert_told(changing)


async def test_a_fault_while_recording_is_said(changing: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ocdp_operator.reconcile.run.Run.record", fail_later)
    await assert_told(changing)


async def test_a_fault_in_summing_up_is_said_of_what_is_on_record(
    changing: World, monkeypatch: pytest.MonkeyPatch
):
    fail_once(monkeypatch, "ocdp_operator.reconcile.reconciler.summarize")
    await assert_told(changing)


async def test_a_fault_in_writing_the_status_is_said_by_the_next_write(
    changing: World, monkeypatch: pytest.MonkeyPatch
):
    before = await changing.claim()
    changing.ask_for(templateRevision=99)  # refused at once: one write of the status, the last
    assert before.generation < (await changing.claim()).generation
    target = changing.cluster
    monkeypatch.setattr(target, "patch_claim_status", once(target.patch_claim_status))
    await assert_told(changing)


async def test_a_status_that_cannot_be_written_at_all_is_in_the_log(
    changing: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(changing.cluster, "patch_claim_status", fail_later)
    with capture_logs() as lines:
        await changing.reconcile()
    assert_logged(lines)
    assert CANARY not in str(say(changing))


async def test_a_fault_in_the_release_is_said(monkeypatch: pytest.MonkeyPatch):
    world = World(app())
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    world.cluster.delete_claim(KEY)
    break_function(monkeypatch, "release_claim", is_async=True)
    with capture_logs() as lines:
        await world.reconcile()
    status = (await world.claim()).status
    assert status.failure is not None
    assert status.failure.code is Reason.INTERNAL_ERROR
    deleting = status.condition_set.get("Deleting")
    assert deleting is not None
    assert deleting.reason is Reason.INTERNAL_ERROR
    assert_logged(lines)
    assert CANARY not in str(say(world))


async def test_what_was_broken_once_is_well_again_with_the_next_reconcile(
    changing: World, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as broken:
        break_function(broken, "stamp")
        await assert_told(changing)
    await changing.settle()
    status = (await changing.claim()).status
    assert status.condition_set.is_true("Ready")
    assert status.failure is None


def once(then: Any) -> Any:
    """Fails the first time."""
    calls = 0

    async def call(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Fault(CANARY)
        return await then(*arguments, **options)

    return call


def fail_once(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    module, _, name = target.rpartition(".")
    then = getattr(import_module(module), name)
    calls = 0

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Fault(CANARY)
        return then(*arguments, **options)

    monkeypatch.setattr(target, call)
