"""Deletes recorded objects: only what carries our mark, only with a UID precondition (design 4.2, 4.8)."""

from __future__ import annotations

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


async def remove(run: Run, entry: Entry) -> tuple[Removal, Observed | None]:
    """Looks at the object afresh, then deletes it if it is ours, in the background.

    An entry alone never authorizes a delete, and neither does a mark. The recorded UID may be that of an object which was
    made anew while a crash lost the answer: then our entry in managedFields tells that we made it.
    """
    cluster = run.ports.cluster
    live = await cluster.get(run.namespace, entry.ref)
    if live is None:
        return Removal.GONE, None
    if not run.owns(live, recorded_uid=entry.uid):
        return Removal.NOT_OURS, live
    if not live.deletion_timestamp:
        await cluster.delete(run.namespace, entry.ref, uid=live.uid)
        run.progress.changed = True
        live = await cluster.get(run.namespace, entry.ref)
    if live is None or not run.owns(live, recorded_uid=entry.uid):
        return Removal.GONE, None
    return Removal.LEAVING, live
