"""Pods that fail on purpose: kwok's stages choose by an annotation that no base may set, so admission puts it on."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.simulation import SIMULATE
from ocdp_operator.model.names import CLAIM_NAME
from tests.support.world import eventually


async def simulate(platform: Platform, namespace: str, pods: Mapping[str, str]) -> None:
    """From now on the pods of these claims go the way of a stage: claim -> ``crashloop``, ``imagepull``, ``notready``, ``slow``."""
    chosen = "{" + ", ".join(f"'{claim}': '{stage}'" for claim, stage in pods.items()) + "}"
    label = f"object.metadata.labels['{CLAIM_NAME}']"
    annotation = f'"{SIMULATE}": {chosen}[{label}], "{SIMULATE}-delay": "10m"'
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": f"simulate-{namespace}"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ],
            },
            "matchConditions": [
                {"name": "chosen", "expression": f"has(object.metadata.labels) && '{CLAIM_NAME}' in object.metadata.labels && {label} in {chosen}"}
            ],
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": f"Object{{metadata: Object.metadata{{annotations: {{{annotation}}}}}}}"
                    },
                }
            ],
        },
    }  # fmt: skip
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": f"simulate-{namespace}"},
        "spec": {"policyName": f"simulate-{namespace}"},
    }
    await platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([policy, binding]))
    probe = yaml.safe_dump(plain_pod(namespace, next(iter(pods))))

    async def heard() -> bool:
        shown = await platform.kubectl("create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=probe)
        return SIMULATE in shown

    await eventually(heard, "pods are told to fail")


async def no_simulation(platform: Platform, namespace: str) -> None:
    """Pods that are made from now on run."""
    for kind in ("mutatingadmissionpolicybinding", "mutatingadmissionpolicy"):
        await platform.kubectl("delete", kind, f"simulate-{namespace}", "--ignore-not-found")


def plain_pod(namespace: str, claim: str) -> dict[str, object]:
    """A pod of a claim that asks for no CPU and no memory."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "probe-", "namespace": namespace, "labels": {CLAIM_NAME: claim}},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "x", "image": "registry.example.test/x:1", "securityContext": security}],
        },
    }  # fmt: skip
