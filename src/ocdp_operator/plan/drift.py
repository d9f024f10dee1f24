"""Whether a live object is still what was applied: by metadata alone, without a request (design 4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.plan.ownership import FieldDrift
from ocdp_operator.plan.wording import listed, shown

LEFT_ALONE: Final = 300.0
"""Seconds for which an object is left alone that somebody changes as often as it is put right."""
_MOST_FIELDS: Final = 4
"""Told of one object."""


class DriftKind(StrEnum):
    """How a live object differs from what was applied, the gravest first."""

    GONE = "Gone"
    REPLACED = "Replaced"
    """Another object has its name."""
    MARK_CHANGED = "MarkChanged"
    TAKEN_OVER = "TakenOver"
    """Fields belong to ``before-first-apply``: they would survive being dropped (KEP-555)."""
    FOREIGN_PARTS = "ForeignParts"
    """A container, initContainer or volume that was never sent."""
    FIELDS_CHANGED = "FieldsChanged"
    """Our ``Apply`` entry is not the one that was recorded: somebody took or changed a field that is ours."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One object that drifted; where several things differ, the gravest."""

    ref: ObjectRef
    kind: DriftKind
    message: str
    """For users: which object, and what differs."""
    disown: bool = False
    """Managers or parts that are not ours must be removed, beside the apply."""
    fields: tuple[FieldDrift, ...] = ()
    """What we sent and somebody took from us, where it was looked up."""

    @property
    def corrected(self) -> str:
        """The object, its fields, their old values and who set them, once all is put right."""
        if self.kind is DriftKind.GONE:
            return f"{self.ref} was gone."
        return self._told([each.corrected for each in self.fields])

    @property
    def found(self) -> str:
        """The same where it is left as it is."""
        return self._told([each.found for each in self.fields])

    def _told(self, fields: Sequence[str]) -> str:
        if not fields:
            return self.message
        more = f"; and {len(fields) - _MOST_FIELDS} more" if len(fields) > _MOST_FIELDS else ""
        return f"{self.ref}: {'; '.join(fields[:_MOST_FIELDS])}{more}."

    @property
    def contested(self) -> str:
        """Where the object changes as often as it is put right: which field, and by whom."""
        if not self.fields:
            return f"{self.message.removesuffix('.')} again each time that it is put right"
        field = self.fields[0]
        who = f" by {' and '.join(field.managers)}" if field.managers else ""
        return f"{self.ref}: {field.path} is changed{who} each time that it is put right"


def find_drift(entry: Entry, live: Observed | None, *, claim_uid: str) -> Drift | None:
    """The drift of one recorded object. ``live`` None means known to be absent, never merely not looked up.

    An object that is being deleted has not drifted: no write helps until it is gone, and then it is Gone.
    """
    if live is None:
        return Drift(entry.ref, DriftKind.GONE, f"{entry.ref} is gone.")
    if entry.uid and live.uid != entry.uid:
        return Drift(entry.ref, DriftKind.REPLACED, f"Another object has the name of {entry.ref}.")
    if live.deletion_timestamp:
        return None
    differs = _difference(entry, live, claim_uid)
    if differs is None:
        return None
    kind, what = differs
    disown = live.before_first_apply or bool(live.foreign_parts)
    return Drift(entry.ref, kind, f"{entry.ref} {what}.", disown=disown)


def _difference(entry: Entry, live: Observed, claim_uid: str) -> tuple[DriftKind, str] | None:
    mark = live.mark
    if mark is None:
        return DriftKind.MARK_CHANGED, "lost its ownership mark"
    if (mark.claim_uid, mark.namespace, mark.ref) != (claim_uid, live.namespace, entry.ref):
        return DriftKind.MARK_CHANGED, "carries the ownership mark of another object or claim"
    if live.before_first_apply:
        return DriftKind.TAKEN_OVER, "has fields that another client left behind"
    if live.foreign_parts:
        more = f" and {len(live.foreign_parts) - 1} more" if len(live.foreign_parts) > 1 else ""
        return (
            DriftKind.FOREIGN_PARTS,
            f"has {shown(live.foreign_parts[0])}{more}, which the claim did not send",
        )
    if not entry.applied or entry.applied not in (live.applied_digest, live.plain_digest):
        return DriftKind.FIELDS_CHANGED, "has fields that no longer are as they were applied"
    return None


def told(drifts: Sequence[Drift]) -> str:
    """What was put right, in one message."""
    return listed("Corrected", [each.corrected.removesuffix(".") for each in drifts]) + "."


def fought_over(drifts: Sequence[Drift]) -> str:
    """What is left alone because somebody changes it as often as it is put right, in one message."""
    rest = f"It is tried again every {LEFT_ALONE / 60:.0f} minutes, and when the claim is edited or a reconcile is asked for."
    return f"{listed('Left alone', [each.contested for each in drifts], 700)}. {rest}"
