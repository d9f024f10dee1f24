"""The claims in numbers, computed when somebody scrapes: nothing is kept, so nothing can be left over.

Label values come from short lists. A template id, which a tenant may write freely, counts by name only once the catalog
had it for some claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.kinds import CLAIM
from ocdp_operator.model.rollout import stand

_TYPES: Final = frozenset(
    {"Ready", "TemplateResolved", "Applied", "Healthy", "Reconciling", "Stalled", "Deleting", "Drifted"}
)
_OTHER: Final = "Other"
_MOST_TEMPLATES: Final = 200


def claim_families(claims: Iterable[WorkloadClaim], now: datetime, *, per_claim: bool) -> Iterator[Metric]:
    """Every family about claims."""
    known = tuple(claims)
    templates = _templates(known)
    yield _summary(known, templates)
    yield _conditions(known)
    yield _failures(known)
    yield _rollouts(known, templates)
    yield _value(
        "ocdp_suspend_status",
        "Claims that are suspended.",
        sum(claim.spec.suspend for claim in known),
    )
    yield _value(
        "ocdp_circuit_open",
        "Claims with objects that are not repaired, because somebody else undoes it each time.",
        sum(_has_open_circuit(claim) for claim in known),
    )
    yield _value(
        "ocdp_prune_blocked",
        "Claims with objects that a guard keeps from being pruned.",
        sum(claim.status.pending_prune is not None for claim in known),
    )
    yield _value(
        "ocdp_deleting_oldest_seconds",
        "How long the claim that leaves longest has been leaving; 0 if none leaves.",
        max((_age(claim.deleted_at, now) for claim in known if claim.deleting), default=0.0),
    )
    if per_claim:
        yield _each(known)


def _templates(claims: Iterable[WorkloadClaim]) -> frozenset[str]:
    """Names that the catalog knows, of a great many the most used."""
    used = Counter(claim.spec.template_id for claim in claims if claim.status.template is not None)
    return frozenset(name for name, _ in used.most_common(_MOST_TEMPLATES))


def _summary(claims: Iterable[WorkloadClaim], templates: frozenset[str]) -> Metric:
    family = GaugeMetricFamily(
        "ocdp_claims", "Claims by template and readiness.", labels=["template", "ready", "reason"]
    )
    counts = Counter(
        (claim.spec.template_id if claim.spec.template_id in templates else _OTHER, *_ready(claim))
        for claim in claims
    )
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def _conditions(claims: Iterable[WorkloadClaim]) -> Metric:
    family = GaugeMetricFamily(
        "ocdp_reconcile_condition",
        "Claims by condition and its status.",
        labels=["kind", "type", "status"],
    )
    counts = Counter({("Ready", str(truth)): 0 for truth in Truth})
    counts.update(
        (condition.type, str(condition.status))
        for claim in claims
        for condition in claim.status.conditions
        if condition.type in _TYPES
    )
    for (type_, status), count in counts.items():
        family.add_metric((str(CLAIM), type_, status), count)
    return family


def _failures(claims: Iterable[WorkloadClaim]) -> Metric:
    family = GaugeMetricFamily(
        "ocdp_claim_failures", "Claims that fail, by reason and by who must act.", labels=["code", "actor"]
    )
    counts = Counter(
        (str(failure.code), str(failure.actor)) for claim in claims if (failure := claim.status.failure)
    )
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def _rollouts(claims: Iterable[WorkloadClaim], templates: frozenset[str]) -> Metric:
    family = GaugeMetricFamily(
        "ocdp_rollout_claims",
        "Claims that follow their template, by where they are on their way to its newest revision.",
        labels=["template", "state"],
    )
    stands = ((claim.spec.template_id, stand(claim)) for claim in claims)
    counts = Counter((name if name in templates else _OTHER, state) for name, state in stands if state)
    for (name, state), count in counts.items():
        family.add_metric((name, str(state)), count)
    return family


def _has_open_circuit(claim: WorkloadClaim) -> bool:
    return any(condition.reason is Reason.WATCH_CIRCUIT_OPEN for condition in claim.status.conditions)


def _each(claims: Iterable[WorkloadClaim]) -> Metric:
    labels = ["namespace", "name", "template", "revision", "workspace", "ready", "reason"]
    family = GaugeMetricFamily("ocdp_claim_info", "Always 1; one series for each claim.", labels=labels)
    for claim in claims:
        template = claim.status.template
        revision = str(template.revision) if template else ""
        spec = claim.spec
        family.add_metric(
            (
                claim.key.namespace,
                claim.key.name,
                spec.template_id,
                revision,
                spec.workspace_id,
                *_ready(claim),
            ),
            1.0,
        )
    return family


def _ready(claim: WorkloadClaim) -> tuple[str, str]:
    for condition in claim.status.conditions:
        if condition.type == "Ready":
            return str(condition.status), str(condition.reason)
    return "Unknown", ""


def _age(moment: str, now: datetime) -> float:
    try:
        since = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return max(0.0, (now - since).total_seconds())


def _value(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=float(value))
