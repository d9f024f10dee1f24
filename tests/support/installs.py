"""Renderings of ``config/``, and the Pods that come of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.platform import PROJECT
from ocdp_operator.dev.podspec import Referred, contents
from ocdp_operator.dev.process import run

CONFIG = PROJECT / "config"
NAMESPACE = "ocdp-system"
SELECTOR = "app.kubernetes.io/name=ocdp-operator"
OVERLAYS = ("default", "overlays/production")

Objects = list[dict[str, Any]]


async def render(kustomize: Path, directory: Path) -> Objects:
    """What ``kustomize build`` makes of a directory."""
    ended = await run(str(kustomize), "build", str(directory), env={"PATH": os.defpath, "HOME": os.devnull})
    assert ended.code == 0, ended.errors
    return list(yaml.safe_load_all(ended.output))


def write_overlay(
    directory: Path, files: Mapping[str, str] | None = None, *, base: str = "default", **fields: Any
) -> Path:
    """A kustomization of a platform team's own, on one of ours."""
    directory.mkdir(parents=True)
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    body = {**kind, "resources": [os.path.relpath(CONFIG / base, directory)], **fields}
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(body))
    for name, text in (files or {}).items():
        (directory / name).write_text(text)
    return directory


def one(objects: Objects, kind: str, name: str = "") -> dict[str, Any]:
    """The only object of this kind, and of this name if given."""
    (found,) = (
        each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name)
    )
    return found


def pod_of(deployment: Mapping[str, Any], name: str = "one") -> dict[str, Any]:
    """A Pod as the Deployment's template says."""
    template = deployment["spec"]["template"]
    metadata = {**template["metadata"], "name": name, "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


async def referred(cluster: Cluster, pod: Mapping[str, Any]) -> Referred:
    """The live ConfigMaps and Secrets of a Pod's namespace."""
    namespace = pod["metadata"]["namespace"]
    held: dict[str, dict[str, Mapping[str, bytes]]] = {}
    for kind in ("configmaps", "secrets"):
        text = await cluster.kubectl("get", kind, "-n", namespace, "-o", "json")
        held[kind] = {each["metadata"]["name"]: contents(each) for each in yaml.safe_load(text)["items"]}
    return Referred(held["configmaps"], held["secrets"])
