"""Why a controller cannot make its pods, or a volume, from the API server's answer to it, in words that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ocdp_operator.errors import Reason
from ocdp_operator.model.events import ObjectEvent
from ocdp_operator.plan.wording import shown

_LONGEST: Final = 400
_POD_NAME: Final = re.compile(r'\w+ "[^"]*" is (?:forbidden|invalid): ', re.IGNORECASE)
"""Holds a name that is made anew for each try: left in, the words would never come to rest."""
_CREATING: Final = re.compile(
    r"^(?:Create (?:Pod|Claim) .{1,300}? failed error|Error creating|Failed to create new replica set \S+): "
)
_LEADS: Final = (
    (re.compile(r"exceeded quota|failed quota|insufficient quota"), Reason.QUOTA_EXCEEDED, "a quota"),
    (re.compile(r"violates PodSecurity"), Reason.HEALTH_CHECK_FAILED, "Pod Security"),
    (
        re.compile(r"per (?:Container|Pod|PersistentVolumeClaim) is|limit to request ratio"),
        Reason.HEALTH_CHECK_FAILED,
        "a LimitRange",
    ),
    (
        re.compile(r"admission webhook|failed calling webhook"),
        Reason.HEALTH_CHECK_FAILED,
        "an admission webhook",
    ),
    (re.compile(r"ValidatingAdmissionPolicy"), Reason.HEALTH_CHECK_FAILED, "an admission policy"),
)

_VALUE: Final = re.compile(r'((?:Invalid|Unsupported) value: )(?:"(?:[^"\\]|\\.)*"|[^:,]+)')
_FAILURES: Final = frozenset({"FailedCreate", "ProvisioningFailed", "FailedBinding"})
_SUCCESSES: Final = frozenset({"SuccessfulCreate", "ProvisioningSucceeded"})
_NO_CLASS: Final = re.compile(r'^storageclass\S* "([^"]+)" not found')
_NO_DEFAULT: Final = "no storage class is set"


def why_missing(events: Iterable[ObjectEvent]) -> str:
    """What the last try to make a pod or a volume failed for, from an object's events, the newest first; else nothing."""
    for event in events:
        if event.reason in _FAILURES:
            return event.message
        if event.reason in _SUCCESSES:
            return ""
    return ""


def refusal(answer: str) -> tuple[Reason, str]:
    """The reason and the words for pods that the API server refused with this answer.

    The name of the pod that was tried is left out: it is another one at each try.
    """
    words = _VALUE.sub(r"\1…", _POD_NAME.sub("", _CREATING.sub("", answer.strip())))
    found = ((reason, who) for pattern, reason, who in _LEADS if pattern.search(words))
    reason, who = next(found, (Reason.HEALTH_CHECK_FAILED, ""))
    by = f" by {who}" if who else ""
    return reason, f"its pods are refused{by}: {shown(words, _LONGEST).rstrip('.')}."


def why_no_volume_comes(answer: str) -> str:
    """What somebody must change before there can be a volume, as a part of a sentence; empty when one may yet come by itself.

    The words of the controller that binds volumes (kubernetes, pkg/controller/volume/persistentvolume).
    """
    missing = _NO_CLASS.match(answer)
    if missing:
        return f"it gets no volume: StorageClass {shown(missing[1])} does not exist."
    if _NO_DEFAULT in answer:
        return "it gets no volume: it names no StorageClass, and the cluster has no default one."
    return ""
