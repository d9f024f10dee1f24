"""Pods as the watches tell of them: a test says what their containers do, and what made them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ocdp_operator.adapters.cluster.trimming import observe
from ocdp_operator.model.kinds import POD
from ocdp_operator.model.names import CLAIM_NAME
from ocdp_operator.model.objects import Observed
from tests.support.builders import NAMESPACE, observed

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
REPLICA_SET = "ide-web-6d4f7c9b5"


def ago(**age: float) -> str:
    """So long before ``NOW``, as the API server writes it."""
    return (NOW - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(
    reason: str, message: str = "", *, ended: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A container that waits, perhaps after it has ended."""
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return container(state, **({"lastState": {"terminated": ended}} if ended else {}), **fields)


def running(*, since: str = "", **fields: Any) -> dict[str, Any]:
    """A container that runs; ``started=False``: its startup probe has not passed."""
    return container({"running": {"startedAt": since or ago(hours=1)}}, **({"started": True} | fields))


def ended(code: int, reason: str = "Error", **fields: Any) -> dict[str, Any]:
    """A container that has just ended."""
    return container(
        {"terminated": {"exitCode": code, "reason": reason, "finishedAt": ago(seconds=1)}}, **fields
    )


def container(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A container's status."""
    plain = {"name": "web", "image": "registry.example.test/web:1", "ready": False, "restartCount": 0}
    return plain | {"state": state} | fields


def pod(
    *containers: dict[str, Any], name: str = f"{REPLICA_SET}-abcde", owner: tuple[str, str, str] = ("ReplicaSet", REPLICA_SET, "rs-1"),
    ready: bool = False, since: str = "", born: str = "", probes: tuple[str, ...] = ("readinessProbe",),
    init: tuple[dict[str, Any], ...] = (), startup: dict[str, int] | None = None, **changes: Any,
) -> Observed:  # fmt: skip
    """A pod of the claim ``ide``; ``since``: when Ready last changed; ``unscheduled``: the scheduler's words."""
    conditions = [
        {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since or ago(hours=1)}
    ]
    if "unscheduled" in changes:
        conditions.append(
            {
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": changes.pop("unscheduled"), "lastTransitionTime": since or ago(seconds=10),
            }
        )  # fmt: skip
    status = {
        "phase": changes.pop("phase", "Running" if containers else "Pending"), "reason": changes.pop("reason", ""),
        "conditions": conditions, "containerStatuses": list(containers), "initContainerStatuses": list(init),
    }  # fmt: skip
    kind, of, uid = owner
    metadata = {
        "name": name, "namespace": NAMESPACE, "uid": f"uid-of-{name}", "resourceVersion": "1",
        "labels": {CLAIM_NAME: "ide"}, "creationTimestamp": born or ago(hours=1),
        "ownerReferences": [{"kind": kind, "name": of, "uid": uid, "controller": True}], **changes,
    }  # fmt: skip
    names = {each["name"] for each in containers} or {"web"}
    spec = {
        "containers": [
            {
                "name": each,
                **{probe: {"httpGet": {}} for probe in probes},
                **({"startupProbe": startup} if startup else {}),
            }
            for each in sorted(names)
        ]
    }
    return observe(POD, {"metadata": metadata, "spec": spec, "status": status})


def rolled(reason: str = "NewReplicaSetAvailable", name: str = REPLICA_SET) -> dict[str, Any]:
    """The condition Progressing of a Deployment."""
    status = "False" if reason == "ProgressDeadlineExceeded" else "True"
    return {"type": "Progressing", "status": status, "reason": reason, "message": f'ReplicaSet "{name}" is there.'}  # fmt: skip


def deployment(ready: int = 0, *conditions: dict[str, Any], wanted: int = 1, **fields: Any) -> Observed:
    """One whose pods all exist, and of which ``ready`` are ready; ``changed``: when it was or was not available first."""
    available = {
        "type": "Available",
        "status": "True" if ready == wanted else "False",
        "lastTransitionTime": fields.pop("changed", ago(hours=24)),
    }
    counts = dict.fromkeys(("replicas", "updatedReplicas"), fields.pop("existing", wanted))
    status = {
        "observedGeneration": fields.pop("seen", 1), **counts, "readyReplicas": ready, "availableReplicas": ready,
        "conditions": [*(conditions or (rolled(),)), available],
    }  # fmt: skip
    spec = {"replicas": wanted, "progressDeadlineSeconds": 600}
    return observed("Deployment", "ide-web", spec=spec, status=status, **fields)
