"""Objects as the operator writes them, for the admission policies to judge."""

from __future__ import annotations

import json
from typing import Any

from tests.support.builders import pod_spec
from tests.support.cluster_worlds import Raw, RealWorld, config_map, marked, secret, workload

OWN = {"app.kubernetes.io/instance": "ide"}


def of(kind: str, name: str, spec: Any = None, *, api_version: str = "v1", **rest: Any) -> Raw:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}
    return body if spec is None else {**body, "spec": spec}


def pods(kind: str = "Deployment") -> Raw:
    template = {"metadata": {"labels": OWN}, "spec": pod_spec()}
    match kind:
        case "Job":
            job = {"template": {**template, "spec": pod_spec(restartPolicy="Never")}}
            return of(kind, "ide-web", job, api_version="batch/v1")
        case "StatefulSet":
            spec = {"serviceName": "ide-web", "replicas": 0}
        case _:
            spec = {"replicas": 0}
    return of(
        kind,
        "ide-web",
        {**spec, "selector": {"matchLabels": OWN}, "template": template},
        api_version="apps/v1",
    )


def service(**spec: Any) -> Raw:
    return of("Service", "ide-web", {"selector": OWN, "ports": [{"port": 80}]} | spec)


def ingress(host: str | None = "ide.apps.example.test", **spec: Any) -> Raw:
    backend = {"service": {"name": "ide-web", "port": {"number": 80}}}
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    rule = {"http": paths} if host is None else {"host": host, "http": paths}
    return of("Ingress", "ide-web", {"rules": [rule]} | spec, api_version="networking.k8s.io/v1")


def changed(body: Raw, pointer: str, value: Any) -> Raw:
    copy: Any = json.loads(json.dumps(body))
    place = copy
    *way, last = [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]
    for step in way:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    place[last] = value
    return copy  # type: ignore[no-any-return]


RUNTIME = {
    "ServiceAccount": of("ServiceAccount", "ide-web", automountServiceAccountToken=False),
    "NetworkPolicy": of(
        "NetworkPolicy", "ide-web", {"podSelector": {"matchLabels": OWN}}, api_version="networking.k8s.io/v1"
    ),
    "ConfigMap": config_map(),
    "Secret": secret(PASSWORD="eA=="),
    "PersistentVolumeClaim": of(
        "PersistentVolumeClaim",
        "ide-data",
        {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    ),
    "Service": service(),
    "Deployment": pods(),
    "StatefulSet": pods("StatefulSet"),
    "Job": pods("Job"),
    "PodDisruptionBudget": of(
        "PodDisruptionBudget",
        "ide-web",
        {"minAvailable": 0, "selector": {"matchLabels": OWN}},
        api_version="policy/v1",
    ),
    "Ingress": ingress(),
    "HorizontalPodAutoscaler": of(
        "HorizontalPodAutoscaler",
        "ide-web",
        {
            "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ide-web"},
        },
        api_version="autoscaling/v2",
    ),
    "Workload": dict(workload().body),
}


def own(body: Raw, world: RealWorld, **whose: str) -> Raw:
    return dict(marked(body, world.namespace, **whose).body)
