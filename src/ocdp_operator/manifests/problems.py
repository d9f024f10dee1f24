"""What is wrong, and where: each problem names a file or set, the object and the field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ocdp_operator.model.objects import Manifest


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    where: str
    """A path of the repository, or a base with its components: what a person opens first."""
    what: str
    object: str = ""
    """``Kind/name``; empty when it is not about one object."""
    field: str = ""
    """Path of the field in the object, or in the file when there is no object."""
    detail: tuple[str, ...] = ()
    """Further lines, such as a difference."""

    @property
    def place(self) -> str:
        """Object and field, as one word each."""
        return " ".join(part for part in (self.object, self.field) if part)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.place, self.what) if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """The same problem in one or several places, told once."""

    problem: Problem
    also: tuple[str, ...] = ()
    """Where else it is."""


def findings(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """Problems that differ only in where they are, as one; the first place stands for all.

    A base is validated before its components and overlays: the first place is where the mistake was made.
    """
    places: dict[tuple[str, str, str, tuple[str, ...]], list[Problem]] = {}
    for problem in problems:
        key = (problem.object, problem.field, problem.what, problem.detail)
        same = places.setdefault(key, [])
        if all(problem.where != other.where for other in same):
            same.append(problem)
    return tuple(Finding(first, tuple(each.where for each in rest)) for first, *rest in places.values())


def of_violation(where: str, violation: str) -> Problem:
    """A violation as ``plan`` words it, ``Kind/name field: why``, in its parts."""
    head, _, why = violation.partition(": ")
    object_, _, field = head.partition(" ")
    return Problem(where, why, object_, field)


def subject(manifest: Manifest) -> str:
    """``Kind/name``, as problems name an object."""
    return str(manifest.ref)
