"""26: killed with SIGKILL at every mutating call of a claim's life, a new process ends where none was killed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.model.names import ADOPT, APPROVE_PRUNE, CLAIM_UID, ROTATE
from tests.support.apps import app_files, deployment, document, stateful_set, template
from tests.support.crash_lab import SETTINGS, Lab, Scenario, enumerate_crashes, points
from tests.support.fix_operator import QUICK
from tests.support.recording_proxy import RecordingProxy
from tests.support.world import Team, condition, is_ready

pytestmark = pytest.mark.timeout(900)

LISTS = Path(__file__).parent / "crash_points"
LATE_INVENTORY = "tests.support.late_inventory"
RECORD = "patch workloadclaims/status"
FIRST, LAST = "apply serviceaccounts web", "apply workloads"
"""Objects of a claim, in the order of their making."""
FULL, NEWER, SMALL, SET = range(1, 5)
"""Revisions: the application; other labels and one Service more; not half of it; a StatefulSet in place of the Deployment."""
_OLD, _NEW = {"greeting": "one", "guarded": "yes"}, {"greeting": "two", "guarded": "yes"}
_BARE = {"greeting": "one", "guarded": "no"}


async def ask(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_OLD)


async def ask_for_all_to_go(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_OLD, deletionPolicy="Delete")


async def change(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_NEW)


async def leave_out(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_BARE)


async def rotate(lab: Lab, names: Sequence[str]) -> None:
    await lab.annotate(names, f"{ROTATE}=token")


async def delete(lab: Lab, names: Sequence[str]) -> None:
    await lab.delete(names)


async def stop(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_OLD, running=False)


async def ask_and_stop(lab: Lab, names: Sequence[str]) -> None:
    await ask(lab, names)
    await lab.at_rest(names, gone=False)
    await stop(lab, names)


async def ask_and_delete(lab: Lab, names: Sequence[str]) -> None:
    await ask(lab, names)
    await lab.at_rest(names, gone=False)
    await lab.delete(names)


async def ask_again_and_adopt(lab: Lab, names: Sequence[str]) -> None:
    """At once with the annotation: a claim that is refused first tries again as often as it is looked at."""
    secrets_left = (await lab.team.platform.get("secrets", "-n", lab.team.namespace))["items"]
    former = {
        item["metadata"]["name"]: item["metadata"]["labels"][CLAIM_UID]
        for item in secrets_left
        if CLAIM_UID in item["metadata"].get("labels", {})
    }
    adopt = {name: {ADOPT: former[f"{name}-credentials"]} for name in names}
    await lab.apply(names, values=_OLD, annotations=adopt)


async def ask_for_the_first(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_OLD, templateRevision=FULL)


async def move_up(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_OLD, templateRevision=NEWER)


async def ask_for_less(lab: Lab, names: Sequence[str]) -> None:
    await ask_for_the_first(lab, names)
    await lab.at_rest(names, gone=False)
    await lab.apply(names, values=_BARE, templateRevision=SMALL)


async def approve(lab: Lab, names: Sequence[str]) -> None:
    claims = await lab.claims()
    waiting = {name: claims[name]["status"]["pendingPrune"]["digest"] for name in names}
    await lab.annotate_each({name: f"{APPROVE_PRUNE}={digest}" for name, digest in waiting.items()})


async def ask_for_a_set(lab: Lab, names: Sequence[str]) -> None:
    await lab.apply(names, values=_OLD, templateRevision=SET)


def is_stopped(claim: Mapping[str, Any]) -> bool:
    """Its pods are gone, as was asked."""
    return _says(claim, "Ready", "False", "Stopped")


def is_blocked(claim: Mapping[str, Any]) -> bool:
    """Ready, and objects wait for an approval."""
    return is_ready(claim) and _says(claim, "Applied", "True", "PruneBlocked")


def _says(claim: Mapping[str, Any], type_: str, status: str, reason: str) -> bool:
    found = condition(claim, type_)
    current = found.get("observedGeneration") == claim["metadata"]["generation"]
    return current and (found["status"], found["reason"]) == (status, reason)


SCENARIOS = {
    "create": Scenario(when=ask),
    "update": Scenario(given=ask, when=change),
    "prune": Scenario(given=ask, when=leave_out),
    "rotate": Scenario(given=ask, when=rotate),
    # The status tells what is waited for; a volume may be gone by the time that it is looked at.
    "delete": Scenario(given=ask_for_all_to_go, when=delete, gone=True, chance=frozenset({RECORD})),
    "retain": Scenario(given=ask, when=delete, gone=True),
    "stop": Scenario(given=ask, when=stop, ends=is_stopped),
    "start": Scenario(given=ask_and_stop, when=ask, begins=is_stopped),
    "adopt": Scenario(given=ask_and_delete, when=ask_again_and_adopt, begins=None),
}
WITH_REVISIONS = {
    "upgrade": Scenario(given=ask_for_the_first, when=move_up),
    "approve": Scenario(given=ask_for_less, when=approve, begins=is_blocked),
    "retain-set": Scenario(given=ask_for_a_set, when=delete, gone=True),
}
"""Of a template that has the revisions FULL to SET."""


def listed(name: str) -> list[str]:
    """The committed list of a scenario's mutating calls, in order."""
    lines = (LISTS / f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
async def lab(platform: Platform, session_operator: OperatorProcess, tmp_path_factory) -> AsyncIterator[Lab]:
    """A team, and an operator behind the proxy; the session's own would see the same claims, so it stops."""
    await session_operator.stop()
    async with AsyncExitStack() as stack:
        yield await _lab(stack, platform, tmp_path_factory.mktemp("crash"))


async def _lab(stack: AsyncExitStack, platform: Platform, workdir: Path, **options: str) -> Lab:
    settings = await platform.operator_settings(**{**QUICK, **SETTINGS})
    proxy = await stack.enter_async_context(
        RecordingProxy.before(platform.cluster, Path(settings["kubeconfig"]), workdir)
    )
    settings["kubeconfig"] = str(workdir / "kubeconfig")
    operator = await stack.enter_async_context(
        OperatorProcess.started(workdir / "operator", settings, platform.reader_dsn, **options)
    )
    return Lab(await new_team(platform), operator, proxy)


@pytest.fixture(scope="module")
async def lab_with_revisions(lab: Lab, platform: Platform) -> Lab:
    """The same operator and another team, whose template has four revisions; its claims have numbers of their own."""
    team = await new_team(platform)
    more = document(dict(yaml.safe_load(team.files["web/base/service.yaml"]), metadata={"name": "more"}))
    await team.publish(app_files(more=more))
    small = deployment()
    del small["spec"]["template"]["spec"]["serviceAccountName"]
    await team.record(app_files(deployment=document(small), account=b"", service=b""))
    mappings = [m for m in template("", "")["mappings"] if m.get("patch") is None]
    stateful = app_files(deployment=document(stateful_set()), volume=b"")
    await team.record(stateful, mappings=mappings)
    return Lab(team, lab.operator, lab.proxy, _used=50)


async def new_team(platform: Platform) -> Team:
    unique = f"crash-{secrets.token_hex(3)}"
    repository = await platform.git.repository(unique)
    team = Team(platform, unique, unique, f"web-{unique}", repository, platform.git.url(unique))
    await platform.place(unique, unique)
    await team.publish(app_files())
    await platform.bind(team.template_id, unique)
    return team


@pytest.mark.parametrize("name", SCENARIOS)
async def test_26_a_new_process_ends_where_none_was_killed(lab: Lab, name: str):
    expected = listed(name)
    failures = await enumerate_crashes(lab, SCENARIOS[name], points(expected), expected)
    assert not failures.found, f"{len(failures.found)} of {2 * len(expected)} points\n{failures.table()}"


@pytest.mark.parametrize("name", WITH_REVISIONS)
async def test_26_the_same_where_the_template_has_other_revisions(lab_with_revisions: Lab, name: str):
    expected = listed(name)
    failures = await enumerate_crashes(lab_with_revisions, WITH_REVISIONS[name], points(expected), expected)
    assert not failures.found, f"{len(failures.found)} of {2 * len(expected)} points\n{failures.table()}"


@pytest.fixture
async def late_lab(lab: Lab, platform: Platform, tmp_path: Path) -> AsyncIterator[Lab]:
    """The same with the planted bug; two operators would do each other's work, so the sound one stops meanwhile."""
    await lab.operator.stop()
    async with AsyncExitStack() as stack:
        yield await _lab(stack, platform, tmp_path, module=LATE_INVENTORY)
    await lab.operator.start()


async def test_26_an_inventory_that_is_recorded_after_the_apply_is_found_out(late_lab: Lab):
    """Killed between its first object and its record, this operator leaves orphans; at any other point it leaves none."""
    made = listed("create")
    made.remove(RECORD)  # the first of them, ahead of every apply: nothing else is different
    stops = [point for point in points(made) if point.line in (FIRST, LAST, RECORD)]
    failures = await enumerate_crashes(late_lab, SCENARIOS["create"], stops, made)
    table = failures.table()
    assert failures.found.keys() == {
        f"killed after {FIRST}",
        f"killed before {LAST}",
        f"killed after {LAST}",
        f"killed before {RECORD}",
    }, table
    for found in failures.found.values():
        assert any("an orphan: ServiceAccount/" in line and "not on record" in line for line in found), table
