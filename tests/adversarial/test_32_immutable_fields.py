"""A revision that changes what cannot change: it is refused before anything is written, and nothing is deleted for it."""

from __future__ import annotations

import json
import os
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.process import run
from tests.adversarial.conftest import assert_truthful, events
from tests.support.apps import app_files, deployment, document, stateful_set, template
from tests.support.fix_operator import TeamFactory
from tests.support.world import Claim, Team, condition, eventually, is_ready

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


# -- what somebody made immutable -------------------------------------------------------------------------------------


async def freeze(team: Team, kind: str, name: str, **change: Any) -> None:
    patch = json.dumps({"immutable": True, **change})
    await team.platform.kubectl("patch", kind, name, "-n", team.namespace, "--type=merge", "-p", patch)


async def credentials(team: Team) -> dict[str, Any]:
    found = await team.find("secret", "ide-credentials")
    assert found is not None
    return found


async def ask_for_rotation(team: Team) -> None:
    await team.platform.kubectl(
        "annotate", "wc", "ide", "-n", team.namespace, "ocdp.io/rotate-credentials=first"
    )


async def ask_for_another_key(team: Team) -> None:
    """A revision with one generated value more, and one object more."""
    said = template(team.template_id, team.repository_url)
    schema, mappings = said["schema"], said["mappings"]
    schema["properties"]["token"] = {**schema["properties"]["password"], "title": "Token"}
    mappings.append({"from": "values.token", "secret": {"key": "TOKEN"}})
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"a": "b"}}
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "path": "web/base", "ref": "v2"}
    files = app_files(more=document(extra))
    await team.publish(files, tag="v2", source=source, schema=schema, mappings=mappings)
    await team.claim("ide", templateRevision=2)


async def follow(team: Team, remedy: str) -> None:
    """Does what the claim says, in a shell."""
    command = remedy.partition("To keep its values: ")[2].partition(" . Then")[0]
    assert command.startswith("ocdp claim suspend "), "no look comes between deleting and making it"
    assert command.index("> ide-credentials.yaml") < command.index("kubectl replace --force"), (
        "it is saved first"
    )
    cluster = team.platform.cluster
    programs = (cluster.binaries.kubectl.parent, Path(sys.executable).parent)
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    environment = {"PATH": path, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(cluster.workdir)}
    ended = await run("/bin/sh", "-c", f"cd {cluster.workdir} && {command}", env=environment)
    assert ended.code == 0, ended.errors


@pytest.mark.parametrize("wish", [ask_for_rotation, ask_for_another_key], ids=["a rotation", "another key"])
async def test_32_a_secret_that_somebody_made_immutable_holds_the_set_until_it_can_change(
    team: Team, wish: Callable[[Team], Any]
):
    await team.claim("ide", templateRevision=1)
    await team.ready("ide")
    await freeze(team, "secret", "ide-credentials")
    # What asks for nothing of it goes on.
    await team.claim("ide", templateRevision=1, values={"greeting": "other"})
    before = await team.ready("ide")
    secret, live = await credentials(team), await team.versions()

    await wish(team)
    found = await team.until("ide", "Stalled", "True", "ImmutableFieldConflict")
    failure = found["status"]["failure"]
    assert failure["message"].startswith("Secret/ide-credentials: /data cannot be changed")
    assert failure["actor"] == "User"
    assert found["status"]["inventory"] == before["status"]["inventory"]
    assert found["status"]["credentialsVersion"] == before["status"]["credentialsVersion"]
    assert await team.versions() == live, "nothing is written"
    await team.platform.kubectl("delete", "service", "ide-web", "-n", team.namespace)
    await eventually(lambda: team.find("service", "ide-web"), "what was applied before is put right")
    same = await credentials(team)
    assert (same["metadata"]["uid"], same["data"]) == (secret["metadata"]["uid"], secret["data"])
    await assert_silent(team, await team.get_claim("ide"), secret)

    await follow(team, failure["remedy"])

    async def changed() -> bool:
        return (await credentials(team))["data"] != secret["data"]

    await eventually(changed, "what was asked for is done")
    await team.ready("ide")
    after = await credentials(team)
    assert (after["data"]["PASSWORD"] == secret["data"]["PASSWORD"]) is (wish is ask_for_another_key)
    assert not after.get("immutable")
    await assert_silent(team, await team.get_claim("ide"), after)
    await assert_truthful(team)


async def assert_silent(team: Team, claim: Claim, secret: dict[str, Any]) -> None:
    """No value of the Secret is in the claim, its projection or an event."""
    told = json.dumps([claim, await team.find("workload", "ide"), await events(team, "ide")])
    values = [each for encoded in secret["data"].values() for each in (encoded, b64decode(encoded).decode())]
    assert not [value for value in values if value in told]


def plain(text: str) -> Files:
    """A ConfigMap under its own name, which changes in place."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "plain"},
        "data": {"greeting": text},
    }
    return {"plain": document(body)}


@pytest.mark.parametrize("drifts", [True, False], ids=["edited too", "another revision"])
async def test_32_a_config_map_that_somebody_made_immutable_is_made_anew_once_it_is_deleted(
    new_team: TeamFactory, drifts: bool
):
    team = await new_team(publish=False)
    await team.publish(app_files(**plain("one")))
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide", templateRevision=1)
    await team.ready("ide")
    before = (await team.objects())["ConfigMap/ide-plain"]
    if drifts:
        await freeze(team, "configmap", "ide-plain", data={"greeting": "somebody's"})
    else:
        await freeze(team, "configmap", "ide-plain")
        await second_revision(team, plain("two"))
        await team.claim("ide", templateRevision=2)
    found = await team.until("ide", "Stalled", "True", "ImmutableFieldConflict")
    failure = found["status"]["failure"]
    assert "ConfigMap/ide-plain" in failure["message"]
    assert "somebody's" not in json.dumps(found["status"])
    assert "it is made anew" in failure["remedy"]
    held = await team.objects()
    assert held["ConfigMap/ide-plain"]["metadata"]["uid"] == before["metadata"]["uid"], "it is not deleted"
    assert "ConfigMap/ide-more" not in held
    await team.platform.kubectl("delete", "service", "ide-web", "-n", team.namespace)
    await eventually(lambda: team.find("service", "ide-web"), "other objects are put right")

    await team.platform.kubectl("delete", "configmap", "ide-plain", "-n", team.namespace)
    wanted = "one" if drifts else "two"

    async def anew() -> bool:
        made = await team.find("configmap", "ide-plain")
        return made is not None and made["data"] == {"greeting": wanted} and not made.get("immutable")

    await eventually(anew, "it is made anew")

    async def well() -> bool:
        claim = await team.get_claim("ide")
        return is_ready(claim) and "failure" not in claim["status"]

    await eventually(well, "the claim is well")
    await assert_truthful(team)
