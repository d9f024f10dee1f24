"""ResolvedWorkload -> Overlay: the kustomization of one claim on top of the template's base (design 3).

Nothing is templated as text: every file is JSON, which is YAML that can be read in one way only. Secrets never get here.

    kustomization.yaml            names, labels, the claim's values; builds on the base, or on workload/
    workload/kustomization.yaml   the base with its components; only where there are any
    credentials.yaml              the empty Secret, so that references to it follow its name
    config-<n>                    a generated file with values set in it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.kinds import SECRET
from ocdp_operator.model.mapping import PatchTarget
from ocdp_operator.model.names import CLAIM_NAME, FIELD_MANAGER
from ocdp_operator.model.source import Overlay
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.plan.config_files import Setting
from ocdp_operator.plan.expansion import with_literal_dollars
from ocdp_operator.plan.generators import merged_config_maps
from ocdp_operator.plan.wording import shown

_API_VERSION: Final = "kustomize.config.k8s.io/v1beta1"
_SECRET_NAME: Final = "credentials"  # noqa: S105 - the name of a Secret; the claim's prefix completes it
_KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*")
_IMAGE_FIELDS: Final = {"name": "newName", "tag": "newTag", "digest": "digest"}

_SELECTED_BY: Final = (
    {"group": "networking.k8s.io", "kind": "NetworkPolicy", "path": "spec/podSelector/matchLabels"},
    {"group": "policy", "kind": "PodDisruptionBudget", "path": "spec/selector/matchLabels"},
)
"""Selectors that mean every pod of the namespace when they are empty; kustomize alone would leave them so."""


def build_overlay(workload: ResolvedWorkload, artifact_files: Mapping[str, bytes]) -> Overlay:
    """The overlay of the claim; ``artifact_files`` are the artifact's, where the base's generated files are found.

    The workload's mappings are bound (``plan/bind.py``). The same arguments give the same bytes. Raises
    Stalled(BuildFailed) for a mapping that does not fit the base.
    """
    directories = (*reversed(workload.components), workload.revision.source.path)
    generated = merged_config_maps(_settings(workload.bound), artifact_files, directories)
    files = dict(generated.files)
    kustomization: dict[str, Any] = {
        "apiVersion": _API_VERSION,
        "kind": "Kustomization",
        "resources": [_base(workload, files), "credentials.yaml"],
        "namespace": workload.namespace,
        "namePrefix": f"{workload.claim_name}-",
        "labels": _labels(workload),
        "patches": [*_seam(workload), *_patches(workload.bound)],
        "configMapGenerator": generated.generators,
        "images": _images(workload.bound),
        "replicas": _replicas(workload.bound),
    }
    seam = {"name": workload.revision.body.credentials_secret}
    secret = {"apiVersion": SECRET.api_version, "kind": SECRET.kind, "metadata": seam, "type": "Opaque"}
    files["credentials.yaml"] = _json(secret)
    files["kustomization.yaml"] = _json({key: said for key, said in kustomization.items() if said})
    return Overlay(files)


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _base(workload: ResolvedWorkload, files: dict[str, bytes]) -> str:
    """What the overlay builds on, from its own directory.

    Components get a layer of their own: kustomize runs a layer's generators before its components, so that a
    component would undo what the claim's values set.
    """
    path = workload.revision.source.path
    if not workload.components:
        return f"../source/{path}"
    layer = {
        "apiVersion": _API_VERSION,
        "kind": "Kustomization",
        "resources": [f"../../source/{path}"],
        "components": [f"../../source/{component}" for component in workload.components],
    }
    files["workload/kustomization.yaml"] = _json(layer)
    return "workload"


def _labels(workload: ResolvedWorkload) -> list[dict[str, Any]]:
    """No value here ever changes for a claim. Only the instance is selected by: it keeps claims apart."""
    instance = {"app.kubernetes.io/instance": workload.claim_name}
    described = {
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        "app.kubernetes.io/part-of": workload.revision.template_id,
        CLAIM_NAME: workload.claim_name,
    }
    return [
        {"pairs": instance, "includeSelectors": True},
        {"pairs": instance, "fields": [{**selector, "create": True} for selector in _SELECTED_BY]},
        {"pairs": described, "includeTemplates": True},
    ]


def _seam(workload: ResolvedWorkload) -> Iterator[dict[str, Any]]:
    """Renames the Secret from what the base calls it; references follow."""
    name = workload.revision.body.credentials_secret
    if name == _SECRET_NAME:
        return
    rename = [{"op": "replace", "path": "/metadata/name", "value": _SECRET_NAME}]
    yield {
        "target": _target(SECRET.kind, name),
        "patch": orjson.dumps(rename).decode(),
        "options": {"allowNameChange": True},
    }


def _target(kind: str, name: str) -> dict[str, str]:
    """The target of a patch. Kustomize takes both for regular expressions, and finds no fault with one that matches nothing."""
    if not _KIND.fullmatch(kind) or not _NAME.fullmatch(name):
        what = f"A mapping cannot patch {shown(kind)}/{shown(name)}: no object can have this kind and name."
        raise Stalled(Reason.BUILD_FAILED, what)
    return {"kind": kind, "name": name.replace(".", "\\.")}


def _patches(bound: Sequence[Bound]) -> list[dict[str, Any]]:
    """One JSON patch for each object, its operations in the order of the mappings."""
    operations: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in bound:
        target = each.mapping.patch
        if target is not None:
            operations.setdefault((target.kind, target.name), []).append(_operation(target, each.value))
    return [
        {"target": _target(kind, name), "patch": orjson.dumps(listed, option=orjson.OPT_SORT_KEYS).decode()}
        for (kind, name), listed in operations.items()
    ]


def _operation(target: PatchTarget, value: Any) -> dict[str, Any]:
    return {
        "op": target.op,
        "path": target.pointer,
        "value": with_literal_dollars(target.pointer, value),
    }


def _settings(bound: Sequence[Bound]) -> dict[tuple[str, str], list[Setting]]:
    """Values by the ConfigMap and file that they are set in, in the order of the mappings."""
    settings: dict[tuple[str, str], list[Setting]] = {}
    for each in bound:
        if (target := each.mapping.config_file) is not None:
            settings.setdefault((target.config_map, target.file), []).append((target.pointer, each.value))
    return settings


def _images(bound: Sequence[Bound]) -> list[dict[str, str]]:
    """One entry for each image, with the parts that mappings set. Kustomize takes the name for a regular expression."""
    images: dict[str, dict[str, str]] = {}
    for each in bound:
        target = each.mapping.image
        if target is None:
            continue
        if not _IMAGE.fullmatch(target.name):
            what = f"A mapping cannot set the image {shown(target.name)}: no image can have this name."
            raise Stalled(Reason.BUILD_FAILED, what)
        image = images.setdefault(target.name, {"name": target.name.replace(".", "\\.")})
        image[_IMAGE_FIELDS[target.part]] = each.value
    return list(images.values())


def _replicas(bound: Sequence[Bound]) -> list[dict[str, Any]]:
    """One entry for each object; of two mappings to one the later one counts."""
    counts = {each.mapping.replicas.name: each.value for each in bound if each.mapping.replicas is not None}
    return [{"name": name, "count": count} for name, count in counts.items()]
