"""What git complains of, as our errors. Its own words are read here and never shown: they may hold anything."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from ocdp_operator.adapters.confined import Ended
from ocdp_operator.errors import Actor, Dependency, Reason, ReconcileError, Stalled, Waiting

_CHECK_URL: Final = "Correct the template's repositoryUrl, or make the repository readable for the operator."


@dataclass(frozen=True, slots=True)
class _Complaint:
    pattern: re.Pattern[str]
    reason: Reason
    what: str
    """After "The repository <url> "."""
    stalls: bool = False
    actor: Actor | None = None
    remedy: str = ""


def _complaint(pattern: str, reason: Reason, what: str, **rest: bool | str | Actor | None) -> _Complaint:
    return _Complaint(re.compile(pattern, re.IGNORECASE), reason, what, **rest)  # type: ignore[arg-type]


_REFUSED_OBJECTS: Final = _complaint(
    r"fsck error|fsck failed",
    Reason.UNSAFE_BUILD,
    "holds objects that git's own check refuses",
    stalls=True,
    remedy="Repair the repository: `git fsck` names the objects.",
)
_COMPLAINTS: Final = (
    _complaint(
        r"Out of memory|malloc failed|maximum allowed tree depth|died of signal (24|11)\b",
        Reason.SOURCE_TOO_LARGE,
        "takes more memory, processor time or depth to unpack than it may",
        stalls=True,
    ),
    _complaint(
        r"File too large|file size limit|died of signal 25",
        Reason.SOURCE_TOO_LARGE,
        "is larger than the operator fetches",
        stalls=True,
    ),
    _complaint(
        r"No space left on device|Disk quota exceeded|Read-only file system",
        Reason.GIT_OPERATION_FAILED,
        "could not be stored: the operator's work directory is full, or cannot be written",
        remedy="Give the operator's work directory more room.",
    ),
    _complaint(
        r"not our ref|unadvertised object|couldn't find remote ref|no such remote ref|bad object",
        Reason.REF_NOT_FOUND,
        "has no such commit, or does not hand it out",
        stalls=True,
    ),
    _complaint(
        r"could not read (Username|Password)|Authentication failed|terminal prompts disabled"
        r"|returned error: 401|Access denied|invalid credentials",
        Reason.AUTHENTICATION_FAILED,
        "refuses the operator's credentials, or wants some",
    ),
    _complaint(
        r"returned error: 403",
        Reason.AUTHENTICATION_FAILED,
        "does not let the operator read it",
        remedy="Give the account of this origin's credentials the right to read the repository.",
    ),
    _complaint(
        r"repository '.*' not found|returned error: (404|410)|does not appear to be a git repository"
        r"|not valid: is this a git repository",
        Reason.GIT_OPERATION_FAILED,
        "is not there, or is hidden from the operator",
        actor=Actor.PLATFORM,
        remedy=_CHECK_URL,
    ),
    _complaint(
        r"returned error: 3\d\d|unable to update url base from redirection",
        Reason.URL_NOT_ALLOWED,
        "answers with a redirect, which is never followed",
        stalls=True,
        remedy="Publish the template with the URL that the server redirects to.",
    ),
    _complaint(
        r"\bSSL\b|certificate|\bTLS\b|gnutls",
        Reason.GIT_OPERATION_FAILED,
        "has a TLS certificate that is not accepted",
        remedy="Give the operator's image the authority that signed the certificate.",
    ),
    _complaint(
        r"Could not resolve host", Reason.GIT_OPERATION_FAILED, "is on a host whose name does not resolve"
    ),
    _complaint(
        r"Failed to connect|Couldn't connect|Connection refused|Connection timed out|Connection reset"
        r"|Recv failure|Empty reply",
        Reason.GIT_OPERATION_FAILED,
        "is on a server that does not answer",
    ),
    _complaint(
        r"Operation too slow|bytes/sec transferred the last",
        Reason.GIT_OPERATION_FAILED,
        "answers too slowly",
    ),
    _complaint(
        r"returned error: (429|5\d\d)", Reason.GIT_OPERATION_FAILED, "is on a server that is in trouble"
    ),
    _REFUSED_OBJECTS,
    _complaint(
        r"transfer closed|still expected|unexpected disconnect|early EOF|hung up unexpectedly|HTTP/2 (stream|framing)",
        Reason.GIT_OPERATION_FAILED,
        "is on a server that broke off its answer",
    ),
    # Only now: half a pack is no pack either.
    replace(
        _REFUSED_OBJECTS,
        pattern=re.compile(
            r"index-pack failed|unpack-objects (error|failed)|invalid index-pack|bad pack", re.IGNORECASE
        ),
    ),
)


def failure(ended: Ended, url: str, shown_url: str) -> ReconcileError:
    """The error for a git command that did not succeed at this repository."""
    if ended.timed_out:
        return _waiting(url, f"The repository {shown_url} did not answer in time.")
    for complaint in _COMPLAINTS:
        if complaint.pattern.search(_words(ended, url)):
            message = f"The repository {shown_url} {complaint.what}."
            if complaint.stalls:
                return Stalled(complaint.reason, message, actor=complaint.actor, remedy=complaint.remedy)
            return Waiting(
                complaint.reason,
                message,
                dependency=dependency(url),
                actor=complaint.actor,
                remedy=complaint.remedy,
            )
    return _waiting(url, f"The repository {shown_url} could not be read: git ended with code {ended.code}.")


def is_recognised(ended: Ended, url: str) -> bool:
    """Whether the failure is the remote's; otherwise the mirror itself may be broken."""
    return ended.timed_out or any(each.pattern.search(_words(ended, url)) for each in _COMPLAINTS)


def _words(ended: Ended, url: str) -> str:
    """The complaint without the URL, which git repeats and which may hold any of the words."""
    return ended.errors.replace(url, "")


def dependency(url: str) -> Dependency:
    """What claims wait for when this repository is away."""
    return Dependency("source", url)


def _waiting(url: str, message: str) -> Waiting:
    return Waiting(Reason.GIT_OPERATION_FAILED, message, dependency=dependency(url))
