"""Row 7: a Git server that refuses, wants other credentials, is not there, or is not who it says."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.ports import free_port
from tests.support.faulty_git import Fault, FaultyGit, says
from tests.support.fix_operator import TeamFactory
from tests.support.world import Team, condition, eventually, inventory

PASSWORD = f"canary-{secrets.token_hex(8)}"
CANARIES = (PASSWORD, base64.b64encode(f"ocdp:{PASSWORD}".encode()).decode())


@dataclass(frozen=True)
class Refusal:
    """A way in which a repository cannot be had, and what a claim says then."""

    reason: str
    says: str
    fault: Fault | None = None
    """Of the server behind the proxy; None: the origin itself is at fault."""


REFUSALS = {
    "refused": Refusal("GitOperationFailed", "server that does not answer"),
    "unauthorized": Refusal(
        "AuthenticationFailed", "refuses the operator's credentials", says(401, WWW_Authenticate="Basic")
    ),
    "forbidden": Refusal("AuthenticationFailed", "does not let the operator read it", says(403)),
    "missing": Refusal("GitOperationFailed", "is not there, or is hidden", says(404)),
    "untrusted": Refusal("GitOperationFailed", "TLS certificate that is not accepted"),
    "unknown": Refusal("GitOperationFailed", "host whose name does not resolve"),
}


@pytest.fixture
async def faulty(git_server: GitServer) -> AsyncIterator[FaultyGit]:
    async with FaultyGit.before(git_server.origin) as proxy:
        yield proxy


async def behind(origin: str, new_team: TeamFactory, name: str) -> Team:
    """A team whose repository is at that origin; its template is recorded, since publishing would ask for it."""
    team = await new_team(name, publish=False)
    team.repository_url = f"{origin}/{team.repository.path.name}"
    await team.record()
    await team.platform.bind(team.template_id, team.workspace)
    return team


def repository(team: Team) -> str:
    return team.repository.path.stem


def without_url(team: Team, claim: dict) -> str:
    """What is said of the source, without the words of this team."""
    return str(condition(claim, "TemplateResolved")["message"]).replace(team.repository_url, "")


def credentials(path: Path, *origins: str) -> Path:
    """A credentials file that has one password for all of them."""
    entries = [{"origin": origin, "username": "ocdp", "password": PASSWORD} for origin in origins]
    path.write_text(yaml.safe_dump({"origins": entries}))
    return path


async def test_07_every_refusal_has_its_own_words_and_shows_no_credential(
    new_team: TeamFactory,
    operator: OperatorProcess,
    faulty: FaultyGit,
    control_plane: Cluster,
    tmp_path: Path,
):
    own = {
        "refused": f"http://127.0.0.1:{free_port()}",
        "untrusted": control_plane.server,  # a certificate of its own authority
        "unknown": "http://nobody.invalid",
    }
    origins = [{"origin": each, "insecure": True} for each in (faulty.origin, *own.values())]
    file = credentials(tmp_path / "credentials.yaml", faulty.origin, *own.values())
    await operator.restart(origins=origins, credentialsFile=str(file), logLevel="debug")
    teams = {
        name: await behind(own.get(name, faulty.origin), new_team, name) for name, refusal in REFUSALS.items()
    }
    for name, refusal in REFUSALS.items():
        if refusal.fault is not None:
            faulty.faults[repository(teams[name])] = refusal.fault
    for team in teams.values():
        await team.claim("ide")
    shown, words = "", set()
    for name, refusal in REFUSALS.items():
        team = teams[name]
        waiting = await team.until("ide", "TemplateResolved", "Unknown", refusal.reason)
        assert refusal.says in without_url(team, waiting)
        assert condition(waiting, "Reconciling")["status"] == "True"
        assert inventory(waiting) == set()
        words.add(without_url(team, waiting))
        shown += json.dumps(waiting) + json.dumps(await team.platform.get("events", "-n", team.namespace))
    assert len(words) == len(REFUSALS)
    shown += operator.log.read_text()
    assert any("Basic " in each for each in faulty.authorizations), "the credential was used"
    assert not any(canary in shown for canary in CANARIES)
    for name, refusal in REFUSALS.items():
        if refusal.fault is not None:  # what can be mended from outside is noticed
            faulty.faults.pop(repository(teams[name]))
            await teams[name].ready("ide")


@pytest.mark.parametrize("restarted", [False, True], ids=["running on", "restarted"])
async def test_07_what_runs_is_kept_and_repaired_while_git_refuses(
    new_team: TeamFactory, operator: OperatorProcess, faulty: FaultyGit, restarted: bool
):
    origins = [{"origin": faulty.origin, "insecure": True}]
    await operator.restart(origins=origins)
    team = await behind(faulty.origin, new_team, "steady")
    await team.claim("ide")
    await team.ready("ide")
    before = await team.objects()
    faulty.faults[repository(team)] = says(401, WWW_Authenticate="Basic")
    if restarted:
        await operator.restart(origins=origins)
    asked = faulty.requests[repository(team)]

    await team.platform.kubectl("delete", "service", "ide-web", "-n", team.namespace)
    await team.platform.kubectl("scale", "deploy", "ide-web", "--replicas=3", "-n", team.namespace)

    async def repaired() -> bool:
        service, deploy = await team.find("service", "ide-web"), await team.find("deploy", "ide-web")
        return service is not None and deploy is not None and deploy["spec"]["replicas"] == 1

    await eventually(repaired, "the drift is repaired")
    ready = await team.ready("ide")
    assert condition(ready, "TemplateResolved")["status"] == "True"
    assert faulty.requests[repository(team)] == asked, "nothing had to be fetched"
    after = await team.objects()
    assert after.keys() == before.keys()
    kept = ("PersistentVolumeClaim/ide-data", "Secret/ide-credentials", "Deployment/ide-web")
    assert {name: after[name]["metadata"]["uid"] for name in kept} == {
        name: before[name]["metadata"]["uid"] for name in kept
    }


async def test_07_a_new_commit_waits_and_the_last_good_one_runs_on(
    new_team: TeamFactory, operator: OperatorProcess, faulty: FaultyGit
):
    await operator.restart(origins=[{"origin": faulty.origin, "insecure": True}])
    team = await behind(faulty.origin, new_team, "steady")
    await team.claim("ide")
    await team.ready("ide")
    versions = {name: item["metadata"]["resourceVersion"] for name, item in (await team.objects()).items()}
    await team.record({**team.files, "web/notes.txt": b"a commit that nobody has"}, tag="v2")
    faulty.faults[repository(team)] = says(503)
    await team.claim("ide", templateRevision=2)
    waiting = await team.until("ide", "TemplateResolved", "Unknown", "GitOperationFailed")
    assert condition(waiting, "Healthy")["status"] == "True"
    assert condition(waiting, "Ready")["status"] == "Unknown"
    assert waiting["status"]["template"]["revision"] == 1
    now = {name: item["metadata"]["resourceVersion"] for name, item in (await team.objects()).items()}
    assert now == versions
    faulty.faults.clear()
    assert (await team.ready("ide"))["status"]["template"]["revision"] == 2
