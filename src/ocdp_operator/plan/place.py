"""A place in a manifest of unknown shape: wrong types are reported, never followed and never an error of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ocdp_operator.plan.wording import shown


class Violations:
    """What is wrong with one object, each thing once, in the order found."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._found: dict[str, None] = {}

    def add(self, field: str, why: str) -> None:
        """Notes that ``field`` of the object is not as it must be."""
        self._found[f"{self.subject} {field}: {why}" if field else f"{self.subject}: {why}"] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class Place:
    """One value of a manifest with its path. An absent field and an explicit null are the same."""

    __slots__ = ("_found", "path", "value")

    def __init__(self, value: Any, found: Violations, path: str = "") -> None:
        self.value = value
        self.path = path
        self._found = found

    def deny(self, why: str) -> None:
        """Notes a violation here."""
        self._found.add(self.path, why)

    def at(self, *steps: str) -> Place:
        """The place below, along the fields; absent when something on the way is absent or no object."""
        place = self
        for step in steps:
            below = place.mapping().get(step)
            place = Place(below, self._found, f"{place.path}.{shown(step)}" if place.path else shown(step))
        return place

    def mapping(self) -> Mapping[Any, Any]:
        """The object here; empty when it is absent, and denied when it is something else."""
        if isinstance(self.value, Mapping):
            return self.value
        if self.value is not None:
            self.deny("must be an object")
        return {}

    def entries(self) -> Iterator[tuple[str, Place]]:
        """The fields of the object here."""
        for name, below in self.mapping().items():
            if isinstance(name, str):
                yield name, Place(below, self._found, f"{self.path}[{shown(name)}]")
            else:
                self.deny("must have text as keys")

    def items(self) -> Iterator[Place]:
        """The items of the list here; none when it is absent, and denied when it is something else."""
        if self.value is not None and not isinstance(self.value, list | tuple):
            self.deny("must be a list")
            return
        for index, item in enumerate(self.value or ()):
            name = item.get("name") if isinstance(item, Mapping) else None
            label = shown(name, 40) if isinstance(name, str) else str(index)
            yield Place(item, self._found, f"{self.path}[{label}]")

    def text(self) -> str:
        """The text here; empty when it is absent, and denied when it is something else."""
        if isinstance(self.value, str):
            return self.value
        if self.value is not None:
            self.deny("must be text")
        return ""

    def is_exactly(self, *allowed: Any) -> bool:
        """Whether the value is one of ``allowed``, type and all: ``1`` is not true, and ``0.0`` is not ``0``."""
        return any(type(self.value) is type(one) and self.value == one for one in allowed)

    def only(self, *allowed: Any, why: str) -> None:
        """Denies every value but the allowed ones and an absent one."""
        if self.value is not None and not self.is_exactly(*allowed):
            self.deny(why)

    def must_be(self, *required: Any, why: str) -> None:
        """Denies every value but these, an absent one too."""
        if not self.is_exactly(*required):
            self.deny(why)
