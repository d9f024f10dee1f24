"""A claim refers to users' Secrets that carry the label, and to no other; the operator reads no more than it needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.apps import app_files, deployment, document, template
from tests.support.world import Team

MESSAGE = "/spec/values/token refers to a Secret that is not there, or that claims may not refer to."


@pytest.fixture
async def team(new_team) -> Team:
    """Its template takes a token of the user, which the application reads by a variable."""
    team = await new_team("secrets", publish=False)
    body = deployment()
    env = body["spec"]["template"]["spec"]["containers"][0]["env"]
    reference = {"name": "credentials", "key": "TOKEN", "optional": True}
    env.append({"name": "TOKEN", "valueFrom": {"secretKeyRef": reference}})
    made = template(team.template_id, team.repository_url)
    token = {
        "type": ["string", "null"],
        "title": "Token",
        "description": "Of the upstream.",
        "x-ocdp": {"secret": True},
    }
    made["schema"]["properties"]["token"] = token
    mapping = {"from": "values.token", "secret": {"key": "TOKEN"}}
    example = {"token": {"secretKeyRef": {"name": "upstream", "key": "token"}}}
    await team.publish(
        app_files(deployment=document(body)),
        schema=made["schema"],
        mappings=[*made["mappings"], mapping],
        examples=[*made["examples"], example],
    )
    await team.platform.bind(team.template_id, team.workspace)
    return team


def token(name: str = "upstream") -> dict[str, Any]:
    return {"token": {"secretKeyRef": {"name": name, "key": "token"}}}


async def put_secret(team: Team, **labels: str) -> None:
    metadata = {"name": "upstream", "namespace": team.namespace, "labels": labels}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": "hunter2"}}
    await team.platform.kubectl("apply", "-f", "-", stdin=json.dumps(body))


async def test_a_claimable_secret_is_referred_to_by_the_pod_itself(team: Team):
    await put_secret(team, **{"ocdp.io/claimable": "true"})
    await team.claim("ide", values=token())
    claim = await team.ready("ide")

    found = await team.find("deployment", "ide-web")
    assert found is not None
    env = {each["name"]: each for each in found["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "upstream", "key": "token", "optional": True}
    assert claim["status"]["credentialsSecretRef"] == {"name": "ide-credentials", "keys": ["PASSWORD"]}
    assert list((await team.find("secret", "ide-credentials") or {})["data"]) == ["PASSWORD"]


@pytest.mark.parametrize(
    "labels", [None, {}, {"ocdp.io/claimable": "false"}], ids=["absent", "unlabelled", "false"]
)
async def test_any_other_secret_is_refused_and_nothing_is_applied(team: Team, labels: dict[str, str] | None):
    if labels is not None:
        await put_secret(team, **labels)
    await team.claim("ide", values=token())
    claim = await team.until("ide", "Stalled", "True", "SecretNotClaimable")

    failure = claim["status"]["failure"]
    assert (failure["actor"], failure["valuePath"], failure["message"]) == (
        "User",
        "/spec/values/token",
        MESSAGE,
    )
    assert await team.marked() == set()


async def test_another_claims_credentials_are_refused_whoever_labels_them(team: Team):
    await team.claim("other")
    await team.ready("other")
    where = ("-n", team.namespace)
    await team.platform.kubectl("label", "secret", "other-credentials", "ocdp.io/claimable=true", *where)
    await team.claim(
        "ide", values={"token": {"secretKeyRef": {"name": "other-credentials", "key": "PASSWORD"}}}
    )
    claim = await team.until("ide", "Stalled", "True", "SecretNotClaimable")

    assert claim["status"]["failure"]["message"] == MESSAGE
    assert await team.marked(claim["metadata"]["uid"]) == set()


async def test_a_claim_gets_on_when_its_secret_is_there_and_keeps_what_runs_when_it_goes(team: Team):
    await team.claim("ide", values=token())
    await team.until("ide", "Stalled", "True", "SecretNotClaimable")
    await put_secret(team, **{"ocdp.io/claimable": "true"})
    uid = (await team.ready("ide", seconds=90))["metadata"]["uid"]
    running = await team.marked(uid)
    await put_secret(team)
    await team.until("ide", "TemplateResolved", "False", "SecretNotClaimable", seconds=90)
    await team.until("ide", "Ready", "True")

    assert await team.marked(uid) == running


async def test_a_rotation_restarts_the_pods_with_another_password(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    before = (await team.find("secret", "ide-credentials") or {})["data"]["PASSWORD"]
    where = ("-n", team.namespace, "--kubeconfig", str(team.platform.cluster.kubeconfig))
    with pytest.raises(LocalEnvironmentError, match="no credential NONE"):
        await team.platform.ocdp("claim", "rotate", "ide", "--key", "NONE", *where)
    await team.platform.ocdp("claim", "rotate", "ide", "--key", "PASSWORD", *where)

    assert (await team.find("secret", "ide-credentials") or {})["data"]["PASSWORD"] != before
    found = await team.find("deployment", "ide-web")
    assert found is not None
    annotations = found["spec"]["template"]["metadata"]["annotations"]
    assert annotations["ocdp.io/credentials-version"] == "2"
    claim = await team.ready("ide")
    assert claim["status"]["credentialsVersion"] == 2
