"""What the API server's refusals mean to us: errors of ours that name the object and the field, and quote no value.

The wording of a refusal is no API; the patterns here are those of Kubernetes 1.36, each held by a test on the real server.
A refusal that is not recognized is still classified by its status code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from ocdp_operator.adapters.cluster.client import Answer
from ocdp_operator.errors import Actor, Conflict, OcdpError, Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.kinds import CLAIM, SECRET
from ocdp_operator.model.objects import ObjectRef

_QUOTA: Final = re.compile(r"(?:exceeded|failed) quota: (.*)", re.DOTALL)
_RIGHTS: Final = re.compile(r'User ".*" cannot (\w+) resource "([\w./-]+)" in API group')
_ADMISSION: Final = re.compile(
    r"""(admission webhook "[^"]+"|ValidatingAdmissionPolicy '[^']+' with binding '[^']+') denied (?:the )?request:? ?(.*)""",
    re.DOTALL,
)
_WEBHOOK_AWAY: Final = re.compile(r'failed calling webhook "([^"]+)"')
_IMMUTABLE: Final = re.compile(
    r"Forbidden: (?:spec is immutable after creation|updates to \w+ spec for fields other than|"
    r"field is immutable|field can not be less than)"
    r"|Invalid value: .*: (?:field is immutable|may not change once set|field can ?not be changed)",
    re.DOTALL,
)
"""The whole of a cause: a value that is quoted in it says nothing, whatever it holds. It only words what the planner of updates
let through (``plan/updating.py``); no object is ever made anew because of it."""
_OWN_RIGHTS: Final = "Restore the operator's ClusterRole, Role and bindings (config/rbac)."
_FROZEN: Final = {
    "Secret": "Somebody made it immutable. Delete {}: it is made anew, with new values for what was generated.",
    "ConfigMap": "Somebody made it immutable. Delete {}: it is made anew.",
}
"""Whether one that we sent as immutable can change is known before it is sent."""
_NO_GROWTH: Final = "storageclass that provisions the pvc must support resize"
_PORT_TAKEN: Final = "provided port is already allocated"
_NO_PORT_LEFT: Final = "failed to allocate a nodePort"
"""Comes as an internal error, with HTTP status 500."""
_TAKEN_PORT: Final = re.compile(rf"([0-9]{{1,5}}): {_PORT_TAKEN}")
_MALFORMED: Final = ("failed to create typed patch object", "failed to convert new object")
"""Server-side apply answers 500 to an object that does not fit its kind's schema."""
_SCHEMA_PATH: Final = re.compile(
    r"\): (\.[^:\s]+): (field not declared in schema|duplicate entries|expected \w+)?"
)
_UNDECLARED: Final = re.compile(r'unknown field "([\w.\[\]-]{1,100})"')
_PATCH: Final = "patch"
"""What the API server names as the field when it cannot read the patch itself."""
_UID: Final = "metadata.uid"
_MOST_FIELDS: Final = 5
_LONGEST_DETAIL: Final = 300
_PLAIN: Final = {
    "FieldValueRequired": "is required",
    "FieldValueForbidden": "is forbidden",
    "FieldValueDuplicate": "is given twice",
    "FieldValueNotSupported": "has a value that is not supported",
    "FieldValueTooLong": "is too long",
    "FieldValueTooMany": "has too many items",
    "FieldValueNotFound": "refers to something that does not exist",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, in words for a message."""

    verb: str
    ref: ObjectRef
    namespace: str
    asker: str = "the operator has"
    """Whose rights count."""

    def __str__(self) -> str:
        return str(self.ref)

    @property
    def is_ours(self) -> bool:
        """The claim itself, or the Lease: nothing in it comes from a template."""
        return self.ref.kind in (CLAIM.kind, "Lease")


def require(answer: Answer, request: Request) -> Mapping[str, Any]:
    """The object that was answered. Raises Conflict, Waiting or Stalled when the request was refused."""
    if not answer.ok:
        refuse(answer, request)
    return answer.json()


def refuse(answer: Answer, request: Request) -> NoReturn:
    """Raises what the refusal means."""
    status = answer.json()
    text = str(status.get("message") or "")
    error = _by_admission(text, request) or _by_code(answer.status, status, text, request)
    if isinstance(error, ReconcileError):
        error.not_before = answer.retry_after
    raise error


def _by_admission(text: str, request: Request) -> OcdpError | None:
    """Refusals that come under many codes."""
    denied = _ADMISSION.search(text)
    if denied:
        deletes = request.verb == "delete"
        reason, what = (Reason.PRUNE_FAILED, "its deletion") if deletes else (Reason.APPLY_FAILED, "it")
        return Stalled(reason, f"{request}: the {denied[1]} refuses {what}{_quoted(denied[2], request)}.")
    away = _WEBHOOK_AWAY.search(text)
    if away:
        return Waiting(
            Reason.CLUSTER_UNAVAILABLE,
            f"{request}: the admission webhook {away[1]} does not answer the API server.",
            remedy="Bring the webhook back, or remove its configuration.",
        )
    return None


def _by_code(code: int, status: Mapping[str, Any], text: str, request: Request) -> OcdpError:
    meaning = _MEANINGS.get(code)
    if meaning is not None:
        return meaning(status, text, request)
    if text.startswith(_MALFORMED):
        return _malformed(text, request)
    if _NO_PORT_LEFT in text:
        return Waiting(
            Reason.NODE_PORT_TAKEN,
            f"{request}: the cluster has no free node port.",
            actor=Actor.CLUSTER_OPERATOR,
            remedy="Free node ports that nobody uses, or give the API server a larger range; until then choose another exposure.",
        )
    if code >= 500:
        return Waiting(Reason.CLUSTER_UNAVAILABLE, f"The API server failed with HTTP status {code}.")
    undeclared = _undeclared(text, request)
    return undeclared or _failed(f"{request}: the API server refuses it with HTTP status {code}.", request)


def _undeclared(text: str, request: Request) -> OcdpError | None:
    found = _UNDECLARED.search(text)
    return _failed(f"{request}: {found[1]} is not declared by its CRD.", request) if found else None


def _conflicting(status: Mapping[str, Any], _: str, request: Request) -> OcdpError:
    if (status.get("details") or {}).get("kind") == "resourcequotas":
        return Waiting(Reason.QUOTA_EXCEEDED, f"{request}: the namespace's quota was being counted.")
    return Conflict(f"{request} changed, came or went since it was read.")


def _forbidden(status: Mapping[str, Any], text: str, request: Request) -> OcdpError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in _causes(status)):
        return _terminating(request)
    quota = _QUOTA.search(text)
    if quota:
        return Waiting(Reason.QUOTA_EXCEEDED, f"{request}: exceeds the quota {quota[1][:_LONGEST_DETAIL]}.")
    rights = _RIGHTS.search(text)
    if rights:
        where = f" in namespace {request.namespace}" if request.namespace else ""
        return Waiting(
            Reason.FORBIDDEN,
            f"{request}: {request.asker} no right to {rights[1]} {rights[2]}{where}.",
            remedy=_OWN_RIGHTS if request.is_ours or not request.namespace else "",
        )
    if _NO_GROWTH in text:
        return Stalled(
            Reason.IMMUTABLE_FIELD_CONFLICT,
            f"{request}: its StorageClass does not let volumes grow.",
            remedy="Keep the size, or let the StorageClass allow volume expansion.",
        )
    detail = text.partition(" is forbidden: ")[2]
    return Waiting(
        Reason.FORBIDDEN,
        f"{request}: the API server forbids it{_quoted(detail, request)}.",
        remedy="Change the object, or what forbids it in this namespace.",
    )


def _terminating(request: Request) -> Waiting:
    return Waiting(Reason.NAMESPACE_TERMINATING, f"The namespace {request.namespace} is being deleted.")


def _missing(status: Mapping[str, Any], _: str, request: Request) -> OcdpError:
    kind = (status.get("details") or {}).get("kind")
    if kind == "namespaces":
        return _terminating(request)
    if kind:
        return Conflict(f"{request} is gone.")
    return Waiting(
        Reason.CLUSTER_UNAVAILABLE,
        f"{request}: the API server does not serve this kind.",
        remedy="Install the operator's CRDs, and check that the cluster serves the kinds of the template.",
    )


def _invalid(status: Mapping[str, Any], _: str, request: Request) -> OcdpError:
    causes = _causes(status)
    fields = list(dict.fromkeys(str(cause.get("field") or "") for cause in causes))
    texts = [str(cause.get("message") or "") for cause in causes]
    if _UID in fields:
        return Conflict(f"{request} is another object by now.")
    if any(_PORT_TAKEN in text for text in texts):
        return _port_taken(fields, texts, request)
    unchangeable = [
        field for field, text in zip(map(_field, causes), texts, strict=True) if _is_immutable(text)
    ]
    if unchangeable and not request.is_ours:
        where = _listed(list(dict.fromkeys(unchangeable)))
        return Stalled(
            Reason.IMMUTABLE_FIELD_CONFLICT,
            f"{request}: {where} cannot be changed.",
            remedy=_FROZEN.get(request.ref.kind, "").format(request),
        )
    if request.is_ours and "metadata.annotations" in fields:
        return Stalled(
            Reason.INVALID_CLAIM,
            f"{request}: its annotations leave no room for the operator's own.",
            value_path="/metadata/annotations",
            remedy="Remove annotations from the claim: all of them together may have 256 KiB.",
        )
    of_patch = " ".join(
        text for cause, text in zip(causes, texts, strict=True) if cause.get("field") == _PATCH
    )
    undeclared = _undeclared(of_patch, request)
    if undeclared is not None:
        return undeclared
    described = "; ".join(dict.fromkeys(_described(cause) for cause in causes[:_MOST_FIELDS]))
    return _failed(f"{request} is not valid: {described or 'the API server does not say why'}.", request)


def _is_immutable(text: str) -> bool:
    found = _IMMUTABLE.match(text)
    # What follows a quoted value is the reason, and the last thing that is said.
    return found is not None and (text.startswith("Forbidden") or found.end() == len(text))


def _port_taken(fields: Sequence[str], texts: Sequence[str], request: Request) -> OcdpError:
    """Says which port: a number that everybody may know, since anybody can try it."""
    taken = [found[1] for text in texts if (found := _TAKEN_PORT.search(text))]
    ports = f"node port {', '.join(taken)}" if taken else "this node port"
    return Waiting(
        Reason.NODE_PORT_TAKEN, f"{request}: {_listed(fields)}: another Service has {ports}, and keeps it."
    )


def _malformed(text: str, request: Request) -> OcdpError:
    found = _SCHEMA_PATH.search(text)
    if not found:
        return _failed(f"{request} does not fit the schema of its kind.", request)
    what = (
        "is not a field of this kind"
        if found[2] == "field not declared in schema"
        else "does not fit the schema"
    )
    if found[2] == "duplicate entries":
        what = "has two items of one name"
    return _failed(f"{request}: {found[1].removeprefix('.')} {what}.", request)


def _failed(message: str, request: Request) -> ReconcileError:
    if not request.is_ours:
        return Stalled(Reason.APPLY_FAILED, message)
    return Waiting(
        Reason.INTERNAL_ERROR,
        message,
        actor=Actor.CLUSTER_OPERATOR,
        remedy="Install the CRDs that belong to this version of the operator.",
    )


def _unknown(_: Mapping[str, Any], __: str, ___: Request) -> OcdpError:
    return Waiting(
        Reason.FORBIDDEN,
        "The API server does not accept the operator's login.",
        remedy="Renew the operator's kubeconfig, or look at its service account.",
    )


def _outdated(_: Mapping[str, Any], __: str, ___: Request) -> OcdpError:
    return Waiting(
        Reason.CLUSTER_UNAVAILABLE, "The API server no longer knows what the rest of the list was."
    )


def _overloaded(_: Mapping[str, Any], __: str, ___: Request) -> OcdpError:
    return Waiting(Reason.CLUSTER_UNAVAILABLE, "The API server has more requests than it can answer.")


_MEANINGS: Final = {
    401: _unknown,
    403: _forbidden,
    404: _missing,
    409: _conflicting,
    410: _outdated,
    422: _invalid,
    429: _overloaded,
}


def _causes(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (status.get("details") or {}).get("causes") or ()


def _field(cause: Mapping[str, Any]) -> str:
    return str(cause.get("field") or "")


def _listed(fields: Sequence[str]) -> str:
    more = f" and {len(fields) - _MOST_FIELDS} more" if len(fields) > _MOST_FIELDS else ""
    return ", ".join(fields[:_MOST_FIELDS]) + more


def _described(cause: Mapping[str, Any]) -> str:
    return f"{_field(cause) or 'a field'} {_PLAIN.get(str(cause.get('reason')), 'has a value that is not allowed')}"


def _quoted(text: str, request: Request) -> str:
    """What somebody else's rule says, which alone can tell what to do; never about a Secret."""
    text = " ".join(text.split()).rstrip(".")
    return f": {text[:_LONGEST_DETAIL]}" if text and request.ref.kind != SECRET.kind else ""
