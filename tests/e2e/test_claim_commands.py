"""A user's life with ``ocdp claim`` alone: a kubeconfig, no DSN, no kubectl."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.commands import Ocdp
from tests.support.world import Team, eventually


@pytest.fixture
def ocdp(team: Team, tmp_path: Path) -> Ocdp:
    return Ocdp(team.platform.cluster.kubeconfig, team.namespace, tmp_path)


async def test_a_claim_is_made_read_listed_opened_and_given_back(team: Team, ocdp: Ocdp):
    made = await ocdp.claim("create", "ide", "-t", team.template_id, "--set", "greeting=hello")
    assert (made.code, made.err.count("Traceback")) == (0, 0)
    created, verdict, address, credential = made.out.splitlines()
    assert created == "claim ide created"
    assert verdict.startswith("Ready: Available. All ")
    assert "kubectl port-forward -n" in address
    assert credential.split()[:5] == ["PASSWORD", "kubectl", "get", "secret", "ide-credentials"]
    claim = await team.get_claim("ide")
    assert claim["spec"]["workspaceId"] == team.workspace
    assert claim["spec"]["values"] == {"greeting": "hello"}

    listed = await ocdp.claim("list")
    assert listed.lines[1][:6] == ["ide", team.template_id, "1", "1", "True", "Available"]
    everywhere = await ocdp("claim", "list", "-A")
    assert [team.namespace, "ide"] in [line[:2] for line in everywhere.lines]

    got = await ocdp.claim("get", "ide")
    assert "on deletion  RetainData: " in got.out
    assert "Secret/ide-credentials" in got.out
    assert "HealthCheckSucceeded" in got.out
    secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    value = base64.b64decode(secret["data"]["PASSWORD"]).decode()
    assert all(value not in each for each in (made.out, got.out, listed.out))
    document = json.loads((await ocdp.claim("get", "ide", "-o", "json")).out)
    assert document["metadata"]["uid"] == claim["metadata"]["uid"]
    assert "managedFields" not in document["metadata"]

    opened = await ocdp.claim("open", "ide", "--print")
    assert opened.out.splitlines()[-1].startswith("http://localhost:")
    waited = await ocdp.claim("wait", "ide", "--for", "applied")
    assert waited.code == 0

    gone = await ocdp.claim("delete", "ide")
    assert gone.code == 0
    assert "stays: PersistentVolumeClaim/ide-data, Secret/ide-credentials (RetainData)" in gone.out
    assert gone.out.splitlines()[-1] == "claim ide is gone"


async def test_a_refused_claim_says_the_code_who_must_act_and_what_to_do(team: Team, ocdp: Ocdp):
    refused = await ocdp.claim("create", "ide", "-t", team.template_id, "--set", "greeting=1")
    assert refused.code == 1
    assert "Not ready: InvalidValues. " in refused.out
    assert "who must act  User" in refused.out
    assert "what to do    " in refused.out
    waited = await ocdp.claim("wait", "ide")
    assert waited.code == 1
    assert waited.err == ""
    described = await team.platform.kubectl("describe", "wc", "ide", "-n", team.namespace)
    for line in ("InvalidValues", "Actor:", "Remedy:", "Value Path:"):
        assert line in described


async def test_an_upgrade_says_from_which_revision_to_which(team: Team, ocdp: Ocdp):
    await ocdp.claim("create", "ide", "-t", team.template_id)
    nothing = await ocdp.claim("upgrade", "ide")
    assert (nothing.code, nothing.out) == (0, "claim ide unchanged: revision 1, and nothing newer is known\n")
    await team.publish(title="Another title")

    async def offered() -> bool:
        return (await team.get_claim("ide"))["status"]["template"].get("available") == 2

    await team.until("ide", "Ready", "True")
    moved = await ocdp.claim("upgrade", "ide", "--to", "2")
    assert moved.out.startswith(
        f"claim ide goes from revision 1 to revision 2 of {team.template_id}\nReady: "
    )
    assert (await team.get_claim("ide"))["status"]["template"]["revision"] == 2


async def test_an_upgrade_takes_newer_profiles_and_says_from_which_to_which(team: Team, ocdp: Ocdp):
    async def publish(site: str) -> None:
        document = {"kind": "EnvironmentProfile", "id": team.workspace, "workspace": team.workspace}
        text = json.dumps(document | {"labels": {"example.test/site": site}})
        await team.platform.ocdp("profile", "apply", "-f", "-", stdin=text)

    async def offered() -> bool:
        return bool((await team.get_claim("ide"))["status"].get("availableProfiles"))

    await publish("r1")
    await ocdp.claim("create", "ide", "-t", team.template_id)
    for number, (pin, said) in enumerate(((1, "is pinned to"), (None, "is no longer pinned to")), start=1):
        await publish(f"r{number + 1}")
        await eventually(offered, "the claim says that a newer profile is there")
        update = f"profile {team.workspace} revision {number + 1} is there: ocdp claim upgrade ide -n {team.namespace}"
        assert update in (await ocdp.claim("get", "ide")).out
        moved = await ocdp.claim("upgrade", "ide")
        before, after = (f"{team.workspace} revision {each}" for each in (number, number + 1))
        assert moved.out.startswith(f"claim ide goes from {before} to {after}; it {said} revision 1 of ")
        claim = await team.get_claim("ide")
        assert claim["spec"].get("templateRevision") == pin
        assert claim["status"]["profiles"] == [{"id": team.workspace, "revision": number + 1}]


async def test_a_wait_ends_with_1_when_the_time_is_over(team: Team, ocdp: Ocdp, operator: OperatorProcess):
    await operator.stop()
    late = await ocdp.claim("create", "ide", "-t", team.template_id, "--timeout", "1s")
    assert late.code == 1
    assert "the operator has not looked at it yet" in late.out
    assert "error: not within 1s; it goes on: ocdp claim wait ide" in late.err


async def test_refusals_of_the_api_server_read_as_sentences(team: Team, ocdp: Ocdp):
    missing = await ocdp.claim("get", "nothing")
    assert missing.code == 1
    assert missing.err.startswith(f"error: There is no claim nothing in namespace {team.namespace}.\n")

    too_long = await ocdp.claim("create", "x" * 31, "-t", team.template_id)
    assert too_long.code == 1
    assert "metadata.name must be a DNS label of at most 30 characters" in too_long.err
    assert "Invalid value" not in too_long.err

    await ocdp.claim("create", "ide", "-t", team.template_id, "--no-wait")
    twice = await ocdp.claim("create", "ide", "-t", team.template_id)
    assert twice.err.startswith(f"error: There is a claim ide in namespace {team.namespace} already.\n")

    nowhere = await ocdp("claim", "list", "-n", "no-such-namespace")
    assert (nowhere.code, nowhere.err) == (0, "There are no claims in namespace no-such-namespace.\n")
    unplaced = await ocdp("claim", "create", "ide", "-t", "x", "-n", "default")
    assert unplaced.code == 2
    assert "--workspace" in unplaced.err


async def test_a_user_without_rights_is_told_which(team: Team, ocdp: Ocdp):
    await team.platform.kubectl("create", "serviceaccount", "stranger", "-n", team.namespace)
    kubeconfig = await team.platform.cluster.service_account_kubeconfig(team.namespace, "stranger")
    denied = await Ocdp(kubeconfig, team.namespace, ocdp.home)("claim", "list")
    assert denied.code == 1
    assert f"stranger may not list workloadclaims in namespace {team.namespace}" in denied.err
    assert "what to do: " in denied.err


async def test_a_dry_run_makes_nothing(team: Team, ocdp: Ocdp):
    dry = await ocdp.claim("create", "ide", "-t", team.template_id, "--dry-run", "-o", "json")
    assert dry.code == 0
    assert json.loads(dry.out)["spec"]["templateId"] == team.template_id
    assert await team.find("wc", "ide") is None


async def test_an_api_server_that_is_away_ends_with_3(team: Team, ocdp: Ocdp, tmp_path: Path):
    text = team.platform.cluster.kubeconfig.read_text()
    away = tmp_path / "away"
    away.write_text(text.replace(team.platform.cluster.server, "https://127.0.0.1:1"))
    ended = await Ocdp(away, "default", tmp_path)("claim", "list")
    assert ended.code == 3
    assert ended.err.startswith("error: The API server does not answer")


async def test_names_of_claims_are_completed(team: Team, ocdp: Ocdp):
    await ocdp.claim("create", "my-ide", "-t", team.template_id, "--no-wait")
    words = f"ocdp claim get -n {team.namespace} my"
    completed = await ocdp(_OCDP_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD="5")
    assert completed.out.split() == ["my-ide"]
    assert shutil.which("bash")


async def test_credentials_are_made_anew_and_never_printed(team: Team, ocdp: Ocdp):
    await ocdp.claim("create", "ide", "-t", team.template_id)

    async def password() -> str:
        secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
        return base64.b64decode(secret["data"]["PASSWORD"]).decode()

    before = await password()
    rotated = await ocdp.claim("rotate", "ide", "--key", "PASSWORD")
    after = await password()
    assert rotated.code == 0
    assert rotated.out.splitlines()[0] == "claim ide: new credentials are asked for (PASSWORD)"
    assert rotated.out.splitlines()[1].startswith("Ready: ")
    assert before != after
    assert not {before, after} & set(rotated.out.split())
