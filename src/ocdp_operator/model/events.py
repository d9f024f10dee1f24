"""Events: ours, told once, on a transition; and those of others that explain what an object waits for."""

from __future__ import annotations

from dataclasses import dataclass

from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import ClaimKey


@dataclass(frozen=True, slots=True)
class ClaimEvent:
    """One line of ``kubectl describe``; the reason is a condition reason, so that both agree."""

    key: ClaimKey
    uid: str
    reason: Reason
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """What a controller told about one object."""

    reason: str
    message: str
    at: str = ""
    """When it was told last, as the API server writes it."""
    warning: bool = False
