"""Whether who asks is proven: the API server stamps each claim with its caller, if it was told to (design 2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Stamping:
    """What the cluster's policy on claims is worth at this moment."""

    since: datetime | None = None
    """A claim made later carries stamps that count; None: no stamp counts."""
    faults: tuple[str, ...] = ("it was not looked for",)
    """What keeps every stamp from counting, in words for the log; empty when ``since`` is given."""

    def counts(self, created: str) -> bool:
        """Whether the stamps of a claim count that was made at this time, as the API server writes it."""
        return self.since is not None and bool(created) and datetime.fromisoformat(created) > self.since
