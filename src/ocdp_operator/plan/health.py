"""Live objects -> Health, by the kstatus rules. Derived from status fields, never from our own wishes (design 4.7).

The rules are those of ``sigs.k8s.io/cli-utils/pkg/kstatus``, with these differences, all towards "not yet":

- A Job is healthy when it is complete, not already when it has started: a claim is not Ready while a step of it runs.
- A Service of type LoadBalancer waits for its address, since the claim is of no use before.
- A Deployment or StatefulSet is progressing until its controller has written a status at all.
- A volume or an address that is not there yet holds up no claim that is stopped: nothing uses it.
- A lost PVC and a Deployment whose pods are refused (``ReplicaFailure``) have failed.

And one towards "goes on": a Deployment past its progress deadline has not failed while a pod of it starts up.

An Ingress is healthy when it exists, as kstatus says: many controllers never write an address into it. The URL is
held back until there is one (``endpoints``).

Whether an object is healthy is its controller's word; why it is not, its pods tell (``replicas``). What was healthy and
no longer is has failed; a first start and a rollout are on their way, save for what nobody waits out by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ocdp_operator.errors import Actor, Advice, Reason, advice_on
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import DEPLOYMENT, JOB, PVC, SECRET, SERVICE, STATEFUL_SET, WORKLOAD
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.model.workload import ObjectHealth
from ocdp_operator.plan import replicas
from ocdp_operator.plan.findings import HEALTHY, Evidence, Finding, Seen, Verdict, failed, progressing
from ocdp_operator.plan.missing_volumes import why_no_volume_comes
from ocdp_operator.plan.order import entry_order
from ocdp_operator.plan.wording import shown

__all__ = ["Evidence", "Health", "Verdict", "assess"]

_LOST: Final = Advice(
    Actor.CLUSTER_OPERATOR, "Bring its PersistentVolume back, or restore the data into a new one."
)
_NO_ADDRESS: Final = replace(
    progressing("it has no address from the load balancer yet."),
    advice=Advice(Actor.CLUSTER_OPERATOR, "See what gives addresses to Services of type LoadBalancer."),
)
_LONGEST_ANSWER: Final = 300
_MOST_ASKED: Final = 8
"""Objects whose events are listed in one look, a request each; those that run pods before volumes, which wait for pods."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a claim's applied generation."""

    verdict: Verdict
    reason: Reason
    """HealthCheckSucceeded, or what stands in the way: a reason of the condition Healthy (docs/api.md)."""
    message: str
    """Names the object that is not healthy whose cause says most, failed ones before others."""
    objects: tuple[ObjectHealth, ...]
    """In apply order."""
    look_again: float | None = None
    """Seconds until the verdict may be another one without any event."""
    advice: Advice | None = None
    """Who must act on it, and how; None while it is healthy."""
    asks: tuple[ObjectRef, ...] = ()
    """The events of these objects may tell why they have no pods, or no volume. Few, and none where the cause is clear."""


def assess(
    desired: Inventory, live: Mapping[ObjectRef, Observed], evidence: Evidence | None = None
) -> Health:
    """The health of the desired entries; Secrets are not watched and count as healthy.

    The Workload is left out: it tells of the others. Nothing desired is not healthy: Ready must speak of something.
    """
    known = evidence or Evidence()
    entries = sorted((e for e in desired.desired if e.ref.kind != WORKLOAD.kind), key=entry_order)
    findings = [(entry, _lapsed(_find(entry, live.get(entry.ref), known), known)) for entry in entries]
    objects = tuple(
        ObjectHealth(
            kind=entry.ref.kind, name=entry.ref.name, health=finding.verdict, message=finding.message
        )
        for entry, finding in findings
    )
    if not findings:
        return Health(Verdict.PROGRESSING, Reason.PROGRESSING, "Nothing is applied yet.", objects)
    asking = [entry.ref for entry, finding in findings if finding.asks]
    asks = tuple(sorted(asking, key=lambda ref: ref.kind == PVC.kind)[:_MOST_ASKED])
    for verdict in (Verdict.FAILED, Verdict.PROGRESSING):
        bad = [(entry, finding) for entry, finding in findings if finding.verdict is verdict]
        if bad:
            entry, finding = min(bad, key=lambda each: _vagueness(each[1]))  # the first of the clearest
            clear = verdict is Verdict.FAILED and not (finding.asks or _vagueness(finding))
            waits = [each.look_again for _, each in findings if each is finding or not clear]
            return Health(
                verdict,
                finding.reason,
                f"{entry.ref}: {finding.message}",
                objects,
                _soonest(waits),
                finding.advice or advice_on(finding.reason),
                () if clear else asks,
            )
    message = f"All {len(objects)} objects are healthy."
    waits = [finding.look_again for _, finding in findings]
    return Health(
        Verdict.HEALTHY, Reason.HEALTH_CHECK_SUCCEEDED, message, objects, _soonest(waits), asks=asks
    )


def _soonest(waits: Iterable[float | None]) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)


def _find(entry: Entry, live: Observed | None, evidence: Evidence) -> Finding:
    if entry.ref.kind == SECRET.kind:
        return HEALTHY
    if live is None:
        return progressing("it is not applied yet.")
    if entry.uid and live.uid != entry.uid:
        return progressing("another object has its name.")
    if live.deletion_timestamp:
        return progressing("it is being deleted.")
    rule = _RULES.get(entry.ref.kind)
    return HEALTHY if rule is None else rule(Seen(live, evidence))


def _lapsed(finding: Finding, evidence: Evidence) -> Finding:
    """What was healthy and is not has failed, until it is so again; a rollout that begins while all is well has not."""
    if finding.verdict is not Verdict.PROGRESSING or not evidence.was_healthy:
        return finding
    if finding.rolling and evidence.stands:
        return finding
    reason = Reason.HEALTH_CHECK_FAILED if finding.reason is Reason.PROGRESSING else finding.reason
    return replace(finding, verdict=Verdict.FAILED, reason=reason)


def _vagueness(finding: Finding) -> int:
    """A volume that waits for its pod says less than that pod, and more than a count of pods."""
    return {Reason.PROGRESSING: 2, Reason.NO_PODS: 2, Reason.VOLUME_PENDING: 1}.get(finding.reason, 0)


def _pvc(seen: Seen) -> Finding:
    phase = seen.status.get("phase") or "Pending"
    if phase == "Bound":
        return HEALTHY
    if phase == "Lost":
        return failed("its volume is lost.", advice=_LOST)
    if seen.evidence.at_rest:
        return HEALTHY  # a class may wait for the first pod, and none comes
    class_ = seen.spec.get("storageClassName")
    hopeless = why_no_volume_comes(seen.answer or "", class_)
    if hopeless:
        return replace(failed(hopeless, Reason.VOLUME_PENDING), look_again=replicas.LOOK_LATER)
    # Also with a class that waits for the first pod: the pod is what it waits for, and comes later.
    of_class = f" of StorageClass {shown(class_)}" if class_ else ""
    why = f": {shown(seen.answer, _LONGEST_ANSWER).rstrip('.')}" if seen.answer else ""
    finding = progressing(f"it has no volume{of_class} yet{why}.", Reason.VOLUME_PENDING)
    if seen.answer is None:
        return replace(finding, asks=True, look_again=replicas.asks_again(seen))
    return replace(finding, look_again=replicas.LOOK_LATER)


def _service(seen: Seen) -> Finding:
    if seen.spec.get("type") != "LoadBalancer" or seen.evidence.at_rest:
        return HEALTHY
    addresses = (seen.status.get("loadBalancer") or {}).get("ingress")
    return HEALTHY if addresses else _NO_ADDRESS


_RULES: Final[dict[str, Callable[[Seen], Finding]]] = {
    DEPLOYMENT.kind: replicas.deployment,
    STATEFUL_SET.kind: replicas.stateful_set,
    PVC.kind: _pvc,
    SERVICE.kind: _service,
    JOB.kind: replicas.job,
}
