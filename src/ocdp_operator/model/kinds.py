"""The kinds the operator may write, with what the rest of the code must know of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROUP: Final = "ocdp.io"
VERSION: Final = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Kind:
    """A namespaced API kind. ``wave``: applied in rising order, deleted in falling order (design 4.2)."""

    group: str
    version: str
    kind: str
    plural: str
    wave: int
    observes_status: bool = False
    """Health reads the whole object; of other kinds only the metadata is watched."""

    @property
    def api_version(self) -> str:
        """The manifest's ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return self.kind


CLAIM: Final = Kind(GROUP, VERSION, "WorkloadClaim", "workloadclaims", 0)
WORKLOAD: Final = Kind(GROUP, VERSION, "Workload", "workloads", 9, observes_status=True)
POD: Final = Kind("", "v1", "Pod", "pods", 0, observes_status=True)
SECRET: Final = Kind("", "v1", "Secret", "secrets", 1)
PVC: Final = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", 1, observes_status=True)
CONFIG_MAP: Final = Kind("", "v1", "ConfigMap", "configmaps", 1)
SERVICE: Final = Kind("", "v1", "Service", "services", 2, observes_status=True)
DEPLOYMENT: Final = Kind("apps", "v1", "Deployment", "deployments", 3, observes_status=True)
STATEFUL_SET: Final = Kind("apps", "v1", "StatefulSet", "statefulsets", 3, observes_status=True)
JOB: Final = Kind("batch", "v1", "Job", "jobs", 3, observes_status=True)
INGRESS: Final = Kind("networking.k8s.io", "v1", "Ingress", "ingresses", 4, observes_status=True)
AUTOSCALER: Final = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", 4)

WITH_PODS: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind, JOB.kind)
"""Kinds that make pods, by a pod template."""

RUNTIME_KINDS: Final[tuple[Kind, ...]] = (
    Kind("", "v1", "ServiceAccount", "serviceaccounts", 0),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", 0),
    CONFIG_MAP,
    SECRET,
    PVC,
    SERVICE,
    DEPLOYMENT,
    STATEFUL_SET,
    JOB,
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", 4),
    INGRESS,
    AUTOSCALER,
)
"""What a rendering may hold at all, in the order of applying; a template and the operator's settings narrow it further."""

WATCHED_KINDS: Final[tuple[Kind, ...]] = (*(k for k in RUNTIME_KINDS if k is not SECRET), POD)
"""Watched by the reflector. Secrets are never listed or watched (design 4.9)."""

OWNED_KINDS: Final[tuple[Kind, ...]] = (*RUNTIME_KINDS, WORKLOAD)
"""What a claim can have on record: all that the operator writes on its behalf."""

_BY_NAME: Final = {(k.group, k.kind): k for k in (*RUNTIME_KINDS, CLAIM, WORKLOAD, POD)}


def find_kind(group: str, kind: str) -> Kind | None:
    """The kind by its API group and name; None when the operator does not know it."""
    return _BY_NAME.get((group, kind))
