"""Which recorded objects may go, which stay, and which wait for an approval (design 4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ocdp_operator.model.claim import PendingPrune
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import SECRET, WORKLOAD
from ocdp_operator.model.wire import digest
from ocdp_operator.plan.order import entry_order


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """Every undesired entry with a UID is in exactly one of ``delete`` and ``keep``."""

    delete: tuple[Entry, ...] = ()
    """To delete in this order, each with its UID and after a look at its mark."""
    keep: tuple[Entry, ...] = ()
    """Stay recorded: still used, blocked, or waiting until every apply succeeded."""
    blocked: PendingPrune | None = None
    """What a guard holds back, a part of ``keep``."""
    approved: tuple[Entry, ...] = ()
    """A part of ``delete`` that a guard held until now: to be recorded as approved before the first of it goes."""


def plan_prune(
    inventory: Inventory,
    *,
    applied_ok: bool,
    healthy: bool,
    live_references: frozenset[str],
    approval: str = "",
) -> PrunePlan:
    """Plans the prune of the recorded union.

    A content-named object stays while it belongs to the last healthy generation or something live refers to it, and
    goes otherwise, even when an apply failed. Everything else goes only after every apply succeeded and no guard holds.

    Args:
        inventory: the union; entries that are not desired wait to be pruned.
        applied_ok: every apply of this generation succeeded.
        healthy: this generation is healthy, so that no earlier one is needed any more.
        live_references: names of the ConfigMaps that live pods and pod templates refer to.
        approval: the digest of the set that somebody approves. It lets go of exactly that set, and of nothing when
            another set waits by now.
    """
    confirmed = [entry for entry in inventory.undesired if entry.uid]
    leftovers = [entry for entry in confirmed if entry.content_named]
    others = [entry for entry in confirmed if not entry.content_named]
    renders_nothing = _renders_nothing(inventory)
    going = [
        entry
        for entry in leftovers
        if not renders_nothing
        and entry.ref.name not in live_references
        and (healthy or not entry.last_healthy)
    ]
    blocked: PendingPrune | None = None
    approved: tuple[Entry, ...] = ()
    if applied_ok:
        waiting = [entry for entry in others if not entry.approved]
        held, reason = _guarded(waiting, inventory, renders_nothing=renders_nothing)
        blocked = _pending(held, reason) if held else None
        if blocked is not None and blocked.digest == approval:
            approved, held, blocked = _last_first(held), [], None
        going += [entry for entry in others if entry not in held]
    gone = {entry.ref for entry in going}
    return PrunePlan(
        delete=_last_first(going),
        keep=tuple(entry for entry in confirmed if entry.ref not in gone),
        blocked=blocked,
        approved=approved,
    )


def approve(inventory: Inventory, entries: Iterable[Entry]) -> Inventory:
    """The inventory with these entries approved: they may go, also when only a part of their set is left."""
    approved = frozenset(entry.ref for entry in entries)
    return Inventory.of(
        replace(entry, approved=entry.approved or entry.ref in approved) for entry in inventory
    )


def approved_digest(inventory: Inventory) -> str:
    """The digest of what is approved and has yet to go."""
    return _digest(entry for entry in inventory.undesired if entry.approved)


def mark_healthy(inventory: Inventory) -> Inventory:
    """The inventory once the desired generation is healthy: its content-named objects are the ones to keep."""
    return Inventory.of(
        replace(entry, last_healthy=entry.desired and entry.content_named) for entry in inventory
    )


def _renders_nothing(inventory: Inventory) -> bool:
    """The Workload and the credentials Secret are no sign of life: they come from us, whatever the base renders."""
    return all(entry.ref.kind in (SECRET.kind, WORKLOAD.kind) for entry in inventory.desired)


def _guarded(others: list[Entry], inventory: Inventory, *, renders_nothing: bool) -> tuple[list[Entry], str]:
    """The entries that must not go without an approval, and why."""
    if renders_nothing:
        return others, "Nothing is rendered any more."
    data = [entry for entry in others if entry.is_data]
    rest = [entry for entry in others if _counts(entry)]
    total = sum(1 for entry in inventory if entry.uid and _counts(entry) and not entry.approved)
    reasons = []
    held = data
    if data:
        reasons.append("Data or credentials would be deleted.")
    if len(rest) >= 2 and 2 * len(rest) > total:
        reasons.append(f"More than half of the objects ({len(rest)} of {total}) would be deleted.")
        held = [*data, *rest]
    return held, " ".join(reasons)


def _counts(entry: Entry) -> bool:
    """Whether the entry is one of "the rest", of which at most half may go at once."""
    return not (entry.is_data or entry.content_named or entry.ref.kind == WORKLOAD.kind)


def _pending(held: Iterable[Entry], reason: str) -> PendingPrune:
    """The digest covers UIDs: an approval of one set is none for objects of the same names made later."""
    ordered = _last_first(held)
    return PendingPrune(
        digest=_digest(ordered),
        reason=reason,
        objects=tuple(str(entry.ref) for entry in ordered),
    )


def _digest(entries: Iterable[Entry]) -> str:
    return digest(sorted([entry.ref.id, entry.uid] for entry in entries))


def _last_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=entry_order, reverse=True))
