"""What is kept in memory of a live object: what health, endpoints, prune and drift read, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from ocdp_operator.model.kinds import POD, Kind
from ocdp_operator.model.names import OWNER, RESERVED_PREFIXES
from ocdp_operator.model.objects import Observed

_CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
_VOLUME_SOURCES: Final = ("configMap", "secret", "projected", "persistentVolumeClaim")
_POD_STATUS: Final = ("phase", "reason", "message")
_POD_CONDITION: Final = ("type", "status", "reason", "message")
_CONTAINER_STATUSES: Final = ("initContainerStatuses", "containerStatuses")
_CONTAINER_STATUS: Final = ("name", "ready", "started", "restartCount", "state", "lastState")
_OWNER: Final = ("kind", "name", "uid", "controller")


def observe(kind: Kind, raw: Mapping[str, Any]) -> Observed:
    """A live object as the watches tell of it, trimmed. A Pod's ``body`` has its owners under ``metadata``."""
    observed = trimmed(Observed.of(kind, raw))
    if kind != POD:
        return observed
    owners = [_picked(owner, _OWNER) for owner in raw["metadata"].get("ownerReferences") or ()]
    return replace(observed, body={"metadata": {"ownerReferences": owners}, **observed.body})


def trimmed(observed: Observed) -> Observed:
    """Without labels and annotations of others; of pods only their references, so no plain value of an environment."""
    labels = {name: text for name, text in observed.labels.items() if name.startswith(RESERVED_PREFIXES)}
    annotations = {
        name: text
        for name, text in observed.annotations.items()
        if name.startswith(RESERVED_PREFIXES) and name != OWNER  # the mark is read already
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
    kept = {"name": container["name"]}
    env = [variable for variable in container.get("env") or () if "valueFrom" in variable]
    if env:
        kept["env"] = env
    if container.get("envFrom"):
        kept["envFrom"] = container["envFrom"]
    return kept


def _pod_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """Of the conditions only Ready and what is wrong; of the containers what they do, not what they are."""
    kept: dict[str, Any] = _picked(status, _POD_STATUS)
    kept["conditions"] = [
        _picked(condition, _POD_CONDITION)
        for condition in status.get("conditions") or ()
        if condition["type"] == "Ready" or condition["status"] != "True"
    ]
    for part in _CONTAINER_STATUSES:
        if status.get(part):
            kept[part] = [_picked(each, _CONTAINER_STATUS) for each in status[part]]
    return kept


def _picked(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}
