"""Stage results -> the claim's status, by the kstatus rules (design 2, features 4.1).

Ready speaks of ``metadata.generation``: True iff that generation is applied and healthy, whatever the catalog says now.
Identical facts give an identical status, so that nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ocdp_operator.errors import Reason, ReconcileError, Stage, Stalled, advice_on
from ocdp_operator.model.claim import (
    ClaimStatus,
    Endpoint,
    HistoryItem,
    PendingPrune,
    SecretRef,
    TemplateInForce,
    WorkloadClaim,
)
from ocdp_operator.model.conditions import Condition, Conditions, Failure, Truth
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.drift import Drift, fought_over
from ocdp_operator.plan.health import Health, Verdict
from ocdp_operator.plan.running import is_at_rest, rendered_input
from ocdp_operator.plan.wording import listed

_HISTORY = 5
_SUSPENDED = "Reconciling is suspended, as spec.suspend asks for."
_LEFT = "It is put right when spec.suspend is taken away."
_ROOM = 900
"""Bytes for the list of what drifted."""
_ABNORMAL = frozenset({"Reconciling", "Stalled", "Drifted", "Deleting"})
"""Present only while True."""
_TYPES = ("Ready", "TemplateResolved", "Applied", "Healthy", *sorted(_ABNORMAL))
_ORDER = {type_: rank for rank, type_ in enumerate(_TYPES)}
_UNKNOWABLE = frozenset(
    {
        Reason.CATALOG_UNAVAILABLE,
        Reason.GIT_OPERATION_FAILED,
        Reason.AUTHENTICATION_FAILED,
        Reason.CLUSTER_UNAVAILABLE,
    }
)
"""Reasons under which nothing is known to be bad: the condition is Unknown, not False."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one reconcile found out. ``applied``: this generation's rendering is applied completely."""

    workload: ResolvedWorkload | None = None
    standing: str = ""
    """Why the claim is not on the newest revision that its policy would have it on."""
    error: ReconcileError | None = None
    applied: bool = False
    applied_message: str = ""
    health: Health | None = None
    inventory: Inventory = field(default_factory=Inventory)
    input_digest: str = ""
    pending_prune: PendingPrune | None = None
    endpoints: tuple[Endpoint, ...] = ()
    credentials: SecretRef | None = None
    credentials_version: int = 0
    last_handled_rotation: str = ""
    last_handled_reconcile_at: str = ""
    rendering_digest: str = ""
    drifted: tuple[Drift, ...] = ()
    """Objects that are not as they were applied and are left so, since the claim is suspended."""
    contested: tuple[Drift, ...] = ()
    """Objects that are left alone, since somebody changes them as often as they are put right."""


def in_progress(claim: WorkloadClaim, facts: Facts, now: datetime) -> ClaimStatus:
    """The status that is recorded before the first write of an apply: the union inventory and ``Reconciling``."""
    conditions = claim.status.condition_set.without("Stalled")
    message = "Applying the objects of this generation."
    for condition in (
        _resolved(facts, claim.generation),
        _condition("Reconciling", Truth.TRUE, Reason.PROGRESSING, message, claim.generation),
        _condition("Ready", Truth.UNKNOWN, Reason.PROGRESSING, message, claim.generation),
    ):
        conditions = conditions.put(condition, now=now)
    return _with_facts(claim, facts, conditions, now).model_copy(update={"input_digest": "", "failure": None})


def summarize(claim: WorkloadClaim, facts: Facts, now: datetime) -> ClaimStatus:
    """The status at the end of a reconcile, whether it succeeded or not."""
    ready = _ready(claim, facts)
    wanted = [ready, *_drifted(facts, claim.generation), *_healthy(claim, facts)]
    if not claim.spec.suspend:  # then nothing was looked up or applied, and what was known stands
        wanted += [_resolved(facts, claim.generation), *_applied(claim, facts), *_abnormal(facts, ready)]
    conditions = claim.status.condition_set
    for condition in wanted:
        conditions = conditions.put(condition, now=now)
    return _with_facts(claim, facts, conditions.without(*(_ABNORMAL - {c.type for c in wanted})), now)


def deleting(
    claim: WorkloadClaim, reason: Reason, message: str, now: datetime, *, failure: Failure | None
) -> ClaimStatus:
    """The status of a claim whose deletion waits; everything that release needs stays in it."""
    conditions = claim.status.condition_set.without("Reconciling", "Stalled")
    for condition in (
        _condition("Ready", Truth.FALSE, Reason.DELETING, message, claim.generation),
        _condition("Deleting", Truth.TRUE, reason, message, claim.generation),
    ):
        conditions = conditions.put(condition, now=now)
    changes = {
        "conditions": _ordered(conditions),
        "observed_generation": claim.generation,
        "failure": failure,
    }
    return claim.status.model_copy(update=changes)


def _ordered(conditions: Conditions) -> tuple[Condition, ...]:
    """Ours alone: the status has one writer, and what others put there would take the room of what it has to say."""
    own = (condition for condition in conditions if condition.type in _ORDER)
    return tuple(sorted(own, key=lambda condition: _ORDER[condition.type]))


def _condition(type_: str, status: Truth, reason: Reason, message: str, generation: int) -> Condition:
    return Condition(
        type=type_, status=status, reason=reason, message=message, observed_generation=generation
    )


def _truth(error: ReconcileError) -> Truth:
    return Truth.UNKNOWN if error.reason in _UNKNOWABLE else Truth.FALSE


def _resolved(facts: Facts, generation: int) -> Condition:
    error = facts.error
    if error is not None and error.stage is Stage.TEMPLATE_RESOLVED:
        return _condition("TemplateResolved", _truth(error), error.reason, error.message, generation)
    if facts.workload is None:
        message = "The template was not looked up."
        return _condition("TemplateResolved", Truth.UNKNOWN, Reason.PROGRESSING, message, generation)
    revision = facts.workload.revision
    message = (
        f"Revision {revision.revision} of {revision.template_id} at commit {revision.source.commit[:12]}."
    )
    message = f"{message} {facts.standing}" if facts.standing else message
    return _condition("TemplateResolved", Truth.TRUE, Reason.RESOLVED, message, generation)


def _applied(claim: WorkloadClaim, facts: Facts) -> Iterator[Condition]:
    """While a new generation cannot be resolved, the condition of the generation that runs stands."""
    error, generation = facts.error, claim.generation
    if _denies_applied(facts) and error is not None:
        yield _condition("Applied", _truth(error), error.reason, error.message, generation)
    elif facts.applied and error is not None and error.reason is Reason.PRUNE_FAILED:
        yield _condition("Applied", Truth.TRUE, error.reason, error.message, generation)
    elif facts.applied:
        reason = Reason.PRUNE_BLOCKED if facts.pending_prune else Reason.APPLY_SUCCEEDED
        yield _condition("Applied", Truth.TRUE, reason, facts.applied_message, generation)


def _denies_applied(facts: Facts) -> bool:
    """Whether the error says that the generation is not applied: not so one about leftovers, nor one of not knowing."""
    error = facts.error
    if error is None or error.stage is Stage.TEMPLATE_RESOLVED:
        return False
    return not (facts.applied and (error.reason is Reason.PRUNE_FAILED or error.reason in _UNKNOWABLE))


def _healthy(claim: WorkloadClaim, facts: Facts) -> Iterator[Condition]:
    health = facts.health
    if health is None:
        return
    if _is_stopped(facts):
        message = "Nothing runs whose health could be told: the claim is stopped."
        yield _condition("Healthy", Truth.UNKNOWN, Reason.STOPPED, message, claim.generation)
        return
    truth = {Verdict.HEALTHY: Truth.TRUE, Verdict.FAILED: Truth.FALSE, Verdict.PROGRESSING: Truth.UNKNOWN}[
        health.verdict
    ]
    known = claim.status.condition_set.get("Applied")
    generation = claim.generation if facts.applied or known is None else known.observed_generation
    yield _condition("Healthy", truth, health.reason, health.message, generation)


def _is_stopped(facts: Facts) -> bool:
    """Whether the claim is at rest: also an older generation of it, while the newest is refused or waits."""
    return is_at_rest(facts.input_digest)


def _ready(claim: WorkloadClaim, facts: Facts) -> Condition:
    ready = _ready_but_for_suspend(claim, facts)
    if not claim.spec.suspend:
        return ready
    if facts.applied:
        return ready.model_copy(update={"message": f"{ready.message} {_SUSPENDED}"})
    message = f"{_SUSPENDED} What was asked for since is not carried out until it is taken away."
    return _condition("Ready", Truth.UNKNOWN, Reason.SUSPENDED, message, claim.generation)


def _stopped(health: Health, generation: int) -> Condition:
    message = "Stopped, as spec.running asks for; data and secrets are kept."
    if health.verdict is not Verdict.HEALTHY:
        message = f"Stopping, as spec.running asks for: {health.message}"
    return _condition("Ready", Truth.FALSE, Reason.STOPPED, message, generation)


def _ready_but_for_suspend(claim: WorkloadClaim, facts: Facts) -> Condition:
    error, health, generation = facts.error, facts.health, claim.generation
    if health is not None and facts.applied and not _denies_applied(facts) and _is_stopped(facts):
        return _stopped(health, generation)
    if facts.applied and health is not None and not _denies_applied(facts):
        if health.verdict is Verdict.HEALTHY:
            message = f"All {len(health.objects)} objects are applied and healthy."
            return _condition("Ready", Truth.TRUE, Reason.AVAILABLE, message, generation)
        truth = Truth.FALSE if health.verdict is Verdict.FAILED else Truth.UNKNOWN
        return _condition("Ready", truth, health.reason, health.message, generation)
    if error is not None:
        return _condition("Ready", _truth(error), error.reason, error.message, generation)
    return _condition(
        "Ready", Truth.UNKNOWN, Reason.PROGRESSING, "Applying the objects of this generation.", generation
    )


def _abnormal(facts: Facts, ready: Condition) -> Iterator[Condition]:
    """Stalled when no retry helps, else Reconciling; never both, and neither while Ready is True (kstatus).

    A claim that is stopped, and all of whose pods are gone, is where it was asked to be: neither.
    """
    error, generation = facts.error, ready.observed_generation
    rests = (
        ready.reason is Reason.STOPPED
        and facts.health is not None
        and facts.health.verdict is Verdict.HEALTHY
    )
    if ready.status is Truth.TRUE or (rests and not isinstance(error, Stalled)):
        return
    if isinstance(error, Stalled):
        yield _condition("Stalled", Truth.TRUE, error.reason, error.message, generation)
    elif error is not None:
        yield _condition("Reconciling", Truth.TRUE, Reason.PROGRESSING_WITH_RETRY, error.message, generation)
    else:
        yield _condition("Reconciling", Truth.TRUE, Reason.PROGRESSING, ready.message, generation)


def _drifted(facts: Facts, generation: int) -> Iterator[Condition]:
    """Only of what is left as it is: what is put right at once is an event."""
    if facts.contested:
        message = fought_over(facts.contested)
        yield _condition("Drifted", Truth.TRUE, Reason.WATCH_CIRCUIT_OPEN, message, generation)
    elif facts.drifted:
        message = listed("Not as applied", [each.found.removesuffix(".") for each in facts.drifted], _ROOM)
        yield _condition("Drifted", Truth.TRUE, Reason.DRIFT_DETECTED, f"{message}. {_LEFT}", generation)


def _with_facts(claim: WorkloadClaim, facts: Facts, conditions: Conditions, now: datetime) -> ClaimStatus:
    old, workload = claim.status, facts.workload
    in_force, profiles, newer_profiles = old.template, old.profiles, old.available_profiles
    if workload is not None and (facts.error is None or facts.error.stage is not Stage.TEMPLATE_RESOLVED):
        revision, profiles = workload.revision, workload.environment.profiles
        newer_profiles = workload.newer_profiles
        failed = in_force.failed if in_force else None
        in_force = TemplateInForce(
            revision=revision.revision,
            commit=revision.source.commit,
            pinned=claim.spec.template_revision,
            available=workload.newer,
            failed=failed if failed and failed > revision.revision else None,
            deletion_policy=workload.default_policy,
            upgrade_policy=workload.default_upgrade,
            immutable=dict(workload.immutable),
        )
    return ClaimStatus(
        observed_generation=claim.generation,
        conditions=_ordered(conditions),
        template=in_force,
        profiles=profiles,
        available_profiles=newer_profiles,
        deletion_policy=workload.deletion_policy if workload else old.deletion_policy,
        inventory=tuple(facts.inventory.to_wire()),
        input_digest=facts.input_digest,
        spec_digest=_spec_digest(claim, facts),
        rendering_digest=facts.rendering_digest,
        pending_prune=facts.pending_prune,
        endpoints=facts.endpoints,
        url=facts.endpoints[0].url if facts.endpoints else "",
        credentials_secret_ref=facts.credentials,
        credentials_version=facts.credentials_version,
        last_handled_rotation=facts.last_handled_rotation,
        last_handled_reconcile_at=facts.last_handled_reconcile_at,
        failure=_failure(facts),
        history=_history(claim, facts, now),
    )


def _failure(facts: Facts) -> Failure | None:
    """Of what was asked for; else of what runs: who must act on it, and how, also when its event is long gone."""
    if facts.error is not None:
        return Failure.of(facts.error)
    health = facts.health
    if health is None or health.verdict is not Verdict.FAILED or _is_stopped(facts):
        return None
    advice = health.advice or advice_on(health.reason)
    return Failure(code=health.reason, actor=advice.actor, message=health.message, remedy=advice.remedy)


def _spec_digest(claim: WorkloadClaim, facts: Facts) -> str:
    """Moves when this generation's rendering is applied; until then what is kept follows an older spec."""
    return claim.spec.digest if facts.applied and facts.input_digest else claim.status.spec_digest


def _history(claim: WorkloadClaim, facts: Facts, now: datetime) -> tuple[HistoryItem, ...]:
    """A new item for each input that was applied; it becomes healthy once and stays so."""
    history, workload = claim.status.history, facts.workload
    if not facts.applied or workload is None or not facts.input_digest:
        return history
    input_digest = rendered_input(facts.input_digest)
    healthy = facts.health is not None and facts.health.verdict is Verdict.HEALTHY and claim.spec.running
    if history and history[0].input_digest == input_digest:
        newest = history[0].model_copy(update={"healthy": history[0].healthy or healthy})
        return (newest, *history[1:])
    item = HistoryItem(
        revision=workload.revision.revision,
        commit=workload.revision.source.commit,
        input_digest=input_digest,
        first_applied=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        healthy=healthy,
        profiles=workload.environment.profiles,
    )
    return (item, *history)[:_HISTORY]
