"""Why a pod is not ready, in words for the claim's owner: what its scheduler and its containers' states say.

Nothing that a container wrote is in these words: no log, no message of its end, no output of a probe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from ocdp_operator.errors import Reason
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.wording import coarse_age, shown


class Weight(IntEnum):
    """How much a cause means; of several pods the weightiest is named."""

    STARTING = 0
    """A container runs and its startup probe, or an init container, is not through: however long it takes, no failure."""
    PENDING = 1
    """May pass by itself."""
    UNREADY = 2
    """The containers run and the pod is not ready: one probe that failed, perhaps."""
    BROKEN = 3
    """Nobody waits this out: somebody must change something."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one pod is not ready."""

    weight: Weight
    reason: Reason
    words: str
    """A part of a sentence, without a full stop. Its numbers move in steps."""
    since: datetime | None = None
    """When an UNREADY pod stopped to be ready, by the clock of its node, in whole seconds."""
    overdue: bool = False
    """UNREADY for so long that nobody waits for it any more, though no controller of it has a deadline."""


_UNSCHEDULABLE_FOR: Final = timedelta(minutes=5)
"""An autoscaler brings a node in less, or another pod goes; after that nobody is believed to be on the way."""
_UNREADY_FOR: Final = timedelta(seconds=30)
"""A container that has not passed its readiness probe for so long since it started is said to fail it."""
_OVERDUE_AFTER: Final = timedelta(seconds=600)
"""A pod whose containers run has so long to get ready: as long as a Deployment that names no deadline."""
_STARTUP: Final = {"initialDelaySeconds": 0, "periodSeconds": 10, "failureThreshold": 3}
"""What the API server fills in for a probe."""
_RECOVERED_AFTER: Final = timedelta(minutes=5)
"""A container that ended again and again and then runs for so long, the longest back-off of the kubelet, is believed."""
_LOOPING: Final = 2
"""Restarts. One may be a server that was faster than its database."""
_IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_UNSTARTABLE: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
)
_RESTARTS: Final = (100, 50, 20, 10, 5, 3, 2)
_LONGEST: Final = 300
_BACK_OFF: Final = re.compile(r'^Back-off pulling image "[^"]*"(?:: )?|^ErrImagePull: ')
"""The kubelet puts this before the registry's words, in turns: without it the words stay."""
_PREEMPTION: Final = re.compile(r"\.? ?(?:preemption|no new claims to deallocate|not found$).*$", re.DOTALL)
_VOLUME: Final = re.compile(
    r"unbound immediate PersistentVolumeClaims|persistentvolumeclaim|volume node affinity|did not find available persistent volumes",
    re.IGNORECASE,
)


def weightiest(pods: Iterable[Observed], now: datetime | None, *, model: bool) -> Cause | None:
    """The cause of the pod that is worst off, the first by name of several; None when each is ready or says nothing."""
    ordered = sorted(pods, key=lambda pod: pod.ref.name)
    causes = [cause for pod in ordered if (cause := cause_of(pod, now, model=model)) is not None]
    return max(causes, key=lambda cause: (cause.weight, cause.overdue), default=None)


def is_ready(pod: Observed) -> bool:
    """Whether the pod says that it is ready, and stays."""
    return not pod.deletion_timestamp and _condition(pod, "Ready").get("status") == "True"


def has_ended(pod: Observed) -> bool:
    """Whether none of its containers will run again."""
    return (pod.body.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def cause_of(pod: Observed, now: datetime | None, *, model: bool) -> Cause | None:
    """Why the pod is not ready; None when it is, or is on its way out. ``model``: a server that loads a model."""
    status = pod.body.get("status") or {}
    if pod.deletion_timestamp or is_ready(pod) or status.get("phase") == "Succeeded":
        return None
    if status.get("phase") == "Failed":
        return _ended(pod, status)
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return _unscheduled(scheduled, now)
    causes = list(_containers(pod, status, now, model=model))
    if causes:
        return max(causes, key=lambda cause: cause.weight)
    initialized = all(each.get("ready") for each in status.get("initContainerStatuses") or ())
    if not (initialized and status.get("containerStatuses")):
        return Cause(_while_created(status), Reason.PROGRESSING, "its containers are being created")
    words = (
        "its containers are ready and the pod is not: its node does not answer, or a readiness gate is closed"
    )
    late = _is_overdue(pod, now)
    return Cause(Weight.UNREADY, Reason.HEALTH_CHECK_FAILED, words, unready_since(pod), late)


def unready_since(pod: Observed) -> datetime | None:
    """When the pod's Ready condition last changed."""
    return moment(_condition(pod, "Ready").get("lastTransitionTime"))


def moment(text: object) -> datetime | None:
    """A time of the API server; None where there is none."""
    if not isinstance(text, str) or not text:
        return None
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def last_exit(pod: Observed) -> str:
    """How the container of an ended pod that failed did end, in words; empty when nothing tells."""
    for status in (pod.body.get("status") or {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return f"container {status['name']} ended with {_exit(ended)}"
    return ""


def _condition(pod: Observed, type_: str) -> Mapping[str, Any]:
    conditions = (pod.body.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == type_), {})


def _age(since: datetime | None, now: datetime | None) -> timedelta:
    return now - since if since is not None and now is not None else timedelta(0)


def _for(age: timedelta) -> str:
    return f", for {coarse_age(age)}" if age >= timedelta(minutes=1) else ""


def _ended(pod: Observed, status: Mapping[str, Any]) -> Cause:
    why = f" ({shown(status['reason'])})" if status.get("reason") else ""
    words = last_exit(pod) or f"a pod has ended{why} and is made anew"
    return Cause(Weight.PENDING, Reason.PROGRESSING, words)


def _unscheduled(condition: Mapping[str, Any], now: datetime | None) -> Cause:
    said = shown(_PREEMPTION.sub("", condition.get("message") or "").rstrip(". "), _LONGEST)
    if _VOLUME.search(said):
        return Cause(Weight.PENDING, Reason.VOLUME_PENDING, f"no node takes its pod: {said}")
    age = _age(moment(condition.get("lastTransitionTime")), now)
    weight = Weight.BROKEN if age >= _UNSCHEDULABLE_FOR else Weight.PENDING
    words = f"no node takes its pod: {said}" if said else "no node takes its pod"
    return Cause(weight, Reason.UNSCHEDULABLE, words)


def _containers(
    pod: Observed, status: Mapping[str, Any], now: datetime | None, *, model: bool
) -> Iterator[Cause]:
    """Of each container that is not ready: init containers first, since the others wait for them."""
    init = [each for each in status.get("initContainerStatuses") or () if not each.get("ready")]
    for each in init:
        cause = _blocked(each, now) or _initializing(each, now, model=model)
        if cause is not None:
            yield cause
    probes = {each["name"]: each for each in (pod.body.get("spec") or {}).get("containers") or ()}
    for each in status.get("containerStatuses") or ():
        if each.get("ready"):
            continue
        cause = _blocked(each, now)
        if cause is not None:
            yield cause
        elif (each.get("state") or {}).get("running"):
            yield _running(pod, each, probes.get(each["name"]) or {}, now, model=model)
        elif not init:
            yield Cause(
                _while_created(status), Reason.PROGRESSING, f"container {each['name']} is being created"
            )


def _while_created(status: Mapping[str, Any]) -> Weight:
    """What follows on an init container that took its time has not failed by a deadline that passed meanwhile."""
    begun = any(each.get("ready") for each in status.get("initContainerStatuses") or ())
    return Weight.STARTING if begun else Weight.PENDING


def _blocked(container: Mapping[str, Any], now: datetime | None) -> Cause | None:
    """What keeps a container from running: its image, its start, or that it ends."""
    name, state = container["name"], container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, said = waiting.get("reason") or "", waiting.get("message") or ""
    if reason in _IMAGE_REASONS:
        registry = shown(_BACK_OFF.sub("", _BACK_OFF.sub("", said)).strip(), _LONGEST)
        words = f"container {name} cannot pull its image {shown(container.get('image', ''), 200)}"
        return Cause(
            Weight.BROKEN, Reason.IMAGE_PULL_FAILED, f"{words}: {registry}" if registry else f"{words} ({reason})"
        )  # fmt: skip
    if reason in _UNSTARTABLE:
        words = f"container {name} cannot be started: {reason}"
        detail = f", {shown(said, _LONGEST)}" if said else ""
        return Cause(Weight.BROKEN, Reason.HEALTH_CHECK_FAILED, f"{words}{detail}")
    return _crashed(container, state, now, backing_off=reason == "CrashLoopBackOff")


def _crashed(
    container: Mapping[str, Any], state: Mapping[str, Any], now: datetime | None, *, backing_off: bool
) -> Cause | None:
    ended, restarts = state.get("terminated"), int(container.get("restartCount") or 0)
    last = ended or (container.get("lastState") or {}).get("terminated") or {}
    running = state.get("running")
    if running and (restarts < _LOOPING or not last):
        return None
    if running and _age(moment(running.get("startedAt")), now) >= _RECOVERED_AFTER:
        return None
    if not (backing_off or running or ended):
        return None
    if ended and not ended.get("exitCode") and restarts < _LOOPING:
        return Cause(
            Weight.PENDING, Reason.PROGRESSING, f"container {container['name']} has ended and is started again"
        )  # fmt: skip
    looping = backing_off or restarts >= _LOOPING
    again = " again and again" if looping else ""
    words = f"container {container['name']} ends{again}: {_exit(last)}{_restarted(restarts)}"
    return Cause(Weight.BROKEN if looping else Weight.PENDING, Reason.CRASH_LOOP, words)


def _exit(ended: Mapping[str, Any]) -> str:
    if not ended:
        return "its last exit code is not known"
    reason = ended.get("reason") or ""
    return f"exit code {ended.get('exitCode', 0)}" + (f" ({shown(reason)})" if reason else "")


def _restarted(restarts: int) -> str:
    """Rounded down, so that it is not told anew at each restart."""
    steps = next((step for step in _RESTARTS if restarts >= step), 0)
    return f", at least {steps} restarts" if steps else ""


def _initializing(container: Mapping[str, Any], now: datetime | None, *, model: bool) -> Cause | None:
    running = (container.get("state") or {}).get("running")
    if not running:
        return None
    age = _for(_age(moment(running.get("startedAt")), now))
    reason = Reason.MODEL_LOADING if model else Reason.PROGRESSING
    what = "fetches the model" if model else "prepares the pod"
    return Cause(Weight.STARTING, reason, f"init container {container['name']} {what}{age}")


def _running(
    pod: Observed,
    container: Mapping[str, Any],
    probes: Mapping[str, Any],
    now: datetime | None,
    *,
    model: bool,
) -> Cause:
    name = container["name"]
    began = moment(container["state"]["running"].get("startedAt"))
    if container.get("started") is False:
        long = _for(_age(began, now))
        if model:
            return Cause(Weight.STARTING, Reason.MODEL_LOADING, f"container {name} loads its model{long}")
        words = f"container {name} starts{long}: its startup probe has not passed yet"
        return Cause(Weight.STARTING, Reason.PROGRESSING, words)
    since = unready_since(pod)
    age = _age(since, now)
    if "readinessProbe" in probes:
        words = f"container {name} does not pass its readiness probe{_for(age)}"
    else:
        words = f"container {name} runs and is not ready{_for(age)}"
    late = age >= _UNREADY_FOR
    reason = Reason.HEALTH_CHECK_FAILED if late else Reason.PROGRESSING
    return Cause(Weight.UNREADY, reason, words, since, _is_overdue(pod, now))


def _is_overdue(pod: Observed, now: datetime | None) -> bool:
    """Whether all its containers have run for too long since the last moment at which one of them may have started up.

    Nothing tells when a startup probe passed; how long it may take at most its container says.
    """
    since = unready_since(pod)
    if since is None:
        return False
    allowed = {
        each["name"]: _startup(each["startupProbe"])
        for each in (pod.body.get("spec") or {}).get("containers") or ()
        if "startupProbe" in each
    }
    for each in (pod.body.get("status") or {}).get("containerStatuses") or ():
        began = moment(((each.get("state") or {}).get("running") or {}).get("startedAt"))
        if began is not None:
            since = max(since, began + allowed.get(each["name"], timedelta(0)))
    return _age(since, now) >= _OVERDUE_AFTER


def _startup(probe: Mapping[str, Any]) -> timedelta:
    delay, period, failures = (int(probe.get(name) or default) for name, default in _STARTUP.items())
    return timedelta(seconds=delay + period * failures)
