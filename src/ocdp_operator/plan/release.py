"""What deleting a claim deletes, in which order, and what it leaves. Needs neither catalog nor Git (design 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.objects import Observed
from ocdp_operator.plan.order import entry_order
from ocdp_operator.plan.wording import listed, shown

_STEPS: Final = (
    (timedelta(days=1), "a day"),
    (timedelta(hours=6), "6 hours"),
    (timedelta(hours=1), "an hour"),
    (timedelta(minutes=15), "15 minutes"),
    (timedelta(minutes=5), "5 minutes"),
    (timedelta(minutes=1), "a minute"),
)


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
    held = ", ".join(shown(finalizer) for finalizer in observed.finalizers)
    finalizers = f"finalizers {held}" if held else "no finalizers"
    return f"{name} ({finalizers}, being deleted for {_age(observed.deletion_timestamp, now)})"


def _age(since: str, now: datetime) -> str:
    age = now - datetime.fromisoformat(since)
    return next((f"over {words}" for step, words in _STEPS if age >= step), "less than a minute")
