"""The numbers: what is served is what docs/observability.md says, and nothing about one claim in a histogram."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support import builders
from tests.support.observed import Series, documented, series

from ocdp_operator.adapters.cluster.paths import APPLY_PATCH, MERGE_PATCH, resource_of, verb_of
from ocdp_operator.adapters.cluster.pulse import Pulse
from ocdp_operator.adapters.health import Health
from ocdp_operator.adapters.metrics import Metrics, Sights
from ocdp_operator.errors import Actor, Reason
from ocdp_operator.model.claim import ClaimStatus, PendingPrune, TemplateInForce, UpgradePolicy, WorkloadClaim
from ocdp_operator.model.conditions import Condition, Failure, Truth
from ocdp_operator.model.telemetry import Result, Step, Tally

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Queue:
    depth = 3
    oldest_wait = 1.5


def claim(
    name: str, ready: Truth, reason: Reason, *, template: str = "web", known: bool = True
) -> WorkloadClaim:
    status = ClaimStatus(
        conditions=(Condition(type="Ready", status=ready, reason=reason),),
        template=TemplateInForce(revision=3, commit=builders.COMMIT) if known else None,
    )
    return builders.claim(name, template_id=template, status=status, upgrade_policy="Auto")


def measured(*claims: WorkloadClaim, per_claim: bool = False, leads: bool = True) -> Metrics:
    metrics = Metrics()
    pods = Pulse(75.0, lambda: 10.0)
    watches = {"pods": pods}
    health = Health(clock=lambda: 0.0, watches=lambda: watches, oldest_wait=lambda: 0.0)
    metrics.look_at(
        Sights(lambda: claims, Queue(), lambda: watches, health, lambda: leads, lambda: NOW, per_claim)
    )
    return metrics


def served(metrics: Metrics) -> Series:
    return series(metrics.exposed().decode())


def everything() -> Metrics:
    """After all that can be counted was counted."""
    ready = claim("ide", Truth.TRUE, Reason.AVAILABLE)
    failure = Failure(code=Reason.INVALID_VALUES, actor=Actor.USER, message="m", remedy="r")
    failing = builders.claim("bad", status=ClaimStatus(failure=failure))
    metrics = measured(ready, failing, per_claim=True)
    for step in Step:
        metrics.observed(step, 0.1)
    for result in Result:
        metrics.finished(result, 0.1)
    metrics.wrote("apply", "services")
    metrics.asked_git("fetch", "success", 0.1)
    metrics.asked_catalog(True, 0.1)
    return metrics


def test_every_documented_metric_is_served_with_its_labels_and_no_other():
    found = {
        name: labels for name, labels in served(everything()).labels().items() if name.startswith("ocdp_")
    }
    assert found == documented()


def test_every_family_has_a_help_text_and_a_type():
    for family in text_string_to_metric_families(everything().exposed().decode()):
        assert family.documentation, family.name
        assert family.type in {"counter", "gauge", "histogram"}, family.name


def test_process_and_garbage_collector_are_among_them():
    assert {"process_resident_memory_bytes", "python_gc_collections_total"} <= set(served(Metrics()).labels())


def test_two_operators_in_one_process_count_apart():
    one, other = Metrics(), Metrics()
    one.finished(Result.CHANGED, 1.0)
    assert served(one).value("ocdp_reconcile_total", result="changed") == 1
    assert served(other).value("ocdp_reconcile_total", result="changed") == 0


def test_claims_are_counted_by_template_and_readiness_at_the_moment_of_the_scrape():
    claims = [
        claim("a", Truth.TRUE, Reason.AVAILABLE),
        claim("b", Truth.TRUE, Reason.AVAILABLE),
        claim("c", Truth.FALSE, Reason.QUOTA_EXCEEDED, template="llm"),
        claim("d", Truth.FALSE, Reason.TEMPLATE_NOT_AVAILABLE, template="invented-by-a-user", known=False),
        builders.claim("e", template_id="web"),
    ]
    metrics = measured(*claims)
    found = served(metrics)
    assert found.of("ocdp_claims", "template", "ready", "reason") == {
        ("web", "True", "Available"): 2,
        ("llm", "False", "QuotaExceeded"): 1,
        ("Other", "False", "TemplateNotAvailable"): 1,
        ("web", "Unknown", ""): 1,
    }
    assert found.value("ocdp_reconcile_condition", type="Ready", status="False") == 2
    assert found.value("ocdp_reconcile_condition", type="Ready", status="Unknown") == 0
    assert "ocdp_claim_info" not in found.labels()
    metrics_now = measured(*claims[:1])
    assert served(metrics_now).value("ocdp_claims", template="web") == 1


def test_a_claim_is_named_only_where_that_is_asked_for():
    found = served(measured(claim("ide", Truth.TRUE, Reason.AVAILABLE), per_claim=True))
    assert found.all("ocdp_claim_info") == [
        {
            "namespace": builders.NAMESPACE, "name": "ide", "template": "web", "revision": "3",
            "workspace": builders.WORKSPACE, "ready": "True", "reason": "Available",
        }
    ]  # fmt: skip


def test_no_series_of_a_histogram_or_counter_names_a_claim():
    found = served(everything())
    named = {name for name, labels in found.labels().items() if labels & {"namespace", "name", "claim"}}
    assert named == {"ocdp_claim_info"}


def test_ten_thousand_invented_templates_make_one_series():
    claims = [
        claim(f"c{n}", Truth.FALSE, Reason.TEMPLATE_NOT_AVAILABLE, template=f"t{n}", known=False)
        for n in range(10_000)
    ]
    assert len(served(measured(*claims)).all("ocdp_claims")) == 1


@pytest.mark.parametrize(
    ("gone_for", "seconds"), [(timedelta(0), 0.0), (timedelta(hours=2), 7200.0)], ids=["just now", "long ago"]
)
def test_the_longest_deletion_is_told(gone_for: timedelta, seconds: float):
    leaving = replace(
        claim("a", Truth.TRUE, Reason.AVAILABLE),
        deleting=True,
        deleted_at=(NOW - gone_for).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    found = served(measured(leaving, claim("b", Truth.TRUE, Reason.AVAILABLE)))
    assert found.value("ocdp_deleting_oldest_seconds") == seconds
    assert served(measured()).value("ocdp_deleting_oldest_seconds") == 0


def test_blocked_prunes_are_counted():
    blocked = builders.claim(
        "a", status=ClaimStatus(pending_prune=PendingPrune(digest="d", reason="a guard"))
    )
    assert served(measured(blocked, builders.claim("b"))).value("ocdp_prune_blocked") == 1


def test_failures_are_counted_by_who_must_act():
    def failing(name: str, code: Reason, actor: Actor) -> WorkloadClaim:
        failure = Failure(code=code, actor=actor, message="m", remedy="r")
        return builders.claim(name, status=ClaimStatus(failure=failure))

    found = served(
        measured(
            failing("a", Reason.INVALID_VALUES, Actor.USER),
            failing("b", Reason.INVALID_VALUES, Actor.USER),
            failing("c", Reason.FORBIDDEN, Actor.CLUSTER_OPERATOR),
            builders.claim("d"),
        )
    )
    assert found.of("ocdp_claim_failures", "code", "actor") == {
        ("InvalidValues", "User"): 2,
        ("Forbidden", "ClusterOperator"): 1,
    }


def test_suspended_claims_and_open_circuits_are_counted():
    circuit = Condition(type="Drifted", status=Truth.TRUE, reason=Reason.WATCH_CIRCUIT_OPEN)
    found = served(
        measured(
            builders.claim("a", suspend=True),
            builders.claim("b", status=ClaimStatus(conditions=(circuit,))),
            builders.claim("c"),
        )
    )
    assert found.value("ocdp_suspend_status") == 1
    assert found.value("ocdp_circuit_open") == 1


def test_a_scrape_with_two_thousand_claims_holds_nobody_up():
    metrics = measured(*(claim(f"c{n}", Truth.TRUE, Reason.AVAILABLE) for n in range(2000)), per_claim=True)
    metrics.exposed()

    def seconds() -> float:
        began = time.thread_time()
        metrics.exposed()
        return time.thread_time() - began

    # The least of three: the whole process's garbage may be collected in one of them.
    assert min(seconds() for _ in range(3)) < 0.25, "seconds of CPU; 0.05 on an idle machine"


def test_every_family_is_there_before_the_first_claim():
    assert documented().keys() - served(measured()).labels().keys() == {"ocdp_claim_info"}


@pytest.mark.parametrize("leads", [True, False])
def test_the_leader_says_so(leads: bool):
    assert served(measured(leads=leads)).value("ocdp_leader") == leads


@pytest.mark.parametrize("tally", Tally)
def test_everything_that_the_reconcile_counts_has_a_counter(tally: Tally):
    """Each label that the code uses is known here: an unknown one would end a reconcile."""
    source = "".join(
        file.read_text()
        for file in (Path(__file__).parents[3] / "src" / "ocdp_operator" / "reconcile").glob("*.py")
    )
    assert f"Tally.{tally.name}" in source
    labels = {
        Tally.APPLIED_OBJECTS: ("created", "configured", "unchanged", "failed"),
        Tally.PRUNED_OBJECTS: ("deleted", "kept", "failed"),
    }.get(tally, ("",))
    metrics = Metrics()
    for label in labels:
        metrics.counted(tally, label, 2)
    name = f"ocdp_{tally}_total"
    assert sum(served(metrics).of(name, *sorted(served(metrics).labels()[name])).values()) == 2 * len(labels)


@pytest.mark.parametrize(
    ("method", "content_type", "path", "verb", "resource"),
    [
        ("PATCH", APPLY_PATCH, "/apis/apps/v1/namespaces/n/deployments/d?force=true", "apply", "deployments"),
        ("PATCH", MERGE_PATCH, "/apis/ocdp.io/v1alpha1/namespaces/n/workloadclaims/c/status?x=1", "patch", "workloadclaims/status"),
        ("POST", "", "/api/v1/namespaces/n/events", "create", "events"),
        ("DELETE", "", "/api/v1/namespaces/n/configmaps/c", "delete", "configmaps"),
        ("PUT", "", "/apis/coordination.k8s.io/v1/namespaces/n/leases/l", "update", "leases"),
        ("PATCH", MERGE_PATCH, "/api/v1/namespaces/n", "patch", "namespaces"),
        ("DELETE", "", "/apis/rbac.authorization.k8s.io/v1/clusterroles/x", "delete", "clusterroles"),
    ],
)  # fmt: skip
def test_a_request_is_counted_by_what_it_does_to_what(
    method: str, content_type: str, path: str, verb: str, resource: str
):
    assert (verb_of(method, content_type), resource_of(path)) == (verb, resource)
    assert re.fullmatch(r"[a-z/]+", resource)


def test_a_rollout_is_counted_by_template_and_by_where_its_claims_are():
    def following(name: str, policy: str = "Auto", **template: int | None) -> WorkloadClaim:
        made = claim(name, Truth.TRUE, Reason.AVAILABLE)
        in_force = made.status.template
        assert in_force is not None
        status = made.status.model_copy(update={"template": in_force.model_copy(update=template)})
        return replace(
            made, status=status, spec=made.spec.model_copy(update={"upgrade_policy": UpgradePolicy(policy)})
        )

    found = served(
        measured(
            following("a"), following("b", available=4), following("c", available=4),
            following("d", available=4, failed=4), following("e", "Manual", available=4),
        )
    )  # fmt: skip
    assert {
        state: found.value("ocdp_rollout_claims", template="web", state=state)
        for state in ("current", "waiting", "failed")
    } == {"current": 1, "waiting": 2, "failed": 1}
