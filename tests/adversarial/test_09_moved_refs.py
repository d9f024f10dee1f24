"""Row 9: a ref moves by a force-push between resolve and build, or is deleted: what was recorded is what is built."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import Files, app_files, deployment, document
from tests.support.world import Team, eventually

BRANCH = "release"


@pytest.fixture
async def git_again(git_server: GitServer) -> AsyncIterator[GitServer]:
    """The Git server; it runs again after the test, whatever the test did."""
    yield git_server
    await git_server.restart()


@pytest.fixture
async def branch(new_team) -> Team:
    """A team whose template follows a branch."""
    team = await new_team("branch", publish=False)
    await team.repository.point(BRANCH, await team.repository.commit(app_files(), "first"))
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": BRANCH, "path": "web/base"}
    await team.publish(source=source)
    await team.platform.bind(team.template_id, team.workspace)
    return team


def other_files() -> Files:
    """The application as somebody pushed it over the old one, without its Service."""
    body = deployment()
    body["spec"]["minReadySeconds"] = 7
    return app_files(deployment=document(body), service=b"")


async def force_push(team: Team) -> str:
    """Puts the branch on a commit that has nothing to do with the one before."""
    moved = await team.repository.commit(other_files(), "moved", amend=True)
    await team.repository.point(BRANCH, moved)
    return moved


async def seconds_to_ready(team: Team, name: str) -> int:
    live = await team.platform.get("deploy", f"{name}-web", "-n", team.namespace)
    return int(live["spec"].get("minReadySeconds", 0))


async def test_a_branch_that_moves_between_resolve_and_build_changes_nothing_of_the_build(
    branch: Team, git_again: GitServer, operator: OperatorProcess
):
    team = branch
    await git_again.stop()
    await team.claim("ide")
    found = await team.until("ide", "TemplateResolved", "Unknown", "GitOperationFailed")
    moved = await force_push(team)
    await git_again.restart()
    ready = await team.ready("ide", seconds=90)
    assert ready["status"]["template"]["commit"] != moved
    assert await seconds_to_ready(team, "ide") == 0
    assert "Service/ide-web" in await team.objects()
    assert "template" not in found["status"] or found["status"]["template"] == ready["status"]["template"]


async def test_a_branch_that_was_deleted_is_an_error_of_publishing_and_prunes_nothing(
    branch: Team, operator: OperatorProcess
):
    team = branch
    await team.claim("ide")
    before = await team.ready("ide")
    versions = await team.versions()
    await team.repository.point(BRANCH, None)
    with pytest.raises(LocalEnvironmentError, match="RefNotFound"):
        await team.platform.ocdp("template", "refresh", team.template_id)
    await operator.restart()
    await team.claim("another")
    ready = await team.ready("another")
    assert ready["status"]["template"]["commit"] == before["status"]["template"]["commit"]
    after = await team.versions()
    assert {name: after.get(name) for name in versions} == versions


async def test_a_refresh_publishes_one_revision_for_a_branch_that_moved(branch: Team):
    team = branch
    await team.claim("manual")
    await team.claim("auto", upgradePolicy="Auto")
    first = await team.ready("manual")
    await team.ready("auto")
    data = (await team.find("pvc", "auto-data") or {})["metadata"]["uid"]
    moved = await force_push(team)
    for said in ("revision 2", "unchanged"):
        assert said in await team.platform.ocdp("template", "refresh", team.template_id)

    async def arrived() -> bool:
        found = await team.get_claim("auto")
        return found["status"]["template"]["commit"] == moved

    await eventually(arrived, "the claim under Auto takes it")
    await team.ready("auto")
    assert await seconds_to_ready(team, "auto") == 7
    assert "Service/auto-web" not in await team.objects()
    assert (await team.find("pvc", "auto-data") or {})["metadata"]["uid"] == data
    assert await seconds_to_ready(team, "manual") == 0

    async def told() -> bool:
        return (await team.get_claim("manual"))["status"]["template"].get("available") == 2

    await eventually(told, "the claim under Manual is told")
    found = await team.ready("manual")
    assert found["status"]["template"]["commit"] == first["status"]["template"]["commit"]


async def test_a_force_pushed_tag_changes_nothing_in_the_cluster(team: Team, operator: OperatorProcess):
    await team.claim("ide")
    before = await team.ready("ide")
    versions = await team.versions()
    moved = await team.repository.commit(other_files(), "moved")
    await team.repository.tag("v1", moved, force=True)

    await operator.restart(resyncSeconds=1)
    await team.claim("ide", values={"greeting": "rendered again"})
    after = await team.ready("ide")
    assert after["status"]["template"]["commit"] == before["status"]["template"]["commit"] != moved
    assert await seconds_to_ready(team, "ide") == 0
    unchanged = {name for name, version in (await team.versions()).items() if version == versions.get(name)}
    assert {"Service/ide-web", "ServiceAccount/ide-web"} <= unchanged
