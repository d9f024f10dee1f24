"""The plan of an update in the words of ``ocdp diff``: how it comes about, or why not, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import DEPLOYMENT, STATEFUL_SET
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.difference import ABSENT, Change, FieldChange, Means, ObjectChange
from ocdp_operator.plan.fields import part_at
from ocdp_operator.plan.immutability import STORAGE, size_of
from ocdp_operator.plan.updating import Update, Way

_ROLLING: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind)
_STORAGE: Final = f"/spec/{'/'.join(STORAGE)}"


def held_change(update: Update, manifest: Manifest, live: Mapping[str, Any]) -> ObjectChange:
    """An update that is refused, or waits: the fields that it is about. The API server's own words would say less."""
    if update.way is Way.WAIT:
        old, new = (size_of(part_at(side, "spec")) for side in (live, manifest.body))
        change = FieldChange(_STORAGE, old, new)
        return ObjectChange(update.ref, Change.CONFIGURED, (change,), means=Means.LATER)
    fields = tuple(
        FieldChange(
            conflict.pointer,
            conflict.old or _at(live, conflict.pointer),
            conflict.new or _at(manifest.body, conflict.pointer),
        )
        for conflict in update.conflicts
    )
    return ObjectChange(update.ref, Change.REFUSED, fields, note=f"immutable: {update.remedy.rstrip('.')}")


def means_of(update: Update | None, fields: tuple[FieldChange, ...], after: Mapping[str, Any]) -> Means:
    """How an object that lives would become ``after``, which differs from it in these fields."""
    if update is not None and update.way is Way.RECREATE:
        return Means.RECREATE
    if update is not None and update.way is Way.EXPAND:
        return Means.EXPAND
    has_pods = after.get("kind") in _ROLLING and part_at(after, "spec").get("replicas") != 0
    rolls = has_pods and any(each.pointer.startswith("/spec/template/") for each in fields)
    return Means.RESTART if rolls else Means.IN_PLACE


def growth_note(update: Update | None) -> str:
    """Which volumes of a StatefulSet grow; empty when none does."""
    if update is None or update.way is not Way.RECREATE:
        return ""
    return ", ".join(f"volumes {name} grow to {size}" for name, size in update.growth.items())


def _at(body: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        body = body.get(step, ABSENT) if isinstance(body, Mapping) else ABSENT
    return body
