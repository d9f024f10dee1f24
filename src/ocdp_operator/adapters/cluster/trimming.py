"""What is kept in memory of a live object: what health, endpoints, prune and drift read, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from ocdp_operator.model.kinds import POD, Kind
from ocdp_operator.model.names import COMPONENT, OWNER, POD_REVISION, RENDERING, RESERVED_PREFIXES
from ocdp_operator.model.objects import Observed

_CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
_VOLUME_SOURCES: Final = ("configMap", "secret", "projected", "persistentVolumeClaim")
_PROBES: Final = {
    "startupProbe": ("initialDelaySeconds", "periodSeconds", "failureThreshold"),
    "readinessProbe": (),
}
"""Of a startup probe how long it may take; of the other one that it is there."""
_POD_STATUS: Final = ("phase", "reason")
_POD_CONDITIONS: Final = ("Ready", "PodScheduled")
_POD_CONDITION: Final = ("type", "status", "reason", "lastTransitionTime")
_CONTAINER_STATUSES: Final = ("initContainerStatuses", "containerStatuses")
_CONTAINER_STATUS: Final = ("name", "ready", "started", "restartCount")
_TERMINATED: Final = ("exitCode", "reason", "finishedAt")
_WITH_WORDS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "CreateContainerConfigError",
    }
)
"""Reasons to wait whose message is about the image, a Secret or a ConfigMap; those of others may quote what a container wrote."""
_LONGEST_WORDS: Final = 400
_LABELS: Final = (COMPONENT, POD_REVISION)
"""Labels beside ours that are read: they tell a model server, and the revision of a StatefulSet's pod (``plan/replicas.py``)."""
_READ_ELSEWHERE: Final = (OWNER, RENDERING)
"""The mark is read already, and what a Workload keeps is read afresh when it is needed."""
_OWNER: Final = ("kind", "name", "uid", "controller")


def observe(kind: Kind, raw: Mapping[str, Any]) -> Observed:
    """A live object as the watches tell of it, trimmed. A Pod's ``body`` has its owners under ``metadata``."""
    observed = trimmed(Observed.of(kind, raw))
    if kind != POD:
        return observed
    metadata = raw["metadata"]
    kept = {
        "creationTimestamp": metadata.get("creationTimestamp") or "",
        "ownerReferences": [_picked(owner, _OWNER) for owner in metadata.get("ownerReferences") or ()],
    }
    return replace(observed, body={"metadata": kept, **observed.body})


def trimmed(observed: Observed) -> Observed:
    """Without labels and annotations of others; of pods only their references, so no plain value of an environment."""
    labels = {
        name: text
        for name, text in observed.labels.items()
        if name in _LABELS or name.startswith(RESERVED_PREFIXES)
    }
    annotations = {
        name: text
        for name, text in observed.annotations.items()
        if name.startswith(RESERVED_PREFIXES) and name not in _READ_ELSEWHERE
    }
    body = observed.body
    spec = body.get("spec")
    if spec is not None and observed.ref.kind == POD.kind:
        status = _pod_status(body.get("status") or {})
        body = {**body, "spec": _references(spec), "status": status}
    elif spec is not None and "template" in spec:
        template = {"spec": _references(spec["template"].get("spec") or {})}
        body = {**body, "spec": {**spec, "template": template}}
    return replace(observed, labels=labels, annotations=annotations, body=body)


def _references(pod: Mapping[str, Any]) -> dict[str, Any]:
    """A pod spec's references to ConfigMaps, Secrets and volume claims, in their places."""
    kept: dict[str, Any] = {
        part: [_container(container) for container in pod[part]] for part in _CONTAINER_LISTS if pod.get(part)
    }
    volumes = [
        {"name": volume["name"], **_picked(volume, _VOLUME_SOURCES)}
        for volume in pod.get("volumes") or ()
        if any(source in volume for source in _VOLUME_SOURCES)
    ]
    return {**kept, "volumes": volumes} if volumes else kept


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    """Its name, its references, which probes it has, and how long it may take to start up."""
    kept = {"name": container["name"], **_probes(container)}
    env = [variable for variable in container.get("env") or () if "valueFrom" in variable]
    if env:
        kept["env"] = env
    if container.get("envFrom"):
        kept["envFrom"] = container["envFrom"]
    return kept


def _probes(container: Mapping[str, Any]) -> dict[str, Any]:
    return {probe: _picked(container[probe], kept) for probe, kept in _PROBES.items() if container.get(probe)}


def _pod_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the pod is scheduled and ready, and since when; of the containers what they do, not what they are."""
    kept: dict[str, Any] = _picked(status, _POD_STATUS)
    kept["conditions"] = [
        _condition(condition)
        for condition in status.get("conditions") or ()
        if condition["type"] in _POD_CONDITIONS
        and (condition["type"] == "Ready" or condition["status"] != "True")
    ]
    for part in _CONTAINER_STATUSES:
        if status.get(part):
            kept[part] = [_container_status(each) for each in status[part]]
    return kept


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = _picked(condition, _POD_CONDITION)
    if condition.get("message") and condition["type"] != "Ready":
        kept["message"] = condition["message"][:_LONGEST_WORDS]
    return kept


def _container_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """Of a ready container that it is so; of another one what it does and how it ended, and nothing that it wrote."""
    if status.get("ready"):
        return _picked(status, ("name", "ready"))
    kept: dict[str, Any] = _picked(status, _CONTAINER_STATUS)
    state = status.get("state") or {}
    if waiting := state.get("waiting"):
        reason = waiting.get("reason") or ""
        words = waiting.get("message") if reason in _WITH_WORDS else ""
        kept["state"] = {
            "waiting": {"reason": reason, **({"message": words[:_LONGEST_WORDS]} if words else {})}
        }
        kept["image"] = status.get("image") or ""
    elif running := state.get("running"):
        kept["state"] = {"running": _picked(running, ("startedAt",))}
    elif ended := state.get("terminated"):
        kept["state"] = {"terminated": _picked(ended, _TERMINATED)}
    if ended := (status.get("lastState") or {}).get("terminated"):
        kept["lastState"] = {"terminated": _picked(ended, _TERMINATED)}
    return kept


def _picked(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}
