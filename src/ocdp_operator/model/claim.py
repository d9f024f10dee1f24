"""The claim: a user's request, and everything that release needs to know, on one object (design 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

import orjson
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.conditions import Condition, Conditions, Failure
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.kinds import CLAIM
from ocdp_operator.model.names import FINALIZER, IN_FORCE
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.wire import WireModel, digest

MAX_REVISION: Final = 2**31 - 1
"""The catalog counts revisions in a 32-bit integer."""
_TOO_DEEP: Final = "too-deep"
_HINT: Final = re.compile(r"([1-9][0-9]{0,9})@(\S{1,64})")


@dataclass(frozen=True, slots=True, order=True)
class ClaimKey:
    """Names one claim. Everything that is kept for a claim is kept under this key."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class DeletionPolicy(StrEnum):
    """What a deleted claim leaves behind."""

    RETAIN_DATA = "RetainData"
    """PVCs and the credentials Secret stay."""
    DELETE = "Delete"


class UpgradePolicy(StrEnum):
    """What moves a claim to a newer revision of its template and its profiles."""

    MANUAL = "Manual"
    """Its pin, ``spec.templateRevision``, alone."""
    AUTO = "Auto"
    """Their publishing."""


class Identity(WireModel):
    """A user of the cluster, as the API server knows them; stamped at admission (design 2)."""

    username: str = ""
    groups: tuple[str, ...] = ()


class ClaimSpec(WireModel):
    """What the user asks for."""

    template_id: str
    workspace_id: str
    values: dict[str, Any] = Field(default_factory=dict)
    template_revision: int | None = Field(default=None, ge=1, le=MAX_REVISION)
    upgrade_policy: UpgradePolicy | None = None
    running: bool = True
    """False stops the app, and keeps its data and its secrets."""
    suspend: bool = False
    """True stops reconciling, not the app; a deletion still cleans up."""
    deletion_policy: DeletionPolicy | None = None
    requested_by: Identity | None = None
    """Who made the claim."""
    changed_by: Identity | None = None
    """Who changed what the claim asks for last."""

    @property
    def digest(self) -> str:
        """Of what a rendering follows: not of who asks, nor of what is done with a rendering or with its successors.

        Values that are nested too deeply to be written were never applied: they have the digest of nothing that was.
        """
        followed = {
            "template_id": self.template_id,
            "workspace_id": self.workspace_id,
            "values": self.values,
            "template_revision": self.template_revision,
        }
        try:
            return digest(followed)
        except orjson.JSONEncodeError:
            return _TOO_DEEP


class TemplateInForce(WireModel):
    """The revision that the claim runs on, or tries to."""

    revision: int = Field(ge=1, le=MAX_REVISION)
    commit: str
    pinned: int | None = None
    """The pin that was in the spec when this revision was taken: a changed pin moves the claim."""
    available: int | None = None
    """A newer revision."""
    failed: int | None = None
    """A revision that the claim was moved to by its policy, and went back from: it takes only a newer one by itself."""
    deletion_policy: DeletionPolicy | None = None
    """What a claim that says nothing gets: the template's default, as recorded."""
    upgrade_policy: UpgradePolicy | None = None
    """The same for the upgrade policy."""
    immutable: dict[str, str] = Field(default_factory=dict)
    """Path below ``values`` -> a digest of what was there, for each that the schema calls immutable."""


class Endpoint(WireModel):
    """Where the workload can be reached."""

    name: str
    url: str


class PendingPrune(WireModel):
    """Objects that a guard keeps from being pruned; ``digest`` names exactly this set."""

    digest: str
    reason: str = ""
    objects: tuple[str, ...] = ()


class HistoryItem(WireModel):
    """One revision that was applied, newest first."""

    revision: int
    commit: str
    input_digest: str
    first_applied: str
    healthy: bool = False
    profiles: tuple[ProfileRef, ...] | None = None
    """Those that it ran with; None: it was applied before that was recorded."""


class SecretRef(WireModel):
    """Name and keys of the credentials Secret; never a value."""

    name: str
    keys: tuple[str, ...] = ()


class ClaimStatus(WireModel):
    """The operator's account of a claim; written by the operator alone, by merge patches on ``/status``."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    template: TemplateInForce | None = None
    profiles: tuple[ProfileRef, ...] = ()
    """The profile revisions that the claim runs with, in the order of the layers."""
    available_profiles: tuple[ProfileRef, ...] = ()
    """The newest ones, where they are others."""
    deletion_policy: DeletionPolicy | None = None
    inventory: tuple[dict[str, Any], ...] = ()
    input_digest: str = ""
    """The input whose rendering is applied completely; empty while an apply is under way."""
    spec_digest: str = ""
    """What of the spec the applied rendering follows (``ClaimSpec.digest``): the rest needs no rendering."""
    rendering_digest: str = ""
    """Of the rendering that is kept with the Workload: it is believed only if it has this one."""
    pending_prune: PendingPrune | None = None
    endpoints: tuple[Endpoint, ...] = ()
    url: str = ""
    """The first endpoint's, for the printer column."""
    credentials_secret_ref: SecretRef | None = None
    credentials_version: int = 0
    last_handled_rotation: str = ""
    """The value of the claim's annotation ``ocdp.io/rotate-credentials`` that was acted on last."""
    last_handled_reconcile_at: str = ""
    """The value of the claim's annotation ``ocdp.io/reconcile-requested-at`` that was acted on last."""
    failure: Failure | None = None
    history: tuple[HistoryItem, ...] = ()

    @field_validator("conditions", mode="wrap")
    @classmethod
    def _known_conditions(cls, value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
        """Leaves out conditions that another version of the operator wrote and this one cannot read: they are derived."""
        try:
            return parse(value)
        except ValidationError:
            items = value if isinstance(value, list | tuple) else ()
            return tuple(known for item in items if (known := _readable(Condition, item)) is not None)

    @field_validator("failure", "template", mode="wrap")
    @classmethod
    def _known_part(cls, value: Any, parse: ValidatorFunctionWrapHandler) -> Any:
        """The same for the failure, and for a template in force that no catalog can hold: the annotation says it too."""
        try:
            return parse(value)
        except ValidationError:
            return None

    @property
    def condition_set(self) -> Conditions:
        """The conditions by type."""
        return Conditions.of(self.conditions)

    @property
    def recorded(self) -> Inventory:
        """The inventory, parsed."""
        return Inventory.from_wire(self.inventory)


def _readable(model: type[WireModel], item: Any) -> WireModel | None:
    try:
        return model.model_validate(item)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class WorkloadClaim:
    """A claim as read from the API server."""

    key: ClaimKey
    uid: str
    resource_version: str
    generation: int
    spec: ClaimSpec
    status: ClaimStatus = field(default_factory=ClaimStatus)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    deleted_at: str = ""
    created: str = ""

    @property
    def has_finalizer(self) -> bool:
        """Our cleanup must run before the claim can go."""
        return FINALIZER in self.finalizers

    @property
    def in_force_hint(self) -> tuple[int, str] | None:
        """Revision and commit from the annotation; a hint, read only when status is empty (design 4.11)."""
        text = _HINT.fullmatch(self.annotations.get(IN_FORCE, ""))
        return (int(text[1]), text[2]) if text and int(text[1]) <= MAX_REVISION else None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> WorkloadClaim:
        """Reads a claim's JSON.

        Raises Stalled(InvalidClaim) when the spec does not fit, which a claim older than its CRD's schema can do.
        A claim that is being deleted is read all the same: release needs nothing of its spec but a deletion policy.
        A status that does not fit raises always: it is ours, and guessing would lose the inventory.
        """
        metadata = raw["metadata"]
        deleting = bool(metadata.get("deletionTimestamp"))
        status = _parsed(ClaimStatus, raw.get("status") or {}, "/status")
        try:
            spec = _parsed(ClaimSpec, raw.get("spec") or {}, "/spec")
        except Stalled:
            if not deleting:
                raise
            spec = _spec_for_release(raw.get("spec"))
        return cls(
            key=ClaimKey(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            generation=metadata.get("generation", 0),
            spec=spec,
            status=status,
            annotations=metadata.get("annotations") or {},
            finalizers=tuple(metadata.get("finalizers") or ()),
            deleting=deleting,
            deleted_at=metadata.get("deletionTimestamp") or "",
            created=metadata.get("creationTimestamp") or "",
        )


_Model = TypeVar("_Model", bound=WireModel)


def _parsed(model: type[_Model], raw: Any, root: str) -> _Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = "/".join((root, *(str(step)[:64] for step in first["loc"])))
        raise Stalled(
            Reason.INVALID_CLAIM,
            f"The {CLAIM.kind} cannot be read at '{path}': {first['msg']}",
            value_path=path,
        ) from None


def _spec_for_release(raw: Any) -> ClaimSpec:
    policy = raw.get("deletionPolicy") if isinstance(raw, Mapping) else None
    known = DeletionPolicy(policy) if policy in tuple(DeletionPolicy) else None
    return ClaimSpec(template_id="", workspace_id="", deletion_policy=known)
