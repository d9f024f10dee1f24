"""Kills the operator at every mutating call of a scenario: each point has a claim of its own, and one kill serves all.

A claim's world stops when it reaches its point: the proxy holds that call and every later one for the claim. Once all
claims are held, and the one without a point came to rest, the operator is killed with SIGKILL. Claims are independent of
each other (design 4.8), so that each sees what it would see if it were alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import claim as claim_body
from tests.support.crash_decoys import Decoys
from tests.support.crash_state import State, difference, states
from tests.support.recording_proxy import Point, RecordingProxy, When
from tests.support.world import Team, eventually, is_ready

SECONDS = 150.0
"""Patience with a machine that does much else."""
SETTINGS = {
    "resyncSeconds": 1,
    "probeSeconds": 1,
    "catalogPollSeconds": 1,
    "workers": 128,
    "logLevel": "debug",
}
"""A worker for each claim that is held, and a look at every claim each second: what would be written, is written soon.
A look that changes nothing is logged at debug alone, and looks are counted by the log."""

_ROUNDS = 10

User = Callable[["Lab", Sequence[str]], Awaitable[None]]
"""What users do with claims of these names."""
Rest = Callable[[Mapping[str, Any]], bool]
"""Whether a claim is where nothing more happens by itself."""


@dataclass(frozen=True)
class Scenario:
    """Claims in the state after ``given``; then ``when`` is what the operator is killed in."""

    when: User
    given: User | None = None
    meanwhile: User | None = None
    """What users do while the operator is dead."""
    gone: bool = False
    """Whether the claim ends deleted."""
    begins: Rest | None = is_ready
    """What a claim is like at rest after ``given``; None: it is gone."""
    ends: Rest = is_ready
    """The same in the end, unless it is gone."""
    chance: frozenset[str] = frozenset()
    """Calls that are made only where a claim is still waited for when it is looked at; one that is gone by then makes none."""
    history: bool = True
    """Whether the claim's history must be the same: not so where users do not wait."""


def points(lines: Iterable[str]) -> list[Point]:
    """Before and after every call of the list."""
    seen: Counter[str] = Counter()
    found: list[Point] = []
    for line in lines:
        seen[line] += 1
        moments: tuple[When, ...] = ("before", "after")
        found += [Point(line, seen[line], when) for when in moments]
    return found


@dataclass
class Failures:
    """What went wrong, by the point where the operator was killed."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, point: str, *words: str) -> None:
        if words:
            self.found.setdefault(point, []).extend(words)

    def table(self) -> str:
        return "\n".join(
            f"{point}:\n" + "\n".join("    " + line for word in words for line in word.splitlines())
            for point, words in self.found.items()
        )


@dataclass
class Lab:
    """One operator behind a recording proxy, and one team whose claims it serves."""

    team: Team
    operator: OperatorProcess
    proxy: RecordingProxy
    control: str = ""
    """The claim that nobody stops."""
    at: dict[str, Point] = field(default_factory=dict)
    """Where each other claim is stopped."""
    _used: int = 0

    async def apply(
        self, names: Sequence[str], *, annotations: Mapping[str, Mapping[str, str]] | None = None, **spec: Any
    ) -> None:
        """What ``kubectl apply`` does with a file of claims."""
        team = self.team
        bodies = [
            claim_body(name, team.namespace, team.template_id, team.workspace, **spec) for name in names
        ]
        for body in bodies:
            body["metadata"]["annotations"] = dict((annotations or {}).get(body["metadata"]["name"], {}))
        await team.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))

    async def annotate(self, names: Sequence[str], annotation: str) -> None:
        """What a person adds to the claims."""
        await self.team.platform.kubectl("annotate", "wc", "-n", self.team.namespace, *names, annotation)

    async def annotate_each(self, annotations: Mapping[str, str]) -> None:
        """The same with an annotation of its own for each claim."""
        kubectl, namespace = self.team.platform.kubectl, self.team.namespace
        for name, annotation in annotations.items():
            await kubectl("annotate", "wc", "-n", namespace, name, annotation)

    async def claims(self) -> dict[str, dict[str, Any]]:
        """The team's claims by name."""
        items = (await self.team.platform.get("wc", "-n", self.team.namespace))["items"]
        return {item["metadata"]["name"]: item for item in items}

    async def delete(self, names: Sequence[str]) -> None:
        """Asks for the claims' deletion and returns at once."""
        await self.team.platform.kubectl(
            "delete", "wc", "-n", self.team.namespace, "--wait=false", "--ignore-not-found", *names
        )

    def claims_for(self, stops: Sequence[Point]) -> list[str]:
        """A new claim for each point, and the control: none of their names is a prefix of another or looks like a hash."""
        self._used += 1
        self.control = f"w{self._used:02d}x00"
        self.at = {f"w{self._used:02d}x{number:02d}": stop for number, stop in enumerate(stops, 1)}
        return [self.control, *self.at]

    async def run_to_the_points(self, scenario: Scenario, stops: Sequence[Point]) -> list[str]:
        """Returns when every claim is held at its point and the control is at rest; with the names of all."""
        names = self.claims_for(stops)
        if scenario.given is not None:
            await scenario.given(self, names)
            await self.at_rest(names, gone=scenario.begins is None, as_=scenario.begins or is_ready)
        self.proxy.stop_at(self.at)
        if not scenario.gone:
            self.proxy.close()
        looks = self._looks()
        await scenario.when(self, names)
        if not scenario.gone:
            await self._seen_or_held(names, looks, "was looked at")
        await self._let_flow(names)
        try:
            await eventually(
                lambda: self._all_held(scenario), "every claim is held at its point", seconds=SECONDS
            )
        except AssertionError as error:
            calls = self.proxy.lines(self.control)
            raise AssertionError("\n".join([str(error), *self._missing(), "the control:", *calls])) from None
        await self.at_rest([self.control], gone=scenario.gone, as_=scenario.ends)
        return names

    async def _let_flow(self, names: Sequence[str]) -> None:
        """Pods first: who is looked at after that knows which Pods are left when it learns that it is healthy."""
        if self.proxy.objects.is_set():
            return
        await eventually(self._rolled_out, "the Pods are ready", seconds=SECONDS)
        self.proxy.pods.set()
        await self._seen_or_held(names, self._looks(), "was looked at with its Pods in view")
        self.proxy.objects.set()

    async def kill(self) -> None:
        """SIGKILL; and what was held is over."""
        await self.operator.kill()
        self.proxy.release()

    async def at_rest(self, names: Sequence[str], *, gone: bool, as_: Rest = is_ready) -> None:
        """Returns when each claim is Ready (or ``as_``), or gone, and was looked at once more without a mutating call."""

        async def ended() -> bool:
            seen = await self.claims()
            if gone:
                return not any(name in seen for name in names)
            return all(name in seen and as_(seen[name]) for name in names)

        try:
            await eventually(ended, "the claims come to rest", seconds=SECONDS)
        except AssertionError:
            found = await states(self.team, list(names))
            raise AssertionError("\n".join(self._unrest(found, gone=gone, as_=as_))) from None
        for _ in range(_ROUNDS):
            calls = await self.calls_in_a_round(names)
            if not calls:
                return
        raise AssertionError("\n".join(["it never comes to rest; in the last round of looks:", *calls]))

    async def calls_in_a_round(self, names: Sequence[str]) -> list[str]:
        """The mutating calls, dry runs too, until each claim was looked at once more."""
        since = len(self.proxy.calls)
        await self._seen_or_held(names, self._looks(), "was looked at once more", times=2)
        return [f"{c.claim}: {c.line}" for c in self.proxy.calls[since:] if c.claim in names]

    async def states(self) -> dict[str, State]:
        """Of every claim of this run."""
        return await states(self.team, [self.control, *self.at])

    def named(self, claim: str) -> str:
        """The point of a claim, in words."""
        if claim == self.control:
            return "never (the control)"
        point = self.at[claim]
        return f"killed {point.when} {point.line}" + (
            f" ({point.occurrence})" if point.occurrence > 1 else ""
        )

    async def _all_held(self, scenario: Scenario) -> bool:
        missing = self.at.keys() - self.proxy.held
        if missing and all(self.at[name].line in scenario.chance for name in missing):
            return not missing & (await self.claims()).keys()
        return not missing

    def _missing(self) -> list[str]:
        return sorted(self.named(name) for name in self.at.keys() - self.proxy.held)

    async def _rolled_out(self) -> bool:
        found = await self.team.platform.get("deployments,statefulsets", "-n", self.team.namespace)
        return all(_is_rolled_out(item) for item in found["items"])

    async def _seen_or_held(
        self, names: Sequence[str], before: Counter[str], what: str, times: int = 1
    ) -> None:
        async def all_of_them() -> bool:
            now = self._looks()
            waiting = [n for n in names if n not in self.proxy.held and now[n] < before[n] + times]
            if not waiting:
                return True
            return not set(waiting) & (await self.claims()).keys()

        await eventually(all_of_them, f"each claim {what}", seconds=SECONDS)

    def _looks(self) -> Counter[str]:
        """How often each claim was reconciled, by the operator's log."""
        found: Counter[str] = Counter()
        prefix = f"{self.team.namespace}/"
        for line in self.operator.log.read_text().splitlines():
            if '"reconciled"' in line and prefix in line:
                with suppress(json.JSONDecodeError):  # a line that was cut by a kill
                    found[json.loads(line)["claim"].removeprefix(prefix)] += 1
        return found

    def _unrest(self, found: dict[str, State], *, gone: bool, as_: Rest) -> list[str]:
        return [
            f"{self.named(name) if name in self.at else name}: not at rest: "
            + json.dumps((state.claim or {}).get("status", {}).get("conditions"), indent=1)
            for name, state in found.items()
            if (state.claim is not None) == gone or (state.claim and not as_(state.claim))
        ]


def _is_rolled_out(item: dict[str, Any]) -> bool:
    status = item.get("status", {})
    wanted = item["spec"]["replicas"]
    current = status.get("observedGeneration") == item["metadata"]["generation"]
    counts = [status.get(f"{each}Replicas", 0) for each in ("ready", "updated")]
    return current and counts == [wanted, wanted] and status.get("replicas", 0) == wanted


async def enumerate_crashes(
    lab: Lab, scenario: Scenario, stops: Sequence[Point], expected: Sequence[str]
) -> Failures:
    """Runs the scenario to every point, kills the operator there, starts it again, and compares the ends.

    Raises AssertionError when the undisturbed run makes other calls than expected: then the points are not those of now.
    """
    failures = Failures()
    names = await lab.run_to_the_points(scenario, stops)
    made = lab.proxy.lines(lab.control)
    certain = [line for line in expected if line not in scenario.chance]
    assert made in (list(expected), certain), "\n".join(
        [
            "The undisturbed run makes these calls, and not those of the committed list:",
            *made,
        ]
    )
    decoys = await Decoys.beside(lab.team, next(iter(lab.at)))
    await lab.kill()
    for name, state in (await lab.states()).items():
        failures.add(
            lab.named(name),
            *(f"while dead, an orphan: {o} is not on record" for o in sorted(state.unrecorded())),
        )
    if scenario.meanwhile is not None:
        await scenario.meanwhile(lab, names)
    lab.proxy.forget()
    await lab.operator.start()
    await lab.at_rest(names, gone=scenario.gone, as_=scenario.ends)
    more = await lab.calls_in_a_round(names)
    ended = await lab.states()
    reference = ended[lab.control].text(history=scenario.history)
    for name, state in ended.items():
        point = lab.named(name)
        failures.add(point, *state.faults())
        failures.add(
            point, *(f"written after it came to rest: {line}" for line in more if line.startswith(name))
        )
        if (text := state.text(history=scenario.history)) != reference:
            failures.add(point, "another end than undisturbed:", difference(reference, text))
    failures.add("anywhere", *(await decoys.touched()))
    return failures
