"""Environment profiles: what the platform gives every workload of a cluster, a customer or a workspace (design 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ocdp_operator.model.wire import WireModel


class Layer(StrEnum):
    """Whose profile it is; a later layer goes over an earlier one."""

    CLUSTER = "cluster"
    CUSTOMER = "customer"
    WORKSPACE = "workspace"


class ProfileRef(WireModel):
    """One revision of one profile."""

    id: str
    revision: int

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}"


@dataclass(frozen=True, slots=True)
class ProfileRevision:
    """A profile as the catalog holds it; a revision never changes."""

    ref: ProfileRef
    layer: Layer
    body: Mapping[str, Any] = field(default_factory=dict)
    """The fields of the profile as JSON, as they were checked when it was published."""


@dataclass(frozen=True, slots=True)
class LockConflict:
    """What a layer says of a field that an earlier one locked: it counts for nothing."""

    pointer: str
    """JSON pointer of the field in the profile that is overruled."""
    profile: ProfileRef
    locked_by: ProfileRef


@dataclass(frozen=True, slots=True)
class Environment:
    """The profiles of one claim merged: cluster, then customer, then workspace."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    """As mappings and expressions read them below ``profile``: ``ingress.domain``, ``storageClass``, ..."""
    origins: Mapping[str, ProfileRef] = field(default_factory=dict)
    """JSON pointer of each leaf of ``fields`` -> the profile that said it last. Lists are leaves, but for the items of
    tolerations and pull secrets, which come from several profiles."""
    profiles: tuple[ProfileRef, ...] = ()
    """The revisions that were merged, in the order of the layers."""
    locks: Mapping[str, ProfileRef] = field(default_factory=dict)
    """Dotted path of each locked field -> the profile that locked it first."""
    conflicts: tuple[LockConflict, ...] = ()
    """What later layers said of locked fields, in the order of the layers."""
