"""Paths, media types and query strings of the Kubernetes API."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from ocdp_operator.model.kinds import Kind
from ocdp_operator.model.names import CLAIM_UID, FIELD_MANAGER

JSON: Final = "application/json"
METADATA: Final = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for the metadata of an object, or of each object that a watch tells of, and for nothing else."""
METADATA_LIST: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

APPLY_PATCH: Final = "application/apply-patch+yaml"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"

MANAGED: Final = f"?fieldManager={FIELD_MANAGER}"
STRICT: Final = f"{MANAGED}&fieldValidation=Strict"
"""Refused rather than stored without the fields that the kind's schema doesn't declare."""
FORCED: Final = f"{MANAGED}&force=true"
DRY_RUN: Final = "&dryRun=All"
"""Added to the others: the API server stores nothing."""

NAMESPACE: Final = Kind("", "v1", "Namespace", "namespaces", 0)
EVENT: Final = Kind("", "v1", "Event", "events", 0)
STORAGE_CLASS: Final = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", 0)
LEASE: Final = Kind("coordination.k8s.io", "v1", "Lease", "leases", 0)


def collection(kind: Kind, namespace: str = "") -> str:
    """Where a kind is listed, watched and created; everywhere when no namespace is given."""
    group = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return (
        f"{group}/namespaces/{quote(namespace, safe='')}/{kind.plural}"
        if namespace
        else f"{group}/{kind.plural}"
    )


def item(kind: Kind, namespace: str, name: str) -> str:
    """One object."""
    return f"{collection(kind, namespace)}/{quote(name, safe='')}"


def having(label: str, value: str | None = None) -> str:
    """A query part that selects objects with the label, of this value if one is given."""
    selector = label if value is None else f"{label}={value}"
    return f"labelSelector={quote(selector, safe='')}"


def lacking(label: str) -> str:
    """A query part that selects objects without the label."""
    return f"labelSelector={quote(f'!{label}', safe='')}"


def about(uid: str) -> str:
    """A query part that selects events about the object of this UID."""
    return f"limit=500&fieldSelector={quote(f'involvedObject.uid={uid}', safe='')}"


def of_claim(claim_uid: str) -> str:
    """A query that selects the objects of one claim."""
    return f"?{having(CLAIM_UID, claim_uid)}"


def resource_of(path: str) -> str:
    """The plural name that a path is about, with its subresource: ``workloadclaims/status``."""
    parts = path.partition("?")[0].strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return "/".join((*parts[:1], *parts[2:3]))


def verb_of(method: str, content_type: str) -> str:
    """What a mutating request does, in the API server's own words, and ``apply`` for server-side apply."""
    if method == "PATCH":
        return "apply" if content_type == APPLY_PATCH else "patch"
    return {"POST": "create", "PUT": "update"}.get(method, method.lower())
