"""Which Secrets and ConfigMaps a pod uses, by its environment and its volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ocdp_operator.model.kinds import POD
from ocdp_operator.model.objects import Observed


def secret_names(pod_spec: Mapping[str, Any]) -> frozenset[str]:
    """Secrets that the pod's environment and volumes refer to."""
    return frozenset(_names(pod_spec, key="secretKeyRef", source="secretRef", volume="secret"))


def config_map_names(pod_spec: Mapping[str, Any]) -> frozenset[str]:
    """ConfigMaps that the pod's environment and volumes refer to."""
    return frozenset(_names(pod_spec, key="configMapKeyRef", source="configMapRef", volume="configMap"))


def live_references(objects: Iterable[Observed]) -> frozenset[str]:
    """ConfigMaps that live pods, or the pod templates of live objects, refer to."""
    found: frozenset[str] = frozenset()
    for observed in objects:
        spec = observed.body.get("spec") or {}
        if observed.ref.kind != POD.kind:
            spec = (spec.get("template") or {}).get("spec") or {}
        found |= config_map_names(spec)
    return found


def _names(pod_spec: Mapping[str, Any], *, key: str, source: str, volume: str) -> Iterator[str]:
    for reference in (*_environment(pod_spec, key, source), *_volumes(pod_spec, volume)):
        # A Secret volume alone says `secretName`; everything else says `name`.
        name = reference.get("name") or reference.get("secretName")
        if name:
            yield name


def _environment(pod_spec: Mapping[str, Any], key: str, source: str) -> Iterator[Mapping[str, Any]]:
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod_spec.get(part) or ():
            for variable in container.get("env") or ():
                yield (variable.get("valueFrom") or {}).get(key) or {}
            for origin in container.get("envFrom") or ():
                yield origin.get(source) or {}


def _volumes(pod_spec: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    for volume in pod_spec.get("volumes") or ():
        yield volume.get(kind) or {}
        for origin in (volume.get("projected") or {}).get("sources") or ():
            yield origin.get(kind) or {}
