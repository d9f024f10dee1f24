"""``ocdp`` with the operator's own policy switched off, and able to write kinds that it does not know: a test's program.

What such an operator still may not do is what the API server refuses it: by its rights, by the admission policies, by Pod
Security.
"""

from __future__ import annotations

from typing import Any

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.cli.app import main
from ocdp_operator.model import kinds
from ocdp_operator.model.kinds import Kind
from ocdp_operator.plan import policy

_RBAC = "rbac.authorization.k8s.io"
_CLUSTER_SCOPED = (
    Kind("", "v1", "Namespace", "namespaces", 0),
    Kind(_RBAC, "v1", "ClusterRole", "clusterroles", 0),
    Kind(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", 0),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        0,
    ),
)
_NAMESPACED = (
    Kind(_RBAC, "v1", "Role", "roles", 0),
    Kind(_RBAC, "v1", "RoleBinding", "rolebindings", 0),
    Kind("", "v1", "Endpoints", "endpoints", 0),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", 0),
)
_collection = paths.collection


def _pass(*_: Any) -> None:
    """Whatever was rendered."""


def _anywhere(kind: Kind, namespace: str = "") -> str:
    return _collection(kind, "" if kind in _CLUSTER_SCOPED else namespace)


if __name__ == "__main__":
    policy.check = _pass
    paths.collection = _anywhere
    kinds._BY_NAME.update({(kind.group, kind.kind): kind for kind in (*_CLUSTER_SCOPED, *_NAMESPACED)})
    main()
