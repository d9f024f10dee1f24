"""What a user sees of a claim in each situation, as committed files: ``kubectl get``, wide, ``describe`` and the events.

Read ``golden/NAME.txt`` as its user would. Renew them with ``pytest tests/e2e/test_golden.py --write-golden``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.apps import app_files, deployment, document
from tests.support.golden_changes import CHANGES
from tests.support.golden_files import Golden
from tests.support.golden_health import HEALTH, PATIENCE, SIMULATED, begin
from tests.support.golden_refusals import OUTAGES, REFUSALS
from tests.support.golden_stage import Stage, another, revision, with_container, without_volume
from tests.support.simulated_pods import no_simulation, simulate
from tests.support.user_views import described, seen
from tests.support.world import Team, eventually

SITUATIONS = {**HEALTH, **PATIENCE, **CHANGES, **REFUSALS, **OUTAGES}
LEFT = "left-behind"
"""The file of what a deleted claim leaves."""


@pytest.fixture(scope="module")
async def stage(
    platform: Platform, session_operator: OperatorProcess, postgres_server: EmbeddedPostgres
) -> AsyncIterator[Stage]:
    """Several templates of one small application, offered to one workspace; one failure is enough to halt a rollout."""
    await session_operator.restart(rolloutConcurrency=1, rolloutFailures=1, rolloutPatienceSeconds=2)
    unique = f"golden-{secrets.token_hex(3)}"
    repository = await platform.git.repository(unique)
    team = Team(platform, unique, unique, f"web-{unique}", repository, platform.git.url(unique))
    await platform.place(unique, unique)
    await team.publish()
    await offer_templates(team)
    await simulate(platform, unique, SIMULATED)
    made = Stage(team, postgres_server)
    await begin(made)
    yield made
    await no_simulation(platform, unique)
    await platform.kubectl("delete", "wc", "--all", "-n", unique, "--wait=false")
    await platform.kubectl("delete", "namespace", unique, "--wait=false")
    await session_operator.restart()


async def offer_templates(team: Team) -> None:
    """Publishes them, and binds them to the workspace, each by one command."""
    replicas = {"target": {"kind": "Deployment", "name": "web"}, "pointers": ["/spec/replicas"]}
    server = deployment()
    server["metadata"]["labels"] = server["metadata"]["labels"] | {
        "app.kubernetes.io/component": "model-server"
    }
    volume = yaml.safe_load(app_files()["web/base/volume.yaml"])
    volume["spec"]["storageClassName"] = "fast-disks"
    probe = {"httpGet": {"path": "/", "port": "http"}}
    others = {
        "large": with_container(resources={"requests": {"cpu": "90000", "memory": "16Mi"}}),
        "probed": with_container(readinessProbe=probe),
        "model": app_files(deployment=document(server)),
        "disks": app_files(volume=document(volume)),
        "unmetered": with_container(resources=None),
    }
    same = ("private", "newer", "moving", "moved", "failing", "halting")
    bodies = [
        *[await revision(team, name, name, files) for name, files in others.items()],
        *[await revision(team, name, "v1") for name in same],
        await revision(team, "ignoring", "v1", ignore=[replicas]),
    ]
    await team.platform.ocdp("template", "apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))
    await another(team, "moving", "v2", without_volume())
    bindings = [
        {"kind": "AccessBinding", "template": each, "workspace": team.workspace}
        for each in (team.template_id, *(body["id"] for body in bodies))
    ]
    await team.platform.ocdp("binding", "apply", "-f", "-", stdin=yaml.safe_dump_all(bindings))


@pytest.mark.parametrize("name", SITUATIONS)
async def test_a_user_sees(name: str, stage: Stage, golden: Golden):
    async with SITUATIONS[name](stage, name):
        last = ""

        async def as_committed() -> bool:
            nonlocal last
            before, last = last, await seen(stage.team, name)
            return before == last and golden.fits(name, last)

        # What stands still may yet be on its way: a pod ends, an event comes after its status, words are told every 20 s.
        try:
            await eventually(as_committed, f"{name} is at rest", every=0.5)
        except AssertionError:
            golden.compare(name, last)
            raise
        golden.compare(name, last)


async def test_what_a_deleted_claim_leaves_says_whose_it_was(stage: Stage, golden: Golden):
    await stage.ready(LEFT)
    await stage.team.delete(LEFT)
    await stage.team.gone(LEFT)
    golden.compare(LEFT, await described(stage.team, f"secret {LEFT}-credentials"))


def test_every_file_has_its_situation(golden: Golden):
    assert {file.stem for file in golden.directory.glob("*.txt")} == {*SITUATIONS, LEFT}
