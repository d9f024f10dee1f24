"""Updates that no plain apply can make, on a real control plane: data, pods and names are what they should be after them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.app_renderings import ROOT
from tests.support.app_renderings import app_files as example_files
from tests.support.apps import app_files, deployment, document, stateful_set, template
from tests.support.fix_operator import TeamFactory
from tests.support.world import Team, condition, eventually, inventory

SIZE = "/spec/resources/requests/storage"
TEMPLATE_SIZE = f"/spec/volumeClaimTemplates/0{SIZE}"
GPU_NODE = "one-gpu"
ONLY_HERE = "example.test/one-gpu"


def with_set(team: Team) -> dict[str, Any]:
    """The template's mappings for a StatefulSet: the size is that of its claim template."""
    mappings = template(team.template_id, team.repository_url)["mappings"]
    for each in mappings:
        if each.get("from") == "values.storageGi":
            each["patch"] = {
                "kind": "StatefulSet",
                "name": "web",
                "pointer": TEMPLATE_SIZE,
                "op": "replace",
            }
    return {"mappings": mappings}


def size_of(volume: dict[str, Any]) -> str:
    return str(volume["spec"]["resources"]["requests"]["storage"])


def uids(objects: dict[str, dict[str, Any]], kind: str) -> dict[str, str]:
    return {name: each["metadata"]["uid"] for name, each in objects.items() if name.startswith(f"{kind}/")}


async def pods(team: Team) -> dict[str, str]:
    found = (await team.platform.get("pods", "-n", team.namespace))["items"]
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


async def test_a_larger_claim_template_keeps_pods_and_volumes_and_grows_them(new_team: TeamFactory):
    team = await new_team(publish=False)
    await team.publish(app_files(deployment=b"", volume=b"", set=document(stateful_set())), **with_set(team))
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide", values={"storageGi": 1}, deletionPolicy="Delete")
    await team.ready("ide")
    running, before = await pods(team), await team.objects()
    assert list(running) == ["ide-web-0"]

    await team.claim("ide", values={"storageGi": 2}, deletionPolicy="Delete")
    await team.ready("ide")
    after = await team.objects()
    assert uids(after, "StatefulSet") != uids(before, "StatefulSet")
    assert uids(after, "PersistentVolumeClaim") == uids(before, "PersistentVolumeClaim")
    assert await pods(team) == running
    assert size_of(after["PersistentVolumeClaim/data-ide-web-0"]) == "2Gi"
    claimed = after["StatefulSet/ide-web"]["spec"]["volumeClaimTemplates"][0]
    assert size_of(claimed) == "2Gi"

    async def adopted() -> bool:
        pod = await team.platform.get("pod", "ide-web-0", "-n", team.namespace)
        owners = [owner["uid"] for owner in pod["metadata"]["ownerReferences"]]
        return owners == [after["StatefulSet/ide-web"]["metadata"]["uid"]]

    await eventually(adopted, "the new StatefulSet has the pod")
    await team.claim("ide", values={"storageGi": 1}, deletionPolicy="Delete")
    found = await team.until("ide", "Applied", "False", "ImmutableFieldConflict")
    assert "cannot be changed from 2Gi to 1Gi" in condition(found, "Applied")["message"]
    assert found["status"]["failure"]["valuePath"] == "/spec/values/storageGi"
    assert uids(await team.objects(), "StatefulSet") == uids(after, "StatefulSet")


async def test_a_volume_grows_and_never_shrinks(team: Team):
    await team.claim("ide", values={"storageGi": 1, "greeting": "one"})
    await team.ready("ide")
    before = await team.objects()
    await team.claim("ide", values={"storageGi": 2, "greeting": "two"})
    await team.ready("ide")

    async def settled() -> dict[str, dict[str, Any]] | None:
        found = await team.objects()
        return found if sum(name.startswith("ConfigMap/ide-") for name in found) == 1 else None

    grown = await eventually(settled, "the ConfigMap of before is pruned")
    assert size_of(grown["PersistentVolumeClaim/ide-data"]) == "2Gi"
    assert uids(grown, "PersistentVolumeClaim") == uids(before, "PersistentVolumeClaim")

    await team.claim("ide", values={"storageGi": 1, "greeting": "three", "guarded": "yes"})
    found = await team.until("ide", "Ready", "False", "ImmutableFieldConflict")
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "Healthy")["status"] == "True"
    # One refusal holds all of the edit: the generation that ran goes on.
    held = await team.objects()
    assert {name: each["metadata"]["uid"] for name, each in held.items()} == {
        name: each["metadata"]["uid"] for name, each in grown.items()
    }
    assert {name for name in held if name.startswith("NetworkPolicy/")} == set()


def seeding(image: str) -> bytes:
    body = deployment()
    pod = body["spec"]["template"]
    pod["spec"] |= {"restartPolicy": "Never"}
    pod["spec"].pop("volumes")
    [container] = pod["spec"]["containers"]
    for part in ("volumeMounts", "env", "ports"):
        container.pop(part)
    container["image"] = image
    labels = {"app.kubernetes.io/name": "seed"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed", "labels": labels},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": pod["spec"]}},
    }
    return document(job)


async def test_a_job_with_other_content_or_another_profile_is_another_job(new_team: TeamFactory):
    team = await new_team(publish=False)
    await team.publish(app_files(seed=seeding("registry.example.test/seed:1")))
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")

    def jobs(names: Any) -> set[str]:
        return {name for name in names if name.startswith("Job/")}

    [first] = jobs(await team.objects())
    assert first.startswith("Job/ide-seed-")

    async def replaced(old: str) -> str:
        async def check() -> str | None:
            found, claim = jobs(await team.objects()), await team.get_claim("ide")
            return found.pop() if len(found) == 1 and old not in found and found <= inventory(claim) else None

        return str(await eventually(check, f"{old} is replaced"))

    await team.publish(app_files(seed=seeding("registry.example.test/seed:2")))
    second = await replaced(first)
    await team.ready("ide")
    await team.platform.profile(
        {
            "kind": "EnvironmentProfile",
            "id": team.workspace,
            "workspace": team.workspace,
            "nodeSelector": {"kubernetes.io/os": "linux"},
        }
    )
    third = await replaced(second)
    await team.ready("ide")
    job = (await team.objects())[third]
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}


@pytest.fixture
async def one_gpu(new_team: TeamFactory) -> Any:
    """A team whose pods run on one node, which has one GPU."""
    team = await new_team(publish=False)
    capacity = {
        "cpu": "64",
        "memory": "512Gi",
        "pods": "100",
        "ephemeral-storage": "1Ti",
        "nvidia.com/gpu": "1",
    }
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": GPU_NODE,
            "labels": {"type": "kwok", ONLY_HERE: "yes", "kubernetes.io/hostname": GPU_NODE},
        },
        "spec": {"taints": [{"key": ONLY_HERE, "value": "yes", "effect": "NoSchedule"}]},
        "status": {"capacity": capacity, "allocatable": capacity},
    }  # fmt: skip
    await team.platform.kubectl("create", "-f", "-", stdin=json.dumps(node))
    await team.platform.profile(
        {
            "kind": "EnvironmentProfile",
            "id": team.workspace,
            "workspace": team.workspace,
            "nodeSelector": {ONLY_HERE: "yes"},
            "tolerations": [{"key": ONLY_HERE, "operator": "Exists", "effect": "NoSchedule"}],
        }
    )
    yield team
    await team.platform.kubectl("delete", "node", GPU_NODE)


async def test_a_model_server_is_updated_on_the_only_gpu(one_gpu: Team):
    """Its base says no strategy: a surge would wait for the GPU that the old pod holds, and the old pod for the new one."""
    team, files = one_gpu, example_files()
    base = "apps/vllm-server/base/deployment.yaml"
    lines = files[base].decode().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("  strategy:"))
    files[base] = "".join(lines[:at] + lines[at + 2 :]).encode()
    assert b"Recreate" not in files[base]
    commit = await team.repository.commit(files, "No strategy")
    entry = yaml.safe_load((ROOT / "examples" / "templates" / "vllm-server.yaml").read_text())
    entry["id"], entry["source"]["repositoryUrl"] = team.template_id, team.repository_url
    await team.repository.tag(entry["source"]["ref"], commit)
    await team.platform.publish(entry)
    await team.platform.bind(team.template_id, team.workspace)

    await team.claim("model", values={"model": "Qwen/Qwen3-0.6B"}, deletionPolicy="Delete")
    await team.ready("model")
    before = await pods(team)
    await team.claim("model", values={"model": "Qwen/Qwen3-8B"}, deletionPolicy="Delete")
    await team.ready("model")
    after = await pods(team)
    assert len(before) == len(after) == 1
    assert before != after
    pod = (await team.platform.get("pods", "-n", team.namespace))["items"][0]
    assert pod["spec"]["nodeName"] == GPU_NODE
    told = await team.platform.ocdp(
        "explain",
        "model",
        "deployment/vllm-server",
        "/spec/strategy",
        "-n",
        team.namespace,
        "--kubeconfig",
        str(team.platform.cluster.kubeconfig),
    )
    assert "Recreate" in told
    assert "rollout" in told
