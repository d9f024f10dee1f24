"""Workloads of the thin application, and what overlays say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ocdp_operator.model.source import Overlay, PinnedSource
from ocdp_operator.model.template import ResolvedWorkload, RevisionBody, TemplateRevision
from tests.support.apps import template
from tests.support.binding import bound

COMMIT = "c0ffee00" * 5
GUARDED = "web/components/guarded"


def workload(values: Mapping[str, Any] | None = None, **fields: Any) -> ResolvedWorkload:
    """The claim ``ide`` on the thin application, bound; ``fields`` are the workload's, or those of the template file.

    ``components`` are brought in beside those that mappings choose.
    """
    own = {"claim_name", "namespace", "workspace_id", "customer", "components"}
    written = template("web", "https://git.example.test/apps.git")
    written |= {key: value for key, value in fields.items() if key not in own}
    source = PinnedSource(written["source"]["repositoryUrl"], "v1", written["source"]["path"], COMMIT)
    revision = TemplateRevision("web", 1, source, RevisionBody.model_validate(written))
    defaults: dict[str, Any] = {
        "claim_name": "ide",
        "namespace": "team-a",
        "workspace_id": "team-a",
        "customer": "acme",
    }
    given = {key: value for key, value in fields.items() if key in own}
    resolved = bound(ResolvedWorkload(revision=revision, values=values or {}, **(defaults | given)))
    return replace(
        resolved, components=tuple(dict.fromkeys((*given.get("components", ()), *resolved.components)))
    )


def said(overlay: Overlay, path: str = "kustomization.yaml") -> dict[str, Any]:
    """One file of the overlay, parsed."""
    parsed: dict[str, Any] = orjson.loads(overlay.files[path])
    return parsed


def patch_of(overlay: Overlay, kind: str) -> list[dict[str, Any]]:
    """The JSON patch for the one object of this kind."""
    (patch,) = (each["patch"] for each in said(overlay)["patches"] if each["target"]["kind"] == kind)
    parsed: list[dict[str, Any]] = orjson.loads(patch)
    return parsed


def setting(config_map: str, file: str, pointer: str, from_: str = "values.it") -> dict[str, Any]:
    """A mapping into a file of a generated ConfigMap."""
    return {"from": from_, "configFile": {"configMap": config_map, "file": file, "pointer": pointer}}


def patching(kind: str, name: str, pointer: str, from_: str = "values.it", **more: str) -> dict[str, Any]:
    """A mapping to a field of one object."""
    return {"from": from_, "patch": {"kind": kind, "name": name, "pointer": pointer, **more}}
