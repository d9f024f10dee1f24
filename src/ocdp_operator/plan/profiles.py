"""The profiles of a claim merged into its environment: cluster, then customer, then workspace (design 3).

Objects merge by key and null takes a key away; pull secrets and tolerations come together, each once; anything else is
replaced. What a layer locks stays as it is after that layer, absent things absent: what later layers say of it is listed as a
conflict and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ocdp_operator.model.profile import Environment, LockConflict, ProfileRef, ProfileRevision
from ocdp_operator.model.wire import canonical_json

_Steps: TypeAlias = tuple[str, ...]

_LOCKED: Final = "locked"
_SETS: Final[frozenset[_Steps]] = frozenset({("tolerations",), ("registry", "pullSecrets")})
"""Lists whose order says nothing: a later layer adds to them."""


def merge(revisions: Sequence[ProfileRevision]) -> Environment:
    """The environment of these revisions, which are in the order of their layers."""
    merging = _Merging()
    for revision in revisions:
        merging.add(revision)
    return Environment(
        fields=merging.fields,
        origins=merging.origins,
        profiles=tuple(revision.ref for revision in revisions),
        locks=merging.locks,
        conflicts=tuple(merging.conflicts),
    )


def field_of(environment: Environment, *steps: str) -> Any:
    """What the environment says below these steps; None where it says nothing."""
    found: Any = environment.fields
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def locked_by(environment: Environment, pointer: str) -> ProfileRef | None:
    """The profile whose lock holds the field at this pointer, if one does."""
    return _owner(environment.locks, dotted(pointer))


def dotted(pointer: str) -> str:
    """The dotted path, as locks and mappings write it, of a JSON pointer."""
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _owner(locks: Mapping[str, ProfileRef], path: str) -> ProfileRef | None:
    owners = (owner for lock, owner in locks.items() if path == lock or path.startswith(f"{lock}."))
    return next(owners, None)


def pointer_of(steps: Sequence[str]) -> str:
    """The JSON pointer of a field (RFC 6901)."""
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)


@dataclass(slots=True)
class _Merging:
    """The layers so far."""

    fields: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, ProfileRef] = field(default_factory=dict)
    conflicts: list[LockConflict] = field(default_factory=list)
    locks: dict[str, ProfileRef] = field(default_factory=dict)
    """Dotted path -> who locked it first."""
    layer: ProfileRef = field(default_factory=lambda: ProfileRef(id="", revision=0))

    def add(self, revision: ProfileRevision) -> None:
        """Puts one layer over the others; its locks are for those to come."""
        self.layer = revision.ref
        said = {name: value for name, value in revision.body.items() if name != _LOCKED}
        self._object(self.fields, said, ())
        for path in revision.body.get(_LOCKED) or ():
            self.locks.setdefault(path, revision.ref)

    def _object(self, place: dict[str, Any], said: Mapping[str, Any], at: _Steps) -> None:
        for name, value in said.items():
            steps = (*at, name)
            if (owner := _owner(self.locks, ".".join(steps))) is not None:
                self._overrule(place.get(name), value, steps, owner)
            elif value is None:
                self._take_away(place, name, steps)
            elif isinstance(value, Mapping):
                self._descend(place, name, value, steps)
            elif steps in _SETS:
                self._join(place, name, value, steps)
            elif not self._keeps_locked_part(place, name, steps):
                self._forget(steps)
                place[name] = value
                self.origins[pointer_of(steps)] = self.layer

    def _overrule(self, there: Any, said: Any, steps: _Steps, owner: ProfileRef) -> None:
        """Notes every leaf that would have been changed."""
        if isinstance(said, Mapping) and said:
            below = there if isinstance(there, Mapping) else {}
            for name, value in said.items():
                self._overrule(below.get(name), value, (*steps, name), owner)
        elif there != said:
            self.conflicts.append(LockConflict(pointer_of(steps), self.layer, owner))

    def _descend(self, place: dict[str, Any], name: str, said: Mapping[str, Any], steps: _Steps) -> None:
        below = place.get(name)
        if not isinstance(below, dict):
            self._forget(steps)
            below = place[name] = {}
        self._object(below, said, steps)
        self._mark_if_empty(below, steps)

    def _join(self, place: dict[str, Any], name: str, said: Sequence[Any], steps: _Steps) -> None:
        there = list(place.get(name) or ())
        known = {canonical_json(item) for item in there}
        for item in map(_said, said):
            if canonical_json(item) not in known:
                known.add(canonical_json(item))
                self.origins[pointer_of((*steps, str(len(there))))] = self.layer
                there.append(item)
        place[name] = there
        self._mark_if_empty(there, steps)

    def _mark_if_empty(self, value: Mapping[str, Any] | Sequence[Any], steps: _Steps) -> None:
        """An empty object says something too: TLS with the name that is usual."""
        self.origins.pop(pointer_of(steps), None)
        if not value:
            self.origins[pointer_of(steps)] = self.layer

    def _take_away(self, place: dict[str, Any], name: str, steps: _Steps) -> None:
        """Removes a field; of an object with locked parts these stay."""
        if self._keeps_locked_part(place, name, steps):
            below = place[name]
            self._object(below, dict.fromkeys(below), steps)
        if not (self._keeps_locked_part(place, name, steps) and place[name]):
            place.pop(name, None)
            self._forget(steps)

    def _keeps_locked_part(self, place: Mapping[str, Any], name: str, steps: _Steps) -> bool:
        prefix = f"{'.'.join(steps)}."
        return isinstance(place.get(name), dict) and any(path.startswith(prefix) for path in self.locks)

    def _forget(self, steps: _Steps) -> None:
        gone = pointer_of(steps)
        for known in [each for each in self.origins if each == gone or each.startswith(f"{gone}/")]:
            del self.origins[known]


def _said(item: Any) -> Any:
    """An item of a set without the fields that are null: inside of lists null takes nothing away."""
    return (
        {key: value for key, value in item.items() if value is not None}
        if isinstance(item, Mapping)
        else item
    )


def leaves(environment: Environment) -> Iterator[tuple[str, Any, ProfileRef]]:
    """Pointer, value and origin of each leaf, in the order of the pointers."""
    for pointer in sorted(environment.origins):
        found: Any = environment.fields
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
        yield pointer, found, environment.origins[pointer]
