"""What is measured with: an application of five objects, and its template."""

from __future__ import annotations

from typing import Any, Final

import yaml

NAME: Final = "bench"
BASE: Final = "bench/base"
OBJECTS: Final = ("serviceaccounts", "configmaps", "services", "deployments", "networkpolicies")
"""The resources of one claim, one object each."""

_LABELS: Final = {"app.kubernetes.io/name": NAME}
_CONTAINER: Final[dict[str, Any]] = {
    "name": "web",
    "image": "registry.example.test/web:1.0.0",
    "ports": [{"name": "http", "containerPort": 8080}],
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}],
}
_POD: Final[dict[str, Any]] = {
    "serviceAccountName": NAME,
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [_CONTAINER],
    "volumes": [{"name": "config", "configMap": {"name": "bench-config"}}],
}
_MANIFESTS: Final[dict[str, dict[str, Any]]] = {
    "account": {"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False},
    "service": {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {"selector": _LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    },
    "deployment": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": _POD},
        },
    },
    "policy": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "spec": {"podSelector": {"matchLabels": _LABELS}, "policyTypes": ["Ingress"], "ingress": [{}]},
    },
}


def files() -> dict[str, bytes]:
    """The Git base: four manifests and a generated ConfigMap."""
    base = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{name}.yaml" for name in _MANIFESTS],
        "configMapGenerator": [{"name": "bench-config", "files": ["settings.yaml"]}],
    }
    manifests = {
        f"{BASE}/{name}.yaml": _yaml(body | {"metadata": {"name": NAME, "labels": _LABELS}})
        for name, body in _MANIFESTS.items()
    }
    return {
        f"{BASE}/kustomization.yaml": _yaml(base),
        f"{BASE}/settings.yaml": b"greeting: hello\n",
        **manifests,
    }


def template(repository_url: str) -> dict[str, Any]:
    """The template: one value, which becomes part of the ConfigMap."""
    greeting = {
        "type": "string",
        "title": "Greeting",
        "description": "Shown first.",
        "maxLength": 200,
    }
    return {
        "kind": "WorkloadTemplate",
        "id": NAME,
        "title": "Bench",
        "description": "Five objects that cost nothing to run.",
        "templateType": "kustomize",
        "source": {"type": "gitKustomize", "repositoryUrl": repository_url, "ref": "v1", "path": BASE},
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {"greeting": greeting},
        },
        "mappings": [
            {
                "from": "values.greeting",
                "configFile": {"configMap": "bench-config", "file": "settings.yaml", "pointer": "/greeting"},
            }
        ],
        "components": [],
        "examples": [{"greeting": "hi"}],
    }


def claim(name: str, namespace: str) -> dict[str, Any]:
    """One user's request."""
    return {
        "apiVersion": "ocdp.io/v1alpha1",
        "kind": "WorkloadClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"templateId": NAME, "workspaceId": namespace, "values": {"greeting": f"hello {name}"}},
    }


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=False).encode()
