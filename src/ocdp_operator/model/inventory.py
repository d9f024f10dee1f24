"""The inventory: every object a claim applied, remembered on the claim itself (design 2 and 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ocdp_operator.model.kinds import OWNED_KINDS, PVC, SECRET, find_kind
from ocdp_operator.model.objects import ObjectRef


@dataclass(frozen=True, slots=True)
class Entry:
    """One object. An entry alone never authorizes a delete: the live object must carry our mark."""

    ref: ObjectRef
    wave: int = 0
    uid: str = ""
    """Empty until the API server answered: then the object may or may not exist."""
    sent: str = ""
    """Digest of the object as sent."""
    applied: str = ""
    """Digest of our Apply entry in the live object's managedFields, when we last applied it."""
    desired: bool = True
    """Belongs to the rendering last recorded; otherwise it waits to be pruned."""
    content_named: bool = False
    """Its name ends in a hash of its content: old ones stay while something may still use them."""
    last_healthy: bool = False
    """A content-named object of the last generation that was healthy."""
    approved: bool = False
    """A guard held it, and its set was approved: it may go. Forgotten as soon as the object is desired again."""

    @property
    def is_data(self) -> bool:
        """Holds data or secrets that RetainData keeps: PVCs and the credentials Secret."""
        return self.ref.kind in (PVC.kind, SECRET.kind)

    def to_wire(self) -> dict[str, Any]:
        """Compact JSON; flags that hold their default are left out."""
        wire: dict[str, Any] = {"id": self.ref.id, "wave": self.wave}
        wire |= {name: value for name in ("uid", "sent", "applied") if (value := getattr(self, name))}
        if not self.desired:
            wire["desired"] = False
        wire |= {
            alias: True
            for alias, on in (
                ("contentNamed", self.content_named),
                ("lastHealthy", self.last_healthy),
                ("approved", self.approved),
            )
            if on
        }
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Entry:
        """The reverse of ``to_wire``."""
        return cls(
            ref=ObjectRef.parse(wire["id"]),
            wave=int(wire.get("wave", 0)),
            uid=wire.get("uid", ""),
            sent=wire.get("sent", ""),
            applied=wire.get("applied", ""),
            desired=bool(wire.get("desired", True)),
            content_named=bool(wire.get("contentNamed", False)),
            last_healthy=bool(wire.get("lastHealthy", False)),
            approved=bool(wire.get("approved", False)),
        )


@dataclass(frozen=True, slots=True)
class Inventory:
    """A set of entries keyed by object, in the order of their ids."""

    entries: Mapping[ObjectRef, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Inventory:
        """Sorted, so that the same set gives the same status."""
        return cls({entry.ref: entry for entry in sorted(entries, key=lambda e: e.ref.id)})

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, ref: object) -> bool:
        return ref in self.entries

    def get(self, ref: ObjectRef) -> Entry | None:
        """The entry, or None."""
        return self.entries.get(ref)

    def put(self, entry: Entry) -> Inventory:
        """With this entry in place of the one of the same object."""
        return Inventory.of({**self.entries, entry.ref: entry}.values())

    def without(self, refs: Iterable[ObjectRef]) -> Inventory:
        """Without these objects."""
        gone = frozenset(refs)
        return Inventory.of(entry for entry in self if entry.ref not in gone)

    def union(self, desired: Inventory) -> Inventory:
        """What must be remembered before the first write: all of both.

        Entries only in self are marked as no longer desired. UIDs and digests of objects that stay are kept from self.
        An entry without a UID may still name an object, whose answer was lost in a crash: drop it only after a look.
        """
        kept = {e.ref: replace(e, desired=False) for e in self if e.ref not in desired}
        merged = [
            replace(e, uid=old.uid, sent=old.sent, applied=old.applied, last_healthy=old.last_healthy)
            if (old := self.get(e.ref))
            else e
            for e in desired
        ]
        return Inventory.of([*kept.values(), *merged])

    @property
    def desired(self) -> tuple[Entry, ...]:
        """Entries of the rendering last recorded."""
        return tuple(e for e in self if e.desired)

    @property
    def undesired(self) -> tuple[Entry, ...]:
        """Entries that wait to be pruned."""
        return tuple(e for e in self if not e.desired)

    def to_wire(self) -> list[dict[str, Any]]:
        """The JSON list in ``status.inventory``."""
        return [entry.to_wire() for entry in self]

    @classmethod
    def from_wire(cls, wire: Iterable[Mapping[str, Any]]) -> Inventory:
        """The reverse of ``to_wire``, without entries that name no object which the operator could have written.

        Those of another version's kinds come back when that version finds the objects, which it knows by their mark.
        """
        return cls.of(Entry.from_wire(item) for item in wire if _is_possible(item["id"]))


def _is_possible(id_: str) -> bool:
    name, *rest = id_.split("_")
    return bool(name) and len(rest) == 2 and find_kind(*rest) in OWNED_KINDS
