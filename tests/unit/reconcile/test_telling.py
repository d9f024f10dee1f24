"""What a reconcile tells of itself: one line, its numbers, and no secret in either."""

from __future__ import annotations

import base64
import traceback
from collections import Counter

import orjson
import pytest
from structlog.testing import capture_logs

from ocdp_operator.cli.logs import tell_exception
from ocdp_operator.errors import Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.telemetry import Result, Step, Tally
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app, service

CANARY = "canary-f0e1d2c3b4a5"
DEPLOYMENT = builders.ref("Deployment", "ide-web")


class Heard:
    """A ``Telemetry`` that remembers."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.results: list[Result] = []
        self.tallies: Counter[tuple[Tally, str]] = Counter()

    def observed(self, step: Step, seconds: float) -> None:
        assert seconds >= 0
        self.steps.append(step)

    def finished(self, result: Result, seconds: float) -> None:
        assert seconds >= 0
        self.results.append(result)

    def counted(self, tally: Tally, label: str = "", amount: int = 1) -> None:
        self.tallies[tally, label] += amount


@pytest.fixture
async def world() -> World:
    """A claim that is Ready."""
    made = World(app())
    made.ask_for()
    await made.settle()
    return made


async def look(world: World, times: int = 1) -> tuple[Heard, list[dict]]:
    """So many reconciles; what they counted, and the lines they logged."""
    heard = Heard()
    world.reconciler.telemetry = heard
    with capture_logs() as lines:
        await world.reconcile(times)
    return heard, [line for line in lines if line["event"] == "reconciled"]


async def test_a_claim_that_changes_is_told_with_everything_that_was_done():
    world = World(app())
    world.ask_for()
    heard, (line,) = await look(world)
    assert heard.steps == [Step.RESOLVE, Step.FETCH, Step.BUILD, Step.APPLY, Step.PRUNE, Step.HEALTH]
    assert heard.results == [Result.CHANGED]
    assert heard.tallies == {(Tally.APPLIED_OBJECTS, "created"): 6}
    assert line | {"duration": 0} == {
        "event": "reconciled", "log_level": "info", "claim": str(KEY), "template": "code-server", "generation": 1,
        "revision": 1, "stage": "health", "duration": 0, "result": "changed", "code": "VolumePending", "ready": False,
    }  # fmt: skip


async def test_a_claim_that_is_as_it_should_be_is_told_at_debug(world: World):
    heard, (line,) = await look(world)
    assert heard.steps == [Step.RESOLVE, Step.PRUNE, Step.HEALTH]
    assert heard.results == [Result.UNCHANGED]
    assert (line["log_level"], line["ready"], line["code"]) == ("debug", True, "Available")


async def test_drift_is_counted_when_it_is_found_and_when_it_is_put_right(world: World):
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    heard, _ = await look(world)
    assert heard.tallies[Tally.DRIFT_DETECTED, ""] == heard.tallies[Tally.DRIFT_CORRECTED, ""] == 1
    assert heard.tallies[Tally.APPLIED_OBJECTS, "created"] == 1
    assert (
        heard.tallies[Tally.APPLIED_OBJECTS, "unchanged"] == 3
    )  # the Secret and the Workload are not looked at
    assert heard.tallies[Tally.NOOP_WRITES, ""] == 0


async def test_a_pruned_object_is_counted(world: World):
    world.manifests.append(service("ide-more"))
    world.ask_for(values={"more": True})
    await world.settle()
    world.manifests.pop()
    world.ask_for(values={"more": False})
    heard, _ = await look(world)
    assert heard.tallies[Tally.PRUNED_OBJECTS, "deleted"] == 1


async def test_a_write_that_changes_nothing_is_counted_as_such(world: World):
    """As after a crash that lost the answer to an apply: the object is what it should be, and nobody knows."""
    raw = world.cluster.claims[KEY]
    for entry in raw["status"]["inventory"]:
        if entry["id"].startswith("ide-web_apps"):
            entry.pop("sent", None)
    raw["status"].pop("inputDigest")
    raw["metadata"]["resourceVersion"] = "9999"
    heard, _ = await look(world)
    assert heard.tallies[Tally.NOOP_WRITES, ""] == 1


@pytest.mark.parametrize(
    ("error", "result", "code", "level"),
    [
        pytest.param(Waiting(Reason.QUOTA_EXCEEDED, "Full."), "waiting", "QuotaExceeded", "info", id="waiting"),
        pytest.param(Stalled(Reason.FORBIDDEN, "No."), "stalled", "Forbidden", "info", id="stalled"),
        pytest.param(RuntimeError(CANARY), "error", "InternalError", "error", id="a fault of ours"),
    ],
)  # fmt: skip
async def test_a_failure_is_told_with_its_stage_and_code(error, result: str, code: str, level: str):
    world = World(app())
    world.ask_for()
    world.cluster.refuse[DEPLOYMENT] = error
    heard, (line,) = await look(world)
    assert heard.results == [result]
    assert (line["stage"], line["result"], line["code"], line["log_level"]) == ("apply", result, code, level)


async def test_a_conflict_on_the_claim_is_told_without_a_code(world: World):
    world.ask_for(values={"edited": True})
    claim = await world.claim()
    world.claims.put(claim)
    world.ask_for(values={"edited": "again"})
    heard = Heard()
    world.reconciler.telemetry = heard
    await world.reconciler.reconcile(KEY)
    assert heard.results == [Result.CONFLICT]


@pytest.mark.parametrize(
    ("call", "stage"),
    [("get_secret", "apply"), ("namespace", "resolve")],
    ids=["the credentials", "the namespace"],
)
async def test_a_failure_between_the_measured_steps_is_told_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, call: str, stage: str
):
    async def refuse(*_: object) -> None:
        raise Waiting(Reason.FORBIDDEN, "No.")

    world = World(app())
    world.ask_for()
    monkeypatch.setattr(world.cluster, call, refuse)
    _, (line,) = await look(world)
    assert (line["stage"], line["code"]) == (stage, "Forbidden")


@pytest.mark.parametrize("call", ["patch_claim_status", "apply_status"])
async def test_what_keeps_the_operator_from_reporting_is_in_its_log(
    monkeypatch: pytest.MonkeyPatch, call: str
):
    async def refuse(*_: object, **__: object) -> None:
        raise Waiting(Reason.FORBIDDEN, "No right to write that.")

    world = World(app())
    world.ask_for()
    monkeypatch.setattr(world.cluster, call, refuse)
    await world.reconcile(2)
    world.make_healthy()
    _, lines = await look(world, 2)
    assert ("Forbidden", "No right to write that.") in {(line["code"], line.get("error")) for line in lines}


async def test_an_outage_is_told_as_the_stage_that_met_it(world: World):
    world.away = True
    heard, (line,) = await look(world)
    assert heard.results == [Result.WAITING]
    assert (line["stage"], line["code"]) == ("resolve", "CatalogUnavailable")


async def test_a_release_is_told_from_its_beginning_to_its_end(world: World):
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    volume = builders.ref("PersistentVolumeClaim", "ide-data")
    world.cluster.objects[builders.NAMESPACE, volume]["metadata"]["finalizers"] = ["example.test/held"]
    world.cluster.delete_claim(KEY)
    heard, lines = await look(world, 6)
    assert set(heard.steps) == {Step.RELEASE}
    assert set(heard.results) == {Result.LEAVING}
    assert [line["log_level"] for line in lines][-1] == "debug"  # nothing new
    del world.cluster.objects[builders.NAMESPACE, volume]
    heard, lines = await look(world, 6)
    assert Result.RELEASED in heard.results
    assert (lines[-1]["result"], lines[-1]["log_level"]) == ("released", "info")


FAULTS: dict[str, Exception] = {
    "waiting": Waiting(Reason.APPLY_FAILED, "Not now."),
    "stalled": Stalled(Reason.IMMUTABLE_FIELD_CONFLICT, "Never."),
    "a fault that repeats what it was given": ValueError(f"cannot use {CANARY!r}"),
    "a key that is a secret": KeyError(CANARY),
}


@pytest.mark.parametrize("error", FAULTS.values(), ids=FAULTS.keys())
async def test_no_generated_secret_is_in_any_log_event_status_or_tally(error: Exception):
    world = World(app())
    world.reconciler.generate = lambda length: CANARY
    world.ask_for()
    secret = builders.ref("Secret", "ide-credentials")
    told: list[str] = []
    for place in (secret, DEPLOYMENT):
        world.cluster.refuse = {place: error}  # type: ignore[dict-item]
        with capture_logs() as lines:
            await world.reconcile(2)
        told += [orjson.dumps(tell_exception(None, "", dict(line)), default=str).decode() for line in lines]
    assert any("InternalError" in line for line in told) is not isinstance(error, ReconcileError)
    world.cluster.refuse = {}
    with capture_logs() as lines:
        await world.settle()
    told += [str(line) for line in lines]

    encoded = base64.b64encode(CANARY.encode()).decode()
    assert encoded in str(world.raw("Secret", "ide-credentials"))  # it was there to be leaked
    everything = [
        *told,
        str(world.cluster.events),
        str(world.cluster.claims),
        str(world.raw("Workload", "ide")),
    ]
    assert [text for text in everything if CANARY in text or encoded in text] == []


def test_an_exception_is_told_by_types_and_places_alone():
    def fail() -> None:
        held = CANARY
        try:
            int(held)
        except ValueError as error:
            raise LookupError(held) from error

    try:
        fail()
    except LookupError as error:
        fault = error
    assert CANARY in "".join(traceback.format_exception(fault))
    told = tell_exception(None, "", {"exc_info": fault})["exception"]
    assert CANARY not in told
    assert "ValueError" in told
    assert told.splitlines()[-1] == "LookupError"
    assert "test_telling.py" in told


@pytest.mark.parametrize(
    ("error", "last"),
    [
        pytest.param(Stalled(Reason.FORBIDDEN, "Ours may speak."), "Stalled: Ours may speak.", id="ours"),
        pytest.param(ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: Connection refused", id="the system's"),
        pytest.param(ExceptionGroup("many", [KeyError(CANARY)]), "ExceptionGroup", id="a group"),
    ],
)  # fmt: skip
def test_what_an_exception_says_is_told_when_it_can_hold_no_secret(error: Exception, last: str):
    told = tell_exception(None, "", {"exc_info": (type(error), error, None)})["exception"]
    assert told.splitlines()[-1].endswith(last)
    assert CANARY not in told
