"""A claim as people read it: a row of a list, the verdict after a command, and the whole account of ``get``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ocdp_operator.adapters.cluster.claims import RawClaim
from ocdp_operator.cli.claims.upgrading import profiles
from ocdp_operator.errors import Stalled
from ocdp_operator.model.claim import ClaimStatus, DeletionPolicy, Endpoint, Identity, WorkloadClaim
from ocdp_operator.model.conditions import Condition

INTERNAL: Final = "internal"
"""The endpoint that only the cluster itself reaches."""
ANY_NODE: Final = "<any-node>"
"""In the URL of a node port: the address of a node, which the user knows and the operator does not."""
COLUMNS: Final = ("NAME", "TEMPLATE", "DESIRED", "APPLIED", "READY", "REASON", "URL", "AGE")
_LAST_EVENTS: Final = 10
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))

Pairs = Iterator[tuple[str, str]]


def row(raw: RawClaim, now: datetime) -> tuple[str, ...]:
    """The cells of COLUMNS."""
    name, created = raw["metadata"]["name"], raw["metadata"].get("creationTimestamp", "")
    try:
        claim = WorkloadClaim.parse(raw)
    except Stalled as error:
        return (name, "-", "-", "-", "False", error.reason, "-", age(created, now))
    ready, in_force = claim.status.condition_set.get("Ready"), claim.status.template
    return (
        name,
        claim.spec.template_id,
        _number(claim.spec.template_revision or (in_force.revision if in_force else None)),
        _number(claim.status.history[0].revision if claim.status.history else None),
        ready.status if ready else "-",
        ready.reason if ready else "-",
        claim.status.url or "-",
        age(created, now),
    )


def told(raw: RawClaim) -> Iterator[str]:
    """The operator's verdict in a few lines: Ready or not, who must act, where it answers, how to read the credentials."""
    claim = WorkloadClaim.parse(raw)
    ready = claim.status.condition_set.get("Ready")
    if ready is None:
        yield "Not ready: the operator has not looked at it yet."
        return
    good = claim.status.condition_set.is_true("Ready")
    yield f"{'Ready' if good else 'Not ready'}: {ready.reason}. {ready.message}".rstrip()
    yield from aligned(_failure(claim.status, beside=ready))
    if good:
        yield from aligned([*_addresses(claim.status), *credentials(claim)])


def account(raw: RawClaim, now: datetime) -> Iterator[str]:
    """The first part of ``get``: what was asked for, what runs, and what is wrong."""
    claim = WorkloadClaim.parse(raw)
    yield from aligned([*_asked(claim, now), *_running(claim), *_failure(claim.status)])


def conditions(raw: RawClaim, now: datetime) -> list[tuple[str, ...]]:
    """TYPE, STATUS, REASON, SINCE, MESSAGE."""
    found = WorkloadClaim.parse(raw).status.conditions
    return [(c.type, c.status, c.reason, age(c.last_transition_time, now), c.message) for c in found]


def credentials_of(raw: RawClaim) -> list[tuple[str, str]]:
    """CREDENTIAL, PRINTED BY."""
    return list(credentials(WorkloadClaim.parse(raw)))


def is_internal(endpoint: Endpoint) -> bool:
    """Only the cluster itself reaches it."""
    return endpoint.name.partition("-")[0] == INTERNAL


def endpoints(raw: RawClaim) -> list[tuple[str, str]]:
    """NAME, URL."""
    return [(each.name, each.url) for each in WorkloadClaim.parse(raw).status.endpoints]


def events(found: Sequence[Mapping[str, Any]], now: datetime) -> list[tuple[str, ...]]:
    """AGE, TYPE, REASON, MESSAGE of the last ones."""
    return [
        (
            age(str(e.get("lastTimestamp") or e.get("eventTime") or ""), now),
            str(e.get("type", "")),
            str(e.get("reason", "")),
            str(e.get("message", "")),
        )
        for e in found[-_LAST_EVENTS:]
    ]


def credentials(claim: WorkloadClaim) -> Pairs:
    """Key -> the command that prints its value; no value is ever printed here."""
    secret = claim.status.credentials_secret_ref
    if secret is None:
        return
    for key in secret.keys:
        path = key.replace(".", "\\.")
        where = f"{secret.name} -n {claim.key.namespace}"
        yield key, f"kubectl get secret {where} -o jsonpath='{{.data.{path}}}' | base64 -d"


def kept(claim: WorkloadClaim) -> tuple[DeletionPolicy, tuple[str, ...]]:
    """The deletion policy that is in force, and the objects that stay under it."""
    policy = claim.spec.deletion_policy or claim.status.deletion_policy or DeletionPolicy.RETAIN_DATA
    if policy is DeletionPolicy.DELETE:
        return policy, ()
    return policy, tuple(sorted(f"{e.ref.kind}/{e.ref.name}" for e in claim.status.recorded if e.is_data))


def port_forward(url: str) -> tuple[str, str]:
    """For an internal URL: the command that makes it reachable, and the URL it then has."""
    parts = urlsplit(url)
    service, _, rest = (parts.hostname or "").partition(".")
    namespace = rest.partition(".")[0]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    local = port if port >= 1024 else 8000 + port
    return (
        f"kubectl port-forward -n {namespace} service/{service} {local}:{port}",
        f"{parts.scheme}://localhost:{local}",
    )


def aligned(pairs: Sequence[tuple[str, str]] | Pairs) -> Iterator[str]:
    """Lines of two columns."""
    found = list(pairs)
    width = max((len(name) for name, _ in found), default=0)
    return (f"{name:<{width}}  {value}".rstrip() for name, value in found)


def age(since: str, now: datetime) -> str:
    """As kubectl tells it, in one unit; ``-`` when it is not known."""
    try:
        seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    except ValueError:
        return "-"
    for length, unit in _UNITS:
        if seconds >= 2 * length or length == 1:
            return f"{max(0, seconds) // length}{unit}"
    return "-"


def _asked(claim: WorkloadClaim, now: datetime) -> Pairs:
    yield "claim", f"{claim.key.name} in namespace {claim.key.namespace}"
    yield "age", age(claim.created, now)
    yield (
        "template",
        claim.spec.template_id
        + (f", pinned to revision {claim.spec.template_revision}" if claim.spec.template_revision else ""),
    )
    yield "workspace", claim.spec.workspace_id
    for label, who in (("made by", claim.spec.requested_by), ("changed by", claim.spec.changed_by)):
        if isinstance(who, Identity) and who.username:
            yield label, who.username
    policy, objects = kept(claim)
    stay = "stays" if len(objects) == 1 else "stay"
    yield "on deletion", f"{policy}: {', '.join(objects)} {stay}" if objects else str(policy)


def _running(claim: WorkloadClaim) -> Pairs:
    status = claim.status
    if status.template:
        yield "revision", f"{status.template.revision} at commit {status.template.commit[:12]}"
        if status.template.available:
            yield (
                "update",
                f"revision {status.template.available} is there: ocdp claim upgrade {claim.key.name} -n {claim.key.namespace}",
            )
    if status.profiles:
        yield "profiles", profiles(status.profiles)
    if newest := status.available_profiles:
        others = [each for each in newest if each not in status.profiles] or newest
        yield (
            "update",
            f"profile {profiles(others)} is there: ocdp claim upgrade {claim.key.name} -n {claim.key.namespace}",
        )
    if status.pending_prune:
        count = len(status.pending_prune.objects)
        meant = f"If it is meant: ocdp claim approve {claim.key.name} -n {claim.key.namespace}"
        yield "blocked", f"{status.pending_prune.reason} ({count} objects) {meant}"


def _failure(status: ClaimStatus, *, beside: Condition | None = None) -> Pairs:
    """What is wrong, unless it was told just before, and what can be done about it by whom."""
    failure = status.failure
    if failure is None:
        return
    told = beside is not None and failure.code == beside.reason and beside.message.startswith(failure.message)
    if not told:
        yield "failure", f"{failure.code}: {failure.message}"
    if failure.value_path:
        yield "where", failure.value_path
    yield "who must act", failure.actor
    yield "what to do", failure.remedy


def _addresses(status: ClaimStatus) -> Pairs:
    reachable = [each for each in status.endpoints if not is_internal(each)]
    for each in reachable:
        yield "open", each.url
    if not reachable and status.url:
        command, local = port_forward(status.url)
        yield "open", f"{local} after: {command}"


def _number(value: int | None) -> str:
    return str(value) if value else "-"
