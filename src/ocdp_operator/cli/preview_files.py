"""Claims in a file, for previews: they need not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.errors import SettingsError
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.documents import load_documents
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
        metadata = dict(document.get("metadata") or {})
        metadata.setdefault("namespace", namespace or await _namespace(document, dsn, cluster))
        claims.append(WorkloadClaim.parse({**document, "metadata": _complete(metadata), "status": {}}))
    if not claims:
        raise SettingsError(f"{name} holds no {CLAIM.kind}.")
    return claims


def _complete(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "", **metadata, "uid": NO_UID, "resourceVersion": "0", "generation": 1}


async def _namespace(document: Mapping[str, Any], dsn: str, cluster: str) -> str:
    workspace = str((document.get("spec") or {}).get("workspaceId") or "")
    async with CatalogRegistry.connect(dsn) as registry:
        return (await registry.placement(workspace, cluster)).namespace
