"""How the pods of a Deployment are replaced: never by a new one beside the old one where only one of them can run.

A pod that waits for the GPU or the disk which the old one holds waits for ever, since the old one waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import PVC
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.fields import list_at, part_at

_MANY_WRITERS: Final = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_OWN_DOMAIN: Final = "kubernetes.io"
_RECREATE: Final = {"type": "Recreate"}


def single_writer_volumes(manifests: Iterable[Manifest]) -> frozenset[str]:
    """Names of the claims for volumes that the pods of one node alone can mount."""
    return frozenset(
        manifest.ref.name
        for manifest in manifests
        if manifest.ref.kind == PVC.kind
        and (modes := list_at(part_at(manifest.body, "spec"), "accessModes"))
        and not _MANY_WRITERS & set(modes)
    )


def with_safe_rollout(body: Mapping[str, Any], volumes: frozenset[str]) -> Mapping[str, Any]:
    """The Deployment with the strategy Recreate where a surge could wait for ever; its own one if that is safe.

    Args:
        body: a Deployment.
        volumes: claims for volumes that one node alone can mount.
    """
    spec = part_at(body, "spec")
    pod = part_at(spec, "template", "spec")
    if _has_no_surge(part_at(spec, "strategy")) or not (_uses_devices(pod) or _mounts(pod, volumes)):
        return body
    return {**body, "spec": {**spec, "strategy": dict(_RECREATE)}}


def _has_no_surge(strategy: Mapping[str, Any]) -> bool:
    surge = part_at(strategy, "rollingUpdate").get("maxSurge")
    return strategy.get("type") == _RECREATE["type"] or surge in (0, "0", "0%")


def _uses_devices(pod: Mapping[str, Any]) -> bool:
    """Whether a container asks for what the nodes have few of: a resource of somebody's domain, like ``nvidia.com/gpu``."""
    return any(
        _is_extended(name)
        for container in (*list_at(pod, "containers"), *list_at(pod, "initContainers"))
        for part in ("requests", "limits")
        for name in part_at(container, "resources", part)
    )


def _is_extended(name: Any) -> bool:
    domain, slash, _ = str(name).partition("/")
    return bool(slash) and domain != _OWN_DOMAIN and not domain.endswith(f".{_OWN_DOMAIN}")


def _mounts(pod: Mapping[str, Any], volumes: frozenset[str]) -> bool:
    return any(name in volumes for name in _claim_names(pod))


def _claim_names(pod: Mapping[str, Any]) -> Iterator[str]:
    for volume in list_at(pod, "volumes"):
        name = part_at(volume, "persistentVolumeClaim").get("claimName")
        if isinstance(name, str):
            yield name
