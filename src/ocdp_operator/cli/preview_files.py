"""Claims in a file, for previews: they need not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.errors import SettingsError
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.faults import unstorable
from ocdp_operator.model.kinds import CLAIM

NO_UID: Final = "00000000-0000-0000-0000-000000000000"
"""The UID of a claim that does not exist yet; the API server gives a real one."""


async def read_claims(
    file: typer.FileBinaryRead, dsn: str, cluster: str, namespace: str | None
) -> list[WorkloadClaim]:
    """The claims of the file, each in its namespace: its own, the given one, or its workspace's in this cluster.

    Raises SettingsError for a file that holds something else, and Stalled for a claim that cannot be read.
    """
    name = getattr(file, "name", "-")
    claims = []
    for document in load_documents(file.read(), name=name):
        if document is None:
            continue
        if not isinstance(document, Mapping) or document.get("kind") != CLAIM.kind:
            raise SettingsError(f"{name} must hold {CLAIM.kind}s alone.")
        metadata, spec = (_part(document, key, name) for key in ("metadata", "spec"))
        for fault in unstorable(document):
            raise SettingsError(f"{name}: {fault}.")
        if "namespace" not in metadata:
            metadata["namespace"] = namespace or await _namespace(spec, dsn, cluster)
        claims.append(WorkloadClaim.parse({**document, "metadata": _complete(metadata), "status": {}}))
    if not claims:
        raise SettingsError(f"{name} holds no {CLAIM.kind}.")
    return claims


def _complete(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "", **metadata, "uid": NO_UID, "resourceVersion": "0", "generation": 1}


def _part(document: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    part = document.get(key) or {}
    if not isinstance(part, dict):
        raise SettingsError(f"{name}: {key} must be a mapping.")
    return part


async def _namespace(spec: Mapping[str, Any], dsn: str, cluster: str) -> str:
    workspace = str(spec.get("workspaceId") or "")
    async with CatalogRegistry.connect(dsn) as registry:
        return (await registry.placement(workspace, cluster)).namespace
