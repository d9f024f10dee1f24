"""Pods fail on real claims: the message names the cause, Ready is False within seconds, told once, and True again after."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from ocdp_operator.dev.simulation import SIMULATE
from ocdp_operator.errors import ADVICE, Reason
from tests.support.apps import app_files, deployment, document, stateful_set, volume
from tests.support.simulated_pods import no_simulation, simulate
from tests.support.world import Claim, Team, condition, eventually

IMAGE = "registry.example.test/web:1.0.0"
CAUSES = {
    "crashloop": ("CrashLoop", "container web ends again and again: exit code 1 (Error), at least 5 restarts."),
    "imagepull": ("ImagePullFailed", f"container web cannot pull its image {IMAGE}: not found."),
    "notready": ("HealthCheckFailed", "container web does not pass its readiness probe."),
}  # fmt: skip
GPU = {"nvidia.com/gpu": "100"}
SOON = 5.0
"""Seconds, by the stamps of two conditions, which show whole ones."""
PROBES = {"startupProbe": {"httpGet": {"path": "/", "port": "http"}}, "readinessProbe": {"httpGet": {"path": "/", "port": "http"}}}  # fmt: skip


def probed(body: dict[str, Any], **resources: Any) -> bytes:
    """The workload with both probes."""
    container = body["spec"]["template"]["spec"]["containers"][0]
    container.update(PROBES)
    if resources:
        container["resources"] = resources
    return document(body)


async def pod_of(team: Team) -> str:
    found = await team.platform.get("pods", "-n", team.namespace)
    (pod,) = [each for each in found["items"] if "deletionTimestamp" not in each["metadata"]]
    return str(pod["metadata"]["name"])


async def becomes(team: Team, what: str) -> None:
    """The pod that runs goes the way of a stage."""
    pod = await pod_of(team)
    await team.platform.kubectl(
        "annotate", "pod", pod, "-n", team.namespace, "--overwrite", f"{SIMULATE}={what}"
    )


async def seconds_until(check: Callable[[], Awaitable[Any]], team: Team, what: str) -> float:
    """Until the claim says so, as the API server's clock has it: since the pod's Ready condition changed."""
    claim = await eventually(check, what, every=0.1)
    pod = await team.platform.get("pod", await pod_of(team), "-n", team.namespace)
    (ready,) = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    said = datetime.fromisoformat(condition(claim, "Ready")["lastTransitionTime"])
    return (said - datetime.fromisoformat(ready["lastTransitionTime"])).total_seconds()


async def told(team: Team, name: str, reason: str) -> list[str]:
    found = (await team.platform.get("events", "-n", team.namespace))["items"]
    return [
        each["message"]
        for each in found
        if each["involvedObject"]["kind"] == "WorkloadClaim"
        and each["involvedObject"]["name"] == name
        and each["reason"] == reason
        for _ in range(each.get("count") or 1)
    ]


def becoming(team: Team, status: str, reason: str) -> Callable[[], Awaitable[Claim | None]]:
    async def check() -> Claim | None:
        found = await team.get_claim("ide")
        ready = condition(found, "Ready")
        return found if (ready["status"], ready["reason"]) == (status, reason) else None

    return check


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("simulation", CAUSES)
async def test_a_pod_that_fails_makes_its_claim_unready_with_the_cause_and_back(
    team: Team, simulation: str, kind: str
) -> None:
    body = probed(deployment() if kind == "Deployment" else stateful_set())
    await team.publish(app_files(deployment=body))
    await team.claim("ide")
    await team.ready("ide")
    reason, words = CAUSES[simulation]

    await becomes(team, simulation)
    took = await seconds_until(becoming(team, "False", reason), team, f"Ready is False for {reason}")
    sys.stdout.write(f"{kind} {simulation}: Ready was False after {took:g} s\n")
    assert took <= SOON

    claim = await team.get_claim("ide")
    said = f"{kind}/ide-web: 0 of 1 pods are ready: {words}"
    assert condition(claim, "Ready")["message"] == condition(claim, "Healthy")["message"] == said
    assert condition(claim, "Applied")["status"] == "True"
    advice = ADVICE[Reason(reason)]
    failure = {"code": reason, "actor": advice.actor, "message": said, "remedy": advice.remedy}
    assert claim["status"]["failure"] == failure

    await becomes(team, "recovered")
    took = await seconds_until(becoming(team, "True", "Available"), team, "Ready is True again")
    sys.stdout.write(f"{kind} {simulation}: Ready was True again after {took:g} s\n")
    assert await told(team, "ide", reason) == [f"{said} {advice.remedy}"]
    assert "failure" not in (await team.get_claim("ide"))["status"]

    async def told_twice() -> bool:
        return len(await told(team, "ide", "HealthCheckSucceeded")) >= 2

    await eventually(told_twice, "the recovery is told, after the status that says it")
    assert len(await told(team, "ide", "HealthCheckSucceeded")) == 2


@pytest.mark.parametrize("simulation", CAUSES)
async def test_a_first_start_that_fails_names_the_cause(team: Team, simulation: str) -> None:
    await team.publish(app_files(deployment=probed(deployment())))
    await simulate(team.platform, team.namespace, {"ide": simulation})
    await team.claim("ide")
    status = "Unknown" if simulation == "notready" else "False"
    words = CAUSES[simulation][1].removesuffix(".")

    async def check() -> bool:
        found = condition(await team.get_claim("ide"), "Ready")
        return found.get("status") == status and words in found["message"]

    await eventually(check, f"Ready is {status} and says: {words}")
    await no_simulation(team.platform, team.namespace)
    await becomes(team, "recovered")
    await team.ready("ide")


async def test_a_slow_start_is_no_failure(team: Team) -> None:
    await team.publish(app_files(deployment=probed(deployment())))
    await simulate(team.platform, team.namespace, {"ide": "slow"})
    await team.claim("ide")

    async def check() -> bool:
        found = condition(await team.get_claim("ide"), "Ready")
        return found.get("status") == "Unknown" and "its containers are being created" in found["message"]

    await eventually(check, "Ready is Unknown, and says what is going on")
    await no_simulation(team.platform, team.namespace)
    await becomes(team, "recovered")
    await team.ready("ide")
    found = (await team.platform.get("events", "-n", team.namespace))["items"]
    claims = [each for each in found if each["involvedObject"]["kind"] == "WorkloadClaim"]
    assert {each["type"] for each in claims} == {"Normal"}


async def test_a_pod_that_no_node_takes_is_told_with_what_is_missing(team: Team) -> None:
    body = probed(deployment(), limits=GPU, requests=GPU)
    await team.record(app_files(deployment=body))
    await team.claim("ide")
    claim = await team.until("ide", "Healthy", "Unknown", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in condition(claim, "Ready")["message"]
    assert condition(claim, "Ready")["reason"] == "Unschedulable"


async def test_a_storage_class_that_does_not_exist_is_told_and_the_claim_is_ready_once_it_does(
    team: Team,
) -> None:
    class_ = f"fast-{team.namespace}"
    await team.publish(app_files(volume=document(volume(storageClassName=class_))))
    await team.claim("ide")
    claim = await team.until("ide", "Ready", "False", "VolumePending")
    said = f"PersistentVolumeClaim/ide-data: it gets no volume: StorageClass {class_} does not exist, and no volume of that class is free."
    assert condition(claim, "Ready")["message"] == said

    events = await eventually(lambda: told(team, "ide", "VolumePending"), "its owner is told")
    assert events == [f"{said} {ADVICE[Reason.VOLUME_PENDING].remedy}"]
    made = {**await team.platform.get("storageclass", "local"), "metadata": {"name": class_}}
    await team.platform.kubectl("create", "-f", "-", stdin=json.dumps(made))
    try:
        await team.ready("ide")
    finally:
        await team.platform.kubectl("delete", "storageclass", class_)
