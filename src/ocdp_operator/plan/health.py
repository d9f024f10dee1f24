"""Live objects -> Health, by the kstatus rules. Derived from status fields, never from our own wishes (design 4.7).

The rules are those of ``sigs.k8s.io/cli-utils/pkg/kstatus``, with these differences, all towards "not yet":

- A Job is healthy when it is complete, not already when it has started: a claim is not Ready while a step of it runs.
- A Service of type LoadBalancer waits for its address, since the claim is of no use before.
- A Deployment or StatefulSet is progressing until its controller has written a status at all.
- A lost PVC and a Deployment whose pods are refused (``ReplicaFailure``) have failed.

An Ingress is healthy when it exists, as kstatus says: many controllers never write an address into it. The URL is
held back until there is one (``endpoints``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ocdp_operator.errors import Reason
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import DEPLOYMENT, JOB, PVC, SECRET, SERVICE, STATEFUL_SET, WORKLOAD
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.model.workload import ObjectHealth
from ocdp_operator.plan.order import entry_order
from ocdp_operator.plan.wording import MAX_MESSAGE, shown


class Verdict(StrEnum):
    """What is known of an object, or of all of them."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a claim's applied generation."""

    verdict: Verdict
    reason: Reason
    """HealthCheckSucceeded, Progressing, VolumePending, NoPods, ProgressDeadlineExceeded or HealthCheckFailed."""
    message: str
    """Names the first object that is not healthy, failed ones before others."""
    objects: tuple[ObjectHealth, ...]
    """In apply order."""


@dataclass(frozen=True, slots=True)
class _Finding:
    verdict: Verdict
    reason: Reason
    message: str = ""


_NO_DEADLINE: Final = 2**31 - 1
"""How the Deployment controller says "for ever"; the API server fills in another number where none is given."""
_HEALTHY: Final = _Finding(Verdict.HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED)


def assess(desired: Inventory, live: Mapping[ObjectRef, Observed]) -> Health:
    """The health of the desired entries; Secrets are not watched and count as healthy.

    The Workload is left out: it tells of the others. Nothing desired is not healthy: Ready must speak of something.
    """
    entries = sorted((e for e in desired.desired if e.ref.kind != WORKLOAD.kind), key=entry_order)
    findings = [(entry, _find(entry, live.get(entry.ref))) for entry in entries]
    objects = tuple(
        ObjectHealth(
            kind=entry.ref.kind, name=entry.ref.name, health=finding.verdict, message=finding.message
        )
        for entry, finding in findings
    )
    if not findings:
        return Health(Verdict.PROGRESSING, Reason.PROGRESSING, "Nothing is applied yet.", objects)
    for verdict in (Verdict.FAILED, Verdict.PROGRESSING):
        bad = [(entry, finding) for entry, finding in findings if finding.verdict is verdict]
        if bad:
            entry, finding = bad[0]
            return Health(verdict, finding.reason, f"{entry.ref}: {finding.message}", objects)
    return Health(
        Verdict.HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED, f"All {len(objects)} objects are healthy.", objects
    )


def _find(entry: Entry, live: Observed | None) -> _Finding:
    if entry.ref.kind == SECRET.kind:
        return _HEALTHY
    if live is None:
        return _progressing("does not exist yet.")
    if entry.uid and live.uid != entry.uid:
        return _progressing("another object has its name.")
    if live.deletion_timestamp:
        return _progressing("is being deleted.")
    rule = _RULES.get(entry.ref.kind)
    if rule is None:
        return _HEALTHY
    return rule(live, live.body.get("spec") or {}, live.body.get("status") or {})


def _progressing(message: str, reason: Reason = Reason.PROGRESSING) -> _Finding:
    return _Finding(Verdict.PROGRESSING, reason, message)


def _failed(message: str, reason: Reason = Reason.HEALTH_CHECK_FAILED) -> _Finding:
    return _Finding(Verdict.FAILED, reason, shown(message, MAX_MESSAGE // 2))


def _number(part: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = part.get(name)
    return default if value is None else int(value)


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    found = (c for c in status.get("conditions") or () if c.get("type") == type_)
    return next(found, {})


def _is_true(status: Mapping[str, Any], type_: str) -> bool:
    return _condition(status, type_).get("status") == "True"


def _unseen(live: Observed, status: Mapping[str, Any]) -> _Finding | None:
    """A status that speaks of an older generation says nothing."""
    if _number(status, "observedGeneration") < live.generation:
        return _progressing("its newest generation has not been seen by its controller yet.")
    return None


def _counted(wanted: int, status: Mapping[str, Any]) -> _Finding | None:
    """What is short of ``wanted`` pods, in the order in which pods come to be."""
    existing, ready = _number(status, "replicas"), _number(status, "readyReplicas")
    if wanted > 0 and existing == 0:
        return _progressing(f"none of its {wanted} pods exists.", Reason.NO_PODS)
    if existing < wanted:
        return _progressing(f"{existing} of {wanted} pods exist.")
    if ready < wanted:
        return _progressing(f"{ready} of {wanted} pods are ready.")
    if existing > wanted:
        return _progressing(f"{existing - wanted} pods have yet to end.")
    return None


def _deployment(live: Observed, spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding:
    unseen = _unseen(live, status)
    if unseen:
        return unseen
    progress, refused = _condition(status, "Progressing"), _condition(status, "ReplicaFailure")
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return _failed("it did not get on within its progress deadline.", Reason.PROGRESS_DEADLINE_EXCEEDED)
    if refused.get("status") == "True":
        return _failed(f"its pods are refused: {refused.get('message', '')}")
    return _rollout(spec, status) or _conditions(spec, progress, status)


def _rollout(spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding | None:
    wanted = _number(spec, "replicas", 1)
    updated, available = _number(status, "updatedReplicas"), _number(status, "availableReplicas")
    existing = _number(status, "replicas")
    if updated < wanted <= existing:
        return _progressing(f"{updated} of {wanted} pods are of the newest template.")
    short = _counted(wanted, status)
    if short:
        return short
    if available < updated:
        return _progressing(f"{available} of {updated} pods are available.")
    return None


def _conditions(spec: Mapping[str, Any], progress: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding:
    # A Deployment without a progress deadline never gets this condition.
    rolled_out = _number(spec, "progressDeadlineSeconds", _NO_DEADLINE) == _NO_DEADLINE or (
        progress.get("status") == "True" and progress.get("reason") == "NewReplicaSetAvailable"
    )
    if not rolled_out:
        return _progressing("its newest pods are not all available yet.")
    if not _is_true(status, "Available"):
        return _progressing("it is not available yet.")
    return _HEALTHY


def _stateful_set(live: Observed, spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding:
    unseen = _unseen(live, status)
    if unseen:
        return unseen
    wanted = _number(spec, "replicas", 1)
    short = _counted(wanted, status)
    if short:
        return short
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return _HEALTHY
    partition = _number(strategy.get("rollingUpdate") or {}, "partition")
    updated = _number(status, "updatedReplicas")
    if updated < wanted - partition:
        return _progressing(f"{updated} of {wanted - partition} pods are of the newest template.")
    if partition == 0 and status.get("currentRevision") != status.get("updateRevision"):
        return _progressing("its newest pods have yet to become the current ones.")
    return _HEALTHY


def _pvc(_live: Observed, _spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding:
    phase = status.get("phase") or "Pending"
    if phase == "Bound":
        return _HEALTHY
    if phase == "Lost":
        return _failed("its volume is lost.")
    # Also with a class that waits for the first pod: the pod is what it waits for, and comes later.
    return _progressing("it has no volume yet.", Reason.VOLUME_PENDING)


def _service(_live: Observed, spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding:
    if spec.get("type") == "LoadBalancer" and not (status.get("loadBalancer") or {}).get("ingress"):
        return _progressing("it has no address from the load balancer yet.")
    return _HEALTHY


def _job(_live: Observed, _spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Finding:
    if _is_true(status, "Failed"):
        return _failed(f"it failed: {_condition(status, 'Failed').get('message', '')}")
    if _is_true(status, "Complete") or _is_true(status, "Suspended"):
        return _HEALTHY
    return _progressing("it has not completed yet." if status.get("startTime") else "it has not started yet.")


_RULES: Final[dict[str, Callable[[Observed, Mapping[str, Any], Mapping[str, Any]], _Finding]]] = {
    DEPLOYMENT.kind: _deployment,
    STATEFUL_SET.kind: _stateful_set,
    PVC.kind: _pvc,
    SERVICE.kind: _service,
    JOB.kind: _job,
}
