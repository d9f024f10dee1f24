"""The admission policies, on what the operator's account may write and on who asks, in a cluster of tests or of the demo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.waiting import until
from ocdp_operator.model.kinds import CLAIM

AS_OPERATOR: Final = ("--as=system:serviceaccount:ocdp-system:ocdp-operator", "--as-group=system:masters")
"""Flags of kubectl: the operator's account with every right there is, so that only admission can refuse."""
_POLICIES: Final = Path(__file__).resolve().parents[3] / "config" / "admission"
_OURS: Final = "app.kubernetes.io/name=ocdp-operator"
_NOT_YET: Final = ("no params found", "There can be a delay")
"""What the API server says of a policy for as long as it has not heard of its ConfigMap, or of the CRD."""
_NO_PATCH: Final = 'false ? [JSONPatch{op: "remove", path: "/spec"}] : []'
_SECONDS: Final = 60.0


async def install_admission(
    cluster: Cluster, *, ingress_domains: Sequence[str], trusted_accounts: Sequence[str] = ()
) -> None:
    """Installs the policies; returns when the API server goes by them. The namespace ``ocdp-system`` and the CRDs must exist.

    Raises:
        LocalEnvironmentError: they could not be installed, or are not in force after a minute.
    """
    await cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(_keepers()))
    await cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(_POLICIES))
    data = json.dumps(
        {
            "data": {
                "ingressDomains": ",".join(ingress_domains),
                "trustedAccounts": ",".join(trusted_accounts),
            }
        }
    )
    settings = ("configmap", "ocdp-operator-admission", "--namespace=ocdp-system")
    await cluster.kubectl("patch", *settings, "--type=merge", "-p", data)

    async def in_force() -> bool:
        return await is_fenced(cluster) and await is_stamping(cluster)

    await until(in_force, seconds=_SECONDS, what="the admission policies are in force")


async def remove_admission(cluster: Cluster) -> None:
    """Unbinds the policies; returns when the API server no longer goes by them. They stay, with their parameters."""
    for kind in ("validatingadmissionpolicybinding", "mutatingadmissionpolicybinding"):
        await cluster.kubectl("delete", kind, "-l", _OURS, "--ignore-not-found")

    async def gone() -> bool:
        return not await is_fenced(cluster) and not await is_stamping(cluster)

    await until(gone, seconds=_SECONDS, what="the admission policies are gone")


def _keepers() -> dict[str, Any]:
    """Policies that judge nothing, bound to the same parameters.

    When the last binding to a kind of parameters goes, the API server (1.36) stops to watch that kind, and never begins
    again: a policy that is bound anew reads parameters as they were then, or none.
    """
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            *_keeper(
                "Validating", {"validations": [{"expression": "true"}]}, {"validationActions": ["Deny"]}
            ),
            *_keeper(
                "Mutating",
                {
                    "reinvocationPolicy": "Never",
                    "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _NO_PATCH}}],
                },
                {},
            ),
        ],
    }


def _keeper(what: str, judging: dict[str, Any], binding: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    head = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "ocdp-dev-keeps-parameters"},
    }
    nothing = {
        "apiGroups": ["none.ocdp.io"],
        "apiVersions": ["*"],
        "resources": ["none"],
        "operations": ["CREATE"],
    }
    policy = {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [nothing]},
        **judging,
    }
    parameters = {
        "name": "ocdp-operator-admission",
        "namespace": "ocdp-system",
        "parameterNotFoundAction": "Allow",
    }
    bound = {"policyName": "ocdp-dev-keeps-parameters", "paramRef": parameters, **binding}
    return (
        {**head, "kind": f"{what}AdmissionPolicy", "spec": policy},
        {**head, "kind": f"{what}AdmissionPolicyBinding", "spec": bound},
    )


async def is_fenced(cluster: Cluster) -> bool:
    """Whether the operator's account is refused what no right of its own forbids."""
    try:
        await cluster.kubectl(
            "create", "configmap", "fence", "--namespace=ocdp-system", "--dry-run=server", *AS_OPERATOR
        )
    except LocalEnvironmentError as error:
        return "ValidatingAdmissionPolicy" in str(error)
    return False


async def is_stamping(cluster: Cluster) -> bool:
    """Whether the API server writes into a claim who makes it."""
    claim = {
        "apiVersion": CLAIM.api_version,
        "kind": CLAIM.kind,
        "metadata": {"name": "stamped", "namespace": "ocdp-system"},
        "spec": {"templateId": "any", "workspaceId": "any"},
    }
    make = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    try:
        said = await cluster.kubectl(*make, stdin=json.dumps(claim))
    except LocalEnvironmentError as error:
        if any(words in str(error) for words in _NOT_YET):
            return False
        raise
    return "requestedBy" in json.loads(said)["spec"]
