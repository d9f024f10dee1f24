"""A pod reaches nothing that is not its claim's: accounts, tokens, nodes, priority, other claims' data."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.policy import Limits, check
from tests.support.builders import changed, manifest, resolved

POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
OWN = {
    "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "ide"}},
    "topologyKey": "kubernetes.io/hostname",
}
ALL = {"labelSelector": {}, "topologyKey": "kubernetes.io/hostname"}


def volume(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "v", **source}]


def projected(**source: Any) -> list[dict[str, Any]]:
    return volume(projected={"sources": [source]})


def variable(reference: str, name: str) -> list[dict[str, Any]]:
    return [{"name": "X", "valueFrom": {reference: {"name": name, "key": "K"}}}]


REACHING = [
    ("nodeName", f"{POD}/nodeName", "node-1"),
    ("schedulerName", f"{POD}/schedulerName", "mine"),
    ("token mounted", f"{POD}/automountServiceAccountToken", True),
    ("token as a number", f"{POD}/automountServiceAccountToken", 0),
    ("token not said", f"{POD}/automountServiceAccountToken", None),
    ("another service account", f"{POD}/serviceAccountName", "admin"),
    ("another claim's service account", f"{POD}/serviceAccountName", "other-web"),
    ("another service account, old field", f"{POD}/serviceAccount", "admin"),
    ("priority class", f"{POD}/priorityClassName", "system-node-critical"),
    ("priority", f"{POD}/priority", 2_000_000_000),
    ("ephemeral container", f"{POD}/ephemeralContainers", [{"name": "e"}]),
    ("a projected token", f"{POD}/volumes", projected(serviceAccountToken={"path": "t"})),
    ("a projected certificate", f"{POD}/volumes", projected(podCertificate={"signerName": "kubernetes.io/x"})),
    ("a device of others", f"{POD}/resourceClaims", [{"name": "gpu", "resourceClaimName": "other-gpu"}]),
    ("another claim's volume", f"{POD}/volumes", volume(persistentVolumeClaim={"claimName": "other-home"})),
    ("a volume of a StatefulSet of others", f"{POD}/volumes", volume(persistentVolumeClaim={"claimName": "home-other-0"})),
    ("a volume with no name", f"{POD}/volumes", volume(persistentVolumeClaim={"claimName": 1})),
    ("another claim's credentials as volume", f"{POD}/volumes", volume(secret={"secretName": "other-credentials"})),
    ("another claim's credentials projected", f"{POD}/volumes", projected(secret={"name": "other-credentials"})),
    ("another claim's credentials by a driver", f"{POD}/volumes", volume(csi={"nodePublishSecretRef": {"name": "x"}})),
    ("another claim's credentials in a variable", f"{CONTAINER}/env", variable("secretKeyRef", "other-credentials")),
    ("another claim's credentials as variables", f"{CONTAINER}/envFrom", [{"secretRef": {"name": "other-credentials"}}]),
    ("another claim's credentials at the start", f"{POD}/initContainers", [
        {"name": "i", "env": variable("secretKeyRef", "other-credentials")}
    ]),
    ("a passing volume chosen", f"{POD}/volumes", volume(
        ephemeral={"volumeClaimTemplate": {"spec": {"volumeName": "pv-1"}}}
    )),
    ("a passing volume copied", f"{POD}/volumes", volume(
        ephemeral={"volumeClaimTemplate": {"spec": {"dataSourceRef": {"name": "other-home"}}}}
    )),
    ("a passing volume with a finalizer", f"{POD}/volumes", volume(
        ephemeral={"volumeClaimTemplate": {"metadata": {"finalizers": ["x/y"]}}}
    )),
    ("pods elsewhere repelled", f"{POD}/affinity/podAntiAffinity/{_REQUIRED}", [OWN | {"namespaceSelector": {}}]),
    ("pods of a namespace repelled", f"{POD}/affinity/podAntiAffinity/{_REQUIRED}", [OWN | {"namespaces": ["ns-b"]}]),
    ("pods of every claim repelled", f"{POD}/affinity/podAntiAffinity/{_REQUIRED}", [ALL]),
    ("pods elsewhere sought", f"{POD}/affinity/podAffinity/{_REQUIRED}", [OWN | {"namespaceSelector": {}}]),
    ("pods elsewhere rather avoided", f"{POD}/affinity/podAntiAffinity/{_PREFERRED}", [
        {"weight": 1, "podAffinityTerm": OWN | {"namespaces": ["ns-b"]}}
    ]),
    ("affinity of no shape", f"{POD}/affinity", "everything"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
@pytest.mark.parametrize(("pointer", "value"), [pytest.param(p, v, id=what) for what, p, v in REACHING])
def test_a_pod_that_reaches_beyond_its_claim_is_refused(kind, pointer, value):
    with pytest.raises(Stalled) as caught:
        check(Rendering((changed(manifest(kind, "ide-web"), pointer, value),)), resolved(), Limits())

    assert caught.value.reason is Reason.POLICY_DENIED
    assert f"{kind}/ide-web spec.template" in caught.value.message
    assert pointer.removeprefix(f"{POD}/").partition("/")[0] in caught.value.message


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param(f"{POD}/serviceAccountName", "ide-web", id="own service account"),
        pytest.param(f"{POD}/serviceAccountName", "default", id="default service account"),
        pytest.param(f"{POD}/schedulerName", "default-scheduler", id="the cluster's scheduler"),
        pytest.param(
            f"{POD}/volumes", volume(persistentVolumeClaim={"claimName": "ide-home"}), id="own volume"
        ),
        pytest.param(
            f"{POD}/volumes", volume(secret={"secretName": "ide-credentials"}), id="own credentials"
        ),
        pytest.param(
            f"{POD}/volumes", projected(secret={"name": "ide-credentials"}), id="own credentials projected"
        ),
        pytest.param(
            f"{POD}/volumes", volume(configMap={"name": "trusted-ca"}), id="a ConfigMap of the namespace"
        ),
        pytest.param(f"{POD}/volumes", projected(clusterTrustBundle={"name": "x"}), id="a trust bundle"),
        pytest.param(f"{POD}/imagePullSecrets", [{"name": "registry"}], id="a pull secret"),
        pytest.param(
            f"{POD}/resourceClaims", [{"name": "gpu", "resourceClaimTemplateName": "gpu"}], id="a device"
        ),
        pytest.param(f"{POD}/runtimeClassName", "nvidia", id="a runtime class"),
        pytest.param(
            f"{CONTAINER}/env", variable("secretKeyRef", "ide-credentials"), id="own credentials as variable"
        ),
        pytest.param(f"{CONTAINER}/env", variable("configMapKeyRef", "x"), id="a variable of a ConfigMap"),
        pytest.param(f"{POD}/affinity/podAntiAffinity/{_REQUIRED}", [OWN], id="own pods apart"),
        pytest.param(f"{POD}/affinity/podAffinity/{_REQUIRED}", [ALL], id="beside others of the namespace"),
        pytest.param(
            f"{POD}/affinity/podAntiAffinity/{_PREFERRED}",
            [{"weight": 1, "podAffinityTerm": ALL}],
            id="rather apart from others",
        ),
        pytest.param(f"{POD}/topologySpreadConstraints", [{"topologyKey": "zone"}], id="spread"),
    ],
)
def test_what_is_the_claims_own_may_be_reached(pointer, value):
    own = (manifest("ServiceAccount", "ide-web"), manifest("PersistentVolumeClaim", "ide-home"))
    deployment = changed(manifest("Deployment", "ide-web"), pointer, value)

    check(Rendering((*own, deployment)), resolved(), Limits())
