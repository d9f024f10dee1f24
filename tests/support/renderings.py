"""A rendering that the policy lets through, one object of each kind, and what it says of a changed one."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Stalled
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.policy import Limits, check
from tests.support.builders import manifest, resolved

DOMAINS = Limits(ingress_domains=("apps.example.test",))
DEPLOYMENT = manifest("Deployment", "ide-web")
OWN_PODS = {"app.kubernetes.io/instance": "ide"}
SERVICE = manifest(
    "Service", "ide-web", spec={"type": "ClusterIP", "ports": [{"port": 80}], "selector": OWN_PODS}
)
NETWORK = manifest("NetworkPolicy", "ide-web", spec={"podSelector": {"matchLabels": OWN_PODS}})
BUDGET = manifest("PodDisruptionBudget", "ide-web", spec={"selector": {"matchLabels": OWN_PODS}})
SECRET = manifest("Secret", "ide-credentials", type="Opaque")
INGRESS = manifest(
    "Ingress",
    "ide-web",
    spec={
        "rules": [
            {
                "host": "ide.apps.example.test",
                "http": {"paths": [{"path": "/", "backend": {"service": {"name": "ide-web"}}}]},
            }
        ],
        "tls": [{"hosts": ["ide.apps.example.test"], "secretName": "tls"}],
    },
)
SCALER = manifest(
    "HorizontalPodAutoscaler",
    "ide-web",
    spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ide-web"}},
)
CLEAN = (
    manifest("ServiceAccount", "ide-web"),
    NETWORK,
    manifest("ConfigMap", "ide-config-2ggt7d8bmk", data={"a": "b"}),
    SECRET,
    manifest("PersistentVolumeClaim", "ide-home"),
    SERVICE,
    DEPLOYMENT,
    manifest("StatefulSet", "ide-db"),
    manifest("Job", "ide-setup"),
    BUDGET,
    INGRESS,
    SCALER,
)


def refusal(*manifests: Manifest, workload=None, limits: Limits = DOMAINS) -> Stalled:
    with pytest.raises(Stalled) as caught:
        check(Rendering(manifests), workload or resolved(), limits)
    return caught.value


def foreign(api_version: str, kind: str, name: str = "ide-x", **rest: Any) -> Manifest:
    return Manifest.of(
        {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "ns-a"}, **rest}
    )
