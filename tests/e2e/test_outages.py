"""An outage of PostgreSQL, Git or the operator changes nothing that runs, and is said where it is felt."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.world import Team, condition, eventually

RECOVERY = 60.0
"""Seconds within which a claim recovers when its dependency is back."""


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
        """A server that has just started knows the schema of claims a few seconds later, and refuses to stamp them until then."""
        try:
            await team.claim("ide", values={"greeting": "after the restart"})
        except LocalEnvironmentError as error:
            if "ServiceUnavailable" in str(error):
                return False
            raise
        return True

    await eventually(changed, "the API server takes claims again")
    await team.ready("ide", seconds=90)
    assert operator.running
    await platform.kubectl("get", "wc", "-A")
