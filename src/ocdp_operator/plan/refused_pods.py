"""Why a controller cannot make its pods, or a volume's claim, from the API server's answer to it, in words that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ocdp_operator.errors import Actor, Advice, Reason, advice_on
from ocdp_operator.model.events import ObjectEvent
from ocdp_operator.plan.findings import Finding, failed
from ocdp_operator.plan.missing_volumes import why_no_volume_comes
from ocdp_operator.plan.wording import shown

_LONGEST: Final = 400
_POD_NAME: Final = re.compile(r'\b\w+ "[^"]*" is (?:forbidden|invalid): ', re.IGNORECASE)
"""Holds a name that is made anew for each try: left in, the words would never come to rest."""
_CREATING: Final = re.compile(
    r"^(?:\(combined from similar events\): )?"
    r"(?:create (?:Pod|Claim) .{1,300}? failed error|Error creating|Failed to create new replica set \S+): ",
    re.IGNORECASE,
)
_LEADS: Final = (
    (
        re.compile(r"exceeded quota|failed quota|insufficient quota"),
        Reason.QUOTA_EXCEEDED,
        "a quota",
        advice_on(Reason.QUOTA_EXCEEDED),
    ),
    (
        re.compile(r"violates PodSecurity"),
        Reason.HEALTH_CHECK_FAILED,
        "Pod Security",
        Advice(Actor.PLATFORM, "Correct the pods in the Kustomize base: the words name what is not allowed."),
    ),
    (
        re.compile(r"per (?:Container|Pod|PersistentVolumeClaim) is|limit to request ratio"),
        Reason.HEALTH_CHECK_FAILED,
        "a LimitRange",
        Advice(
            Actor.USER,
            "Ask for what it allows if a value of the claim says how much; else ask the platform team.",
        ),
    ),
    (
        re.compile(r"admission webhook|failed calling webhook"),
        Reason.HEALTH_CHECK_FAILED,
        "an admission webhook",
        Advice(Actor.CLUSTER_OPERATOR, "Bring the named webhook back, or change what it refuses."),
    ),
    (
        re.compile(r"ValidatingAdmissionPolicy"),
        Reason.HEALTH_CHECK_FAILED,
        "an admission policy",
        Advice(Actor.PLATFORM, "Correct what it names in the Kustomize base, or have the policy changed."),
    ),
)
_OTHERWISE: Final = (
    Reason.HEALTH_CHECK_FAILED,
    "",
    Advice(
        Actor.PLATFORM,
        "If the words name a field, correct it in the Kustomize base; else see the API server.",
    ),
)

_VALUE: Final = re.compile(r'((?:Invalid|Unsupported) value: )(?:"(?:[^"\\]|\\.)*"|[^:,]+)')
_FAILURES: Final = frozenset({"FailedCreate", "ProvisioningFailed", "FailedBinding"})
_SUCCESSES: Final = frozenset({"SuccessfulCreate", "ProvisioningSucceeded"})
_WAITING: Final = frozenset(
    {"Provisioning", "ExternalProvisioning", "WaitForFirstConsumer", "WaitForPodScheduled"}
)
"""Newer than the failure to find a StorageClass they say that there is one; others are tried again beside them."""


def why_missing(events: Iterable[ObjectEvent]) -> str:
    """What the last try to make a pod or a volume failed for, from an object's events, the newest first; else nothing."""
    waits = False
    for event in events:
        if event.reason in _FAILURES:
            return "" if waits and why_no_volume_comes(event.message, None) else event.message
        if event.reason in _SUCCESSES:
            return ""
        waits = waits or event.reason in _WAITING
    return ""


def refused(answer: str) -> Finding:
    """What is found of an object whose pods the API server refused with this answer.

    The name of the pod that was tried is left out: it is another one at each try.
    """
    words = _VALUE.sub(r"\1…", _POD_NAME.sub("", _CREATING.sub("", answer.strip())))
    found = ((reason, who, advice) for pattern, reason, who, advice in _LEADS if pattern.search(words))
    reason, who, advice = next(found, _OTHERWISE)
    by = f" by {who}" if who else ""
    return failed(f"its pods are refused{by}: {shown(words, _LONGEST).rstrip('.')}.", reason, advice)
