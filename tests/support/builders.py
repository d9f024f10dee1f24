"""Builders of the model's nouns: a test names what matters to it, and the rest is a plain, valid default."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ocdp_operator.model.claim import (
    ClaimKey,
    ClaimSpec,
    ClaimStatus,
    HistoryItem,
    TemplateInForce,
    WorkloadClaim,
)
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import CLAIM, POD, RUNTIME_KINDS, WORKLOAD, Kind
from ocdp_operator.model.objects import Manifest, Mark, ObjectRef, Observed
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.source import PinnedSource
from ocdp_operator.model.template import (
    CatalogAnswer,
    Placement,
    ResolvedWorkload,
    RevisionBody,
    TemplateRevision,
)

NAMESPACE = "ns-a"
WORKSPACE = "team-a"
CLAIM_UID = "11111111-1111-4111-8111-111111111111"
COMMIT = "c0ffee00" * 5

_KINDS = {kind.kind: kind for kind in (*RUNTIME_KINDS, CLAIM, WORKLOAD, POD)}
_WITH_PODS = ("Deployment", "StatefulSet", "Job")


def kind_named(kind: str) -> Kind:
    return _KINDS[kind]


def ref(kind: str, name: str) -> ObjectRef:
    known = kind_named(kind)
    return ObjectRef(known.group, known.kind, name)


def claim(name: str = "ide", *, namespace: str = NAMESPACE, **fields: Any) -> WorkloadClaim:
    """``fields`` are those of the spec in snake case, beside ``status`` and those of the claim itself."""
    own = {"uid", "generation", "status", "annotations", "finalizers", "deleting", "resource_version"}
    spec = {"template_id": "code-server", "workspace_id": WORKSPACE} | {
        key: value for key, value in fields.items() if key not in own
    }
    defaults: dict[str, Any] = {"uid": CLAIM_UID, "generation": 1, "resource_version": "1"}
    return WorkloadClaim(
        key=ClaimKey(namespace, name),
        spec=ClaimSpec(**spec),
        **(defaults | {key: value for key, value in fields.items() if key in own}),
    )


def in_force(revision: int, *, pinned: int | None = None, commit: str = COMMIT) -> ClaimStatus:
    """The status of a claim that runs on this revision."""
    applied = HistoryItem(
        revision=revision, commit=commit, input_digest="0", first_applied="2026-01-01T00:00:00Z"
    )
    template = TemplateInForce(revision=revision, commit=commit, pinned=pinned)
    return ClaimStatus(template=template, history=(applied,))


def template(
    revision: int = 1, *, template_id: str = "code-server", commit: str = COMMIT, **body: Any
) -> TemplateRevision:
    """``body`` as in a template file: schema, mappings, components, allowedKinds, defaults."""
    source = PinnedSource("https://git.example.test/apps.git", "v0.1.0", "apps/code-server/base", commit)
    return TemplateRevision(template_id, revision, source, RevisionBody.model_validate(body))


def profile(layer: Layer | str, id_: str = "", *, revision: int = 1, **body: Any) -> ProfileRevision:
    """``body`` as in a profile's file: storageClass, ingress, locked, ..."""
    known = Layer(layer)
    return ProfileRevision(ProfileRef(id=id_ or f"{known}-profile", revision=revision), known, body)


def answer(revision: TemplateRevision | None = None, **facts: Any) -> CatalogAnswer:
    """A catalog that offers the revision to the claim's workspace, placed in the claim's namespace."""
    offered = revision or template()
    defaults: dict[str, Any] = {
        "template_exists": True,
        "granted": True,
        "placement": Placement(WORKSPACE, "acme", NAMESPACE),
        "namespace_workspace": WORKSPACE,
        "revision": offered,
        "newest": offered.revision,
        "counter": 1,
    }
    return CatalogAnswer(**(defaults | facts))


def resolved(claim_name: str = "ide", **fields: Any) -> ResolvedWorkload:
    defaults: dict[str, Any] = {
        "namespace": NAMESPACE,
        "workspace_id": WORKSPACE,
        "customer": "acme",
        "revision": template(),
    }
    return ResolvedWorkload(claim_name=claim_name, **(defaults | fields))


def pod_spec(**fields: Any) -> dict[str, Any]:
    """The spec of a pod that the Pod Security Standard *restricted* admits."""
    container = {
        "name": "app",
        "image": "app:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    } | fields


def manifest(kind: str, name: str, *, namespace: str = NAMESPACE, **body: Any) -> Manifest:
    """A manifest that the policy lets through, of the claim that the name begins with."""
    known = kind_named(kind)
    metadata = {"name": name, "namespace": namespace} | body.pop("metadata", {})
    whole: dict[str, Any] = {"apiVersion": known.api_version, "kind": kind, "metadata": metadata}
    own = {"app.kubernetes.io/instance": name.partition("-")[0]}
    if kind in _WITH_PODS and "spec" not in body:
        body["spec"] = {"template": {"metadata": {"labels": own}, "spec": pod_spec()}}
        if kind != "Job":
            body["spec"]["selector"] = {"matchLabels": own}
    if kind == "Service" and "spec" not in body:
        body["spec"] = {"selector": own}
    return Manifest.of(whole | body)


def changed(original: Manifest, pointer: str, value: Any) -> Manifest:
    """The manifest with the value at a JSON pointer set, whatever was there before."""
    body = deepcopy(dict(original.body))
    *way, last = [
        int(step) if step.isdigit() else step.replace("~1", "/").replace("~0", "~")
        for step in pointer.split("/")[1:]
    ]
    place: Any = body
    for step in way:
        if isinstance(place, dict) and step not in place:
            place[step] = {}
        place = place[step]
    place[last] = value
    return Manifest(original.ref, body)


def observed(kind: str, name: str, *, uid: str = "uid-1", **fields: Any) -> Observed:
    """A live object of the claim; ``spec`` and ``status`` make its body, ``mark=None`` takes the mark away."""
    body = {part: fields.pop(part) for part in ("spec", "status") if part in fields}
    defaults: dict[str, Any] = {
        "namespace": NAMESPACE,
        "resource_version": "1",
        "mark": Mark(CLAIM_UID, NAMESPACE, "ide", ref(kind, name)),
        "applied_digest": "applied",
        "generation": 1,
    }
    return Observed(ref=ref(kind, name), uid=uid, body=body, **(defaults | fields))


def entry(kind: str, name: str, *, uid: str = "uid-1", **fields: Any) -> Entry:
    """A recorded object that was applied."""
    defaults: dict[str, Any] = {"wave": kind_named(kind).wave, "sent": "sent", "applied": "applied"}
    return Entry(ref=ref(kind, name), uid=uid, **(defaults | fields))


def by_ref(*objects: Observed) -> Mapping[ObjectRef, Observed]:
    return {item.ref: item for item in objects}
