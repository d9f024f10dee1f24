"""What deleting a claim deletes, in which order, and what it leaves. Needs neither catalog nor Git (design 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.order import entry_order
from ocdp_operator.plan.wording import coarse_age, listed, shown


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """Every recorded entry is either retained or in one wave."""

    retained: tuple[Entry, ...]
    waves: tuple[tuple[Entry, ...], ...]
    """Highest wave first; the next one starts when the objects of the one before are gone."""


def plan_release(inventory: Inventory, *, policy: DeletionPolicy) -> ReleasePlan:
    """RetainData keeps PVCs and the credentials Secret; Delete keeps nothing."""
    retains = policy is DeletionPolicy.RETAIN_DATA
    retained = tuple(entry for entry in inventory if retains and entry.is_data)
    going = sorted(
        (entry for entry in inventory if not (retains and entry.is_data)), key=entry_order, reverse=True
    )
    waves = tuple(tuple(wave) for _, wave in groupby(going, key=lambda entry: entry.wave))
    return ReleasePlan(retained, waves)


def waiting_message(blockers: Iterable[Observed], *, now: datetime) -> str:
    """What a release waits for: each object with its finalizers and how long it has been going, at most 1 KiB.

    Ages are rounded down to coarse steps, so that a waiting claim is not written again at every look.
    """
    ordered = sorted(blockers, key=lambda observed: observed.ref.id)
    if not ordered:
        return "Nothing is left to wait for."
    return listed("Waiting until these objects are gone", [_blocker(observed, now) for observed in ordered])


def _blocker(observed: Observed, now: datetime) -> str:
    name = f"{observed.ref.kind}/{observed.ref.name}"
    if not observed.deletion_timestamp:
        return f"{name} (not yet being deleted)"
    age = coarse_age(now - datetime.fromisoformat(observed.deletion_timestamp))
    held = ", ".join(shown(finalizer) for finalizer in observed.finalizers)
    finalizers = f"finalizers {held}" if held else "no finalizers"
    return f"{name} ({finalizers}, being deleted for {age})"
