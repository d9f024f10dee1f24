"""The pods that an object's controller made, and those of a Deployment's newest rollout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import DEPLOYMENT
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.findings import Seen, condition, number
from ocdp_operator.plan.pod_causes import has_ended

_NAMED: Final = re.compile(r'"([^"]+)"')
"""The Progressing condition quotes the name of the newest ReplicaSet."""


def own_pods(seen: Seen) -> tuple[Observed, ...]:
    """Pods that this object's controller made: a label proves nothing, since anybody can make a pod that carries it."""
    ref = seen.live.ref
    if ref.kind == DEPLOYMENT.kind:
        return tuple(
            pod for pod in seen.evidence.pods if _replica_set(pod).rpartition("-")[0] == ref.name
        )  # fmt: skip
    return tuple(pod for pod in seen.evidence.pods if _owner(pod).get("uid") == seen.live.uid)


def newest_pods(seen: Seen) -> tuple[Observed, ...]:
    """Of a Deployment the pods of its newest ReplicaSet, which its condition names; else that of the youngest pod."""
    pods = own_pods(seen)
    if seen.live.ref.kind != DEPLOYMENT.kind or not pods:
        return pods
    if _speaks_of_former(seen, pods):
        return _made_by(pods, _youngest(_alive(pods)))
    return _made_by(pods, _named(condition(seen.status, "Progressing")) or _youngest(pods))


def _made_by(pods: Iterable[Observed], replica_set: str) -> tuple[Observed, ...]:
    return tuple(pod for pod in pods if _replica_set(pod) == replica_set)


def _youngest(pods: Iterable[Observed]) -> str:
    return _replica_set(max(pods, key=lambda pod: (born(pod), pod.ref.name)))


def _alive(pods: Iterable[Observed]) -> tuple[Observed, ...]:
    return tuple(pod for pod in pods if not (pod.deletion_timestamp or has_ended(pod)))


def _named(progress: Mapping[str, Any]) -> str:
    """The ReplicaSet that the condition names; empty where it names none."""
    found = _NAMED.search(progress.get("message") or "")
    return found[1] if found else ""


def _owner(pod: Observed) -> Mapping[str, Any]:
    owners = (pod.body.get("metadata") or {}).get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def _replica_set(pod: Observed) -> str:
    owner = _owner(pod)
    return str(owner.get("name") or "") if owner.get("kind") == "ReplicaSet" else ""


def born(pod: Observed) -> str:
    """As the API server writes it: such texts sort as the times do."""
    return str((pod.body.get("metadata") or {}).get("creationTimestamp") or "")


def is_complete(progress: Mapping[str, Any]) -> bool:
    """Whether its controller takes the rollout for complete, and measures its progress no more."""
    return progress.get("reason") == "NewReplicaSetAvailable"


def _speaks_of_former(seen: Seen, pods: Iterable[Observed]) -> bool:
    """Whether the condition names a ReplicaSet as complete whose pods are gone, while there are newer ones.

    The controller writes that a rollout has begun as it makes the ReplicaSet; where there was one already, or that write is lost
    to a conflict, and no pods of two ReplicaSets are ever counted together, as under Recreate, the condition stays as it was, for
    as long as nothing else is rolled out (kubernetes, deployment/sync.go getNewReplicaSet and progress.go syncRolloutStatus).
    """
    progress = condition(seen.status, "Progressing")
    named = _named(progress)
    if not named or not is_complete(progress) or not number(seen.status, "updatedReplicas"):
        return False
    alive = {_replica_set(pod) for pod in _alive(pods)}
    return bool(alive) and named not in alive
