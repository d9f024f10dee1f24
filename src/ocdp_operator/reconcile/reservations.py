"""Hosts that claims are about to take: two workers may look at the same moment, and both would find a host free."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ocdp_operator.model.claim import ClaimKey


class Reservations:
    """What is being taken in this process, from the look at who has it until the watches know who has it now."""

    def __init__(self) -> None:
        self._taken: dict[str, ClaimKey] = {}

    def holder(self, host: str) -> ClaimKey | None:
        """The claim that takes the host at this moment."""
        return self._taken.get(host)

    @contextmanager
    def held(self, key: ClaimKey, hosts: Collection[str]) -> Iterator[None]:
        """Holds hosts that nobody else holds, for the block."""
        self._taken.update(dict.fromkeys(hosts, key))
        try:
            yield
        finally:
            for host in hosts:
                del self._taken[host]
