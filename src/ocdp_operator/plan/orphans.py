"""Objects that were left behind: made for a claim that is gone, and on nobody's record (design 4.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby

from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import PVC, SECRET
from ocdp_operator.model.objects import Mark, Observed, is_object_name
from ocdp_operator.plan.order import object_order
from ocdp_operator.plan.wording import listed

_DATA = (PVC.kind, SECRET.kind)
"""What RetainData keeps on purpose. Nothing on the object tells whether it did, so data is never an orphan."""


@dataclass(frozen=True, slots=True)
class Orphans:
    """What one claim left."""

    claim: ClaimKey
    claim_uid: str
    objects: tuple[Observed, ...]
    """In the order of a release: the last wave first."""

    def __str__(self) -> str:
        names = [str(observed.ref) for observed in self.objects]
        return listed("The claim is gone, and these objects of it are not", names)


def find_orphans(
    seen: Iterable[Observed], *, claim_uids: Collection[str], recorded_uids: Collection[str]
) -> tuple[Orphans, ...]:
    """Of the objects seen, those whose claim is not among ``claim_uids`` and that are not among ``recorded_uids``.

    An object counts that names itself in its mark and that we applied; one that is being deleted does not.
    """
    left = [
        (mark, observed)
        for observed in seen
        if observed.uid not in recorded_uids
        and (mark := _proven(observed)) is not None
        and mark.claim_uid not in claim_uids
    ]
    left.sort(key=lambda pair: object_order(pair[1].ref), reverse=True)
    left.sort(key=lambda pair: _claim(pair[0]))
    return tuple(
        Orphans(key, uid, tuple(observed for _, observed in group))
        for (key, uid), group in groupby(left, key=lambda pair: _claim(pair[0]))
    )


def _claim(mark: Mark) -> tuple[ClaimKey, str]:
    return ClaimKey(mark.namespace, mark.claim), mark.claim_uid


def _proven(observed: Observed) -> Mark | None:
    mark = observed.mark
    if mark is None or (mark.namespace, mark.ref) != (observed.namespace, observed.ref):
        return None
    if observed.ref.kind in _DATA or not observed.applied_digest or observed.deletion_timestamp:
        return None
    return mark if is_object_name(mark.claim, observed.ref) else None
