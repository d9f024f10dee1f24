"""Row 8: Git servers that take a request and then hang, trickle, or send somebody elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ocdp_operator.adapters.git import GitSources, Origin, SourceLimits
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.errors import Reason, Stalled, Waiting
from ocdp_operator.model.source import PinnedSource
from tests.support.apps import app_files
from tests.support.faulty_git import Fault, FaultyGit, hangs, says, trickles
from tests.support.fix_operator import TeamFactory
from tests.support.leftovers import children
from tests.support.world import Team, condition, eventually, inventory

KILLED = 60.0
"""Seconds within which a git that gets nowhere is gone, with all that it has started."""
METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture
async def faulty(git_server: GitServer) -> AsyncIterator[FaultyGit]:
    async with FaultyGit.before(git_server.origin) as proxy:
        yield proxy


async def through(faulty: FaultyGit, new_team: TeamFactory, name: str, fault: Fault | None = None) -> Team:
    """A team whose repository is behind the proxy; its template is recorded, since publishing would ask for it."""
    team = await new_team(name, publish=False)
    team.repository_url = faulty.url(team.repository.path.stem)
    await team.record()
    await team.platform.bind(team.template_id, team.workspace)
    if fault is not None:
        faulty.faults[team.repository.path.stem] = fault
    return team


async def listed(operator: OperatorProcess, faulty: FaultyGit, git_server: GitServer) -> None:
    """Starts the operator anew, with the proxy among its origins and nothing fetched."""
    origins = [{"origin": origin, "insecure": True} for origin in (git_server.origin, faulty.origin)]
    await operator.restart(origins=origins)


@pytest.mark.timeout(300)
async def test_08_a_git_that_gets_nowhere_is_killed_with_its_children_and_delays_no_other_repository(
    new_team: TeamFactory, operator: OperatorProcess, faulty: FaultyGit, git_server: GitServer
):
    await listed(operator, faulty, git_server)
    steady = await through(faulty, new_team, "steady")
    await steady.claim("ide")
    await steady.ready("ide")
    slow = [
        await through(faulty, new_team, f"slow{number}", fault)
        for number, fault in enumerate((hangs, trickles, hangs, trickles, hangs))
    ]
    for team in slow:
        await team.claim("ide")

    async def at_work() -> set[int]:
        """git and its helper for each."""
        found = children(operator.pid, operator.work)
        return found if len(found) >= 8 else set()

    first: set[int] = await eventually(at_work, "as many gits as may run hang")

    async def gone() -> bool:
        return not first & children(operator.pid, operator.work)

    await eventually(gone, "they are gone, with their children", seconds=KILLED)
    for team in slow:
        waiting = await team.until("ide", "TemplateResolved", "Unknown", "GitOperationFailed")
        assert waiting["status"]["failure"]["actor"] == "ClusterOperator"
        assert "ide-web" not in str(await team.objects())

    # They are asked again and again; nobody else notices.
    await steady.record({**steady.files, "web/notes.txt": b"a commit that nobody has"}, tag="v2")
    began = time.monotonic()
    await steady.claim("another", templateRevision=2)
    await steady.ready("another", seconds=30)
    assert time.monotonic() - began < 30
    for team in slow:
        faulty.faults.pop(team.repository.path.stem)
    for team in slow:
        await team.ready("ide", seconds=120)


async def test_08_a_redirect_is_refused_wherever_it_leads(
    new_team: TeamFactory, operator: OperatorProcess, faulty: FaultyGit, git_server: GitServer
):
    await listed(operator, faulty, git_server)
    canary = await through(faulty, new_team, "canary")
    kept = canary.repository.path.stem
    targets = {"metadata": METADATA, "unlisted": "http://127.0.0.2:1/x.git", "listed": faulty.url(kept)}
    teams = {
        name: await through(faulty, new_team, name, says(302, Location=f"{target}/info/refs"))
        for name, target in targets.items()
    }
    for team in teams.values():
        await team.claim("ide")
    for team in teams.values():
        refused = await team.until("ide", "TemplateResolved", "False", "URLNotAllowed")
        said = condition(refused, "TemplateResolved")["message"]
        assert "redirect" in said
        assert not any(target in said for target in targets.values())
        assert condition(refused, "Stalled")["status"] == "True"
        assert inventory(refused) == set()
    assert faulty.requests[kept] == 0


async def test_08_repositories_that_are_known_to_hang_leave_room_for_the_others(
    faulty: FaultyGit, git_server: GitServer, tmp_path: Path
):
    repository = await git_server.repository("roomy")
    commit = await repository.commit(app_files())
    quick = SourceLimits(fetch_seconds=2, list_seconds=2, probe_seconds=2)
    urls = [faulty.url(f"hung{number}") for number in range(6)]
    faulty.faults = {f"hung{number}": hangs for number in range(6)}
    origins = [Origin.parse(faulty.origin, insecure=True)]
    async with GitSources(tmp_path / "work", origins, limits=quick) as sources:

        async def asked(url: str) -> None:
            with pytest.raises(Waiting):
                await sources.fetch(PinnedSource(url, "v1", "web/base", "1" * 40), [])

        await asyncio.gather(*map(asked, urls))
        again = [asyncio.create_task(asked(url)) for url in urls]

        async def at_it() -> bool:
            return faulty.requests.total() == len(urls) + quick.processes // 2

        await eventually(at_it, "as many of them as may be are asked again")
        began = time.monotonic()
        fetched = await sources.fetch(PinnedSource(faulty.url("roomy"), "v1", "web/base", commit), [])
        assert fetched.commit == commit
        assert time.monotonic() - began < 1.5
        assert not any(task.done() for task in again)
        await asyncio.gather(*again)


async def test_08_a_redirect_to_the_metadata_address_names_no_address(faulty: FaultyGit, tmp_path: Path):
    faulty.faults["apps"] = says(301, Location=METADATA)
    async with GitSources(tmp_path / "work", [Origin.parse(faulty.origin, insecure=True)]) as sources:
        with pytest.raises(Stalled) as caught:
            await sources.fetch(PinnedSource(faulty.url("apps"), "v1", "web/base", "1" * 40), [])
    assert caught.value.reason is Reason.URL_NOT_ALLOWED
    assert "169.254" not in f"{caught.value.message}{caught.value.remedy}"
