"""What the API server's refusals of a user's own request mean, as sentences for that user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.adapters.cluster.client import Answer
from ocdp_operator.errors import OcdpError, Reason, Refused, Waiting

_BY_POLICY: Final = re.compile(
    r"(?:ValidatingAdmissionPolicy '[^']+' with binding '[^']+'|admission webhook \"[^\"]+\") denied "
    r"(?:the )?request:? ?(.*)",
    re.DOTALL,
)
_QUOTED_VALUE: Final = re.compile(
    r'^(?:Invalid|Unsupported|Too long|Required) value: (?:"(?:[^"\\]|\\.)*": )?'
)
_RIGHTS: Final = re.compile(r'User "(.*)" cannot (\w+) resource "([\w./-]+)" in API group')
_AWAY: Final = "Check the server of the kubeconfig's context, and try again."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asked for: a verb, and the claim it is about; no name: all of a namespace; no namespace: all."""

    verb: str
    namespace: str
    name: str = ""

    def __str__(self) -> str:
        what = f"claim {self.name}" if self.name else "claims"
        return f"{what} in {self.where}"

    @property
    def where(self) -> str:
        """The namespace, in words."""
        return f"namespace {self.namespace}" if self.namespace else "all namespaces"


def away(message: str) -> Waiting:
    """The API server does not answer, told to a user."""
    return Waiting(Reason.CLUSTER_UNAVAILABLE, message, remedy=_AWAY)


def denial(answer: Answer, asked: Asked) -> OcdpError:
    """The error that a refusal is: Refused, or Waiting when asking again later may help."""
    status = answer.json()
    text = " ".join(str(status.get("message") or "").split())
    by_policy = _BY_POLICY.search(text)
    if by_policy:
        return Refused(f"The {asked} is refused: {by_policy[1].rstrip('.')}.")
    if answer.status == 429 or answer.status >= 500:
        return away(f"The API server cannot answer now: HTTP status {answer.status}.")
    meaning = _MEANINGS.get(answer.status)
    if meaning is not None:
        return meaning(status, text, asked)
    return Refused(f"The {asked} is refused: {text.rstrip('.') or f'HTTP status {answer.status}'}.")


def _unknown(_: Mapping[str, Any], __: str, ___: Asked) -> OcdpError:
    return Refused("The API server does not accept the kubeconfig's login.", remedy="Log in anew.")


def _forbidden(_: Mapping[str, Any], text: str, asked: Asked) -> OcdpError:
    rights = _RIGHTS.search(text)
    if rights:
        return Refused(
            f"The user {rights[1]} may not {rights[2]} {rights[3]} in {asked.where}.",
            remedy="Ask the platform team for a role there, or choose another namespace or context.",
        )
    detail = text.partition(" is forbidden: ")[2] or text
    return Refused(f"The {asked} is refused: {detail.rstrip('.')}.")


def _missing(status: Mapping[str, Any], _: str, asked: Asked) -> OcdpError:
    kind = (status.get("details") or {}).get("kind")
    if kind == "namespaces":
        return Refused(
            f"There is no namespace {asked.namespace}.", remedy="Name another one with --namespace."
        )
    if not kind or not asked.name:
        return Refused(
            "This cluster does not know claims.",
            remedy="Choose another --context, or have the operator's CRDs installed.",
        )
    return Refused(
        f"There is no claim {asked.name} in {asked.where}.",
        remedy=f"See which there are: ocdp claim list -n {asked.namespace}",
    )


def _conflicting(status: Mapping[str, Any], _: str, asked: Asked) -> OcdpError:
    if status.get("reason") == "AlreadyExists":
        return Refused(
            f"There is a claim {asked.name} in {asked.where} already.",
            remedy=f"Choose another name, or look at it: ocdp claim get {asked.name} -n {asked.namespace}",
        )
    return Refused(f"The {asked} was changed at the same moment.", remedy="Try again.")


def _invalid(status: Mapping[str, Any], text: str, asked: Asked) -> OcdpError:
    causes = (status.get("details") or {}).get("causes") or ()
    faults = list(dict.fromkeys(_fault(cause) for cause in causes))
    return Refused("\n  ".join([f"The {asked} is not valid:", *(faults or [text])]))


def _fault(cause: Mapping[str, Any]) -> str:
    field = str(cause.get("field") or "").removeprefix("<nil>")
    message = _QUOTED_VALUE.sub("", str(cause.get("message") or ""))
    return f"{field}: {message}" if field else message


_MEANINGS: Final = {
    400: _invalid,
    401: _unknown,
    403: _forbidden,
    404: _missing,
    409: _conflicting,
    422: _invalid,
}
