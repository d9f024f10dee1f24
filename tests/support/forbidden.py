"""What a template may not render, each as a component of one repository; and which fence beside the policy refuses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.apps import Files, app_files, document

POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"
_RBAC = "rbac.authorization.k8s.io"
_ADMIN = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
_ACCOUNT = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
_LABELS = {"app.kubernetes.io/name": "web"}

POLICY = "ValidatingAdmissionPolicy"
RIGHTS = "has no right to"


@dataclass(frozen=True)
class Forbidden:
    """One thing that a base renders beside, or within, what it may."""

    what: str
    """As the refusal of the policy names it."""
    extra: Mapping[str, Any] | None = None
    """An object more."""
    patch: tuple[str, str, Any] | None = None
    """Kind, JSON pointer and value, added to an object of the base."""
    fence: str | None = None
    """What the claim says when the policy is off; None: no other fence knows of it."""
    objects: tuple[str, ...] = ()
    """``Kind/base name`` of what must not be there."""


def _object(api_version: str, kind: str, name: str = "more", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def _config(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "more", **metadata},
        "data": {"a": "b"},
    }


def _service(**spec: Any) -> dict[str, Any]:
    return _object("v1", "Service", spec={"selector": _LABELS, "ports": [{"port": 80}]} | spec)


def _ingress(host: str | None, **spec: Any) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule: dict[str, Any] = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    if host is not None:
        rule["host"] = host
    return _object("networking.k8s.io/v1", "Ingress", spec={"rules": [rule], **spec})


def _pod(pointer: str, value: Any) -> tuple[str, str, Any]:
    return ("Deployment", f"{POD}{pointer}", value)


def _token() -> dict[str, Any]:
    body = _object("v1", "Secret", type="kubernetes.io/service-account-token")
    body["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "default"}
    return body


_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "11111111-1111-4111-8111-111111111111"}
_WEB = ("Deployment/web",)

FORBIDDEN: dict[str, Forbidden] = {
    "cluster-role-binding": Forbidden(
        "ClusterRoleBinding/", _object(f"{_RBAC}/v1", "ClusterRoleBinding", roleRef=_ADMIN, subjects=[_ACCOUNT]),
        fence=RIGHTS, objects=("ClusterRoleBinding/more",),
    ),
    "cluster-role": Forbidden("ClusterRole/", _object(f"{_RBAC}/v1", "ClusterRole"), fence=RIGHTS),
    "role": Forbidden("Role/", _object(f"{_RBAC}/v1", "Role"), fence=RIGHTS),
    "role-binding": Forbidden(
        "RoleBinding/", _object(f"{_RBAC}/v1", "RoleBinding", roleRef=_ADMIN, subjects=[_ACCOUNT]), fence=RIGHTS
    ),
    "namespace": Forbidden("Namespace/", _object("v1", "Namespace", "more-of-them"), fence=RIGHTS),
    "webhook": Forbidden(
        "ValidatingWebhookConfiguration/",
        _object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"), fence=RIGHTS,
    ),
    "endpoint-slice": Forbidden(
        "EndpointSlice/", _object("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[]), fence=RIGHTS
    ),
    "nested-list": Forbidden(
        "ClusterRoleBinding/",
        {"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "List", "items": [
                _object(f"{_RBAC}/v1", "ClusterRoleBinding", "nested", roleRef=_ADMIN, subjects=[_ACCOUNT])
            ]}
        ]}, fence=RIGHTS,
    ),
    "token-secret": Forbidden("Secret/", _token(), fence=POLICY, objects=("Secret/more",)),
    "other-secret": Forbidden(
        "Secret/", _object("v1", "Secret", stringData={"a": "b"}), fence=POLICY, objects=("Secret/more",)
    ),
    "generate-name": Forbidden(
        "metadata.generateName", _config(generateName="more-"), fence=POLICY, objects=("ConfigMap/more",)
    ),
    "owner": Forbidden(
        "metadata.ownerReferences", _config(ownerReferences=[_OWNER]), fence=POLICY, objects=("ConfigMap/more",)
    ),
    "finalizer": Forbidden(
        "metadata.finalizers", _config(finalizers=["example.test/mine"]), fence=POLICY, objects=("ConfigMap/more",)
    ),
    "foreign-host": Forbidden("host", _ingress("www.evil.test"), fence=POLICY, objects=("Ingress/more",)),
    "wildcard-host": Forbidden("host", _ingress("*.apps.example.test"), fence=POLICY, objects=("Ingress/more",)),
    "no-host": Forbidden("host", _ingress(None), fence=POLICY, objects=("Ingress/more",)),
    "default-backend": Forbidden(
        "defaultBackend",
        _ingress("a.apps.example.test", defaultBackend={"service": {"name": "web", "port": {"number": 80}}}),
        fence=POLICY, objects=("Ingress/more",),
    ),
    "external-ips": Forbidden(
        "externalIPs", _service(externalIPs=["203.0.113.9"]), fence=POLICY, objects=("Service/more",)
    ),
    "external-name": Forbidden(
        "spec.type", _service(type="ExternalName", externalName="evil.test"), fence=POLICY, objects=("Service/more",)
    ),
    "host-path": Forbidden(
        "volumes", patch=_pod("/volumes/-", {"name": "node", "hostPath": {"path": "/"}}), fence=POLICY, objects=_WEB
    ),
    "privileged": Forbidden(
        "privileged", patch=("Deployment", f"{CONTAINER}/securityContext", {"privileged": True}), fence=POLICY, objects=_WEB
    ),
    "host-network": Forbidden("hostNetwork", patch=_pod("/hostNetwork", True), fence=POLICY, objects=_WEB),
    "token-mounted": Forbidden(
        "automountServiceAccountToken", patch=_pod("/automountServiceAccountToken", True), fence=POLICY, objects=_WEB
    ),
    "foreign-account": Forbidden(
        "serviceAccountName", patch=_pod("/serviceAccountName", "admin"), fence=POLICY, objects=_WEB
    ),
    "node-name": Forbidden("nodeName", patch=_pod("/nodeName", "node-1"), fence=POLICY, objects=_WEB),
    "snippet": Forbidden(
        "configuration",
        {**_ingress("b.apps.example.test"), "metadata": {
            "name": "more", "annotations": {"nginx.ingress.kubernetes.io/server-snippet": "x"}
        }},
    ),
    "foreign-volume": Forbidden(
        "persistentVolumeClaim.claimName",
        patch=_pod("/volumes/-", {"name": "theirs", "persistentVolumeClaim": {"claimName": "other-data"}}),
    ),
    "foreign-credentials": Forbidden(
        "envFrom", patch=("Deployment", f"{CONTAINER}/envFrom", [{"secretRef": {"name": "other-credentials"}}])
    ),
    "foreign-workload": Forbidden(
        "scaleTargetRef",
        _object("autoscaling/v2", "HorizontalPodAutoscaler", spec={
            "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other-web"}
        }),
    ),
}  # fmt: skip
"""Name of the component, and of the claim that asks for it -> what it brings."""


def forbidden_files(names: Iterable[str]) -> Files:
    """The application, with a component for each of the forbidden things."""
    files = app_files()
    for name in names:
        files |= _component(name, FORBIDDEN[name])
    return files


def forbidden_template(names: Iterable[str]) -> dict[str, Any]:
    """What of the template lets a claim choose one of them, by the value ``brings``."""
    components = {name: _path(name) for name in names}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "brings": {"type": "string", "title": "Brings", "description": "What.", "enum": list(components)},
            "password": {
                "type": "string",
                "title": "Password",
                "description": "Generated.",
                "x-ocdp": {"secret": True, "generate": {"length": 24}},
            },
        },
    }
    return {
        "schema": schema,
        "mappings": [
            {"from": "values.brings", "components": components},
            {"from": "values.password", "secret": {"key": "PASSWORD"}},
        ],
        "components": list(components.values()),
        "examples": [{}],
    }


def _path(name: str) -> str:
    return f"web/components/{name}"


def _component(name: str, forbidden: Forbidden) -> Files:
    kustomization: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    files: Files = {}
    if forbidden.extra is not None:
        kustomization["resources"] = ["more.yaml"]
        files[f"{_path(name)}/more.yaml"] = document(dict(forbidden.extra))
    if forbidden.patch is not None:
        kind, pointer, value = forbidden.patch
        operation = {"op": "add", "path": pointer, "value": value}
        kustomization["patches"] = [{"target": {"kind": kind}, "patch": orjson.dumps([operation]).decode()}]
    return {f"{_path(name)}/kustomization.yaml": document(kustomization), **files}
