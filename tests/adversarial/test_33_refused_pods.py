"""A namespace that refuses pods, or objects of ours: the claim says who refuses and why, keeps its record, and goes on when it may.

Pod Security is not among these: what it refuses, the operator's own policy refuses before anything is applied. Its words are
under test in tests/unit/plan/test_pod_health.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from tests.adversarial.conftest import assert_truthful, events
from tests.support.apps import app_files, deployment, document, stateful_set
from tests.support.audit import Audit
from tests.support.world import Claim, Team, condition, eventually, inventory

API = "admissionregistration.k8s.io/v1"
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
DEPLOYMENTS = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["deployments"],
}
NOBODY = 1
"""A port that nobody listens at."""


@pytest.fixture
async def silence() -> AsyncIterator[int]:
    """A port that takes every connection, hears whatever is said, and never answers."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.read(4096):
            pass

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in writers:
        writer.close()


def quota(team: Team, _: int = NOBODY) -> list[dict[str, Any]]:
    metadata = {"name": "small", "namespace": team.namespace}
    return [{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "0"}}}]  # fmt: skip


def limit_range(team: Team, _: int = NOBODY) -> list[dict[str, Any]]:
    metadata = {"name": "small", "namespace": team.namespace}
    limit = {"type": "Container", "min": {"cpu": "1"}}
    return [{"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limit]}}]


def here(team: Team) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}


def policy(team: Team, _: int = NOBODY) -> list[dict[str, Any]]:
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


def webhook(team: Team, port: int, rules: dict[str, Any] = PODS) -> list[dict[str, Any]]:
    hook = {
        "name": "images.example.test", "rules": [rules], "namespaceSelector": here(team), "failurePolicy": "Fail",
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
    }  # fmt: skip
    metadata = {"name": f"away-{team.namespace}"}
    return [{"apiVersion": API, "kind": "ValidatingWebhookConfiguration", "metadata": metadata, "webhooks": [hook]}]  # fmt: skip


def webhook_that_is_away(team: Team, _: int) -> list[dict[str, Any]]:
    return webhook(team, NOBODY)


REFUSERS = {
    "quota": (quota, "QuotaExceeded", "its pods are refused by a quota: exceeded quota: small, requested: pods=1"),
    "limit range": (limit_range, "HealthCheckFailed", "its pods are refused by a LimitRange: minimum cpu usage per Container is 1, but request is 10m"),
    "policy": (policy, "HealthCheckFailed", "its pods are refused by an admission policy: ValidatingAdmissionPolicy 'no-pods-"),
    "webhook that is away": (webhook_that_is_away, "HealthCheckFailed", 'its pods are refused by an admission webhook: Internal error occurred: failed calling webhook "images.example.test"'),
    "webhook that hangs": (webhook, "HealthCheckFailed", 'its pods are refused by an admission webhook: Internal error occurred: failed calling webhook "images.example.test"'),
}  # fmt: skip


async def refused(team: Team, body: dict[str, Any] | None = None) -> None:
    """Returns when the API server refuses pods in the namespace: admission takes a moment to know new rules."""
    pod = deployment()["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod["spec"] = {key: value for key, value in pod["spec"].items() if key != "serviceAccountName"}

    async def check() -> bool:
        try:
            await team.platform.kubectl(
                "create", "--dry-run=server", "-n", team.namespace, "-f", "-", stdin=yaml.safe_dump(body or pod)
            )  # fmt: skip
        except LocalEnvironmentError:
            return True
        return False

    await eventually(check, "it is refused")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("refuser", REFUSERS)
async def test_33_refused_pods_are_told_and_come_when_they_may(
    team: Team, silence: int, refuser: str, kind: str
) -> None:
    bodies, reason, words = REFUSERS[refuser]
    kubectl = team.platform.kubectl
    await team.publish(app_files(deployment=document(deployment() if kind == "Deployment" else stateful_set())))  # fmt: skip
    objects = bodies(team, silence)
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


@asynccontextmanager
async def hanging(team: Team, silence: int) -> AsyncIterator[None]:
    """A validating webhook on Deployments that is never answered: each create and update of one takes a second and fails."""
    objects = yaml.safe_dump_all(webhook(team, silence, DEPLOYMENTS))
    probe = deployment() | {"metadata": {"name": "x"}}
    await team.platform.kubectl("apply", "-f", "-", stdin=objects)
    try:
        await refused(team, probe)
        yield
    finally:
        await team.platform.kubectl("delete", "-f", "-", stdin=objects)


async def waits(team: Team, audit: Audit, times: int) -> Claim:
    """The claim once its Deployment was refused so many times, and it says who refuses it."""

    async def tried() -> bool:
        return len(refusals(team, audit)) >= times

    await eventually(tried, f"the Deployment is tried {times} times")
    claim = await team.until("ide", "Applied", "Unknown", "ClusterUnavailable")
    message = condition(claim, "Applied")["message"]
    assert (
        message
        == "Deployment/ide-web: the admission webhook images.example.test does not answer the API server."
    )
    assert "webhook" in claim["status"]["failure"]["remedy"]
    assert "Stalled" not in {each["type"] for each in claim["status"]["conditions"]}
    return claim


def refusals(team: Team, audit: Audit) -> list[str]:
    found = audit.changes(team.namespace)
    return [str(each) for each in found if each.resource == "deployments" and each.code >= 500]


@pytest.mark.timeout(240)
async def test_33_an_object_on_which_a_webhook_hangs_is_waited_for(
    team: Team, silence: int, audit_log: Path
) -> None:
    audit = Audit(audit_log)
    async with hanging(team, silence):
        await team.claim("ide", deletionPolicy="Delete")
        first = await waits(team, audit, 1)
        there = await team.versions()
        assert "Deployment/ide-web" in inventory(first)
        assert await team.marked() <= inventory(first)
        assert {"Secret/ide-credentials", "ServiceAccount/ide-web"} <= there.keys()
        await team.platform.kubectl("delete", "serviceaccount", "ide-web", "-n", team.namespace)
        await eventually(lambda: team.find("serviceaccount", "ide-web"), "it is made anew all the same")
        again = await waits(team, audit, 4)
        assert inventory(again) == inventory(first)
        assert condition(again, "Ready")["status"] == "Unknown"
        assert (await team.versions()).items() >= {
            (name, version) for name, version in there.items() if name != "ServiceAccount/ide-web"
        }
    await team.ready("ide", seconds=120)
    await assert_truthful(team)

    # A claim that is deleted while the webhook hangs goes: nothing that it hooks is asked for.
    async with hanging(team, silence):
        await team.delete("ide")
        await team.gone("ide")
    assert not await team.marked()


@pytest.mark.timeout(300)
async def test_33_an_upgrade_on_which_a_webhook_hangs_waits_and_is_not_taken_back(
    team: Team, silence: int, audit_log: Path
) -> None:
    await team.claim("ide", deletionPolicy="Delete", upgradePolicy="Auto")
    before = await team.ready("ide")
    live = await team.objects()
    audit = Audit(audit_log)
    async with hanging(team, silence):
        body = deployment()
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.test/web:2.0.0"
        extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"a": "b"}}
        await team.publish(app_files(deployment=document(body), more=document(extra)))
        first = await waits(team, audit, 1)
        assert first["status"]["template"]["revision"] == 2
        there = await team.versions()
        again = await waits(team, audit, 5)
        assert again["status"]["template"]["revision"] == 2
        assert "failed" not in again["status"]["template"]
        assert again["status"]["history"] == before["status"]["history"]
        assert inventory(again) >= inventory(before) | {"ConfigMap/ide-more"}
        assert await team.versions() == there, "nothing is written to and fro"
        assert "Deployment/ide-web" in there
        held = (await team.objects())["Deployment/ide-web"]
        assert held["spec"] == live["Deployment/ide-web"]["spec"]
    after = await team.ready("ide", seconds=120)
    assert after["status"]["template"]["revision"] == 2
    assert "failed" not in after["status"]["template"]
    done = (await team.objects())["Deployment/ide-web"]
    assert done["metadata"]["uid"] == live["Deployment/ide-web"]["metadata"]["uid"]
    assert done["spec"]["template"]["spec"]["containers"][0]["image"].endswith("web:2.0.0")
    assert not [
        each for each in await events(team, "ide") if each["reason"] in ("UpgradeFailed", "RolloutHalted")
    ]
    await assert_truthful(team)
