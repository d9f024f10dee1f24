"""YAML from outside, guarded: what costs too much or means two things is refused before anything is built from it.

Scalars mean what they mean to kubectl, not what YAML 1.1 makes of them: a date, ``1:30`` and ``y`` stay text, ``1e3``
and ``0o7`` are numbers. The text is read once, as a stream of events, so that a bomb is noticed while it is small.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from ocdp_operator.errors import Reason, Stalled


@dataclass(frozen=True, slots=True)
class _Limits:
    reason: Reason
    size: int
    nodes: int
    """Scalars, lists and mappings, counted anew wherever an alias repeats them."""
    aliases: int
    depth: int
    json_numbers: bool = False
    """Refuses numbers that JSON cannot carry: the result goes to the API server as it is."""


_WRITTEN: Final = _Limits(Reason.UNSAFE_BUILD, size=1024 * 1024, nodes=100_000, aliases=100, depth=50)
_RENDERED: Final = _Limits(
    Reason.BUILD_FAILED, size=8 * 1024 * 1024, nodes=500_000, aliases=0, depth=100, json_numbers=True
)

_TAG: Final = "tag:yaml.org,2002:"
_INTEGERS: Final = range(-(2**63), 2**64)
_MAX_DIGITS: Final = 100
_MAX_NAME: Final = 200

_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBER_BEGINS: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def load_documents(data: bytes, *, name: str) -> tuple[Any, ...]:
    """Every document of a file that people write, as plain JSON values; an empty document is None.

    ``name`` is the file's, for messages. Raises Stalled(UnsafeBuild) with the name, the line and what is wrong: more
    than 1 MiB, not UTF-8, a byte order mark or NUL, nested deeper than 50, more than 100 aliases or 100,000 nodes, a
    tag beyond the core ones, a key twice, a key that is no text, a merge key, or no YAML at all.
    """
    return tuple(_Reader(data, name, _WRITTEN).documents())


def parse_rendering(data: bytes) -> tuple[Any, ...]:
    """What kustomize printed: plain JSON values. Raises Stalled(BuildFailed) where the API server could not take it."""
    return tuple(_Reader(data, "the output of kustomize", _RENDERED).documents())


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, data: bytes, name: str, limits: _Limits) -> None:
        self._name = _printable(name)
        self._limits = limits
        self._check_text(data)
        self._loader = yaml.CSafeLoader(data)
        self._event: Any = None
        self._nodes = self._aliases = 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def documents(self) -> Iterator[Any]:
        """Each document's value; raises Stalled at the first thing that is refused."""
        try:
            while not isinstance(self._next(), StreamEndEvent):
                if isinstance(self._event, DocumentStartEvent):
                    self._anchors.clear()
                    self._next()
                    yield self._value(1)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "it is no YAML"
            raise self._refusal(str(problem), mark.line if mark else None) from None
        finally:
            self._loader.dispose()

    def _check_text(self, data: bytes) -> None:
        if len(data) > self._limits.size:
            raise self._refusal(f"it has {len(data)} bytes, of at most {self._limits.size}")
        if data.startswith(b"\xef\xbb\xbf") or b"\0" in data:
            raise self._refusal("it must be UTF-8 without a byte order mark and without NUL")
        try:
            data.decode()
        except UnicodeDecodeError:
            raise self._refusal("it must be UTF-8") from None

    def _next(self) -> Any:
        self._event = self._loader.get_event()
        return self._event

    def _refuse(self, what: str) -> Stalled:
        return self._refusal(what, self._event.start_mark.line)

    def _refusal(self, what: str, line: int | None = None) -> Stalled:
        where = self._name if line is None else f"{self._name}, line {line + 1}"
        return Stalled(self._limits.reason, f"{where}: {what}.")

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > self._limits.nodes:
            raise self._refuse(f"more than {self._limits.nodes} values, with what its aliases repeat")

    def _value(self, depth: int) -> Any:
        """The value that begins at the current event; afterwards the current event is its last one."""
        event = self._event
        if type(event) is ScalarEvent and event.anchor is None:
            self._count(1)
            return self._scalar(event)
        if type(event) is AliasEvent:
            return self._alias(event)
        if depth > self._limits.depth:
            raise self._refuse(f"nested more than {self._limits.depth} levels deep")
        before = self._nodes
        self._count(1)
        value = self._collection(event, depth)
        if event.anchor is not None:
            # Only now: an alias inside of what it names would never end.
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _collection(self, event: Any, depth: int) -> Any:
        if type(event) is ScalarEvent:
            return self._scalar(event)
        expected = "seq" if type(event) is SequenceStartEvent else "map"
        if event.tag is not None and event.tag not in {"!", _TAG + expected}:
            raise self._refuse("a tag that is not allowed")
        return self._mapping(depth) if type(event) is MappingStartEvent else self._sequence(depth)

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while type(self._next()) is not SequenceEndEvent:
            items.append(self._value(depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while type(self._next()) is not MappingEndEvent:
            event = self._event
            key = self._value(depth + 1)
            if type(key) is not str:
                raise self._refuse("a key that is no text: put it in quotes")
            if key == "<<" and type(event) is ScalarEvent and event.implicit[0]:
                raise self._refuse("a merge key (<<): write the keys out")
            if key in mapping:
                raise self._refuse(f"the key {_printable(key)} twice")
            self._next()
            mapping[key] = self._value(depth + 1)
        return mapping

    def _alias(self, event: Any) -> Any:
        self._aliases += 1
        if self._aliases > self._limits.aliases:
            raise self._refuse(f"more than {self._limits.aliases} aliases")
        if event.anchor not in self._anchors:
            raise self._refuse("an alias of nothing that ended before it")
        value, nodes = self._anchors[event.anchor]
        self._count(nodes)
        return deepcopy(value)

    def _scalar(self, event: Any) -> Any:
        plain, quoted = event.implicit
        if plain:
            value = _resolved(event.value)
        elif quoted or event.tag == _TAG + "str":
            return event.value
        else:
            value = self._tagged(event)
        if self._limits.json_numbers and type(value) in {int, float} and not _fits_json(value):
            raise self._refuse("a number that JSON cannot carry")
        return value

    def _tagged(self, event: Any) -> Any:
        value = _resolved(event.value)
        kind = {bool: "bool", int: "int", float: "float", type(None): "null"}.get(type(value), "")
        if event.tag == _TAG + "float" and kind == "int":
            return float(value)
        if not kind or event.tag != _TAG + kind:
            raise self._refuse("a tag that is not allowed, or that does not fit the value")
        return value


def _resolved(text: str) -> Any:
    """A plain scalar as kubectl reads it."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_BEGINS or len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text) and abs(number := float(text)) < float("inf"):
        return number
    return text


def _integer(text: str) -> int | str:
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        digits = f"0o{digits[1:]}"
    try:
        return int(sign + digits, 0)
    except ValueError:
        return text  # underscores alone


def _fits_json(number: float) -> bool:
    return number in _INTEGERS if isinstance(number, int) else abs(number) < float("inf")


def _printable(text: str) -> str:
    """Fit for one line of a message."""
    return "".join(char if char.isprintable() else "?" for char in text[:_MAX_NAME])
