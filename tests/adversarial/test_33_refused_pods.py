"""A namespace that refuses pods: the claim says who refuses and why, keeps its record, and goes on when it may.

Pod Security is not among these: what it refuses, the operator's own policy refuses before anything is applied. Its words are
under test in tests/unit/plan/test_pod_health.py.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.support.apps import app_files, deployment, document, stateful_set
from tests.support.world import Team, condition, eventually, inventory

API = "admissionregistration.k8s.io/v1"
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def quota(team: Team) -> list[dict[str, Any]]:
    metadata = {"name": "small", "namespace": team.namespace}
    return [{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}}]  # fmt: skip


def limit_range(team: Team) -> list[dict[str, Any]]:
    metadata = {"name": "small", "namespace": team.namespace}
    limit = {"type": "Container", "min": {"cpu": "1"}}
    return [{"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limit]}}]


def here(team: Team) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}


def policy(team: Team) -> list[dict[str, Any]]:
    name = f"no-pods-{team.namespace}"
    spec = {
        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [PODS]},
        "validations": [{"expression": "false", "message": "no pods today"}],
    }  # fmt: skip
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": here(team)}}  # fmt: skip
    return [
        {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding},
    ]  # fmt: skip


def webhook_that_is_away(team: Team) -> list[dict[str, Any]]:
    webhook = {
        "name": "images.example.test", "rules": [PODS], "namespaceSelector": here(team), "failurePolicy": "Fail",
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
    }  # fmt: skip
    metadata = {"name": f"away-{team.namespace}"}
    return [{"apiVersion": API, "kind": "ValidatingWebhookConfiguration", "metadata": metadata, "webhooks": [webhook]}]  # fmt: skip


REFUSERS = {
    "quota": (quota, "QuotaExceeded", "its pods are refused by a quota: exceeded quota: small, requested: pods=1"),
    "limit range": (limit_range, "HealthCheckFailed", "its pods are refused by a LimitRange: minimum cpu usage per Container is 1, but request is 10m"),
    "policy": (policy, "HealthCheckFailed", "its pods are refused by an admission policy: ValidatingAdmissionPolicy 'no-pods-"),
    "webhook that is away": (webhook_that_is_away, "HealthCheckFailed", 'its pods are refused by an admission webhook: Internal error occurred: failed calling webhook "images.example.test"'),
}  # fmt: skip


async def refused(team: Team) -> None:
    """Returns when the API server refuses pods in the namespace: admission takes a moment to know new rules."""
    pod = deployment()["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod["spec"] = {key: value for key, value in pod["spec"].items() if key != "serviceAccountName"}

    async def check() -> bool:
        try:
            await team.platform.kubectl(
                "create", "--dry-run=server", "-n", team.namespace, "-f", "-", stdin=yaml.safe_dump(pod)
            )  # fmt: skip
        except LocalEnvironmentError:
            return True
        return False

    await eventually(check, "pods are refused")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("refuser", REFUSERS)
async def test_33_refused_pods_are_told_and_come_when_they_may(team: Team, refuser: str, kind: str) -> None:
    bodies, reason, words = REFUSERS[refuser]
    kubectl = team.platform.kubectl
    await team.publish(app_files(deployment=document(deployment() if kind == "Deployment" else stateful_set())))  # fmt: skip
    objects = bodies(team)
    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    try:
        await refused(team)
        await team.claim("ide", deletionPolicy="Delete")
        claim = await team.until("ide", "Ready", "False", reason)
        assert condition(claim, "Ready")["message"].startswith(f"{kind}/ide-web: {words}")
        assert condition(claim, "Applied")["status"] == "True"
        live = await team.objects()
        assert inventory(claim) == await team.marked()
        assert live[f"{kind}/ide-web"]["metadata"]["generation"] == 1
    finally:
        await kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(objects))
    await team.ready("ide", seconds=120)
    again = await team.objects()
    assert again[f"{kind}/ide-web"]["metadata"]["generation"] == 1
    assert again[f"{kind}/ide-web"]["metadata"]["uid"] == live[f"{kind}/ide-web"]["metadata"]["uid"]


async def test_33_a_healthy_claim_whose_next_pod_is_refused_is_unready_at_once(team: Team) -> None:
    await team.claim("ide", deletionPolicy="Delete")
    await team.ready("ide")
    kubectl = team.platform.kubectl
    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(quota(team)))
    await kubectl("delete", "pods", "--all", "-n", team.namespace, "--wait=false")
    claim = await team.until("ide", "Ready", "False", "QuotaExceeded")
    assert "exceeded quota: small" in condition(claim, "Ready")["message"]
    await kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(quota(team)))
    await team.ready("ide", seconds=120)
