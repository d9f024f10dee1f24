"""How often the operator, at log level debug, looked at claims: its log tells."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.world import eventually


def looks(operator: OperatorProcess) -> Counter[str]:
    """Reconciles that ended, by claim."""
    found: Counter[str] = Counter()
    *whole, _ = operator.log.read_text().split("\n")  # the last line may yet be written
    for line in whole:
        if '"reconciled"' in line:
            found[json.loads(line)["claim"]] += 1
    return found


async def looked_at(
    operator: OperatorProcess, claims: Iterable[str], wanted: int, seconds: float = 90
) -> None:
    """Returns when each of the claims (``namespace/name``) was looked at that many times more."""
    claims = tuple(claims)
    start = looks(operator)

    async def enough() -> bool:
        now = looks(operator)
        return all(now[claim] >= start[claim] + wanted for claim in claims)

    await eventually(enough, f"{wanted} looks at {len(claims)} claims", seconds=seconds, every=0.5)
