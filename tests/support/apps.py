"""A thin application as a platform team would keep it in Git, and its template; tests change only what matters."""

from __future__ import annotations

import copy
from typing import Any

import yaml

Files = dict[str, bytes]

_POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_LABELS = {"app.kubernetes.io/name": "web"}

_DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": _LABELS},
    "spec": {
        "replicas": 1,
        "revisionHistoryLimit": 3,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _LABELS},
        "template": {
            "metadata": {"labels": _LABELS},
            "spec": {
                "serviceAccountName": "web",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": _POD_SECURITY,
                "containers": [
                    {
                        "name": "web",
                        "image": "registry.example.test/web:1.0.0",
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "env": [
                            {
                                "name": "PASSWORD",
                                "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "PASSWORD"}},
                            }
                        ],
                        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                        "securityContext": _CONTAINER_SECURITY,
                        "volumeMounts": [
                            {"name": "config", "mountPath": "/etc/web"},
                            {"name": "data", "mountPath": "/data"},
                        ],
                    }
                ],
                "volumes": [
                    {"name": "config", "configMap": {"name": "web-config"}},
                    {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                ],
            },
        },
    },
}
_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "labels": _LABELS},
    "spec": {"selector": _LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
}
_ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "web", "labels": _LABELS},
    "automountServiceAccountToken": False,
}
_VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "labels": _LABELS},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
_POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "web", "labels": _LABELS},
    "spec": {"podSelector": {"matchLabels": _LABELS}, "policyTypes": ["Ingress"], "ingress": [{}]},
}


def document(value: Any) -> bytes:
    """YAML bytes."""
    return yaml.safe_dump(value, sort_keys=False).encode()


def deployment() -> dict[str, Any]:
    """The application's Deployment, to be changed by the caller."""
    return copy.deepcopy(_DEPLOYMENT)


def stateful_set() -> dict[str, Any]:
    """The application as a StatefulSet, with a volume for each pod; to be changed by the caller."""
    body = deployment() | {"kind": "StatefulSet"}
    spec = {key: value for key, value in body["spec"].items() if key != "strategy"}
    pod = spec["template"]["spec"]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "data"]
    volume = {"metadata": {"name": "data"}, "spec": _VOLUME["spec"]}
    return body | {"spec": {**spec, "serviceName": "web", "volumeClaimTemplates": [volume]}}


def volume(**spec: Any) -> dict[str, Any]:
    """The application's claim for a volume, with what is added to its spec."""
    return {**_VOLUME, "spec": {**_VOLUME["spec"], **spec}}


def component(**parts: list[Any]) -> bytes:
    """The kustomization of a component."""
    return document({"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", **parts})


def app_files(**changes: bytes) -> Files:
    """The application's files; ``changes`` are keyed by the file's stem in the base, an empty value drops the file."""
    objects = {
        "deployment": document(_DEPLOYMENT),
        "service": document(_SERVICE),
        "account": document(_ACCOUNT),
        "volume": document(_VOLUME),
    } | changes
    objects = {name: content for name, content in objects.items() if content}
    base = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{name}.yaml" for name in objects],
        "configMapGenerator": [{"name": "web-config", "files": ["settings.yaml"]}],
    }
    return {
        "web/base/kustomization.yaml": document(base),
        **{f"web/base/{name}.yaml": content for name, content in objects.items()},
        "web/base/settings.yaml": b"greeting: hello\nlimits:\n  requests: 10\n",
        "web/components/guarded/kustomization.yaml": component(resources=["policy.yaml"]),
        "web/components/guarded/policy.yaml": document(_POLICY),
    }


def template(id_: str, repository_url: str, **changes: Any) -> dict[str, Any]:
    """A template of the application, as a platform team writes it."""
    return {
        "kind": "WorkloadTemplate",
        "id": id_,
        "title": "Web",
        "description": "A small web server with a volume.",
        "templateType": "kustomize",
        "source": {"type": "gitKustomize", "repositoryUrl": repository_url, "ref": "v1", "path": "web/base"},
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "greeting": {
                    "type": "string",
                    "title": "Greeting",
                    "description": "Shown first.",
                    "maxLength": 200,
                },
                "guarded": {
                    "type": "string",
                    "title": "Guarded",
                    "description": "Adds a network policy.",
                    "enum": ["yes", "no"],
                    "default": "no",
                },
                "storageGi": {
                    "type": "integer",
                    "title": "Storage",
                    "description": "Size of the volume.",
                    "minimum": 1,
                    "maximum": 50,
                    "default": 1,
                    "x-ocdp": {"unit": "Gi"},
                },
                "password": {
                    "type": "string",
                    "title": "Password",
                    "description": "Generated.",
                    "x-ocdp": {"secret": True, "generate": {"length": 24}},
                },
            },
        },
        "mappings": [
            {
                "from": "values.greeting",
                "configFile": {"configMap": "web-config", "file": "settings.yaml", "pointer": "/greeting"},
            },
            {"from": "values.guarded", "components": {"yes": "web/components/guarded", "no": None}},
            {
                "from": "values.storageGi",
                "patch": {
                    "kind": "PersistentVolumeClaim",
                    "name": "data",
                    "pointer": "/spec/resources/requests/storage",
                    "op": "replace",
                },
            },
            {"from": "values.password", "secret": {"key": "PASSWORD"}},
        ],
        "components": ["web/components/guarded"],
        "examples": [{"greeting": "hi", "guarded": "yes"}],
    } | changes


def claim(name: str, namespace: str, template_id: str, workspace: str, **spec: Any) -> dict[str, Any]:
    """A claim as a user writes it."""
    return {
        "apiVersion": "ocdp.io/v1alpha1",
        "kind": "WorkloadClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"templateId": template_id, "workspaceId": workspace, **spec},
    }
