"""How an object that lives becomes the one that is sent: in place, by a larger volume, anew around its pods, or not at all.

``plan_update`` is pure. The reconcile asks it before the first write of a set, ``ocdp diff`` for each object, and an impact
report for each live claim against a candidate: ``Update.way`` and ``Update.restarts`` say which of its classes an object is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from ocdp_operator.model.kinds import DEPLOYMENT, PVC, STATEFUL_SET
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.plan.fields import list_at, part_at
from ocdp_operator.plan.ignoring import as_to
from ocdp_operator.plan.immutability import (
    CLAIM_TEMPLATES,
    FieldConflict,
    Sides,
    compared,
    fixed_fields,
    is_recovery,
    not_growing,
    shrunk,
    size_of,
    volume_conflicts,
)
from ocdp_operator.plan.sameness import below, owned_fields, would_change

_BOUND: Final = "Bound"
_STRATEGIES: Final = {DEPLOYMENT.kind: "strategy", STATEFUL_SET.kind: "updateStrategy"}


class Way(StrEnum):
    """What becomes of one object."""

    CREATE = "create"
    """There is none."""
    UNCHANGED = "unchanged"
    IN_PLACE = "in place"
    EXPAND = "expand"
    """In place, and its volume grows."""
    RECREATE = "recreate"
    """Deleted without its pods and volumes, and made anew around them."""
    WAIT = "wait"
    """Not yet: a volume grows only once it is bound."""
    REFUSED = "refused"


Growable = Mapping[str, bool]
"""StorageClass -> whether it lets volumes grow, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Update:
    """The plan for one object."""

    ref: ObjectRef
    way: Way
    restarts: bool = False
    """Its pods are replaced: their template differs."""
    conflicts: tuple[FieldConflict, ...] = ()
    """Why it is refused."""
    growth: Mapping[str, str] = field(default_factory=dict)
    """Volume -> its new size: a claim template's name for a StatefulSet, the object's own for a volume's claim."""
    first: Manifest | None = None
    """What must be applied before: it takes over a default of the API server's that would stand in the way."""

    @property
    def risks_data(self) -> bool:
        """Refused, and could be done only at the price of data."""
        return any(conflict.data for conflict in self.conflicts)

    @property
    def message(self) -> str:
        """Why it is refused, for users: the object, the fields, sizes and names of the platform; no other value."""
        return f"{self.ref}: {'; '.join(map(str, self.conflicts))}."

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return " ".join(dict.fromkeys(conflict.remedy for conflict in self.conflicts))


def plan_update(
    manifest: Manifest, live: Mapping[str, Any] | None, growable: Growable | None = None
) -> Update:
    """The way from the object that lives to the one that is sent.

    Args:
        manifest: as it is sent, after the stamps.
        live: the whole object as the API server has it, managedFields and all; None when there is none. Never a Secret.
        growable: what is known of StorageClasses. Of a class that is not named here the API server judges.
    """
    if live is None:
        return Update(manifest.ref, Way.CREATE)
    manifest = as_to(manifest, live)
    sides = Sides(_without_server(manifest.body), live, owned_fields(live))
    conflicts = [*fixed_fields(manifest.ref.kind, sides)]
    planned = Update(manifest.ref, Way.IN_PLACE if _differs(sides) else Way.UNCHANGED)
    if manifest.ref.kind == PVC.kind:
        planned = _volume(planned, sides, growable or {})
    elif manifest.ref.kind == STATEFUL_SET.kind:
        planned = _stateful_set(planned, sides, growable or {})
    conflicts += planned.conflicts
    restarts = manifest.ref.kind in (DEPLOYMENT.kind, STATEFUL_SET.kind) and _restarts(sides)
    if conflicts:
        return Update(manifest.ref, Way.REFUSED, restarts, tuple(conflicts))
    return replace(planned, restarts=restarts, first=_first(manifest, sides))


def plan_growth(volume: Mapping[str, Any], size: str, growable: Growable | None = None) -> Update:
    """The same for a volume's claim that a StatefulSet made, and which is to have at least this size."""
    name, spec = str(part_at(volume, "metadata").get("name")), part_at(volume, "spec")
    live = {**volume, "metadata": {"name": name}}  # whose fields they are is not asked: only the size is sent
    body = {
        "apiVersion": PVC.api_version,
        "kind": PVC.kind,
        "metadata": {"name": name},
        "spec": {"resources": {"requests": {"storage": size}}},
    }
    if (compared(size, size_of(spec)) or 0) <= 0:
        return Update(Manifest.of(body).ref, Way.UNCHANGED)
    return plan_update(Manifest.of(body), live, growable)


def _without_server(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in body.items() if key != "status"}


def _differs(sides: Sides) -> bool:
    return would_change(sides.sent, {**sides.live, "status": None}, sides.owned)


def _restarts(sides: Sides) -> bool:
    spec = sides.at("spec")
    return would_change(spec.sent.get("template"), spec.live.get("template"), below(spec.owned, "template"))


def _first(manifest: Manifest, sides: Sides) -> Manifest | None:
    """The object with a rolling update that is ours, where the one that lives is only a default.

    Of another strategy the API server refuses it, and no apply takes away what an apply never said.
    """
    name = _STRATEGIES.get(manifest.ref.kind, "")
    sent, live = (part_at(side, "spec", name) for side in (sides.sent, sides.live))
    settings = part_at(live, "rollingUpdate")
    if not settings or sent.get("type") in (None, "RollingUpdate") or "rollingUpdate" in sent:
        return None
    if manifest.ref.kind == DEPLOYMENT.kind:
        settings = {**settings, "maxSurge": 0, "maxUnavailable": 1}
    strategy = {"type": "RollingUpdate", "rollingUpdate": settings}
    return Manifest(manifest.ref, {**manifest.body, "spec": {**manifest.body["spec"], name: strategy}})


# -- volumes --------------------------------------------------------------------------------------------------------


def _volume(planned: Update, sides: Sides, growable: Growable) -> Update:
    spec = sides.at("spec")
    old, new = size_of(spec.live), size_of(spec.sent)
    order = compared(new, old) if new and old else 0
    if order is None or order == 0:
        return planned
    bound = part_at(sides.live, "status").get("phase") == _BOUND
    if order < 0:
        if bound and is_recovery(sides.live, new):
            return planned
        return Update(planned.ref, Way.REFUSED, conflicts=(shrunk(spec.pointer, old, new),))
    name = str(spec.live.get("storageClassName") or "")
    if bound and (not name or growable.get(name) is False):
        return Update(planned.ref, Way.REFUSED, conflicts=(not_growing(spec.pointer, old, new),))
    return Update(planned.ref, Way.EXPAND if bound else Way.WAIT, growth={planned.ref.name: new})


def _stateful_set(planned: Update, sides: Sides, growable: Growable) -> Update:
    spec = sides.at("spec")
    anew = spec.differs("podManagementPolicy") and "podManagementPolicy" in spec.live
    sent, live = (_by_name(side) for side in (spec.sent, spec.live))
    if sent.keys() != live.keys():
        conflict = FieldConflict(
            f"{spec.pointer}/{CLAIM_TEMPLATES}", ",".join(live), ",".join(sent), data=True
        )
        return Update(planned.ref, Way.REFUSED, conflicts=(conflict,))
    conflicts: list[FieldConflict] = []
    growth: dict[str, str] = {}
    for name, template in sent.items():
        both = Sides(template, live[name], {}, f"{spec.pointer}/{CLAIM_TEMPLATES}/{name}")
        conflicts += _template_conflicts(both, growable)
        new, old = size_of(part_at(template, "spec")), size_of(part_at(live[name], "spec"))
        if new and old and (compared(new, old) or 0) > 0:
            growth[name] = new
        anew |= _differs(both) or _loses(both)
    if conflicts:
        return Update(planned.ref, Way.REFUSED, conflicts=tuple(conflicts))
    anew |= list(sent) != list(live)
    return Update(planned.ref, Way.RECREATE if anew else planned.way, growth=growth)


def _by_name(spec: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {
        str(part_at(each, "metadata").get("name")): each
        for each in list_at(spec, CLAIM_TEMPLATES)
        if isinstance(each, Mapping)
    }


def _template_conflicts(both: Sides, growable: Growable) -> Iterator[FieldConflict]:
    """The list belongs to one apply as a whole: what of a template is not sent is gone, so that all of it counts as ours."""
    spec = both.at("spec")
    yield from volume_conflicts(Sides(spec.sent, spec.live, _all_of(spec.live), spec.pointer))
    if "storageClassName" in spec.sent and "storageClassName" not in spec.live:
        yield spec.conflict("storageClassName", data=True)
    old, new = size_of(spec.live), size_of(spec.sent)
    order = compared(new, old) if new and old else 0
    if order is not None and order < 0:
        yield shrunk(spec.pointer, old, new)
    name = str(spec.sent.get("storageClassName") or "")
    if order is not None and order > 0 and name and growable.get(name) is False:
        yield not_growing(spec.pointer, old, new)


def _all_of(live: Mapping[str, Any]) -> Mapping[str, Any]:
    return {f"f:{name}": {} for name in live}


def _loses(both: Sides) -> bool:
    """Whether labels or annotations of a template go: the list is replaced as a whole."""
    for part in ("labels", "annotations"):
        sent, live = (part_at(side, "metadata", part) for side in (both.sent, both.live))
        if set(live) - set(sent):
            return True
    return False
