"""Pods that could never start beside the old ones replace them; all others are replaced as the base says."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.rollouts import single_writer_volumes, with_safe_rollout
from tests.support.cluster_worlds import deployment
from tests.support.live_objects import changed, volume

POD = "spec.template.spec"
GPU = {"limits": {"nvidia.com/gpu": 1}}
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
RECREATE = {"type": "Recreate"}


def asking(resources: dict[str, Any], **strategy: Any) -> dict[str, Any]:
    body = changed(deployment(), f"{POD}.containers.0.resources", resources)
    return changed(body, "spec.strategy", strategy) if strategy else body


def mounting(name: str = "data") -> dict[str, Any]:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    return changed(deployment(), f"{POD}.volumes", volumes)


CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "a GPU": (asking(GPU), RECREATE),
    "a GPU, with a surge": (asking(GPU, **SURGE), RECREATE),
    "a device of another vendor": (asking({"requests": {"amd.com/gpu": "1"}}), RECREATE),
    "a GPU of an init container": (
        changed(deployment(), f"{POD}.initContainers", [{"name": "load", "resources": GPU}]),
        RECREATE,
    ),
    "a GPU, recreated": (asking(GPU, **RECREATE), RECREATE),
    "a GPU, without surge": (
        asking(GPU, type="RollingUpdate", rollingUpdate={"maxSurge": 0, "maxUnavailable": 1}),
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    ),
    "no surge in percent": (
        asking(GPU, type="RollingUpdate", rollingUpdate={"maxSurge": "0%"}),
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%"}},
    ),
    "cpu and memory": (asking({"requests": {"cpu": 1, "memory": "1Gi", "ephemeral-storage": "1Gi"}}), None),
    "a resource of Kubernetes itself": (asking({"limits": {"kubernetes.io/x": 1, "node.kubernetes.io/y": 1}}), None),
    "huge pages": (asking({"limits": {"hugepages-2Mi": "2Mi"}}), None),
    "a volume of one node": (mounting(), RECREATE),
    "a volume that is not of the claim": (mounting("theirs"), None),
    "a shared volume": (mounting("shared"), None),
    "a surge": (changed(deployment(), "spec.strategy", SURGE), SURGE),
}  # fmt: skip
VOLUMES = single_writer_volumes(
    Manifest.of(each) for each in (volume(), volume("shared", accessModes=["ReadWriteMany"]), deployment())
)


@pytest.mark.parametrize(("body", "strategy"), CASES.values(), ids=CASES)
def test_pods_never_wait_for_what_the_old_ones_hold(body: dict[str, Any], strategy: Any) -> None:
    found = with_safe_rollout(body, VOLUMES)
    assert found["spec"].get("strategy") == strategy
    assert {**found, "spec": {**found["spec"], "strategy": body["spec"].get("strategy")}} == {
        **body,
        "spec": {**body["spec"], "strategy": body["spec"].get("strategy")},
    }
