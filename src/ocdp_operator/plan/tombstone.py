"""What a deleted claim left behind says whose it was. It authorizes nothing: the mark and the claim's wish do (design 4.8)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.kinds import STATEFUL_SET
from ocdp_operator.model.names import INSTANCE, RETAINED
from ocdp_operator.model.objects import Observed

RETAINED_LABEL: Final = "true"
_MOST: Final = 4096
"""Characters; ours are far below."""
_MOST_ORDINALS: Final = 64
"""That are looked for one by one; a set with more pods has the volumes of those before them."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The claim that an object was kept from, and since when."""

    claim: ClaimKey
    claim_uid: str
    template: str
    revision: int
    workspace: str
    since: str

    def __str__(self) -> str:
        return json.dumps(
            {
                "claim": str(self.claim),
                "uid": self.claim_uid,
                "template": self.template,
                "revision": self.revision,
                "workspace": self.workspace,
                "since": self.since,
            }
        )

    @classmethod
    def of(cls, claim: WorkloadClaim, now: datetime) -> Tombstone:
        """Of a claim that is being deleted."""
        in_force = claim.status.template
        return cls(
            claim.key,
            claim.uid,
            claim.spec.template_id,
            in_force.revision if in_force else 0,
            claim.spec.workspace_id,
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    @classmethod
    def parse(cls, text: str) -> Tombstone | None:
        """The tombstone, or None when the text is not one."""
        try:
            raw = json.loads(text) if len(text) <= _MOST else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(raw, dict):
            return None
        said = [raw.get(name) for name in ("claim", "uid", "template", "workspace", "since")]
        revision = raw.get("revision")
        if not all(isinstance(each, str) for each in said) or type(revision) is not int:
            return None
        claim, uid, template, workspace, since = map(str, said)
        namespace, _, name = claim.partition("/")
        return cls(ClaimKey(namespace, name), uid, template, revision, workspace, since)


def tombstone(observed: Observed) -> Tombstone | None:
    """What an object says of the claim that it was kept from."""
    return Tombstone.parse(observed.annotations.get(RETAINED, ""))


def is_retained(observed: Observed, wanted: Tombstone) -> bool:
    """Whether nothing has to be written any more to say that the object was kept from this claim, at whatever time.

    The UID alone does not tell: somebody may have written it there beforehand, with another claim's name.
    """
    said = tombstone(observed)
    if said is None or observed.labels.get(RETAINED) != RETAINED_LABEL:
        return False
    return replace(said, since=wanted.since) == wanted


def says_retained(observed: Observed) -> bool:
    """Whether anything of a tombstone is on the object."""
    return RETAINED in observed.annotations or RETAINED in observed.labels


@dataclass(frozen=True, slots=True)
class VolumeSeries:
    """The volumes of a StatefulSet that come of one of its volumeClaimTemplates: ``<template>-<set>-<ordinal>``."""

    prefix: str
    first: int
    """The lowest ordinal."""
    least: int
    """How many there are if all pods have theirs; one was there if the set was ever started."""

    def name(self, ordinal: int) -> str:
        """The volume's name."""
        return f"{self.prefix}{ordinal}"


def volume_series(name: str, spec: Mapping[str, Any]) -> tuple[VolumeSeries, ...]:
    """Of a StatefulSet of this name and spec."""
    first = _number((spec.get("ordinals") or {}).get("start"), 0)
    least = max(1, min(_MOST_ORDINALS, replicas_of(spec)))
    return tuple(
        VolumeSeries(f"{template['metadata']['name']}-{name}-", first, least)
        for template in spec.get("volumeClaimTemplates") or ()
    )


def replicas_of(spec: Mapping[str, Any]) -> int:
    """How many pods are asked for."""
    return _number(spec.get("replicas"), 1)


def _number(said: Any, default: int) -> int:
    return said if type(said) is int else default


def is_of_set(volume: Observed, name: str, claim: str) -> bool:
    """Whether the controller of this StatefulSet of the claim made the volume: by its name and by the selector's label.

    It is none of ours then: what carries a mark was sent by us, and is on record by itself.
    """
    named = re.fullmatch(rf".+-{re.escape(name)}-[0-9]+", volume.ref.name) is not None
    return named and volume.mark is None and volume.labels.get(INSTANCE) == claim


def owners_in(volume: Observed, name: str) -> tuple[str, ...]:
    """The UIDs of the StatefulSets of this name, as they are and as they were, that would take the volume with them."""
    return tuple(uid for uid, owner in volume.owners.items() if owner == f"{STATEFUL_SET.kind}/{name}")
