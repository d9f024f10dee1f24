"""What a pod may reach beyond itself: accounts, tokens, nodes, priority, and the data of other claims.

This is what the operator forbids beside Pod Security. A claim shares its namespace with others: whatever a pod refers to by
name, and could read or hold by that, must be the claim's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ocdp_operator.model.names import INSTANCE, credentials_name
from ocdp_operator.plan.place import Place
from ocdp_operator.plan.pod_security import containers
from ocdp_operator.plan.selectors import check_selector

_ONLY: Final = {
    "nodeName": (("",), "must be left to the scheduler"),
    "schedulerName": (("", "default-scheduler"), "must be the cluster's own scheduler"),
    "priorityClassName": ((), "must be left out"),
    "priority": ((), "must be left out"),
    "ephemeralContainers": ((), "must be left out: they are for debugging a pod that runs"),
}
"""Field -> the values it may have beside being absent, and what to say of any other."""
_IDENTITIES: Final = ("serviceAccountToken", "podCertificate")
"""Projected sources by which the pod could speak to the API server."""
_TERMS: Final = (
    ("requiredDuringSchedulingIgnoredDuringExecution", ()),
    ("preferredDuringSchedulingIgnoredDuringExecution", ("podAffinityTerm",)),
)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What pods of a claim may refer to, beside the claim's credentials."""

    claim: str
    service_accounts: frozenset[str]
    volume_claims: frozenset[str]


def check_reach(template: Place, own: Belongings) -> None:
    """Denies a pod template what is not the claim's."""
    # Under another claim's label the pod would be given that claim's traffic.
    template.at("metadata", "labels", INSTANCE).only(own.claim, why=f"must be {own.claim}")
    pod = template.at("spec")
    for field, (allowed, why) in _ONLY.items():
        pod.at(field).only(*allowed, why=why)
    pod.at("automountServiceAccountToken").must_be(False, why="must be false")
    for field in ("serviceAccountName", "serviceAccount"):
        pod.at(field).only(
            "", "default", *own.service_accounts, why="must be a ServiceAccount of this rendering, or default"
        )
    for claim in pod.at("resourceClaims").items():
        claim.at("resourceClaimName").only(why="must be left out: the device may be another's")
    _check_volumes(pod, own)
    for name in secret_names(pod):
        name.only(credentials_name(own.claim), why=f"must be {credentials_name(own.claim)}")
    for part in ("podAffinity", "podAntiAffinity"):
        _check_affinity(pod.at("affinity", part), own.claim, repels=part == "podAntiAffinity")


def check_volume_claim(claim: Place) -> None:
    """Denies a PersistentVolumeClaim, or the template of one, to begin with anybody's data."""
    claim.at("spec", "volumeName").only(
        "", why="must be left to the cluster: a volume may hold another's data"
    )
    for field in ("dataSource", "dataSourceRef"):
        claim.at("spec", field).only(why="must be left out: it would copy another's data")


def _check_volumes(pod: Place, own: Belongings) -> None:
    for volume in pod.at("volumes").items():
        volume.at("persistentVolumeClaim", "claimName").only(
            *own.volume_claims, why="must be a PersistentVolumeClaim of this rendering"
        )
        check_volume_claim(volume.at("ephemeral", "volumeClaimTemplate"))
        for source in volume.at("projected", "sources").items():
            for identity in _IDENTITIES:
                source.at(identity).only(why="must not bring an identity of the cluster")


def secret_names(pod: Place) -> Iterator[Place]:
    """Where a pod names a Secret whose content it would get. Pull secrets are the kubelet's alone."""
    for container in containers(pod):
        for variable in container.at("env").items():
            yield variable.at("valueFrom", "secretKeyRef", "name")
        for origin in container.at("envFrom").items():
            yield origin.at("secretRef", "name")
    for volume in pod.at("volumes").items():
        yield volume.at("secret", "secretName")
        yield volume.at("csi", "nodePublishSecretRef", "name")
        for source in volume.at("projected", "sources").items():
            yield source.at("secret", "name")


def _check_affinity(affinity: Place, claim: str, *, repels: bool) -> None:
    """Pods that must not be beside others keep those others away too, whosesoever they are."""
    for field, inner in _TERMS:
        for term in (item.at(*inner) for item in affinity.at(field).items()):
            for wider in ("namespaces", "namespaceSelector"):
                term.at(wider).only(why="must be left out: it reaches into other namespaces")
            if repels and not inner:
                check_selector(term.at("labelSelector", "matchLabels"), claim)
