"""The health of Deployments, StatefulSets and Jobs: their controllers' counts decide, their pods give the cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from ocdp_operator.errors import Actor, Advice, Reason
from ocdp_operator.model.kinds import JOB
from ocdp_operator.model.names import COMPONENT, POD_REVISION
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.findings import (
    HEALTHY,
    Finding,
    Seen,
    Verdict,
    condition,
    failed,
    is_true,
    number,
    progressing,
)
from ocdp_operator.plan.immutability import CLAIM_TEMPLATES
from ocdp_operator.plan.own_pods import born, is_complete, newest_pods, own_pods
from ocdp_operator.plan.pod_causes import (
    Cause,
    Weight,
    cause_of,
    has_ended,
    is_ready,
    last_exit,
    moment,
    weightiest,
)
from ocdp_operator.plan.refused_pods import refused

MODEL_SERVER: Final = "model-server"
"""The label's value on a Deployment or StatefulSet whose containers load a model before their startup probe passes."""

_ORDERED: Final = "OrderedReady"
"""How the pods of a StatefulSet are made where it does not say: one after the other, each once the one before is ready."""
_NO_DEADLINE: Final = 2**31 - 1
"""How the Deployment controller says "for ever"; the API server fills in another number where none is given."""
_BELIEVED_AFTER: Final = 4.0
"""Seconds by a clock that shows whole ones: an unready pod is believed after 3 s at least, and after 4 at most."""
_CLOCK_SKEW: Final = timedelta(seconds=-1)
_YOUNG: Final = timedelta(seconds=60)
"""A pod may need so long to start beside others that serve: neither scaling nor a replaced pod makes a claim unready."""
_TAKEN_DOWN: Final = Advice(
    Actor.USER, "Undo it, or have the operator undo it: a suspended claim is resumed with ocdp claim resume."
)
LOOK_SOON: Final = 3.0
"""Seconds until an object is looked at again whose pods, events or status are still on their way."""
LOOK_LATER: Final = 20.0
"""Seconds between looks at events that did not tell anything."""


def deployment(seen: Seen) -> Finding:
    """By the counts of the newest ReplicaSet, and the conditions Progressing, Available and ReplicaFailure."""
    unseen = _taken_down(seen) or _unseen(seen)
    if unseen:
        return _explained(unseen, seen)
    status, wanted = seen.status, number(seen.spec, "replicas", 1)
    progress, refusal = condition(status, "Progressing"), condition(status, "ReplicaFailure")
    if refusal.get("status") == "True" and wanted > 0:
        return refused(refusal.get("message") or "")
    short = _rollout(seen.spec, status) or _conditions(seen.spec, progress, status)
    if short is not None:
        measured = not is_complete(progress)
        left = _until_overdue(seen, progress) if measured else _until_late(seen)
        short = replace(short, rolling=bool(progress) and measured, look_again=left or None)
        return _explained(short, seen, overdue=left == 0, measured=measured)
    return _leftovers(seen) or HEALTHY


def _until_overdue(seen: Seen, progress: Mapping[str, Any]) -> float | None:
    """Seconds until its deadline has passed, of what is applied; None: its controller will tell.

    A Deployment that goes back to a ReplicaSet which it had keeps the condition of the one that failed until a pod is made
    (kubernetes, deployment/sync.go: a condition that exists is left when the ReplicaSet is found).
    """
    if progress.get("reason") != "ProgressDeadlineExceeded":
        return None
    applied, said, now = (
        seen.evidence.applied,
        moment(progress.get("lastUpdateTime") or ""),
        seen.evidence.now,
    )
    if applied is None or said is None or now is None or said >= applied:
        return 0.0
    return _left(seen, applied, now)


def _until_late(seen: Seen) -> float | None:
    """The same where its controller gives it no deadline, from when it was last well or began; None: that is not known.

    It gives none to a Deployment that is scaled up from none, nor in a rollout that it takes for complete (``own_pods``).
    """
    now, underway, available = seen.evidence.now, seen.evidence.underway, condition(seen.status, "Available")
    if now is None or underway is None:
        return None
    told = [born(pod) for pod in newest_pods(seen) if not is_ready(pod)]
    if available.get("status") == "False":
        told.append(available.get("lastTransitionTime") or "")
    return _left(seen, max([underway, *(moment(each) or underway for each in told)]), now)


def _left(seen: Seen, since: datetime, now: datetime) -> float:
    deadline = since + timedelta(seconds=number(seen.spec, "progressDeadlineSeconds", _NO_DEADLINE))
    return max(0.0, (deadline - now).total_seconds())


def stateful_set(seen: Seen) -> Finding:
    """By its counts and revisions."""
    unseen = _taken_down(seen) or _unseen(seen)
    if unseen:
        return _explained(unseen, seen)
    spec, status, wanted = seen.spec, seen.status, number(seen.spec, "replicas", 1)
    short = _counted(wanted, status)
    strategy = spec.get("updateStrategy") or {}
    by_hand = strategy.get("type") == "OnDelete"
    rolling = not by_hand and status.get("currentRevision") != status.get("updateRevision")
    missing = number(status, "replicas") < wanted
    if short is None and not by_hand:
        partition = number(strategy.get("rollingUpdate") or {}, "partition")
        short = _updated(wanted - partition, status, partitioned=partition > 0)
    if short is not None:
        if missing and seen.answer:
            return refused(seen.answer)
        finding = _explained(replace(short, rolling=rolling, asks=missing), seen, measured=False)
        return finding if by_hand or finding.verdict is Verdict.HEALTHY else _with_kept_pod(finding, seen)
    return _leftovers(seen) or HEALTHY


def _with_kept_pod(finding: Finding, seen: Seen) -> Finding:
    """With the pod of another revision that will not be ready, and what to do about it, where there is one.

    Under OrderedReady its controller replaces no pod before that one is ready, so that neither an edit nor going back helps
    (kubernetes.io, "Forced rollback" of StatefulSets; kubernetes/kubernetes#67250).
    """
    spec, newest = seen.spec, seen.status.get("updateRevision")
    partition = number((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}, "partition")
    # Pods below a partition are of another revision, as they should be.
    if (spec.get("podManagementPolicy") or _ORDERED) != _ORDERED or not newest or partition > 0:
        return finding
    first = number(spec.get("ordinals") or {}, "start")
    wanted = range(first, first + number(spec, "replicas", 1))
    unready = sorted((pod for pod in own_pods(seen) if not is_ready(pod)), key=_ordinal)
    for pod in unready:
        other = pod.labels.get(POD_REVISION, newest) != newest
        cause = cause_of(pod, seen.evidence.now, model=False)
        if other and _ordinal(pod) in wanted and cause is not None and _lasts(cause, seen):
            # Several that are not ready hold up each other's end when the set is scaled to 0.
            do = (
                "this pod, or stop and start the claim"
                if len(unready) == 1
                else "its pods that are not ready"
            )
            kept = f"Kubernetes keeps its pod {pod.ref.name}, of another revision, until that is ready: delete {do}."
            advice = Advice(Actor.USER, f"Delete {do}.")
            return replace(finding, message=f"{finding.message} {kept}", advice=advice)
    return finding


def _lasts(cause: Cause, seen: Seen) -> bool:
    """Whether nothing ends it while the pod is there, and another pod may do better: not so on a volume of the set's own."""
    if cause.reason is Reason.VOLUME_PENDING:
        return not seen.spec.get(CLAIM_TEMPLATES)
    return cause.weight is Weight.BROKEN or cause.overdue or cause.reason is Reason.UNSCHEDULABLE


def _ordinal(pod: Observed) -> int:
    """As its name has it; -1 of a pod that its controller cannot have made."""
    last = pod.ref.name.rpartition("-")[2]
    return int(last) if last.isdecimal() else -1


def job(seen: Seen) -> Finding:
    """Complete, or on its way, or given up; a suspended one waits for nothing."""
    status = seen.status
    pods = own_pods(seen)
    tries = sorted((pod for pod in pods if has_ended(pod)), key=born)
    ended = next((words for pod in reversed(tries) if (words := last_exit(pod))), "")
    if is_true(status, "Failed"):
        said = condition(status, "Failed").get("message") or ""
        return failed(f"it failed: {said.rstrip('.')}{f'; {ended}' if ended else ''}.")
    if is_true(status, "Complete") or is_true(status, "Suspended"):
        return _taken_down(seen) or HEALTHY
    if seen.answer and not pods:
        return refused(seen.answer)
    message = "it has not completed yet" if status.get("startTime") else "it has not started yet"
    short = replace(progressing(f"{message}."), rolling=True, asks=bool(status.get("startTime")) and not pods)
    cause = weightiest([pod for pod in pods if not has_ended(pod)], seen.evidence.now, model=False)
    if cause is not None:
        verdict = Verdict.FAILED if cause.weight is Weight.BROKEN else Verdict.PROGRESSING
        return replace(short, verdict=verdict, reason=cause.reason, message=f"{message}: {cause.words}.")
    if ended:
        return replace(short, message=f"{message}; on its last try {ended}.")
    return _asking(short, seen)


def _taken_down(seen: Seen) -> Finding | None:
    """Somebody took its pods away, and it is left so: what nobody wants to run does not run as it should."""
    if seen.live.ref not in seen.evidence.drifted:
        return None
    if seen.live.ref.kind == JOB.kind:
        suspended = progressing("it was suspended, and not by the claim.", Reason.NO_PODS)
        return None if is_true(seen.status, "Complete") else replace(suspended, advice=_TAKEN_DOWN)
    if number(seen.spec, "replicas", 1) > 0:
        return None
    finding = progressing("its replicas were set to 0, and not by the claim.", Reason.NO_PODS)
    return replace(finding, advice=_TAKEN_DOWN)


def _unseen(seen: Seen) -> Finding | None:
    """A status that speaks of an older generation says nothing."""
    if number(seen.status, "observedGeneration") < seen.live.generation:
        return progressing("its newest generation has not been seen by its controller yet.", rolling=True)
    return None


def _counted(wanted: int, status: Mapping[str, Any]) -> Finding | None:
    """What is short of ``wanted`` pods, in the order in which pods come to be."""
    existing, ready = number(status, "replicas"), number(status, "readyReplicas")
    if wanted > 0 and existing == 0:
        return progressing(f"none of its {wanted} pods exists.", Reason.NO_PODS)
    if existing < wanted:
        return progressing(f"{existing} of {wanted} pods exist.")
    if ready < wanted:
        return progressing(f"{ready} of {wanted} pods are ready.")
    if existing > wanted:
        return progressing(f"{existing - wanted} pods have yet to end.")
    return None


def _rollout(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Finding | None:
    wanted = number(spec, "replicas", 1)
    updated, available = number(status, "updatedReplicas"), number(status, "availableReplicas")
    existing = number(status, "replicas")
    if updated < wanted <= existing:
        return progressing(f"{updated} of {wanted} pods are of the newest template.")
    short = _counted(wanted, status)
    if short:
        return short
    if available < updated:
        return progressing(f"{available} of {updated} pods are available.")
    return None


def _conditions(
    spec: Mapping[str, Any], progress: Mapping[str, Any], status: Mapping[str, Any]
) -> Finding | None:
    # A Deployment without a progress deadline never gets this condition.
    rolled_out = number(spec, "progressDeadlineSeconds", _NO_DEADLINE) == _NO_DEADLINE or (
        progress.get("status") == "True" and is_complete(progress)
    )
    if not rolled_out:
        return progressing("its newest pods are not all available yet.")
    return None if is_true(status, "Available") else progressing("it is not available yet.")


def _updated(wanted: int, status: Mapping[str, Any], *, partitioned: bool) -> Finding | None:
    updated = number(status, "updatedReplicas")
    if updated < wanted:
        return progressing(f"{updated} of {wanted} pods are of the newest template.")
    if not partitioned and status.get("currentRevision") != status.get("updateRevision"):
        return progressing("its newest pods have yet to become the current ones.")
    return None


def _leftovers(seen: Seen) -> Finding | None:
    """Pods that hold what they hold, though none are wanted any more: controllers do not count those that end."""
    if number(seen.spec, "replicas", 1) > 0:
        return None
    left = sum(not has_ended(pod) for pod in own_pods(seen))
    return progressing(f"{left} pods have yet to end.", rolling=True) if left else None


def _explained(short: Finding, seen: Seen, *, overdue: bool = False, measured: bool = True) -> Finding:
    """What is short, with the cause from its pods; unless it is a moment's matter, and what was told stands.

    ``overdue``: its deadline has passed; not ``measured``: by no clock of its controller, so that its pods tell how long they are
    unready, and one that is missing is on its way.
    """
    evidence = seen.evidence
    if number(seen.spec, "replicas", 1) == 0:
        return short if short.reason is Reason.NO_PODS else replace(short, rolling=True)
    pods = tuple(pod for pod in newest_pods(seen) if not pod.deletion_timestamp)
    pods = (
        tuple(pod for pod in pods if not has_ended(pod)) or pods
    )  # an evicted one stays beside its successor
    wait = _passes_in(pods, short, seen) if evidence.stands else None
    if wait is not None:
        return replace(HEALTHY, look_again=wait, asks=short.asks and seen.answer is None)
    model = seen.live.labels.get(COMPONENT) == MODEL_SERVER
    cause = weightiest(pods, evidence.now, model=model)
    if cause is None:
        if overdue and measured and sum(map(is_ready, pods)) < number(seen.spec, "replicas", 1):
            return failed(
                "it did not get on within its progress deadline.", Reason.PROGRESS_DEADLINE_EXCEEDED
            )
        return _asking(short, seen)
    late = overdue
    if not measured:
        late = cause.overdue if cause.weight is Weight.UNREADY else overdue and not all(map(has_ended, pods))
    if cause.weight is Weight.BROKEN or (late and cause.weight > Weight.STARTING):
        verdict = Verdict.FAILED
    else:
        verdict = Verdict.PROGRESSING
    reason = cause.reason
    if reason is Reason.PROGRESSING and cause.weight is Weight.UNREADY and evidence.was_healthy:
        reason = Reason.HEALTH_CHECK_FAILED
    elif reason is Reason.PROGRESSING and verdict is Verdict.FAILED:
        reason = Reason.PROGRESS_DEADLINE_EXCEEDED
    # Pods are seen before their controller has counted them, or has seen what they are made from.
    uncounted = short.reason is Reason.NO_PODS or _unseen(seen) is not None
    ready = f"{sum(map(is_ready, pods))} of {number(seen.spec, 'replicas', 1)} pods are ready"
    count = ready if uncounted else short.message
    said = f"{count.removesuffix('.')}: {cause.words}."
    return replace(short, verdict=verdict, reason=reason, message=said, asks=False)


def _asking(short: Finding, seen: Seen) -> Finding:
    """Nothing tells why: soon the events may, and when they do not, now and then again."""
    if not short.asks:
        return short
    if seen.answer is None:
        return replace(short, look_again=asks_again(seen))
    return replace(short, asks=False, look_again=LOOK_LATER)


def asks_again(seen: Seen) -> float:
    """Seconds until the events of an object may be listed: soon, and later when those of others were just listed."""
    return LOOK_LATER if seen.evidence.answers else LOOK_SOON


def _passes_in(pods: tuple[Observed, ...], short: Finding, seen: Seen) -> float | None:
    """Seconds for which what was told stands though something is short; None: it does not.

    It stands while the pods themselves are ready, of which the controller will soon tell; while a pod is unready that
    was ready a moment ago and whose containers run; and while others serve and one starts.
    """
    wanted = number(seen.spec, "replicas", 1)
    ready = sum(map(is_ready, pods))
    if ready >= wanted > 0:
        return LOOK_SOON
    # What is new may be a count alone; the pods tell of what was before, until their controller has looked.
    if short.rolling and _unseen(seen) is None:
        return None
    alive = [pod for pod in pods if not is_ready(pod) and not has_ended(pod)]
    waits = [_patience(pod, seen, others=ready > 0) for pod in alive]
    if ready + len(alive) < wanted:
        waits.append(LOOK_SOON if ready and seen.answer != "" else None)
    known = [wait for wait in waits if wait is not None]
    return min(known) if known and len(known) == len(waits) else None


def _patience(pod: Observed, seen: Seen, *, others: bool) -> float | None:
    now = seen.evidence.now
    cause = cause_of(pod, now, model=False)
    if now is None or cause is None:
        return None
    if cause.weight is Weight.UNREADY and cause.since is not None:
        age = now - cause.since
        left = _BELIEVED_AFTER - age.total_seconds()
        # A node whose clock is ahead would be believed too late: then at once.
        return left if left > 0 and age >= _CLOCK_SKEW else None
    made = moment(born(pod))
    if others and cause.weight <= Weight.PENDING and made is not None and abs(now - made) < _YOUNG:
        return max(LOOK_SOON, (_YOUNG - (now - made)).total_seconds())
    return None
