"""A revision that changes what cannot change: it is refused before anything is written, and nothing is deleted for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.adversarial.conftest import assert_truthful
from tests.support.apps import app_files, deployment, document, stateful_set
from tests.support.fix_operator import TeamFactory
from tests.support.world import Team, condition, eventually, is_ready

Files = dict[str, bytes]


def selecting(label: str) -> Files:
    body = deployment()
    labels = {"app.kubernetes.io/name": "web", "tier": label}
    body["spec"]["selector"]["matchLabels"] = labels
    body["spec"]["template"]["metadata"]["labels"] = labels
    return {"deployment": document(body)}


def claiming(size: str, mode: str = "ReadWriteOnce") -> Files:
    """A StatefulSet beside the application, with a volume of its own."""
    body = stateful_set()
    labels = {"app.kubernetes.io/name": "store"}
    body["metadata"] = {"name": "store", "labels": labels}
    spec = body["spec"]
    spec["selector"]["matchLabels"] = spec["template"]["metadata"]["labels"] = labels
    claimed = {"accessModes": [mode], "resources": {"requests": {"storage": size}}}
    spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claimed}]
    return {"store": document(body)}


def sized(size: str) -> Files:
    claimed = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept", "labels": {"app.kubernetes.io/name": "kept"}},
        "spec": claimed,
    }
    return {"kept": document(body)}


def holding(text: str) -> Files:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "fixed"},
        "immutable": True,
        "data": {"greeting": text},
    }
    return {"fixed": document(body)}


def headless(address: str | None) -> Files:
    spec: dict[str, Any] = {
        "selector": {"app.kubernetes.io/name": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    }
    if address is not None:
        spec["clusterIP"] = address
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "inner"}, "spec": spec}
    return {"inner": document(body)}


CHANGES: dict[str, tuple[Callable[[], Files], Callable[[], Files], str]] = {
    "selector of a Deployment": (
        lambda: selecting("a"),
        lambda: selecting("b"),
        "Deployment/ide-web: /spec/selector cannot be changed",
    ),
    "smaller claim template": (
        lambda: claiming("2Gi"),
        lambda: claiming("1Gi"),
        "StatefulSet/ide-store: /spec/volumeClaimTemplates/data/spec/resources/requests/storage cannot be changed from 2Gi to 1Gi",
    ),
    "access of a claim template": (
        lambda: claiming("1Gi"),
        lambda: claiming("1Gi", "ReadWriteOncePod"),
        "from ReadWriteOnce to ReadWriteOncePod",
    ),
    "smaller volume": (
        lambda: sized("2Gi"),
        lambda: sized("1Gi"),
        "PersistentVolumeClaim/ide-kept: /spec/resources/requests/storage cannot be changed from 2Gi to 1Gi",
    ),
    "immutable ConfigMap": (
        lambda: holding("one"),
        lambda: holding("two"),
        "ConfigMap/ide-fixed: /data cannot be changed",
    ),
    "address of a Service": (
        lambda: headless(None),
        lambda: headless("None"),
        "Service/ide-inner: /spec/clusterIP cannot be changed",
    ),
    "headless Service": (
        lambda: headless("None"),
        lambda: headless(None),
        "Service/ide-inner: /spec/clusterIP cannot be changed from None to nothing",
    ),
}


async def second_revision(team: Team, files: Files) -> None:
    """A revision with these files, and with one object more than the first one."""
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"a": "b"}}
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "path": "web/base"}
    await team.publish(app_files(**files, more=document(extra)), tag="v2", source=source | {"ref": "v2"})


@pytest.mark.parametrize("change", CHANGES)
async def test_32_an_immutable_field_holds_the_set_and_costs_nothing(new_team: TeamFactory, change: str):
    was, wanted, says = CHANGES[change]
    team = await new_team(publish=False)
    await team.publish(app_files(**was()))
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide", templateRevision=1)
    before = await team.ready("ide")
    live = await team.objects()
    await second_revision(team, wanted())

    await team.claim("ide", templateRevision=2)
    found = await team.until("ide", "Ready", "False", "ImmutableFieldConflict")
    assert says in condition(found, "Ready")["message"]
    assert condition(found, "Stalled")["status"] == "True"
    assert found["status"]["failure"]["remedy"]
    assert found["status"]["inventory"] == before["status"]["inventory"]
    held = await team.objects()
    assert {name: each["metadata"]["uid"] for name, each in held.items()} == {
        name: each["metadata"]["uid"] for name, each in live.items()
    }
    assert {name: each.get("spec") for name, each in held.items()} == {
        name: each.get("spec") for name, each in live.items()
    }
    await assert_truthful(team)

    await team.claim("ide", templateRevision=1)
    ready = await team.ready("ide")
    assert is_ready(ready)


async def test_32_what_is_merely_invalid_is_not_called_immutable(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = "field-is-immutable"
    await team.record(app_files(deployment=document(body)))
    await team.claim("ide", templateRevision=2)
    found = await team.until("ide", "Applied", "False", "ApplyFailed")
    assert "spec.template.spec.containers[0].ports[0].name" in condition(found, "Applied")["message"]
    assert "Deployment/ide-web" in await team.objects()


async def test_32_a_set_that_was_left_without_its_pods_gets_them_back(
    new_team: TeamFactory, operator: OperatorProcess
):
    """As after a process that died between the deletion and the new one."""
    team = await new_team(publish=False)
    await team.publish(app_files(**claiming("1Gi")))
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide")
    await team.ready("ide")
    pod = await team.platform.get("pod", "ide-store-0", "-n", team.namespace)
    volume = await team.platform.get("pvc", "data-ide-store-0", "-n", team.namespace)
    await operator.stop()
    await team.platform.kubectl(
        "delete", "statefulset", "ide-store", "-n", team.namespace, "--cascade=orphan"
    )
    await operator.start()

    async def adopted() -> bool:
        made = await team.find("statefulset", "ide-store")
        now = await team.platform.get("pod", "ide-store-0", "-n", team.namespace)
        owners = {owner["uid"] for owner in now["metadata"].get("ownerReferences", ())}
        return made is not None and owners == {made["metadata"]["uid"]}

    await eventually(adopted, "the StatefulSet is there again, and has its pod")
    after = await team.platform.get("pod", "ide-store-0", "-n", team.namespace)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    kept = await team.platform.get("pvc", "data-ide-store-0", "-n", team.namespace)
    assert kept["metadata"]["uid"] == volume["metadata"]["uid"]
    await team.ready("ide")
