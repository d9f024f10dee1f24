"""Rendering -> Desired: marks, labels, credentials and retention put on the manifests after the build (design 2 and 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ocdp_operator.model.claim import ClaimStatus, DeletionPolicy
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import (
    CLAIM,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    SECRET,
    STATEFUL_SET,
    WITH_PODS,
    WORKLOAD,
)
from ocdp_operator.model.names import (
    CLAIM_NAME,
    CLAIM_UID,
    CREDENTIALS_VERSION,
    FIELD_MANAGER,
    GENERATED_KEYS,
    OWNER,
    ROTATED,
    WORKSPACE,
    credentials_name,
)
from ocdp_operator.model.objects import Manifest, Mark, ObjectRef
from ocdp_operator.model.secrets import Credentials
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.model.workload import WorkloadSource, WorkloadSpec
from ocdp_operator.plan.content_names import HASH, with_content_name
from ocdp_operator.plan.health import Health
from ocdp_operator.plan.ignoring import left_to_others
from ocdp_operator.plan.order import object_order
from ocdp_operator.plan.references import secret_names
from ocdp_operator.plan.rollouts import single_writer_volumes, with_safe_rollout


@dataclass(frozen=True, slots=True)
class Desired:
    """What is to be applied, in this order, and what of it is to be recorded first."""

    manifests: tuple[Manifest, ...]
    inventory: Inventory
    """An entry for each manifest, ``sent`` filled in, ``uid`` and ``applied`` empty."""


def without_idle_secret(
    rendering: Rendering, workload: ResolvedWorkload, *, held: bool, recorded: bool
) -> Rendering:
    """The rendering without its credentials Secret where that holds no key, no pod refers to it, and none is on record.

    An empty Secret that nobody reads is no object; but no edit lets go of one that may hold what somebody needs.
    """
    if recorded or held or any(_uses_credentials(m, workload) for m in rendering.manifests):
        return rendering
    return Rendering(tuple(m for m in rendering.manifests if not _is_credentials(m.ref, workload)))


def stamp(
    rendering: Rendering,
    workload: ResolvedWorkload,
    *,
    claim_uid: str,
    credentials: Credentials,
    content_named: frozenset[str],
) -> Desired:
    """The manifests as they are sent; the rendering is left as it is.

    Args:
        rendering: what kustomize gave back, which ``policy.check`` let through.
        workload: whose it is.
        claim_uid: for the mark and the label.
        credentials: what the credentials Secret holds, and the version by which the pods that use it roll.
        content_named: names of generated ConfigMaps as the base calls them, without prefix and hash.
    """
    stamped = []
    volumes = single_writer_volumes(rendering.manifests)
    named = [with_content_name(manifest) for manifest in rendering.manifests]
    for manifest in sorted(named, key=lambda m: object_order(m.ref)):
        body: Mapping[str, Any] = _with_identity(manifest.body, manifest.ref, workload, claim_uid)
        if _is_credentials(manifest.ref, workload):
            body = _with_credentials(body, credentials)
        if manifest.ref.kind in WITH_PODS:
            body = _with_pod_stamps(body, manifest, workload, credentials.version)
        if manifest.ref.kind == DEPLOYMENT.kind:
            body = with_safe_rollout(body, volumes)
        if manifest.ref.kind == STATEFUL_SET.kind:
            body = _with_retention(body, workload.deletion_policy)
        stamped.append(replace(manifest, body=body))
    stamped = left_to_others(stamped, workload.revision.body.ignore, f"{workload.claim_name}-")
    generated = _generated_names(workload.claim_name, content_named)
    return Desired(tuple(stamped), Inventory.of(_entry(manifest, generated) for manifest in stamped))


def _entry(manifest: Manifest, generated: re.Pattern[str]) -> Entry:
    return Entry(
        ref=manifest.ref,
        wave=manifest.ref.known_kind.wave,
        sent=manifest.sent_digest,
        content_named=manifest.ref.kind == JOB.kind
        or (manifest.ref.kind == CONFIG_MAP.kind and generated.fullmatch(manifest.ref.name) is not None),
    )


def _generated_names(claim: str, content_named: frozenset[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(content_named)) or "(?!)"
    return re.compile(f"{re.escape(claim)}-(?:{names})-{HASH}")


def _is_credentials(ref: ObjectRef, workload: ResolvedWorkload) -> bool:
    return ref == ObjectRef(SECRET.group, SECRET.kind, credentials_name(workload.claim_name))


def _uses_credentials(manifest: Manifest, workload: ResolvedWorkload) -> bool:
    if manifest.ref.kind not in WITH_PODS:
        return False
    pod = ((manifest.body.get("spec") or {}).get("template") or {}).get("spec") or {}
    return credentials_name(workload.claim_name) in secret_names(pod)


def _edited(
    body: Mapping[str, Any], path: tuple[str, ...], change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> dict[str, Any]:
    """The body with the object at ``path`` changed; what is not on the way is shared, nothing is changed in place."""
    head, *rest = path
    old = body.get(head) or {}
    return {**body, head: _edited(old, tuple(rest), change) if rest else dict(change(old))}


def _with_credentials(body: Mapping[str, Any], credentials: Credentials) -> dict[str, Any]:
    """The version is said here too: no digest holds a value, so it alone tells that other values must be sent."""
    annotations = {
        CREDENTIALS_VERSION: str(credentials.version),
        GENERATED_KEYS: ",".join(credentials.generated),
    }
    if credentials.rotation:
        annotations[ROTATED] = credentials.rotation
    filled = _edited(body, ("data",), lambda _: dict(credentials.data))
    return _edited(filled, ("metadata", "annotations"), lambda old: {**old, **annotations})


def _with_identity(
    body: Mapping[str, Any], ref: ObjectRef, workload: ResolvedWorkload, claim_uid: str
) -> dict[str, Any]:
    labels = {
        CLAIM_UID: claim_uid,
        CLAIM_NAME: workload.claim_name,
        WORKSPACE: workload.workspace_id,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
    }
    mark = Mark(claim_uid, workload.namespace, workload.claim_name, ref)
    labelled = _edited(body, ("metadata", "labels"), lambda old: {**old, **labels})
    return _edited(labelled, ("metadata", "annotations"), lambda old: {**old, OWNER: str(mark)})


def _with_pod_stamps(
    body: Mapping[str, Any], manifest: Manifest, workload: ResolvedWorkload, credentials_version: int
) -> dict[str, Any]:
    """The claim's name, by which pods are found, and the credentials' version, by which they roll."""
    name = {CLAIM_NAME: workload.claim_name}
    stamped = _edited(body, ("spec", "template", "metadata", "labels"), lambda old: {**old, **name})
    # A Job's template cannot change, and a Job that has run has no use for a newer value.
    if manifest.ref.kind == JOB.kind or not _uses_credentials(manifest, workload):
        return stamped
    version = {CREDENTIALS_VERSION: str(credentials_version)}
    return _edited(stamped, ("spec", "template", "metadata", "annotations"), lambda old: {**old, **version})


def _with_retention(body: Mapping[str, Any], policy: DeletionPolicy) -> dict[str, Any]:
    deleted = "Delete" if policy is DeletionPolicy.DELETE else "Retain"
    retention = {"whenDeleted": deleted, "whenScaled": "Retain"}
    return _edited(body, ("spec", "persistentVolumeClaimRetentionPolicy"), lambda _: retention)


def workload_manifest(workload: ResolvedWorkload, *, claim_uid: str, input_digest: str) -> Manifest:
    """The Workload of a claim: marked and labelled like every object of ours, and owned by the claim."""
    revision, ref = workload.revision, ObjectRef(WORKLOAD.group, WORKLOAD.kind, workload.claim_name)
    spec = WorkloadSpec(
        claim=workload.claim_name,
        template_id=revision.template_id,
        template_revision=revision.revision,
        workspace_id=workload.workspace_id,
        source=WorkloadSource(
            repository_url=revision.source.repository_url,
            path=revision.source.path,
            ref=revision.source.ref,
            commit=revision.source.commit,
        ),
        profiles=workload.environment.profiles,
        components=workload.components,
        input_digest=input_digest,
    )
    owner = {
        "apiVersion": CLAIM.api_version,
        "kind": CLAIM.kind,
        "name": workload.claim_name,
        "uid": claim_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    body = {
        "apiVersion": WORKLOAD.api_version,
        "kind": WORKLOAD.kind,
        "metadata": {
            "name": workload.claim_name,
            "namespace": workload.namespace,
            "ownerReferences": [owner],
        },
        "spec": spec.to_wire(),
    }
    return Manifest(ref, _with_identity(body, ref, workload, claim_uid))


def workload_status(status: ClaimStatus, health: Health | None, *, generation: int) -> dict[str, Any]:
    """The Workload's status: the claim's Applied and Healthy conditions, and the health of each object.

    ``generation`` is the Workload's own; transition times are those of the claim, so that both agree.
    """
    known = (status.condition_set.get(type_) for type_ in ("Applied", "Healthy"))
    conditions = [
        {"message": "", **condition.model_copy(update={"observed_generation": generation}).to_wire()}
        for condition in known
        if condition is not None
    ]
    objects = [item.to_wire() for item in health.objects] if health else []
    return {"observedGeneration": generation, "conditions": conditions, "objects": objects}
