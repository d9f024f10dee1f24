"""Every failure a claim can meet, as data: a stable code, who must act, what to do next.

    OcdpError
    ├── ReconcileError        ends one reconcile and becomes the claim's conditions and ``status.failure``
    │   ├── Waiting           a retry helps: a dependency is away, or the cluster refuses for now
    │   └── Stalled           no retry helps until somebody edits something
    ├── Conflict              somebody wrote first (409): read again and start over; never shown to users
    ├── Refused               the API server refused what a user asked for by ``ocdp``; never in a reconcile
    └── SettingsError         the process was started wrongly

Anything else that escapes is our own fault: the reconciler reports it as ``InternalError``.
Messages never hold a secret, a credential, or a path of the machine the operator runs on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Actor(StrEnum):
    """Who must act (design 1: the three parties, and us)."""

    USER = "User"
    PLATFORM = "Platform"
    CLUSTER_OPERATOR = "ClusterOperator"
    MAINTAINERS = "Maintainers"
    NOBODY = "Nobody"


class Stage(StrEnum):
    """The condition type that a reason belongs to."""

    TEMPLATE_RESOLVED = "TemplateResolved"
    APPLIED = "Applied"
    HEALTHY = "Healthy"


class Reason(StrEnum):
    """The one vocabulary of condition reasons, events and ``status.failure.code``."""

    # Ready
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    DELETING = "Deleting"
    STOPPED = "Stopped"
    SUSPENDED = "Suspended"
    INTERNAL_ERROR = "InternalError"
    # TemplateResolved
    RESOLVED = "Resolved"
    TEMPLATE_NOT_AVAILABLE = "TemplateNotAvailable"
    ACCESS_REVOKED = "AccessRevoked"
    TEMPLATE_DISABLED = "TemplateDisabled"
    REVISION_NOT_FOUND = "RevisionNotFound"
    WORKSPACE_MISMATCH = "WorkspaceMismatch"
    IDENTITY_UNVERIFIED = "IdentityUnverified"
    PROFILE_INCOMPLETE = "ProfileIncomplete"
    SECRET_NOT_CLAIMABLE = "SecretNotClaimable"  # noqa: S105 - a word
    INVALID_VALUES = "InvalidValues"
    VALUES_TOO_LARGE = "ValuesTooLarge"
    INVALID_CLAIM = "InvalidClaim"
    CATALOG_UNAVAILABLE = "CatalogUnavailable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    URL_NOT_ALLOWED = "URLNotAllowed"
    REF_NOT_FOUND = "RefNotFound"
    INVALID_PATH = "InvalidPath"
    SOURCE_TOO_LARGE = "SourceTooLarge"
    GIT_OPERATION_FAILED = "GitOperationFailed"
    # Applied
    APPLY_SUCCEEDED = "ApplySucceeded"
    BUILD_FAILED = "BuildFailed"
    EMPTY_BUILD = "EmptyBuild"
    UNSAFE_BUILD = "UnsafeBuild"
    POLICY_DENIED = "PolicyDenied"
    NAME_NOT_ALLOWED = "NameNotAllowed"
    IMMUTABLE_FIELD_CONFLICT = "ImmutableFieldConflict"
    OWNERSHIP_CONFLICT = "OwnershipConflict"
    NODE_PORT_TAKEN = "NodePortTaken"
    HOST_TAKEN = "HostTaken"
    FORBIDDEN = "Forbidden"
    QUOTA_EXCEEDED = "QuotaExceeded"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    APPLY_FAILED = "ApplyFailed"
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    PRUNE_BLOCKED = "PruneBlocked"
    PRUNE_FAILED = "PruneFailed"
    # Healthy
    HEALTH_CHECK_SUCCEEDED = "HealthCheckSucceeded"
    HEALTH_CHECK_FAILED = "HealthCheckFailed"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    CRASH_LOOP = "CrashLoop"
    MODEL_LOADING = "ModelLoading"
    VOLUME_PENDING = "VolumePending"
    NO_PODS = "NoPods"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    # Reconciling, Deleting, Drifted and events
    PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
    WAITING_FOR_RESOURCES = "WaitingForResources"
    CREDENTIALS_REGENERATED = "CredentialsRegenerated"
    CREDENTIALS_ROTATED = "CredentialsRotated"
    STARTED = "Started"
    DRIFT_DETECTED = "DriftDetected"
    DRIFT_CORRECTED = "DriftCorrected"
    WATCH_CIRCUIT_OPEN = "WatchCircuitOpen"
    PRUNED = "Pruned"
    UPDATE_AVAILABLE = "UpdateAvailable"
    UPGRADE_COMPLETE = "UpgradeComplete"
    UPGRADE_FAILED = "UpgradeFailed"
    ROLLOUT_HALTED = "RolloutHalted"
    ORPHANS_FOUND = "OrphansFound"


@dataclass(frozen=True, slots=True)
class ReasonEntry:
    """What a failure reason means by default: its condition, who must act, and the next step."""

    stage: Stage
    actor: Actor
    remedy: str


_R, _A = Stage.TEMPLATE_RESOLVED, Stage.APPLIED
_USER, _PLATFORM, _CLUSTER = Actor.USER, Actor.PLATFORM, Actor.CLUSTER_OPERATOR

FAILURES: Final[dict[Reason, ReasonEntry]] = {
    Reason.TEMPLATE_NOT_AVAILABLE: ReasonEntry(
        _R,
        _USER,
        "Choose a templateId that is offered to this workspace, or ask the platform team for access.",
    ),
    Reason.ACCESS_REVOKED: ReasonEntry(
        _R, _PLATFORM, "Bind the template to the workspace again, or delete the claim."
    ),
    Reason.TEMPLATE_DISABLED: ReasonEntry(
        _R, _PLATFORM, "Choose another template, or ask the platform team."
    ),
    Reason.REVISION_NOT_FOUND: ReasonEntry(
        _R, _USER, "Set spec.templateRevision to a revision of this template, or leave it out."
    ),
    Reason.WORKSPACE_MISMATCH: ReasonEntry(
        _R, _USER, "Create the claim in the namespace of its workspace; the platform team places workspaces."
    ),
    Reason.IDENTITY_UNVERIFIED: ReasonEntry(
        _R,
        _CLUSTER,
        "Install config/admission/identity.yaml, then make the claim anew; or bind the template to the workspace.",
    ),
    Reason.PROFILE_INCOMPLETE: ReasonEntry(
        _R, _PLATFORM, "Add the named field to an environment profile of this cluster, customer or workspace."
    ),
    Reason.SECRET_NOT_CLAIMABLE: ReasonEntry(
        _R, _USER, 'Refer to a Secret of this namespace that carries the label ocdp.io/claimable: "true".'
    ),
    Reason.INVALID_VALUES: ReasonEntry(_R, _USER, "Correct the value at the given path."),
    Reason.VALUES_TOO_LARGE: ReasonEntry(_R, _USER, "Make spec.values smaller than 64 KiB of JSON."),
    Reason.INVALID_CLAIM: ReasonEntry(_R, _USER, "Correct the field at the given path."),
    Reason.CATALOG_UNAVAILABLE: ReasonEntry(
        _R, _CLUSTER, "Nothing to do for the user: what runs goes on. Bring the catalog's PostgreSQL back."
    ),
    Reason.AUTHENTICATION_FAILED: ReasonEntry(
        _R, _CLUSTER, "Check the credentials for this origin in the operator's credentials file."
    ),
    Reason.URL_NOT_ALLOWED: ReasonEntry(
        _R, _PLATFORM, "Use an allowed origin, or add it to the operator's settings."
    ),
    Reason.REF_NOT_FOUND: ReasonEntry(
        _R, _PLATFORM, "Publish the template with a ref or commit that exists."
    ),
    Reason.INVALID_PATH: ReasonEntry(
        _R, _PLATFORM, "Publish the template with a path that exists in the repository."
    ),
    Reason.SOURCE_TOO_LARGE: ReasonEntry(_R, _PLATFORM, "Make what the template's path reaches smaller."),
    Reason.GIT_OPERATION_FAILED: ReasonEntry(
        _R, _CLUSTER, "Nothing to do for the user: what runs goes on. Check that the Git server answers."
    ),
    Reason.BUILD_FAILED: ReasonEntry(_A, _PLATFORM, "Correct the Kustomize base or the template's mappings."),
    Reason.EMPTY_BUILD: ReasonEntry(
        _A, _PLATFORM, "Publish a revision whose base renders at least one object."
    ),
    Reason.UNSAFE_BUILD: ReasonEntry(_A, _PLATFORM, "Remove what is named from the Kustomize base."),
    Reason.POLICY_DENIED: ReasonEntry(_A, _PLATFORM, "Correct the named objects in the Kustomize base."),
    Reason.NAME_NOT_ALLOWED: ReasonEntry(_A, _USER, "Choose a shorter claim name."),
    Reason.IMMUTABLE_FIELD_CONFLICT: ReasonEntry(
        _A, _PLATFORM, "Keep the immutable field, or make a new claim."
    ),
    Reason.OWNERSHIP_CONFLICT: ReasonEntry(
        _A, _USER, "Rename the claim, or remove the object that is in the way."
    ),
    Reason.NODE_PORT_TAKEN: ReasonEntry(
        _A, _USER, "Choose another node port, or leave it out to get a free one."
    ),
    Reason.HOST_TAKEN: ReasonEntry(
        _A, _USER, "Make the claim under another name, or free the host; whoever has it keeps it."
    ),
    Reason.FORBIDDEN: ReasonEntry(
        _A, _CLUSTER, "Bind the ClusterRole ocdp-applier in the workspace's namespace."
    ),
    Reason.QUOTA_EXCEEDED: ReasonEntry(_A, _USER, "Free some of the namespace's quota, or ask for more."),
    Reason.NAMESPACE_TERMINATING: ReasonEntry(
        _A, Actor.NOBODY, "The namespace is being deleted; nothing to do."
    ),
    Reason.APPLY_FAILED: ReasonEntry(_A, _PLATFORM, "Correct the named object in the Kustomize base."),
    Reason.CLUSTER_UNAVAILABLE: ReasonEntry(_A, _CLUSTER, "Check that the API server answers the operator."),
    Reason.PRUNE_FAILED: ReasonEntry(_A, _CLUSTER, "See which object could not be deleted, and why."),
    Reason.INTERNAL_ERROR: ReasonEntry(
        _A, Actor.MAINTAINERS, "Report it with the operator's log of this claim."
    ),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """Who must act on an object that is not healthy, and what to do."""

    actor: Actor
    remedy: str


_LOG: Final = Advice(
    _USER, "Read the log of the named container; if no value of the claim helps, ask the platform team."
)
ADVICE: Final[dict[Reason, Advice]] = {
    Reason.IMAGE_PULL_FAILED: Advice(
        _USER,
        "Correct the image if a value of the claim names it; else the platform team corrects it, or its pull secret.",
    ),
    Reason.CRASH_LOOP: _LOG,
    Reason.HEALTH_CHECK_FAILED: _LOG,
    Reason.PROGRESS_DEADLINE_EXCEEDED: _LOG,
    Reason.UNSCHEDULABLE: Advice(
        _USER,
        "Ask for less if a value of the claim says how much; else ask the platform team for room on its nodes.",
    ),
    Reason.VOLUME_PENDING: Advice(_PLATFORM, "Ask the platform team for the storage that is named."),
    Reason.QUOTA_EXCEEDED: Advice(_USER, FAILURES[Reason.QUOTA_EXCEEDED].remedy),
    Reason.NO_PODS: Advice(_USER, "The events of the named object tell why it has no pods."),
    Reason.MODEL_LOADING: Advice(Actor.NOBODY, "Nothing to do: it is ready again once the model is loaded."),
}
"""What to do about a claim whose objects are not healthy, where no more is known than the reason."""


def advice_on(reason: Reason) -> Advice:
    """What is advised on this reason; of one without advice of its own, what is on any object that is not healthy."""
    return ADVICE.get(reason, ADVICE[Reason.HEALTH_CHECK_FAILED])


class OcdpError(Exception):
    """The root of our own errors."""


class SettingsError(OcdpError):
    """The process was started with settings that cannot work; the message says which and why."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Refused(OcdpError):
    """What a user asked the API server for was refused, or is not there; the message says what and why, in a sentence."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class LeaseLost(OcdpError):
    """Another process may work now, and this one must not: it ends, to be started again."""


class Conflict(OcdpError):
    """The object changed since it was read (HTTP 409 on resourceVersion): read it again and start over."""


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """An outside world that claims wait for together: one probe for each (design 4.5)."""

    kind: str
    """``catalog`` or ``source``."""
    name: str = ""
    """For a source: its repository URL, which never holds credentials."""


CATALOG: Final = Dependency("catalog")


class ReconcileError(OcdpError):
    """Ends one reconcile. ``str()`` is the message for users, at most 1 KiB, free of secrets."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        value_path: str = "",
        actor: Actor | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message[:1024])
        entry = FAILURES[reason]
        self.reason = reason
        self.message = message[:1024]
        self.value_path = value_path
        self.stage = entry.stage
        self.actor = actor or entry.actor
        self.remedy = remedy or entry.remedy
        self.not_before = 0.0
        """Seconds for which whoever refused wants to be left alone."""


class Stalled(ReconcileError):
    """No retry helps until somebody edits the claim, the template or the cluster."""


class Waiting(ReconcileError):
    """A retry helps: when ``dependency`` answers again, or after a backoff when there is none."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        dependency: Dependency | None = None,
        value_path: str = "",
        actor: Actor | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(reason, message, value_path=value_path, actor=actor, remedy=remedy)
        self.dependency = dependency
