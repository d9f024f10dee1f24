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
        """UIDs."""
        self.listed = False
        """Whether all claims were listed since the start; before that, absence means nothing."""

    def put(self, claim: WorkloadClaim) -> bool:
        """Takes in a claim; False when something as new was known, such as the echo of our own write.

        Versions of one kind compare as integers (KEP-5504), also those of claims that had the same name in turn.
        """
        if claim.uid in self._gone or (claim.deleting and not claim.finalizers):
            return False  # a version of a claim that is gone, told after its end
        known = self._claims.get(claim.key)
        if known and int(known.resource_version) >= int(claim.resource_version):
            return False
        self._claims[claim.key] = claim
        return True

    def remove(self, key: ClaimKey, uid: str) -> bool:
        """Forgets the claim of this UID, which is gone for good; False when another one has its name by now."""
        self._gone[uid] = None
        while len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)
        known = self._claims.get(key)
        if known is None or known.uid != uid:
            return False
        del self._claims[key]
        return True

    def get(self, key: ClaimKey) -> WorkloadClaim | None:
        """The claim as last seen."""
        return self._claims.get(key)

    def __iter__(self) -> Iterator[ClaimKey]:
        return iter(tuple(self._claims))

    def __len__(self) -> int:
        return len(self._claims)
