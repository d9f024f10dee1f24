"""What the API server's audit log says of who changed what."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def counted(self, namespace: str, verb: str, *codes: int) -> Counter[str]:
        """How often a verb was done to each object, with one of these answers."""
        return Counter(
            f"{each.resource}/{each.name}"
            for each in self.changes(namespace)
            if each.verb == verb and each.code in codes
        )


def _change(event: dict[str, Any]) -> Change:
    ref = event.get("objectRef", {})
    resource = "/".join(part for part in (ref.get("resource", ""), ref.get("subresource", "")) if part)
    code = event.get("responseStatus", {}).get("code", 0)
    return Change(event["verb"], resource, ref.get("namespace", ""), ref.get("name", ""), code)
