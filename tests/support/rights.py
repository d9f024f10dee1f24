"""Rights: what config/rbac grants, what a request needs, and what the operator used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import yaml
from aiohttp import web

from ocdp_operator.dev.platform import INGRESS_DOMAINS, PROJECT
from tests.support.apps import Files, app_files, deployment, document, stateful_set, template
from tests.support.faulty_proxy import FaultyProxy
from tests.support.world import Team

RBAC = PROJECT / "config" / "rbac"
Rule = dict[str, list[str]]
HOST = {
    "value": f'slug(claim.name + "-" + workspace.id) + ".{INGRESS_DOMAINS[0]}"',
    "patch": {"kind": "Ingress", "name": "web", "pointer": "/spec/rules/0/host", "op": "replace"},
}
"""A host of its own for each claim: one that another claim has is refused."""


class Right(NamedTuple):
    """One verb on one resource: ``patch``, ``apps``, ``deployments``; a subresource after a slash."""

    verb: str
    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


def documents() -> list[dict[str, Any]]:
    """Every object of config/rbac."""
    return [
        document
        for file in sorted(RBAC.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document and document.get("kind") != "Kustomization"
    ]


def role(name: str, kind: str = "ClusterRole") -> dict[str, Any]:
    """One of its roles."""
    return next(d for d in documents() if d["kind"] == kind and d["metadata"]["name"] == name)


def rights(*rules: Rule) -> Iterator[Right]:
    """What the rules grant, one by one."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield Right(verb, group, resource)


def without(rules: list[Rule], right: Right) -> list[Rule]:
    """Rules that grant all but one right."""
    granted = [each for each in rights(*rules) if each != right]
    return [{"apiGroups": [r.group], "resources": [r.resource], "verbs": [r.verb]} for r in granted]


def needed(method: str, path_and_query: str, status: int = 200) -> Iterator[Right]:
    """The rights that a request needs; none for discovery, which everybody may."""
    url = urlsplit(path_and_query)
    parts = url.path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1] if len(parts) > 1 else "", parts[3:])
    if not rest:
        return
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, name = rest[0], len(rest) > 1
    if len(rest) > 2:
        resource = f"{resource}/{rest[2]}"
    if method == "GET":
        watches = "watch=true" in url.query
        yield Right("watch" if watches else "get" if name else "list", group, resource)
        return
    yield Right(
        {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method], group, resource
    )
    if method == "PATCH" and status == 201:
        yield Right("create", group, resource)


class RecordingProxy(FaultyProxy):
    """Keeps which rights the requests that passed needed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.used: set[Right] = set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._handle(request)
        if "watch=true" not in request.query_string:
            self._keep(request, answer.status)
        return answer

    async def _stream(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        self._keep(request, upstream.status)
        return await super()._stream(request, upstream)

    def _keep(self, request: web.Request, status: int) -> None:
        if status < 400:
            self.used.update(needed(request.method, request.path_qs, status))


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def _pod(name: str) -> dict[str, Any]:
    """A pod template that Pod Security lets through and that mounts nothing."""
    template: dict[str, Any] = deployment()["spec"]["template"]
    spec = {key: value for key, value in template["spec"].items() if key != "volumes"}
    container = {k: v for k, v in spec["containers"][0].items() if k not in ("env", "ports", "volumeMounts")}
    return {"metadata": {"labels": _labels(name)}, "spec": {**spec, "containers": [container]}}


async def publish_every_kind(team: Team) -> None:
    """Publishes the team's template with an object of each kind, whose claims do not get in each other's way."""
    mappings = [*template(team.template_id, team.repository_url)["mappings"], HOST]
    await team.publish(every_kind(), mappings=mappings)


def every_kind() -> Files:
    """A base that holds an object of each kind; the Secret comes from the template's mapping."""
    scaled = deployment()
    del scaled["spec"]["replicas"]
    store = stateful_set()
    store["metadata"] = {"name": "store", "labels": _labels("store")}
    store["spec"]["selector"]["matchLabels"] = _labels("store")
    store["spec"]["template"]["metadata"]["labels"] = _labels("store")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "seed", "labels": _labels("seed")},
        "spec": {"template": _pod("seed")},
    }
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"  # type: ignore[index]
    backend = {"service": {"name": "web", "port": {"name": "http"}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "labels": _labels("web")},
        "spec": {
            "rules": [
                {
                    "host": "web.apps.example.test",
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ]
        },
    }
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "always", "labels": _labels("web")},
        "spec": {"podSelector": {"matchLabels": _labels("web")}, "policyTypes": ["Ingress"], "ingress": [{}]},
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "labels": _labels("web")},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _labels("web")}},
    }
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "labels": _labels("web")},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    }
    return app_files(
        deployment=document(scaled),
        store=document(store),
        job=document(job),
        ingress=document(ingress),
        always=document(policy),
        budget=document(budget),
        scaler=document(scaler),
    )
