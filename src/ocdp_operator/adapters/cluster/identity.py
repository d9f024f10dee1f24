"""The policy that stamps claims with who asks, as the cluster has it: is it there, whole, and for everybody (design 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ocdp_operator.adapters.cluster import paths
from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.refusals import Request, require
from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.identity import Stamping
from ocdp_operator.model.kinds import CLAIM, Kind
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.wire import digest

NAME: Final = "ocdp-claim-identity"
"""Of the policy and of its binding (config/admission/identity.yaml)."""
_NAMESPACE: Final = "ocdp-system"
"""Where the parameters are, with the names of the trusted accounts; every policy of ``config/`` names the operator's account in it."""
SHIPPED: Final = "de598be94110887b"
"""Digest of what that policy does to a claim; a unit test compares it with the file."""
_POLICY: Final = Kind(
    "admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", 0
)
_BINDING: Final = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingAdmissionPolicyBinding",
    "mutatingadmissionpolicybindings",
    0,
)
_GRACE: Final = timedelta(seconds=5)
"""Every API server of the cluster goes by a new policy so soon; a claim made before that proves nothing."""
_EVERY: Final = "*"


class KubeIdentityPolicy:
    """Looks the policy and its binding up, by name."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def read(self) -> Stamping:
        """What they are worth now. Raises Waiting(ClusterUnavailable) when there is no answer.

        A refusal is an answer: without the right to look, nothing is proven.
        """
        try:
            policy, binding = await self._get(_POLICY), await self._get(_BINDING)
        except Waiting as error:
            if error.reason is not Reason.FORBIDDEN:
                raise
            return Stamping(faults=(error.message,))
        faults = tuple(judge(policy, binding))
        if policy is None or binding is None or faults:
            return Stamping(faults=faults)
        return Stamping(max(map(_created, (policy, binding))) + _GRACE, ())

    async def _get(self, kind: Kind) -> Mapping[str, Any] | None:
        answer = await self._client.send("GET", paths.item(kind, "", NAME))
        ref = ObjectRef(kind.group, kind.kind, NAME)
        return None if answer.is_absent else require(answer, Request("get", ref, ""))


def judge(policy: Mapping[str, Any] | None, binding: Mapping[str, Any] | None) -> Iterator[str]:
    """What keeps these two from stamping every claim as the shipped ones do; nothing when they do."""
    for kind, found in ((_POLICY, policy), (_BINDING, binding)):
        if found is None:
            yield f"the {kind} {NAME} is not there"
        elif found["metadata"].get("deletionTimestamp"):
            yield f"the {kind} {NAME} is being deleted"
    if policy is not None:
        yield from _policy_faults(policy["spec"])
    if binding is not None:
        yield from _binding_faults(binding["spec"])


def fingerprint(spec: Mapping[str, Any]) -> str:
    """Digest of what a policy does to the claims that it sees; line breaks are nothing to it, and every tool folds them anew."""
    return digest([_unfolded(spec.get(part)) for part in ("paramKind", "variables", "mutations")])


def _unfolded(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, Mapping):
        return {name: _unfolded(part) for name, part in value.items()}
    return [_unfolded(part) for part in value] if isinstance(value, list) else value


def _policy_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("failurePolicy") != "Fail":
        yield "the policy lets claims pass when it fails: its failurePolicy must be Fail"
    if spec.get("matchConditions"):
        yield "the policy has matchConditions, which exempt claims"
    constraints = spec.get("matchConstraints") or {}
    if any(constraints.get(part) for part in ("namespaceSelector", "objectSelector", "excludeResourceRules")):
        yield "the policy's matchConstraints exempt claims"
    rules = constraints.get("resourceRules") or ()
    for operation in ("CREATE", "UPDATE"):
        if not any(_covers(rule, operation) for rule in rules):
            yield f"no rule of the policy covers {operation} of {CLAIM.plural}"
    if fingerprint(spec) != SHIPPED:
        yield "the policy's mutations are not those of this version of the operator"


def _covers(rule: Mapping[str, Any], operation: str) -> bool:
    wanted = {
        "apiGroups": CLAIM.group,
        "apiVersions": CLAIM.version,
        "resources": CLAIM.plural,
        "operations": operation,
    }
    return (
        all({value, _EVERY} & set(rule.get(field) or ()) for field, value in wanted.items())
        and rule.get("scope", _EVERY) in (_EVERY, "Namespaced")
        and not rule.get("resourceNames")
    )


def _binding_faults(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("policyName") != NAME:
        yield "the binding is another policy's"
    limits = spec.get("matchResources") or {}
    if any(value for field, value in limits.items() if field != "matchPolicy"):
        yield "the binding's matchResources exempt claims"
    parameters = spec.get("paramRef") or {}
    if not parameters.get("name") or parameters.get("parameterNotFoundAction") != "Deny":
        yield "the binding must name its parameters, and deny claims while they are not there"
    # Without a namespace they are read from the claim's own, where a tenant could say whom to trust.
    if parameters.get("namespace") != _NAMESPACE or parameters.get("selector"):
        yield f"the binding must take its parameters by name, from the namespace {_NAMESPACE} and no other"


def _created(found: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"])
