"""36: a bad commit renders half of the objects, or none: nothing is deleted until somebody approves exactly that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.adversarial.conftest import told
from tests.support.apps import app_files, document
from tests.support.commands import Ocdp
from tests.support.world import Team, condition, eventually, is_ready

_WITHOUT_VOLUME = [
    {"from": "values.greeting", "configFile": {"configMap": "web-config", "file": "settings.yaml", "pointer": "/greeting"}},
    {"from": "values.password", "secret": {"key": "PASSWORD"}},
]  # fmt: skip
_HALF = {"Deployment/ide-web", "PersistentVolumeClaim/ide-data", "Service/ide-web"}


@pytest.fixture
def ocdp(team: Team, tmp_path: Path) -> Ocdp:
    return Ocdp(team.platform.cluster.kubeconfig, team.namespace, tmp_path)


async def uids(team: Team) -> dict[str, str]:
    """What lives, and whether it is the same object; the Workload is no object of the application."""
    return {
        name: item["metadata"]["uid"]
        for name, item in (await team.objects()).items()
        if item["metadata"]["name"].startswith("ide") and item["kind"] not in ("Workload", "ConfigMap")
    }


async def blocked(team: Team, revision: int) -> dict[str, Any]:
    async def check() -> dict[str, Any] | None:
        claim = await team.get_claim("ide")
        moved = claim["status"]["template"]["revision"] == revision
        fits = condition(claim, "Applied").get("reason") == "PruneBlocked"
        return claim if moved and fits else None

    found: dict[str, Any] = await eventually(check, f"the prune of revision {revision} is blocked")
    return found


async def test_36_half_of_the_objects_wait_for_the_approval_of_exactly_that_set(
    team: Team, ocdp: Ocdp, operator: OperatorProcess
):
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")
    before = await uids(team)

    await team.record(app_files(deployment=b"", service=b"", volume=b""), mappings=_WITHOUT_VOLUME)
    claim = await blocked(team, 2)
    assert set(claim["status"]["pendingPrune"]["objects"]) == _HALF
    assert "PruneBlocked" in (await told(team, "ide", "PruneBlocked"))["reason"]
    await operator.stop()
    await operator.start()
    await team.until("ide", "Applied", "True", "PruneBlocked")
    assert await uids(team) == before

    digest = claim["status"]["pendingPrune"]["digest"]
    late = await ocdp.claim("approve", "ide", "--yes", "--digest", "another")
    assert (late.code, late.out) == (1, "")
    assert digest in late.err
    unsure = await ocdp("claim", "approve", "ide", "-n", team.namespace, stdin="n\n")
    assert unsure.code == 1
    assert await uids(team) == before

    approved = await ocdp.claim("approve", "ide", "--yes", "--digest", digest)
    assert approved.code == 0, approved.err
    for name in _HALF:
        assert name.split("/") == next(line for line in approved.lines if line[:2] == name.split("/"))[:2]

    async def exactly_that() -> bool:
        return await uids(team) == {name: uid for name, uid in before.items() if name not in _HALF}

    await eventually(exactly_that, "exactly the approved set is gone")
    claim = await team.get_claim("ide")
    assert "pendingPrune" not in claim["status"]
    assert "ocdp.io/approve-prune" not in claim["metadata"].get("annotations", {})
    message = (await told(team, "ide", "Pruned"))["message"]
    assert all(name in message for name in _HALF)
    await team.assert_no_orphan()


async def test_36_a_commit_that_puts_the_objects_back_leaves_them_as_they_were(team: Team):
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")
    before = await uids(team)
    await team.record(app_files(deployment=b"", service=b"", volume=b""), mappings=_WITHOUT_VOLUME)
    await blocked(team, 2)
    await team.publish()

    async def unblocked() -> bool:
        claim = await team.get_claim("ide")
        return claim["status"]["template"]["revision"] == 3 and "pendingPrune" not in claim["status"]

    await eventually(unblocked, "nothing waits any more")
    await team.ready("ide")
    assert await uids(team) == before


async def test_36_an_approval_of_a_set_that_changed_meanwhile_approves_nothing(team: Team):
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")
    before = await uids(team)
    await team.record(app_files(deployment=b"", service=b""), mappings=_WITHOUT_VOLUME)
    first = (await blocked(team, 2))["status"]["pendingPrune"]
    await team.record(app_files(deployment=b"", service=b"", volume=b""), mappings=_WITHOUT_VOLUME)

    async def another() -> dict[str, Any] | None:
        found: dict[str, Any] = (await blocked(team, 3))["status"]["pendingPrune"]
        return (
            found if found["digest"] != first["digest"] else None
        )  # while it is applied the former one stands

    second = await eventually(another, "another set waits")
    await team.platform.kubectl(
        "annotate", "wc", "ide", "-n", team.namespace, f"ocdp.io/approve-prune={first['digest']}"
    )
    assert second["digest"] in (await told(team, "ide", "PruneBlocked", "approved nothing"))["message"]
    claim = await team.get_claim("ide")
    assert "ocdp.io/approve-prune" not in claim["metadata"].get("annotations", {})
    assert claim["status"]["pendingPrune"] == second
    assert await uids(team) == before


async def test_36_a_base_that_renders_nothing_is_refused_and_deletes_nothing(team: Team):
    await team.claim("ide")
    await team.claim("ide2", upgradePolicy="Auto")
    for name in ("ide", "ide2"):
        await team.ready(name)
    before = await uids(team)
    nothing = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": []}
    secret = [{"from": "values.password", "secret": {"key": "PASSWORD"}}]
    await team.record(
        {"web/base/kustomization.yaml": document(nothing)}, mappings=secret, components=[], examples=[]
    )
    await team.claim("ide", templateRevision=2)
    claim = await team.until("ide", "Stalled", "True")
    assert condition(claim, "Stalled")["reason"] in ("EmptyBuild", "BuildFailed")

    async def went_back() -> bool:
        return bool((await team.get_claim("ide2"))["status"]["template"].get("failed") == 2)

    await eventually(went_back, "the claim that follows goes back")
    following = await team.ready("ide2")
    assert not any("pendingPrune" in each["status"] for each in (claim, following))
    assert await uids(team) == before
    await team.publish()
    await team.claim("ide", templateRevision=3)
    for name in ("ide", "ide2"):
        await eventually(lambda name=name: on_the_third(team, name), f"{name} is on the third revision")
    assert await uids(team) == before


async def on_the_third(team: Team, name: str) -> bool:
    claim = await team.get_claim(name)
    return bool(is_ready(claim) and claim["status"]["template"]["revision"] == 3)
