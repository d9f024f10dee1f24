"""Deletes recorded objects: only what carries our mark, only with a UID precondition (design 4.2, 4.8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.objects import Observed
from ocdp_operator.reconcile.run import Run


class Removal(Enum):
    """What became of an object that was to go."""

    GONE = auto()
    """It does not exist."""
    NOT_OURS = auto()
    """It exists, but is another object by now, or its mark was taken away or copied: it stays."""
    LEAVING = auto()
    """Its deletion was asked for; a finalizer may hold it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was found, and whether it was this look that asked for the deletion."""

    fate: Removal
    live: Observed | None = None
    """What still exists."""
    asked: bool = False


async def remove(run: Run, entry: Entry) -> Removed:
    """Looks at the object afresh, then deletes it if it is ours, in the background.

    An entry alone never authorizes a delete, and neither does a mark. The recorded UID may be that of an object which was
    made anew while a crash lost the answer: then our entry in managedFields tells that we made it.
    """
    cluster, asked = run.ports.cluster, False
    live = await cluster.get(run.namespace, entry.ref)
    if live is None:
        return Removed(Removal.GONE)
    if not run.owns(live, recorded_uid=entry.uid):
        return Removed(Removal.NOT_OURS, live)
    if not live.deletion_timestamp:
        await cluster.delete(run.namespace, entry.ref, uid=live.uid)
        run.progress.changed = asked = True
        live = await cluster.get(run.namespace, entry.ref)
    if live is None or not run.owns(live, recorded_uid=entry.uid):
        return Removed(Removal.GONE, asked=asked)
    return Removed(Removal.LEAVING, live, asked)
