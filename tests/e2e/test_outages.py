"""An outage of PostgreSQL, Git or the operator changes nothing that runs, and is said where it is felt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from shutil import rmtree
from typing import Any

import pytest

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from ocdp_operator.dev.simulation import SIMULATE
from tests.support.fix_operator import TeamFactory
from tests.support.world import Team, condition, eventually, is_ready

RECOVERY = 60.0
"""Seconds within which a claim recovers when its dependency is back."""
KEPT = ("PersistentVolumeClaim", "Secret", "Deployment", "Service")
"""What must be the same object after an outage as before; a Service that was deleted in it excepted."""
NOT_YET = ("ServiceUnavailable", "not yet synced", "not yet ready")
"""In what an API server says of claims that has just started: their schema, and what a policy goes by, it knows some seconds later."""


@pytest.fixture
async def postgres_again(postgres_server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """The catalog's server; it runs again after the test, whatever the test did."""
    yield postgres_server
    await postgres_server.restart()


@pytest.fixture
async def git_again(git_server: GitServer) -> AsyncIterator[GitServer]:
    """The Git server; it runs again after the test, whatever the test did."""
    yield git_server
    await git_server.restart()


async def versions(team: Team) -> dict[str, str]:
    return {name: item["metadata"]["resourceVersion"] for name, item in (await team.objects()).items()}


async def test_without_the_catalog_what_runs_goes_on_and_a_delete_completes(
    team: Team, postgres_again: EmbeddedPostgres
):
    await team.claim("steady")
    await team.claim("leaving", deletionPolicy="Delete")
    await team.ready("steady")
    leaving = await team.ready("leaving")
    before = await versions(team)

    await postgres_again.stop()
    await team.claim("steady", values={"greeting": "while it is away"})
    waiting = await team.until("steady", "TemplateResolved", "Unknown", "CatalogUnavailable")
    assert condition(waiting, "Ready")["status"] == "Unknown"
    assert condition(waiting, "Ready")["reason"] == "CatalogUnavailable"
    assert condition(waiting, "Healthy")["status"] == "True"
    assert waiting["status"]["failure"]["actor"] == "ClusterOperator"
    await team.delete("leaving")
    await team.gone("leaving")
    assert await team.marked(leaving["metadata"]["uid"]) == set()
    after = await versions(team)
    assert {
        name: v for name, v in after.items() if "steady" in name and not name.startswith("Workload/")
    } == {name: v for name, v in before.items() if "steady" in name and not name.startswith("Workload/")}

    await postgres_again.restart()
    ready = await team.ready("steady", seconds=RECOVERY)
    assert "failure" not in ready["status"]


async def test_without_git_a_new_claim_waits_and_a_known_commit_still_serves(
    team: Team, git_again: GitServer
):
    await team.claim("steady")
    await team.ready("steady")
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": "v2", "path": "web/base"}
    await team.publish({**team.files, "web/notes.txt": b"another commit"}, tag="v2", source=source)
    await git_again.stop()
    try:
        await team.claim("steady", values={"greeting": "from the artifact"})
        await team.ready("steady")
        await team.claim("steady", values={"guarded": "yes"})  # the mirror holds the whole commit
        await team.ready("steady")
        await team.claim("new", templateRevision=2)  # of a commit that was never fetched
        waiting = await team.until("new", "TemplateResolved", "Unknown", "GitOperationFailed")
        assert condition(waiting, "Ready")["status"] == "Unknown"
        await team.claim("leaving", deletionPolicy="Delete", templateRevision=1)
        leaving = await team.ready("leaving")
        await team.delete("leaving")
        await team.gone("leaving")
        assert await team.marked(leaving["metadata"]["uid"]) == set()
    finally:
        await git_again.restart()
    await team.ready("new", seconds=RECOVERY)


@pytest.mark.timeout(300)
async def test_without_catalog_and_git_everything_that_needs_neither_goes_on_also_after_a_restart(
    new_team: TeamFactory, operator: OperatorProcess, postgres_again: EmbeddedPostgres, git_again: GitServer
):
    team: Team = await new_team("outage")
    names = ("steady", "stopping", "starting", "leaving", "later", "waiting")
    for name in names:
        await team.claim(name, **({"deletionPolicy": "Delete"} if name in ("leaving", "later") else {}))
    for name in names:
        await team.ready(name)
    await team.claim("starting", running=False)
    await stopped(team, "starting")
    before = await team.objects()
    secrets = secret_values(before)
    await postgres_again.stop()
    await git_again.stop()
    try:
        await team.claim("waiting", values={"greeting": "a new value"})
        waiting = await team.until("waiting", "TemplateResolved", "Unknown", "CatalogUnavailable")
        assert condition(waiting, "Ready")["status"] == "Unknown"
        await everything_goes_on(team, stop="stopping", start="starting", leave="leaving")

        await operator.stop()
        rmtree(operator.work)  # a new pod has no mirror and no artifact: what the cluster keeps must do
        await operator.start()
        await everything_goes_on(team, stop="starting", start="stopping", leave="later")
        waiting = await team.until("waiting", "TemplateResolved", "Unknown", "CatalogUnavailable")
        assert condition(waiting, "Healthy")["status"] == "True"
        during = await team.objects()
        assert during["Deployment/waiting-web"]["spec"] == before["Deployment/waiting-web"]["spec"]
    finally:
        await postgres_again.restart()
        await git_again.restart()
    for name in ("steady", "stopping", "waiting"):
        await team.until(name, "TemplateResolved", "True", seconds=RECOVERY)
        ready = await team.ready(name, seconds=RECOVERY)
        assert "failure" not in ready["status"]
    after = await team.objects()
    assert secret_values(after) == {name: secrets[name] for name in secret_values(after)}
    stay = [
        name
        for name in before
        if name.startswith(KEPT) and not any(part in name for part in ("leaving", "later", "Service/steady"))
    ]
    assert {name: after[name]["metadata"]["uid"] for name in stay} == {
        name: before[name]["metadata"]["uid"] for name in stay
    }


async def everything_goes_on(team: Team, *, stop: str, start: str, leave: str) -> None:
    """Drift repair, health, stop, start and deletion, by the state of the cluster."""
    kubectl, here = team.platform.kubectl, ("-n", team.namespace)
    await kubectl("delete", "service", "steady-web", *here)
    await kubectl("scale", "deploy", "steady-web", "--replicas=3", *here)
    await team.claim(stop, running=False)
    await team.claim(start, running=True)
    leaving = await team.get_claim(leave)
    await team.delete(leave)

    async def repaired() -> bool:
        service, deploy = await team.find("service", "steady-web"), await team.find("deploy", "steady-web")
        return service is not None and deploy is not None and deploy["spec"]["replicas"] == 1

    await eventually(repaired, "drift is repaired")
    await stopped(team, stop)
    ready = await team.ready(start)
    assert await pods(team, start) == 1
    assert ready["status"]["observedGeneration"] == ready["metadata"]["generation"]
    await team.gone(leave)
    assert await team.marked(leaving["metadata"]["uid"]) == set()

    async def beside() -> bool:
        seen = await team.get_claim("steady")
        resolved = condition(seen, "TemplateResolved")
        return is_ready(seen) and (resolved["status"], resolved["reason"]) == (
            "Unknown",
            "CatalogUnavailable",
        )

    await eventually(beside, "the repaired claim is Ready, though its template cannot be looked up")

    async def only_pod() -> dict[str, Any] | None:
        """Those that the repair takes away may still be on their way out."""
        found = (await team.platform.get("pods", *here, "-l", "ocdp.io/claim-name=steady"))["items"]
        return found[0] if len(found) == 1 else None

    pod = await eventually(only_pod, "one pod of steady is left")
    await kubectl("annotate", "pod", pod["metadata"]["name"], *here, f"{SIMULATE}=crashloop")
    await team.until("steady", "Ready", "False", "CrashLoop")
    await kubectl("delete", "pod", pod["metadata"]["name"], *here, "--wait=false")
    await team.ready("steady")


async def stopped(team: Team, name: str) -> None:
    """It has no pods any more, and says so of its own generation."""
    await team.until(name, "Ready", "False", "Stopped")
    deploy = await team.find("deploy", f"{name}-web")
    assert deploy is not None
    assert deploy["spec"]["replicas"] == 0

    async def none() -> bool:
        return await pods(team, name) == 0

    await eventually(none, f"the pods of {name} are gone")


async def pods(team: Team, name: str) -> int:
    found = await team.platform.get("pods", "-n", team.namespace, "-l", f"ocdp.io/claim-name={name}")
    return len(found["items"])


def secret_values(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: item["data"] for name, item in objects.items() if name.startswith("Secret/")}


async def test_a_claim_deleted_while_the_operator_was_away_is_released_when_it_is_back(
    team: Team, operator: OperatorProcess
):
    await team.claim("ide", deletionPolicy="Delete")
    claim = await team.ready("ide")
    await operator.kill()
    await team.delete("ide")
    assert (await team.get_claim("ide"))["metadata"]["finalizers"]
    await operator.start()
    await team.gone("ide")
    assert await team.marked(claim["metadata"]["uid"]) == set()


async def test_an_api_server_that_restarts_is_found_again(
    team: Team, operator: OperatorProcess, control_plane: Cluster, platform: Platform
):
    await team.claim("ide")
    await team.ready("ide")
    await control_plane.stop_apiserver()  # type: ignore[attr-defined]
    await control_plane.start_apiserver()  # type: ignore[attr-defined]

    async def changed() -> bool:
        try:
            await team.claim("ide", values={"greeting": "after the restart"})
        except LocalEnvironmentError as error:
            if any(words in str(error) for words in NOT_YET):
                return False
            raise
        return True

    await eventually(changed, "the API server takes claims again")
    await team.ready("ide", seconds=90)
    assert operator.running
    await platform.kubectl("get", "wc", "-A")
