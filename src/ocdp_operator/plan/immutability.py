"""Fields that the API server never changes on an object that lives, kind by kind: what an apply would ask for in vain.

Only what an apply would truly change is judged, and only fields that are known here: any other is the API server's to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.model.kinds import CONFIG_MAP, DEPLOYMENT, JOB, PVC, SERVICE, STATEFUL_SET
from ocdp_operator.model.quantity import Quantity
from ocdp_operator.plan.fields import list_at, part_at
from ocdp_operator.plan.sameness import Owned, below, would_change

CLAIM_TEMPLATES: Final = "volumeClaimTemplates"
STORAGE: Final = ("resources", "requests", "storage")
_OF_VOLUMES: Final = (
    "accessModes",
    "storageClassName",
    "volumeMode",
    "selector",
    "dataSource",
    "dataSourceRef",
    "volumeName",
)
"""Of a volume's claim, and of a claim template: what decides where data lie."""
_OF_JOBS: Final = (
    "selector",
    "template",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_TELLING: Final = frozenset(
    {"accessModes", "storageClassName", "volumeMode", "clusterIP", "ipFamilies", "loadBalancerClass"}
)
"""Fields whose values may be said: they are names of the platform, no secrets and nothing that a user wrote."""
_DEFAULTS: Final[Mapping[str, Any]] = {"volumeMode": "Filesystem"}

KEEP: Final = "Keep the field as it lives, or make a new claim."
KEEP_VOLUME: Final = "Keep the field as it lives, or make a new claim and copy the data."
_NO_SHRINKING: Final = "Ask for at least the size that the volume has; a volume never shrinks."
NO_GROWTH: Final = "Keep the size, or let the StorageClass allow volume expansion."
FROZEN: Final = "Somebody made it immutable. Delete it: it is made anew."
_GENERATE: Final = "Generate it with configMapGenerator: its name then follows its content."


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that an apply would change and the API server would not."""

    pointer: str
    old: str = ""
    """Sizes and names of the platform; empty where the value could be a user's."""
    new: str = ""
    remedy: str = KEEP
    data: bool = False
    """Doing it all the same, by a new object, would cost data."""

    def __str__(self) -> str:
        values = f" from {self.old or 'nothing'} to {self.new or 'nothing'}" if self.old or self.new else ""
        return f"{self.pointer} cannot be changed{values}"


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of an update, below one field: what is sent, what lives, and what of that our last apply said."""

    sent: Mapping[str, Any]
    live: Mapping[str, Any]
    owned: Owned
    pointer: str = ""

    def at(self, name: str) -> Sides:
        """The same, one field deeper."""
        return Sides(
            part_at(self.sent, name),
            part_at(self.live, name),
            below(self.owned, name),
            f"{self.pointer}/{name}",
        )

    def differs(self, name: str) -> bool:
        """Whether the field would change. What is absent on one side has its default, where there is one."""
        sent, live, default = self.sent.get(name), self.live.get(name), _DEFAULTS.get(name)
        if sent is None:
            if f"f:{name}" not in self.owned:
                return False
            return live is not None and live != default
        return would_change(sent, default if live is None else live, below(self.owned, name))

    def conflict(self, name: str, *, remedy: str = KEEP, data: bool = False) -> FieldConflict:
        """The field as a conflict."""
        old, new = (_told(self.live.get(name)), _told(self.sent.get(name))) if name in _TELLING else ("", "")
        return FieldConflict(f"{self.pointer}/{name}", old, new, remedy, data)


def _told(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _fixed(
    sides: Sides, names: Iterable[str], *, remedy: str = KEEP, data: bool = False
) -> Iterator[FieldConflict]:
    """Those of the fields that live and would change."""
    for name in names:
        if name in sides.live and sides.differs(name):
            yield sides.conflict(name, remedy=remedy, data=data)


def fixed_fields(kind: str, sides: Sides) -> tuple[FieldConflict, ...]:
    """What the API server would not change of an object of this kind, save sizes of volumes."""
    judge = _OF_KIND.get(kind)
    return tuple(judge(sides)) if judge is not None else ()


def _of_selector(sides: Sides) -> Iterator[FieldConflict]:
    """A selector is never touched: pods of the old one would be nobody's."""
    yield from _fixed(sides.at("spec"), ["selector"])


def _of_stateful_set(sides: Sides) -> Iterator[FieldConflict]:
    """Also the name of the Service: running pods would keep the old one in their own names."""
    yield from _fixed(sides.at("spec"), ["selector", "serviceName"])


def _of_job(sides: Sides) -> Iterator[FieldConflict]:
    yield from _fixed(sides.at("spec"), _OF_JOBS)


def volume_conflicts(sides: Sides) -> Iterator[FieldConflict]:
    """Of the ``spec`` of a volume's claim."""
    yield from _fixed(sides, _OF_VOLUMES, remedy=KEEP_VOLUME, data=True)


def _of_volume(sides: Sides) -> Iterator[FieldConflict]:
    yield from volume_conflicts(sides.at("spec"))


def _of_service(sides: Sides) -> Iterator[FieldConflict]:
    spec = sides.at("spec")
    if "ExternalName" in (spec.sent.get("type"), spec.live.get("type")):
        return  # it has no address, and may get or lose one
    yield from _of_address(spec)
    yield from _of_families(spec)
    balanced = spec.sent.get("type") == spec.live.get("type") == "LoadBalancer"
    if balanced and spec.differs("loadBalancerClass"):
        yield spec.conflict("loadBalancerClass")
    if balanced and spec.sent.get("healthCheckNodePort"):
        yield from _fixed(spec, ["healthCheckNodePort"])


def _of_address(spec: Sides) -> Iterator[FieldConflict]:
    """An address stays; and a Service never becomes headless, or stops being it, not even by an apply that is let through."""
    sent, live = spec.sent.get("clusterIP"), spec.live.get("clusterIP")
    dropped = not sent and live == "None" and "f:clusterIP" in spec.owned
    if live and (dropped or (sent and sent != live)):
        yield spec.conflict("clusterIP")


def _of_families(spec: Sides) -> Iterator[FieldConflict]:
    """The first family is that of the address; a second may come and go."""
    sent, live = list_at(spec.sent, "ipFamilies"), list_at(spec.live, "ipFamilies")
    if sent and live and sent[0] != live[0]:
        yield spec.conflict("ipFamilies")


def _of_config_map(sides: Sides) -> Iterator[FieldConflict]:
    if sides.live.get("immutable") is not True:
        return
    for name in ("data", "binaryData", "immutable"):
        if sides.differs(name) and (name in sides.live or name in sides.sent):
            yield sides.conflict(name, remedy=_GENERATE if "f:immutable" in sides.owned else FROZEN)


_OF_KIND: Final[Mapping[str, Callable[[Sides], Iterator[FieldConflict]]]] = {
    PVC.kind: _of_volume,
    STATEFUL_SET.kind: _of_stateful_set,
    DEPLOYMENT.kind: _of_selector,
    JOB.kind: _of_job,
    SERVICE.kind: _of_service,
    CONFIG_MAP.kind: _of_config_map,
}
"""Secrets are absent: nobody reads them to plan. Ingresses, budgets, policies and autoscalers change in place."""


# -- sizes ----------------------------------------------------------------------------------------------------------


def size_of(spec: Mapping[str, Any]) -> str:
    """The storage that a volume's claim asks for, as it is said; empty when it says none."""
    return str(part_at(spec, *STORAGE[:-1]).get(STORAGE[-1]) or "")


def compared(one: str, other: str) -> int | None:
    """Less than 0, 0 or more than 0, as the first size is smaller, equal or larger; None when one cannot be read."""
    try:
        first, second = Quantity.parse(one), Quantity.parse(other)
    except ValueError:
        return None
    return (first > second) - (first < second)


def is_recovery(live: Mapping[str, Any], new: str) -> bool:
    """Whether a volume's growth that failed is taken back: to less than was asked for, and more than there is (KEP-1790)."""
    capacity = part_at(live, "status", "capacity").get("storage")
    return capacity is not None and (compared(new, str(capacity)) or 0) > 0


def shrunk(pointer: str, old: str, new: str) -> FieldConflict:
    """A size that goes down."""
    return FieldConflict(f"{pointer}/{'/'.join(STORAGE)}", old, new, _NO_SHRINKING, data=True)


def not_growing(pointer: str, old: str, new: str) -> FieldConflict:
    """A size that goes up where the StorageClass lets no volume grow."""
    return FieldConflict(f"{pointer}/{'/'.join(STORAGE)}", old, new, NO_GROWTH, data=True)
