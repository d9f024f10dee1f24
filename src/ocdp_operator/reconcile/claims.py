"""The claims as last seen: what kopf's events and our own writes told, and nothing older."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from ocdp_operator.model.claim import ClaimKey, WorkloadClaim

_REMEMBERED: Final = 1000
"""Claims that are gone; what watches tell of them comes seconds late at most."""


class ClaimStore:
    """The newest known version of every claim."""

    def __init__(self) -> None:
        self._claims: dict[ClaimKey, WorkloadClaim] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        """UIDs of claims whose last version was seen."""
        self.listed = False
        """Whether all claims were listed since the start; before that, absence means nothing."""

    def put(self, claim: WorkloadClaim) -> bool:
        """Takes in a claim; False when something as new was known, such as the echo of our own write.

        Versions of one kind compare as integers (KEP-5504), also those of claims that had the same name in turn.
        """
        if claim.deleting and not claim.finalizers:
            self._let_go(claim.uid)
        if claim.uid in self._gone:
            return False  # the last version, or one before it that is told after the end
        known = self._claims.get(claim.key)
        if known and int(known.resource_version) >= int(claim.resource_version):
            return False
        self._claims[claim.key] = claim
        return True

    def remove(self, key: ClaimKey, uid: str) -> bool:
        """Forgets the claim of this UID; False when another one has its name by now.

        A list that missed it is no proof: it comes back with the next word of it.
        """
        known = self._claims.get(key)
        if known is None or known.uid != uid:
            return False
        del self._claims[key]
        return True

    def _let_go(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

    def get(self, key: ClaimKey) -> WorkloadClaim | None:
        """The claim as last seen."""
        return self._claims.get(key)

    def __iter__(self) -> Iterator[ClaimKey]:
        return iter(tuple(self._claims))

    def __len__(self) -> int:
        return len(self._claims)
