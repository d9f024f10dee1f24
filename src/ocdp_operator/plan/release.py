"""What deleting a claim deletes, in which order, and what it leaves. Needs neither catalog nor Git (design 4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import STATEFUL_SET
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID, FIELD_MANAGER, OWNER
from ocdp_operator.model.objects import Manifest, Mark, Observed
from ocdp_operator.plan.order import entry_order
from ocdp_operator.plan.wording import MAX_MESSAGE, coarse_age, listed, shown

_CONFINED_POD: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONFINED_CONTAINER: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""No such pod is ever made; a template that Pod Security would warn of is refused by some clusters all the same."""

_HELD: Final = "An object goes when whoever set its finalizers has removed them."


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """Every recorded entry is either retained or in one wave."""

    retained: tuple[Entry, ...]
    waves: tuple[tuple[Entry, ...], ...]
    """Highest wave first; the next one starts when the objects of the one before are gone."""


def plan_release(inventory: Inventory, *, policy: DeletionPolicy) -> ReleasePlan:
    """RetainData keeps PVCs and the credentials Secret; Delete keeps nothing."""
    retains = policy is DeletionPolicy.RETAIN_DATA
    retained = tuple(entry for entry in inventory if retains and entry.is_data)
    going = sorted(
        (entry for entry in inventory if not (retains and entry.is_data)), key=entry_order, reverse=True
    )
    waves = tuple(tuple(wave) for _, wave in groupby(going, key=lambda entry: entry.wave))
    return ReleasePlan(retained, waves)


def is_stray_pod(pod: Observed, name: str) -> bool:
    """Whether a pod of the claim was left by a StatefulSet of this name, and nobody has it: it would run for ever."""
    owners: Iterable[Mapping[str, Any]] = (pod.body.get("metadata") or {}).get("ownerReferences") or ()
    named = re.fullmatch(rf"{re.escape(name)}-[0-9]+", pod.ref.name) is not None
    return named and not pod.deletion_timestamp and not any(owner.get("controller") for owner in owners)


def gathering_set(mark: Mark, *, when_deleted: str) -> Manifest:
    """A StatefulSet of no pods that adopts those which the one of this name left, so that they go with it."""
    labels = {CLAIM_NAME: mark.claim}
    container = {"name": "none", "image": "none", "securityContext": _CONFINED_CONTAINER}
    pod = {"automountServiceAccountToken": False, "securityContext": _CONFINED_POD, "containers": [container]}
    spec = {
        "replicas": 0,
        "serviceName": mark.ref.name,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted, "whenScaled": "Retain"},
    }
    metadata = {
        "name": mark.ref.name,
        "labels": {**labels, CLAIM_UID: mark.claim_uid, "app.kubernetes.io/managed-by": FIELD_MANAGER},
        "annotations": {OWNER: str(mark)},
    }
    body = {
        "apiVersion": STATEFUL_SET.api_version,
        "kind": STATEFUL_SET.kind,
        "metadata": metadata,
        "spec": spec,
    }
    return Manifest(mark.ref, body)


def waiting_message(blockers: Iterable[Observed], *, now: datetime) -> str:
    """What a release waits for: each object with its finalizers and how long it has been going, at most 1 KiB.

    Ages are rounded down to coarse steps, so that a waiting claim is not written again at every look.
    """
    ordered = sorted(blockers, key=lambda observed: observed.ref.id)
    if not ordered:
        return "Nothing is left to wait for."
    hint = f" {_HELD}" if any(observed.finalizers for observed in ordered) else ""
    named = [_blocker(observed, now) for observed in ordered]
    return f"{listed('Waiting until these objects are gone', named, MAX_MESSAGE - len(hint) - 1)}.{hint}"


def _blocker(observed: Observed, now: datetime) -> str:
    name = f"{observed.ref.kind}/{observed.ref.name}"
    if not observed.deletion_timestamp:
        return f"{name} (not yet being deleted)"
    age = coarse_age(now - datetime.fromisoformat(observed.deletion_timestamp))
    held = ", ".join(shown(finalizer) for finalizer in observed.finalizers)
    finalizers = f"finalizers {held}" if held else "no finalizers"
    return f"{name} ({finalizers}, being deleted for {age})"
