"""The environment in the template of pods: GPUs, images, nodes, labels, the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.model.profile import Environment
from ocdp_operator.plan.fields import list_at, object_at, part_at
from ocdp_operator.plan.images import with_registry
from ocdp_operator.plan.profiles import field_of

GPU: Final = "nvidia.com/gpu"
"""The resource by which bases ask for GPUs."""
_CONTAINER_LISTS: Final = ("initContainers", "containers")
_NONE: Final = ("0", 0, None)


@dataclass(frozen=True, slots=True)
class PodEnvironment:
    """What every pod of a rendering gets."""

    labels: Mapping[str, str]
    variables: Mapping[str, str]
    registry: str
    pull_secrets: tuple[str, ...]
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]
    gpu: str
    runtime_class: str
    storage_class: str

    @classmethod
    def of(cls, environment: Environment, selected: frozenset[str]) -> PodEnvironment:
        """From the profiles; labels that are ``selected`` by are no environment's to set."""
        labels = field_of(environment, "labels") or {}
        return cls(
            labels={name: value for name, value in labels.items() if name not in selected},
            variables=dict(_proxy_variables(field_of(environment, "proxy") or {})),
            registry=field_of(environment, "registry", "prefix") or "",
            pull_secrets=tuple(field_of(environment, "registry", "pullSecrets") or ()),
            node_selector=field_of(environment, "nodeSelector") or {},
            tolerations=tuple(field_of(environment, "tolerations") or ()),
            gpu=field_of(environment, "gpu", "resource") or GPU,
            runtime_class=field_of(environment, "gpu", "runtimeClass") or "",
            storage_class=field_of(environment, "storageClass") or "",
        )


def put_pod_environment(template: dict[str, Any], environment: PodEnvironment) -> None:
    """Changes a pod template of one's own."""
    if environment.labels:
        object_at(template, "metadata", "labels").update(environment.labels)
    pod = object_at(template, "spec")
    containers = [each for part in _CONTAINER_LISTS for each in list_at(pod, part) if isinstance(each, dict)]
    for container in containers:
        _rename_gpu(container, environment.gpu)
        _put_variables(container, environment.variables)
        _put_registry(container, "image", environment.registry)
    for volume in list_at(pod, "volumes"):
        _put_in_volume(volume, environment)
    if environment.runtime_class and any(_asks_for(container, environment.gpu) for container in containers):
        pod["runtimeClassName"] = environment.runtime_class
    if environment.node_selector:
        object_at(pod, "nodeSelector").update(environment.node_selector)
    _join(pod, "tolerations", environment.tolerations)
    _join(pod, "imagePullSecrets", [{"name": name} for name in environment.pull_secrets])


def _put_in_volume(volume: Any, environment: PodEnvironment) -> None:
    """Volumes of an image come from the registry, and volumes that live as long as the pod are of the storage class."""
    if not isinstance(volume, dict):
        return
    if isinstance(volume.get("image"), dict):
        _put_registry(volume["image"], "reference", environment.registry)
    if environment.storage_class and part_at(volume, "ephemeral", "volumeClaimTemplate"):
        made = object_at(volume, "ephemeral", "volumeClaimTemplate", "spec")
        made["storageClassName"] = environment.storage_class


def _proxy_variables(proxy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """In both cases: some programs read the one, some the other."""
    said = {
        "HTTP_PROXY": proxy.get("http"),
        "HTTPS_PROXY": proxy.get("https"),
        "NO_PROXY": ",".join(proxy.get("noProxy") or ()),
    }
    for name, value in said.items():
        if value:
            yield name, value
            yield name.lower(), value


def _put_variables(container: dict[str, Any], variables: Mapping[str, str]) -> None:
    """Over the container's own of the same name: which way is open is the platform's to say."""
    if not variables:
        return
    own = container.get("env")
    if own is not None and not isinstance(own, list):
        return
    kept = [variable for variable in own or () if part_at(variable).get("name") not in tuple(variables)]
    container["env"] = [*kept, *({"name": name, "value": value} for name, value in variables.items())]


def _put_registry(place: dict[str, Any], field: str, prefix: str) -> None:
    if prefix and isinstance(place.get(field), str):
        place[field] = with_registry(place[field], prefix)


def _rename_gpu(container: dict[str, Any], resource: str) -> None:
    for part in ("requests", "limits"):
        amounts = part_at(container, "resources", part)
        if GPU in amounts and resource != GPU:
            renamed = {resource if name == GPU else name: amount for name, amount in amounts.items()}
            container["resources"][part] = renamed


def _asks_for(container: Mapping[str, Any], resource: str) -> bool:
    amounts = (part_at(container, "resources", part) for part in ("requests", "limits"))
    return any(amount.get(resource) not in _NONE for amount in amounts)


def _join(pod: dict[str, Any], field: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Adds the items that are not there yet."""
    own = pod.get(field)
    if own is not None and not isinstance(own, list):
        return
    added = [dict(item) for item in items if item not in (own or ())]
    if added:
        pod[field] = [*(own or ()), *added]
