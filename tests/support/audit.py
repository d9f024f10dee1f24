"""What the API server's audit log says of who changed what."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

OPERATOR = "system:serviceaccount:ocdp-system:ocdp-operator"
LEASE = ("leases", "ocdp-system", "ocdp-operator")
"""The one object that the operator writes at rest."""


CONTROLLERS = frozenset(
    {"system:kube-controller-manager", "system:kube-scheduler", "system:apiserver", "kwok"}
)


@dataclass(frozen=True)
class Change:
    """One mutating request of the operator's account, done or refused."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}: {self.code}"


class Audit:
    """What was written since it was made, or since ``begin``."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.begin()

    def begin(self) -> None:
        """Forgets what was before."""
        self._from = len(self._log.read_bytes())

    def changes(self, namespace: str | None = None) -> list[Change]:
        """The operator's, of its Lease excepted; those in one namespace if it is given."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        found = [_change(event) for event in events if event["user"]["username"] == OPERATOR]
        return [
            each
            for each in found
            if (each.resource, each.namespace, each.name) != LEASE and namespace in (None, each.namespace)
        ]

    def seconds_to_repair(self, namespace: str) -> float:
        """From somebody's first change of an object in the namespace to the operator's next write of that object."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        written = [
            event
            for event in events
            if event.get("objectRef", {}).get("namespace") == namespace
            and event.get("responseStatus", {}).get("code", 0) < 300
            and "dryRun" not in event["requestURI"]
        ]
        people = [
            event for event in written if not event["user"]["username"].startswith("system:serviceaccount:")
        ]
        people = [event for event in people if event["user"]["username"] not in CONTROLLERS]
        change = people[0]
        same = [event for event in written if _object(event) == _object(change)]
        repair = next(
            event
            for event in same
            if event["user"]["username"] == OPERATOR and _moment(event) > _moment(change)
        )
        return (_moment(repair) - _moment(change)).total_seconds()

    def counted(self, namespace: str, verb: str, *codes: int) -> Counter[str]:
        """How often a verb was done to each object, with one of these answers."""
        return Counter(
            f"{each.resource}/{each.name}"
            for each in self.changes(namespace)
            if each.verb == verb and each.code in codes
        )


def _object(event: dict[str, Any]) -> tuple[str, str]:
    ref = event.get("objectRef", {})
    return ref.get("resource", ""), ref.get("name", "")


def _moment(event: dict[str, Any]) -> datetime:
    """When the API server was done with it."""
    return datetime.fromisoformat(event["stageTimestamp"])


def _change(event: dict[str, Any]) -> Change:
    ref = event.get("objectRef", {})
    resource = "/".join(part for part in (ref.get("resource", ""), ref.get("subresource", "")) if part)
    code = event.get("responseStatus", {}).get("code", 0)
    return Change(event["verb"], resource, ref.get("namespace", ""), ref.get("name", ""), code)
