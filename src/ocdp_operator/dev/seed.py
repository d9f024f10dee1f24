"""The objects that a cluster brings along: nodes, a default StorageClass, an IngressClass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ocdp_operator.dev.addresses import INGRESS_CLASS
from ocdp_operator.dev.api import ApiServer

NODES: Final = ("local-1", "local-2")

# Room for thousands of claims: only GPUs are scarce.
_CAPACITY: Final = {
    "cpu": "1000",
    "memory": "8Ti",
    "ephemeral-storage": "100Ti",
    "pods": "5000",
    "nvidia.com/gpu": "8",
}


def objects() -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Each object with the path of the list it goes into."""
    return (
        *(("/api/v1/nodes", _node(name)) for name in NODES),
        ("/apis/storage.k8s.io/v1/storageclasses", _STORAGE_CLASS),
        ("/apis/networking.k8s.io/v1/ingressclasses", _INGRESS_CLASS),
    )


async def seed(api: ApiServer) -> None:
    """Creates the objects.

    Raises:
        ApiError: the API server refused one.
    """
    for path, manifest in objects():
        await api.create(path, manifest)


async def settled(api: ApiServer) -> bool:
    """Whether Pods can be created and scheduled: each node is Ready, and the default namespace has its account."""
    accounts = await api.get("/api/v1/namespaces/default/serviceaccounts")
    nodes = await api.get("/api/v1/nodes")
    ready = [node for node in nodes["items"] if _is_ready(node) and not node["spec"].get("taints")]
    return bool(accounts["items"]) and len(ready) == len(NODES)


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _node(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node-role.kubernetes.io/worker": "",
                "type": "kwok",
            },
        },
        "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
    }


_STORAGE_CLASS: Final = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/host-path",
    "reclaimPolicy": "Delete",
    "allowVolumeExpansion": True,
    "volumeBindingMode": "Immediate",
}

_INGRESS_CLASS: Final = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {
        "name": INGRESS_CLASS,
        "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
    },
    "spec": {"controller": "ocdp.io/local-addresses"},
}
