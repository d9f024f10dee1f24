"""The Workload: a projection of a claim for readers; losing it loses nothing (design 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.wire import WireModel


class ObjectHealth(WireModel):
    """One object's state, as the Workload's status lists it."""

    kind: str
    name: str
    health: str
    message: str = ""


class WorkloadSource(WireModel):
    """Where the workload's manifests came from."""

    repository_url: str
    path: str
    ref: str
    commit: str


class WorkloadSpec(WireModel):
    """What was rendered for the claim."""

    claim: str
    template_id: str
    template_revision: int
    workspace_id: str
    source: WorkloadSource
    profiles: tuple[ProfileRef, ...] = ()
    components: tuple[str, ...] = ()
    input_digest: str


@dataclass(frozen=True, slots=True)
class LiveWorkload:
    """A Workload as watched: enough to see that it is ours, complete and current."""

    uid: str
    resource_version: str
    generation: int
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    applied_digest: str
    owner_uid: str
    deleting: bool
