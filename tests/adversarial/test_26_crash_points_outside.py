"""26: killed, or cut off, at every call to PostgreSQL and to Git, the operator ends where nothing had happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from tests.adversarial.test_26_crash_points import listed, new_team
from tests.support.call_record import Fault
from tests.support.crash_decoys import Decoys
from tests.support.fix_operator import QUICK
from tests.support.outside_lab import SETTINGS, WORLDS, OutsideLab, Reference, Scenario, World, points
from tests.support.recording_git import RecordingGit
from tests.support.recording_postgres import RecordingPostgres
from tests.support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.timeout(600)

_VALUES = {"greeting": "one", "guarded": "yes"}


async def ask(lab: OutsideLab, name: str) -> None:
    await lab.apply(name, values=_VALUES)


async def ask_for_the_first(lab: OutsideLab, name: str) -> None:
    await lab.apply(name, values=_VALUES, templateRevision=1)


async def move_to_the_second(lab: OutsideLab, name: str) -> None:
    await lab.apply(name, values=_VALUES, templateRevision=2)


SCENARIOS = {
    "create": Scenario(when=ask),
    "update": Scenario(given=ask_for_the_first, when=move_to_the_second, revisions=2),
    "start": Scenario(when=ask, dead=True, exact=False),
}
"""At a start, calls that a scenario before has are not stopped at once more."""


@pytest.fixture(scope="module")
async def lab(
    platform: Platform, session_operator: OperatorProcess, tmp_path_factory
) -> AsyncIterator[OutsideLab]:
    """A team, and an operator behind three proxies; the session's own would see the same claims, so it stops."""
    await session_operator.stop()
    async with AsyncExitStack() as stack:
        yield await _lab(stack, platform, tmp_path_factory.mktemp("outside"))


async def _lab(stack: AsyncExitStack, platform: Platform, workdir: Path) -> OutsideLab:
    settings: dict[str, Any] = await platform.operator_settings(**{**QUICK, **SETTINGS})
    account = Path(settings["kubeconfig"])
    api = await stack.enter_async_context(RecordingProxy.before(platform.cluster, account, workdir))
    postgres = await stack.enter_async_context(RecordingPostgres.before(platform.reader_dsn))
    git = await stack.enter_async_context(RecordingGit.before(platform.git.origin))
    origins = [{"origin": git.origin, "insecure": True}]
    settings |= {"kubeconfig": str(workdir / "kubeconfig"), "origins": origins}
    publishing = workdir / "publishing.yaml"
    publishing.write_text(yaml.safe_dump({"origins": origins}))
    team = await new_team(platform)
    operator = await stack.enter_async_context(
        OperatorProcess.started(workdir / "operator", settings, postgres.dsn)
    )
    return OutsideLab(team, operator, api, postgres, git, publishing)


@pytest.mark.parametrize("fault", ["hold", "cut"], ids=["killed", "cut"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_26_outside_the_cluster_a_fault_at_any_call_changes_no_end(
    lab: OutsideLab, name: str, fault: Fault
):
    scenario = SCENARIOS[name]
    expected = lists(name)
    stops = points(expected if scenario.exact else news(name), fault)
    control, *claims = await lab.publish(1 + len(stops), scenario.revisions)
    made, state = await lab.undisturbed(scenario, control)
    assert in_order(made, scenario) == in_order(expected, scenario), (
        f"undisturbed, these calls are made, and not those of the lists: {made}"
    )
    reference = Reference(state, lab.told(control))
    decoys = await Decoys.beside(lab.team, control)
    for point, claim in zip(stops, claims, strict=True):
        faulted = lab.killed_at if fault == "hold" else lab.cut_at
        state, wrong = await faulted(point, scenario, claim)
        reference.compare(point, state, lab.told(claim), [*wrong, *await lab.leftovers()])
        await lab.team.delete(claim)
    reference.failures.add("anywhere", *await decoys.touched())
    found = reference.failures
    assert not found.found, f"{len(found.found)} of {len(stops)} points\n{found.table()}"


def lists(name: str) -> dict[World, list[str]]:
    """The committed lists of a scenario."""
    return {world: listed(f"{name}-{world}") for world in WORLDS}


def news(name: str) -> dict[World, list[str]]:
    """The calls of a scenario that none before it has."""
    before = [lists(other) for other in list(SCENARIOS)[: list(SCENARIOS).index(name)]]
    known = {line for each in before for lines in each.values() for line in lines}
    return {world: [line for line in lines if line not in known] for world, lines in lists(name).items()}


def in_order(made: dict[World, list[str]], scenario: Scenario) -> dict[World, list[str]]:
    """As they came; where they come in any order and number, each line once."""
    return made if scenario.exact else {world: sorted(set(lines)) for world, lines in made.items()}
