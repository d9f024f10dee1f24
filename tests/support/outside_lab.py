"""Stops the operator at every call to PostgreSQL and to Git of a scenario, one claim and one fault after another.

What is asked of the catalog and of a repository is shared by claims: a call that is held may hold up another claim. So each
point has the operator for itself. The record ends when the claim's last object is applied: what comes then are looks at how
the Pods get on, as many as there is news of them, and each asks the catalog once more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import yaml

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, template
from tests.support.apps import claim as claim_body
from tests.support.call_record import CallRecord, Fault, Moment, Stop
from tests.support.crash_lab import SECONDS, Failures
from tests.support.crash_state import State, difference, states
from tests.support.leftovers import artifacts, children, kill, strays
from tests.support.recording_git import RecordingGit
from tests.support.recording_postgres import RecordingPostgres
from tests.support.recording_proxy import Call, RecordingProxy
from tests.support.world import Team, eventually, is_ready

World = Literal["sql", "git"]
WORLDS: tuple[World, ...] = ("sql", "git")

SETTINGS = {"resyncSeconds": 600, "catalogPollSeconds": 3600, "probeSeconds": 1}
"""Nobody is asked but for a claim that was changed, or one that waits."""

_ROUNDS = 10
_LAST = "apply workloads"
"""The mutating call with which a claim is applied."""
_NOISE = 256 * 1024
"""Bytes that don't compress, so that half of a pack is more than git keeps in memory before it writes."""
_ASKS = "workload_templates"
"""Read once in each look at a claim."""

User = Callable[["OutsideLab", str], Awaitable[None]]
"""What a user does with the claim of this name."""


@dataclass(frozen=True)
class Scenario:
    """A claim at rest after ``given``, and what is done with it then."""

    when: User
    given: User | None = None
    revisions: int = 1
    """How many each template has."""
    dead: bool = False
    """Whether the operator is dead meanwhile, and is started then."""
    exact: bool = True
    """Whether its calls always come in the same order, each as often."""


@dataclass(frozen=True)
class Point:
    """Where the operator meets its fault: at a call to one world."""

    world: World
    stop: Stop

    def __str__(self) -> str:
        stop = self.stop
        done = "killed" if stop.fault == "hold" else "cut off"
        times = f" ({stop.occurrence})" if stop.occurrence > 1 else ""
        return f"{done} {stop.moment} {self.world} call: {stop.line}{times}"


def points(lists: dict[World, list[str]], fault: Fault) -> list[Point]:
    """Before and after every call of both lists, and in the middle of an answer that is written to disk as it comes."""
    found = []
    for world, lines in lists.items():
        seen: Counter[str] = Counter()
        for line in lines:
            seen[line] += 1
            moments: tuple[Moment, ...] = ("before", "after")
            if line.endswith(" fetch"):
                moments = ("before", "amid", "after")
            found += [Point(world, Stop(line, seen[line], moment, fault)) for moment in moments]
    return found


@dataclass
class OutsideLab:
    """One operator, with a proxy before each of its three outside worlds, and one team whose claims it serves."""

    team: Team
    operator: OperatorProcess
    api: RecordingProxy
    postgres: RecordingPostgres
    git: RecordingGit
    publishing: Path
    """Settings under which a template may name a repository by the proxy's URL."""
    _used: int = 0

    async def publish(self, count: int, revisions: int) -> list[str]:
        """So many names of claims, each with a template, a repository and revisions of its own that nobody has fetched."""
        self._used += 1
        names = [f"w{self._used:02d}x{number:02d}" for number in range(count)]
        for revision in range(1, revisions + 1):
            documents = [await self._committed(name, revision) for name in names]
            await self._ocdp("template", "apply", "--settings", str(self.publishing), documents=documents)
        bindings = [
            {"kind": "AccessBinding", "template": self._id(name), "workspace": self.team.workspace}
            for name in names
        ]
        await self._ocdp("binding", "apply", documents=bindings)
        return names

    async def _committed(self, name: str, revision: int) -> dict[str, Any]:
        id_, tag = self._id(name), f"v{revision}"
        repository = await self.team.platform.git.repository(id_)
        settings = f"greeting: hello\nlimits:\n  requests: {revision}\n"
        files = {
            "web/base/settings.yaml": settings.encode(),
            "noise": Random(revision).randbytes(_NOISE),
        }
        commit = await repository.commit({**app_files(), **files}, tag)
        await repository.tag(tag, commit)
        url = f"{self.git.origin}/{id_}.git"
        source = {"type": "gitKustomize", "repositoryUrl": url, "ref": tag, "path": "web/base"}
        return template(id_, url, source=source)

    async def _ocdp(self, *arguments: str, documents: Iterable[dict[str, Any]]) -> None:
        await self.team.platform.ocdp(*arguments, "-f", "-", stdin=yaml.safe_dump_all(documents))

    def _id(self, name: str) -> str:
        """Of a claim's template and repository: it holds the claim's name, so that end states can be compared."""
        return f"{self.team.namespace}-{name}"

    async def apply(self, name: str, **spec: Any) -> None:
        """What ``kubectl apply`` does with a file of one claim."""
        team = self.team
        body = claim_body(
            name, team.namespace, self._id(name), team.workspace, deletionPolicy="Delete", **spec
        )
        await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))

    def record(self, world: World) -> CallRecord:
        return self.postgres.record if world == "sql" else self.git.record

    async def undisturbed(self, scenario: Scenario, name: str) -> tuple[dict[World, list[str]], State]:
        """What the scenario asks both worlds for without a fault, and how it ends."""
        await self._given(scenario, name)
        await self._do(scenario, name)
        state = await self._end(name)
        return {world: self.record(world).lines for world in WORLDS}, state

    async def killed_at(self, point: Point, scenario: Scenario, name: str) -> tuple[State, list[str]]:
        """How it ends after the operator was killed at the point; and what is wrong whatever that is."""
        await self._given(scenario, name)
        await self._until(point, scenario, name)
        pid, work = self.operator.pid, self.operator.work
        if point.stop.moment == "amid":
            await eventually(self._half_is_written, "half of the answer is on disk")
        started, written = children(pid, work), artifacts(work)
        await self.operator.kill()
        kill(started)
        self._release()
        await self.operator.start()
        state = await self._end(name)
        inherited = sorted(written & artifacts(work))
        return state, [f"an artifact of the dead process: {left}" for left in inherited]

    async def cut_at(self, point: Point, scenario: Scenario, name: str) -> tuple[State, list[str]]:
        """How it ends after one connection was cut at the point; and what is wrong whatever that is."""
        await self._given(scenario, name)
        await self._until(point, scenario, name)
        return await self._end(name), []

    def told(self, name: str) -> set[str]:
        """The events that were posted of the claim."""
        return {line for line in self.api.lines(name) if line.startswith("create events ")}

    async def leftovers(self) -> list[str]:
        """What the operator has left in its work directory, and which of its children live on."""
        operator = self.operator
        try:
            await eventually(self._alone, "every child of the operator has ended", seconds=10)
        except AssertionError as error:
            return [str(error)]
        return [f"left behind: {path}" for path in strays(operator.work)]

    def _release(self) -> None:
        for world in WORLDS:
            self.record(world).release()

    async def _alone(self) -> bool:
        return not children(self.operator.pid, self.operator.work)

    async def _half_is_written(self) -> bool:
        return any("/tmp_pack_" in path for path in strays(self.operator.work))

    async def _given(self, scenario: Scenario, name: str) -> None:
        if scenario.given is not None:
            await scenario.given(self, name)
            await self._end(name)

    async def _do(self, scenario: Scenario, name: str, point: Point | None = None) -> None:
        if scenario.dead:
            await self.operator.kill()
        for world in WORLDS:
            self.record(world).begin(point.stop if point is not None and point.world == world else None)
        self.api.heard = self._hear
        await scenario.when(self, name)
        if scenario.dead:
            await self.operator.start()

    def _hear(self, call: Call) -> None:
        if call.line == _LAST:
            for world in WORLDS:
                self.record(world).end()

    async def _until(self, point: Point, scenario: Scenario, name: str) -> None:
        """Returns when the operator is at the point."""
        record = self.record(point.world)
        await self._do(scenario, name, point)
        try:
            async with asyncio.timeout(SECONDS):
                await record.reached.wait()
        except TimeoutError:
            raise AssertionError(f"never {point}; it asked for {record.lines}") from None

    async def _end(self, name: str) -> State:
        """Returns when the claim is Ready, and two looks at it were followed by no mutating call (I4)."""
        self._release()
        await self.team.ready(name, seconds=SECONDS)
        for _ in range(_ROUNDS):
            since = len(self.api.calls)
            await self.look_at(name)
            await self.look_at(name)  # when one look begins, the one before it has ended
            calls = [call.line for call in self.api.calls[since:] if call.claim == name]
            if not calls and is_ready(await self.team.get_claim(name)):
                return (await states(self.team, [name]))[name]
        raise AssertionError("\n".join(["it never comes to rest; after the last look:", *calls]))

    async def look_at(self, name: str) -> None:
        """Has the operator look at the claim, by an annotation that means nothing; returns when it does."""
        before = self._looks()
        note = f"looks={before}"
        await self.team.platform.kubectl(
            "annotate", "wc", name, "-n", self.team.namespace, "--overwrite", note
        )

        async def looked() -> bool:
            return self._looks() > before

        await eventually(looked, f"{name} is looked at", seconds=SECONDS, every=0.05)

    def _looks(self) -> int:
        return sum(times for line, times in self.postgres.record.seen.items() if _ASKS in line)


@dataclass
class Reference:
    """The undisturbed run, with which every other is compared."""

    state: State
    told: set[str]
    failures: Failures = field(default_factory=Failures)

    def compare(self, point: Point, state: State, told: set[str], wrong: Sequence[str] = ()) -> None:
        """Notes what is another end than the undisturbed one, what else was told, and what is wrong anyway.

        A fault of ours that passes is nobody's to mend, so nobody is told to.
        """
        self.failures.add(str(point), *state.faults(), *wrong)
        self.failures.add(str(point), *(f"told of the fault: {line}" for line in sorted(told - self.told)))
        mine, theirs = _text(self.state), _text(state)
        if mine != theirs:
            self.failures.add(str(point), "another end than undisturbed:", difference(mine, theirs))


def _text(state: State) -> str:
    claim = dict(state.claim or {})
    metadata = dict(claim["metadata"])
    notes = {key: value for key, value in metadata["annotations"].items() if key != "looks"}
    claim["metadata"] = {**metadata, "annotations": notes}
    return State(state.name, claim, state.objects).text()
