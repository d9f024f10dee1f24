"""What the API server's audit log says of who changed what."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ocdp_operator.dev.controlplane import ADMIN

OPERATOR = "system:serviceaccount:ocdp-system:ocdp-operator"
LEASE = ("leases", "ocdp-system", "ocdp-operator")
"""The one object that the operator writes at rest."""


@dataclass(frozen=True)
class Change:
    """One mutating request of the operator's account, done or refused."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    trial: bool = False
    """A dry run."""

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
        change = next(event for event in self._done(namespace) if _is_of_a_person(event))
        return self.seconds_between(_object(change), _object(change), namespace)

    def seconds_between(self, changed: str, repaired: str, namespace: str) -> float:
        """From somebody's first change of one object (``plural/name``) to the operator's next write of another or the same."""
        done = self._done(namespace)
        change = next(each for each in done if _object(each) == changed and _is_of_a_person(each))
        repair = next(
            each
            for each in done
            if _object(each) == repaired
            and each["user"]["username"] == OPERATOR
            and _moment(each) > _moment(change)
        )
        return (_moment(repair) - _moment(change)).total_seconds()

    def _done(self, namespace: str) -> list[dict[str, Any]]:
        """Every write in the namespace that was not refused, of anybody."""
        with self._log.open("rb") as log:
            log.seek(self._from)
            events = [json.loads(line) for line in log if line.endswith(b"\n")]
        return [
            event
            for event in events
            if event.get("objectRef", {}).get("namespace") == namespace
            and event.get("responseStatus", {}).get("code", 0) < 300
            and not _change(event).trial
        ]

    def counted(self, namespace: str, verb: str, *codes: int) -> Counter[str]:
        """How often a verb was done to each object, with one of these answers."""
        return Counter(
            f"{each.resource}/{each.name}"
            for each in self.changes(namespace)
            if each.verb == verb and each.code in codes
        )


def _object(event: dict[str, Any]) -> str:
    ref = event.get("objectRef", {})
    return f"{ref.get('resource', '')}/{ref.get('name', '')}"


def _is_of_a_person(event: dict[str, Any]) -> bool:
    return bool(event["user"]["username"] == ADMIN)


def _moment(event: dict[str, Any]) -> datetime:
    """When the API server was done with it."""
    return datetime.fromisoformat(event["stageTimestamp"])


def _change(event: dict[str, Any]) -> Change:
    ref = event.get("objectRef", {})
    resource = "/".join(part for part in (ref.get("resource", ""), ref.get("subresource", "")) if part)
    code = event.get("responseStatus", {}).get("code", 0)
    trial = "dryRun" in event["requestURI"]
    return Change(event["verb"], resource, ref.get("namespace", ""), ref.get("name", ""), code, trial)
