"""The order in which objects are applied; prunes and releases go the other way round (features 4.6)."""

from __future__ import annotations

from typing import Final

from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import RUNTIME_KINDS
from ocdp_operator.model.objects import ObjectRef

_RANK: Final = {(kind.group, kind.kind): rank for rank, kind in enumerate(RUNTIME_KINDS)}


def _key(wave: int, ref: ObjectRef) -> tuple[int, int, str, str]:
    return (wave, _RANK.get((ref.group, ref.kind), len(_RANK)), ref.kind, ref.name)


def object_order(ref: ObjectRef) -> tuple[int, int, str, str]:
    """Sorts objects to apply: by wave, then kind, then name."""
    return _key(ref.known_kind.wave, ref)


def entry_order(entry: Entry) -> tuple[int, int, str, str]:
    """The same for recorded objects, by the wave that was recorded; kinds that are no longer known come last."""
    return _key(entry.wave, entry.ref)
