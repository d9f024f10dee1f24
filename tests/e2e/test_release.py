"""A deleted claim leaves what its deletion policy retains, and nothing else, however it is deleted."""

from __future__ import annotations

import json

import pytest

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE
from tests.support.apps import app_files, document, stateful_set
from tests.support.world import Team, eventually

RETAINED = {"PersistentVolumeClaim/ide-data", "Secret/ide-credentials"}


@pytest.mark.parametrize("cascade", ["background", "foreground"])
@pytest.mark.parametrize("workload_first", [False, True], ids=["as-it-is", "workload-deleted-first"])
@pytest.mark.parametrize(
    ("policy", "left"), [("RetainData", RETAINED), ("Delete", set())], ids=["retain", "delete"]
)
async def test_exactly_the_retained_objects_remain(
    team: Team, operator: OperatorProcess, policy: str, left: set[str], workload_first: bool, cascade: str
):
    await team.claim("ide", deletionPolicy=policy, values={"guarded": "yes"})
    claim = await team.ready("ide")
    if workload_first:
        await operator.stop()
        await team.platform.kubectl("delete", "wl", "ide", "-n", team.namespace)
    await team.delete("ide", f"--cascade={cascade}")
    if workload_first:
        await operator.start()
    await team.gone("ide")

    async def settled() -> bool:
        return await team.marked(claim["metadata"]["uid"]) == left

    await eventually(settled, f"exactly {left} remain")


async def test_a_claim_deleted_with_orphan_leaves_no_workload(team: Team):
    await team.claim("ide", deletionPolicy="Delete")
    claim = await team.ready("ide")
    await team.delete("ide", "--cascade=orphan")
    await team.gone("ide")
    assert await team.marked(claim["metadata"]["uid"]) == set()


async def test_deleting_the_namespace_finishes(team: Team):
    await team.claim("one")
    await team.claim("two", deletionPolicy="Delete")
    await team.ready("one")
    await team.ready("two")
    await team.platform.kubectl("delete", "namespace", team.namespace, "--wait=false")

    async def gone() -> bool:
        found = await team.platform.get("namespaces")
        return team.namespace not in {item["metadata"]["name"] for item in found["items"]}

    await eventually(gone, "the namespace is gone", seconds=90)


async def test_a_claim_whose_status_was_lost_still_takes_its_objects_with_it(
    team: Team, operator: OperatorProcess
):
    await team.claim("ide", deletionPolicy="Delete", values={"guarded": "yes"})
    claim = await team.ready("ide")
    await operator.stop()
    await team.platform.kubectl(
        "patch", "wc", "ide", "-n", team.namespace, "--subresource=status", "--type=json",
        "-p", '[{"op": "remove", "path": "/status"}]',
    )  # fmt: skip
    await team.delete("ide")
    await operator.start()
    await team.gone("ide")
    assert await team.marked(claim["metadata"]["uid"]) == set()


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [("Delete", "RetainData", {"data-ide-web-0"}), ("RetainData", "Delete", set())],
    ids=["the user thought better of it", "the user wants it all gone"],
)
async def test_volumes_of_a_stateful_set_follow_the_policy_of_the_last_moment(
    new_team, operator: OperatorProcess, before: str, after: str, left: set[str]
):
    team = await stateful(new_team)
    await team.claim("ide", deletionPolicy=before)
    await team.ready("ide")
    assert await volumes(team) == {"data-ide-web-0"}

    await operator.stop()  # it sees the edit and the deletion as one
    await team.claim("ide", deletionPolicy=after)
    await team.delete("ide")
    await operator.start()
    await team.gone("ide")

    async def settled() -> bool:
        return await team.find("statefulset", "ide-web") is None and await volumes(team) == left

    await eventually(settled, f"exactly {left} remain")


async def stateful(new_team) -> Team:
    """A template of a StatefulSet, whose controller makes the one volume that there is."""
    team: Team = await new_team("stateful", publish=False)
    mappings = [{"from": "values.password", "secret": {"key": "PASSWORD"}}]
    await team.publish(app_files(deployment=document(stateful_set()), volume=b""), mappings=mappings)
    await team.platform.bind(team.template_id, team.workspace)
    return team


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [("Delete", "RetainData", True), ("RetainData", "Delete", False)],
    ids=["kept", "gone"],
)
async def test_volumes_of_a_stopped_stateful_set_follow_the_policy_too(
    new_team, before: str, after: str, stays: bool
):
    """Its controller looks at the volumes of pods that there are, and of no others."""
    team = await stateful(new_team)
    await team.claim("ide", deletionPolicy=before)
    await team.ready("ide")
    if stays:
        await eventually(lambda: owners(team), "the StatefulSet takes its volume along")
    await team.claim("ide", deletionPolicy=before, running=False)
    await team.gone("ide-web-0", kind="pod")
    volume = await team.find("pvc", "data-ide-web-0")
    owner = await team.find("statefulset", "ide-web")
    assert volume is not None
    assert owner is not None
    decoy = {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ide-web", "uid": owner["metadata"]["uid"],
    }  # fmt: skip
    body = {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "decoy", "namespace": team.namespace, "ownerReferences": [decoy]},
    }  # fmt: skip
    await team.platform.kubectl("create", "-f", "-", stdin=json.dumps(body))
    await team.claim("ide", deletionPolicy=after, running=False)
    await team.delete("ide")
    await team.gone("ide")
    await team.gone("ide-web", kind="statefulset")
    await team.gone("decoy", kind="configmap")  # the garbage collector was here
    if not stays:
        await team.gone("data-ide-web-0", kind="pvc")
        return
    left = await team.find("pvc", "data-ide-web-0")
    assert left is not None
    assert left["metadata"]["uid"] == volume["metadata"]["uid"]
    assert "deletionTimestamp" not in left["metadata"]
    assert await owners(team) == []


@pytest.mark.parametrize("policy", ["RetainData", "Delete"])
async def test_pods_that_a_stateful_set_left_go_with_their_claim(
    new_team, operator: OperatorProcess, policy: str
):
    team = await stateful(new_team)
    await team.claim("ide", deletionPolicy=policy)
    await team.ready("ide")
    await operator.stop()
    await team.platform.kubectl("delete", "statefulset", "ide-web", "-n", team.namespace, "--cascade=orphan")
    assert await team.find("pod", "ide-web-0") is not None
    await team.delete("ide")
    await operator.start()
    await team.gone("ide")
    await team.gone("ide-web-0", kind="pod")
    await team.gone("ide-web", kind="statefulset")
    if policy == "Delete":
        await team.gone("data-ide-web-0", kind="pvc")
        return
    left = await team.find("pvc", "data-ide-web-0")
    assert left is not None
    assert left["metadata"]["labels"]["ocdp.io/retained"] == "true"


async def owners(team: Team) -> list[str]:
    """The kinds of those that take the volume with them."""
    volume = await team.find("pvc", "data-ide-web-0")
    assert volume is not None
    return [owner["kind"] for owner in volume["metadata"].get("ownerReferences", ())]


async def volumes(team: Team) -> set[str]:
    claims = await team.platform.get("pvc", "-n", team.namespace)
    return {
        item["metadata"]["name"] for item in claims["items"] if not item["metadata"].get("deletionTimestamp")
    }


async def test_deletion_waits_with_forbidden_when_the_binding_was_removed(team: Team):
    await team.claim("ide", deletionPolicy="Delete")
    claim = await team.ready("ide")
    binding = await team.platform.get("rolebinding", "-n", team.namespace)
    names = [item["metadata"]["name"] for item in binding["items"]]
    await team.platform.kubectl("delete", "rolebinding", "-n", team.namespace, *names)
    await eventually(lambda: may_not_delete(team), "the API server has heard of it")
    await team.delete("ide")
    await team.until("ide", "Deleting", "True", "Forbidden")
    assert "Deployment/ide-web" in await team.objects()
    await team.platform.place(team.workspace, team.namespace)
    await team.gone("ide")
    assert await team.marked(claim["metadata"]["uid"]) == set()


async def may_not_delete(team: Team) -> bool:
    """Whether the API server, which is told of bindings by a watch of its own, refuses a Deployment's deletion to the operator."""
    account = f"--as=system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}"
    try:
        await team.platform.kubectl("auth", "can-i", "delete", "deployments", "-n", team.namespace, account)
    except LocalEnvironmentError:  # what kubectl ends with when the answer is no
        return True
    return False
