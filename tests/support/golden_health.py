"""How far a claim's pods are, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from ocdp_operator.dev.simulation import SIMULATE
from tests.support.golden_stage import Situations, Stage
from tests.support.simulated_pods import plain_pod

HEALTH: Final = Situations()
PATIENCE: Final = Situations()
"""Words about a workload that becomes healthy are told every 20 s: these claims are there before all others."""
SIMULATED: Final = {
    "image-pull-failed": "imagepull",
    "crash-loop": "crashloop",
    "progressing": "slow",
    "model-loading": "slow",
}
"""What becomes of these claims' pods from the first."""


@HEALTH.add
async def ready(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.ready(name)
    yield


@HEALTH.add
async def image_pull_failed(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.fails(name)
    yield


@HEALTH.add
async def crash_loop(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.fails(name)
    yield


@HEALTH.add
async def probe_failing(stage: Stage, name: str) -> AsyncIterator[None]:
    """Of a container that was well."""
    await stage.ready(name, stage.of("probed"))
    await stage.kubectl("annotate", "pod", await stage.pod(name), f"{SIMULATE}=notready")
    await stage.team.until(name, "Ready", "False")
    yield


@HEALTH.add
async def model_loading(stage: Stage, name: str) -> AsyncIterator[None]:
    """The server runs, and its startup probe has not passed yet."""
    await stage.submit(name, stage.of("model"))
    await stage.kubectl(
        "patch", "pod", await stage.pod(name), "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": _starting_up()}),
    )  # fmt: skip
    await stage.team.until(name, "Healthy", "Unknown", "ModelLoading")
    yield


def _starting_up() -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    container = {
        "name": "web", "image": "registry.example.test/web:1.0.0", "imageID": "", "restartCount": 0,
        "ready": False, "started": False, "state": {"running": {"startedAt": now}},
    }  # fmt: skip
    ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": now}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
    return {"phase": "Running", "conditions": [scheduled, ready], "containerStatuses": [container]}


@HEALTH.add
async def unschedulable(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.submit(name, stage.of("large"))
    await stage.team.until(name, "Healthy", "Unknown", "Unschedulable")
    yield


@HEALTH.add
async def quota_exceeded(stage: Stage, name: str) -> AsyncIterator[None]:
    """The quota counts pods that say nothing of what they need: those of no other claim here."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"scopes": ["BestEffort"], "hard": {"pods": "0"}},
    }
    await stage.kubectl("create", "-f", "-", stdin=yaml.safe_dump(quota))
    await stage.refuses(plain_pod(stage.team.namespace, name), "exceeded quota: small")
    await stage.fails(name, stage.of("unmetered"), reason="QuotaExceeded")
    yield
    await stage.kubectl("delete", "resourcequota", "small")


@PATIENCE.add
async def progressing(stage: Stage, name: str) -> AsyncIterator[None]:
    await stage.says(name, "pods are ready")
    yield


@PATIENCE.add
async def volume_pending(stage: Stage, name: str) -> AsyncIterator[None]:
    """Its class is one that the cluster does not have."""
    await stage.says(name, "does not exist")
    yield


async def begin(stage: Stage) -> None:
    """Submits the claims of ``PATIENCE``."""
    await stage.submit("progressing")
    await stage.submit("volume-pending", stage.of("disks"))
