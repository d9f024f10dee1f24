"""Values with everything that a claim need not say: defaults, and what the environment gives (``x-ocdp.from``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ocdp_operator.model.effort import Effort
from ocdp_operator.model.keyword import MAX_IMMUTABLE, Keyword
from ocdp_operator.model.wire import canonical_json, digest
from ocdp_operator.plan.subschemas import TooDeep, is_secret, keywords, of_item, of_others, of_property, parts

_MAX_DEPTH: Final = 60

Steps: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """Complete values, and which of them are not the claim's own doing."""

    values: dict[str, Any]
    platforms: Mapping[Steps, str]
    """Paths that the platform sets or left empty -> where the value comes from, empty for the schema's default."""
    refused: tuple[Steps, ...]
    """Paths that the claim gave although only the platform may."""


def filled(
    values: Mapping[str, Any], schema: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> Filled:
    """The values with ``x-ocdp.from`` and ``default`` wherever a property is left out, at every level that exists.

    ``facts``: what ``profile``, ``workspace`` and ``claim`` are. Nothing is changed in place. A default that is an
    object is filled in turn. Secrets get none. Raises TooDeep when defaults never end, TooMuchWork when they are too
    many, and ValueError for an ``x-ocdp`` that cannot be read.
    """
    filling = _Filling(schema, facts or {}, Effort())
    complete = filling.filled(dict(values), schema, (), given=True)
    assert isinstance(complete, dict)
    return Filled(complete, filling.platforms, tuple(filling.refused))


def filled_part(value: Any, part: Any, schema: Mapping[str, Any]) -> Any:
    """One value with the defaults of one part of the schema. Raises like ``filled``."""
    return _Filling(schema, {}, Effort()).filled(value, part, (), given=True)


def immutables(values: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each value that may not change, by its path (``storage.class``); one that is absent has one too.

    Lists are not looked into. Raises TooDeep and TooMuchWork, and ValueError for an ``x-ocdp`` that cannot be read.
    """
    found: dict[str, str] = {}
    if b'"immutable"' not in canonical_json(schema):
        return found
    for steps in _immutable_paths(schema, schema, (), Effort()):
        below: Any = values
        for step in steps:
            below = below.get(step) if isinstance(below, Mapping) else None
        found[".".join(steps)] = digest(below)
        if len(found) == MAX_IMMUTABLE:
            break
    return found


def _immutable_paths(
    schema: Any, root: Mapping[str, Any], steps: tuple[str, ...], effort: Effort
) -> Iterator[tuple[str, ...]]:
    if len(steps) > _MAX_DEPTH:
        raise TooDeep
    known = tuple(parts(schema, root, effort))
    for name in dict.fromkeys(name for part in known for name in part.get("properties") or {}):
        for below in of_property(known, name):
            if any(each.immutable for each in keywords(below, root, effort)):
                yield (*steps, name)
            else:
                yield from _immutable_paths(below, root, (*steps, name), effort)


@dataclass(slots=True)
class _Filling:
    root: Mapping[str, Any]
    facts: Mapping[str, Any]
    effort: Effort
    platforms: dict[Steps, str] = field(default_factory=dict)
    refused: list[Steps] = field(default_factory=list)

    def filled(self, value: Any, schema: Any, steps: Steps, *, given: bool) -> Any:
        self.effort.spend()
        if len(steps) > _MAX_DEPTH:
            raise TooDeep
        if not isinstance(value, Mapping | list):
            return value
        known = tuple(parts(schema, self.root, self.effort))
        if isinstance(value, Mapping):
            supplied = self._supplied(known, value, steps, given=given)
            return {
                name: self._by_all(
                    below,
                    of_property(known, name) or of_others(known),
                    (*steps, name),
                    given=given and name in value,
                )
                for name, below in {**supplied, **value}.items()
            }
        return [
            self._by_all(below, of_item(known, index), (*steps, index), given=given)
            for index, below in enumerate(value)
        ]

    def _by_all(self, value: Any, schemas: Iterable[Any], steps: Steps, *, given: bool) -> Any:
        for schema in schemas:
            value = self.filled(value, schema, steps, given=given)
        return value

    def _supplied(
        self, known: Sequence[Mapping[str, Any]], value: Mapping[str, Any], steps: Steps, *, given: bool
    ) -> dict[str, Any]:
        """What a mapping of values lacks and its schema, or the environment, has."""
        found: dict[str, Any] = {}
        for holder in known:
            for name, schema in (holder.get("properties") or {}).items():
                self.effort.spend()
                said = tuple(keywords(schema, self.root, self.effort))
                if name in value:
                    if given and any(keyword.is_platforms for keyword in said):
                        self.refused.append((*steps, name))
                elif name not in found:
                    found |= self._of_environment(said, name, steps) or self._default(schema, name)
        return found

    def _of_environment(self, said: Sequence[Keyword], name: str, steps: Steps) -> dict[str, Any]:
        source = next((keyword.from_ for keyword in said if keyword.from_), None)
        if source is None:
            if any(keyword.is_platforms for keyword in said):
                self.platforms[(*steps, name)] = ""
            return {}
        self.platforms[(*steps, name)] = source
        found: Any = self.facts
        for step in source.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        return {} if found is None else {name: found}

    def _default(self, schema: Any, name: str) -> dict[str, Any]:
        if is_secret(schema, self.root, self.effort):
            return {}
        known = [part["default"] for part in parts(schema, self.root, self.effort) if "default" in part]
        return {name: known[0]} if known else {}
