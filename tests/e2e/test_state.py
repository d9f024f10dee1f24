"""Stopped, started, suspended, looked at on request: by the commands that users have, on the real control plane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Ocdp
from tests.support.world import Team, condition, eventually


@pytest.fixture
def ocdp(team: Team, tmp_path: Path) -> Ocdp:
    return Ocdp(team.platform.cluster.kubeconfig, team.namespace, tmp_path)


async def identities(team: Team) -> dict[str, str]:
    """UID of each object of the claim: the same ones, not others of the same name."""
    return {name: each["metadata"]["uid"] for name, each in (await team.objects()).items()}


async def password(team: Team) -> dict[str, str]:
    secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    data: dict[str, str] = secret["data"]
    return data


async def pods(team: Team) -> list[dict[str, Any]]:
    found = await team.platform.get("pods", "-n", team.namespace, "-l", "ocdp.io/claim-name=ide")
    items: list[dict[str, Any]] = found["items"]
    return items


async def test_a_stopped_claim_keeps_its_data_and_starts_as_it_was(team: Team, ocdp: Ocdp):
    await team.claim("ide", values={"greeting": "hello"})
    ready = await team.ready("ide")
    before, secret = await identities(team), await password(team)

    halted = await ocdp.claim("stop", "ide")
    assert halted.code == 0, halted.err
    assert "Stopped" in halted.out
    claim = await team.get_claim("ide")
    assert condition(claim, "Ready")["reason"] == "Stopped"
    assert not condition(claim, "Reconciling")
    assert not condition(claim, "Stalled")
    await eventually(lambda: _none_of(team), "no pod is left")
    assert await identities(team) == before
    assert await password(team) == secret

    started = await ocdp.claim("start", "ide")
    assert started.code == 0, started.err
    claim = await team.ready("ide")
    assert "running" not in claim["spec"]
    assert await identities(team) == before
    assert await password(team) == secret
    assert claim["status"]["inputDigest"] == ready["status"]["inputDigest"]
    assert len(claim["status"]["history"]) == 1


async def _none_of(team: Team) -> bool:
    return not await pods(team)


async def test_a_suspended_claim_is_left_alone_until_it_is_resumed(team: Team, ocdp: Ocdp):
    await team.claim("ide", values={"greeting": "hello"})
    await team.ready("ide")
    assert (await ocdp.claim("suspend", "ide")).code == 0

    async def is_told_suspended() -> bool:
        return "suspended" in condition(await team.get_claim("ide"), "Ready")["message"]

    await eventually(is_told_suspended, "the claim says that it is suspended")
    assert condition(await team.get_claim("ide"), "Ready")["status"] == "True"

    await team.platform.kubectl("scale", "deployment/ide-web", "--replicas=2", "-n", team.namespace)
    claim = await team.until("ide", "Drifted", "True", "DriftDetected")
    assert "Deployment/ide-web" in condition(claim, "Drifted")["message"]
    assert (await team.objects())["Deployment/ide-web"]["spec"]["replicas"] == 2
    refused = await ocdp.claim("reconcile", "ide")
    assert refused.code == 1
    assert refused.err.endswith(f": ocdp claim resume ide -n {team.namespace}\n")

    assert (await ocdp.claim("resume", "ide")).code == 0

    async def has_not_drifted() -> bool:
        return not condition(await team.get_claim("ide"), "Drifted")

    await eventually(has_not_drifted, "the drift is repaired")
    assert (await team.objects())["Deployment/ide-web"]["spec"]["replicas"] == 1


async def test_a_claim_with_values_that_do_not_fit_can_be_stopped(team: Team, ocdp: Ocdp):
    await team.claim("ide", values={"greeting": "hello"})
    await team.ready("ide")
    await team.claim("ide", values={"greeting": 7})
    await team.until("ide", "Stalled", "True", "InvalidValues")
    halted = await ocdp.claim("stop", "ide")
    assert halted.code == 0, halted.err
    assert (await team.objects())["Deployment/ide-web"]["spec"]["replicas"] == 0


async def test_a_look_that_is_asked_for_finds_what_no_watch_shows(team: Team, ocdp: Ocdp):
    await team.claim("ide", values={"greeting": "hello"})
    await team.ready("ide")
    await team.platform.kubectl("delete", "secret", "ide-credentials", "-n", team.namespace)
    looked = await ocdp.claim("reconcile", "ide")
    assert looked.code == 0, looked.err
    assert await password(team)
    claim = await team.get_claim("ide")
    assert (
        claim["status"]["lastHandledReconcileAt"]
        == claim["metadata"]["annotations"]["ocdp.io/reconcile-requested-at"]
    )


async def test_a_suspended_claim_and_a_stopped_one_can_be_deleted(team: Team, ocdp: Ocdp):
    await team.claim("ide", values={"greeting": "hello"})
    await team.ready("ide")
    await ocdp.claim("stop", "ide")
    await ocdp.claim("suspend", "ide")
    assert (await ocdp.claim("delete", "ide")).code == 0
    await team.gone("ide")
    assert "Deployment/ide-web" not in await team.objects()
