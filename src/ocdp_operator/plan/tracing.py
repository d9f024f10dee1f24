"""A JSON value whose every leaf knows who set it: built layer by layer, each layer changing what it changes.

A list is compared by what its items are called, not by where they stand: an item that another layer puts before them makes
nobody the author of the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Final, Generic, TypeAlias, TypeVar

_L = TypeVar("_L")

_NAMES: Final = ("name", "mountPath", "containerPort", "key", "model_name")
"""Fields that tell the items of a list apart, the first that fits."""


@dataclass(frozen=True, slots=True)
class Within:
    """A document inside a text: the structured file of a ConfigMap."""

    document: Any


@dataclass(frozen=True, slots=True)
class Leaf(Generic[_L]):
    """A scalar, an empty map or an empty list, and who set it."""

    value: Any
    layer: _L


@dataclass(frozen=True, slots=True)
class File(Generic[_L]):
    """A document inside a text, traced."""

    document: Traced[_L]


Traced: TypeAlias = Leaf[_L] | File[_L] | dict[str, "Traced[_L]"] | list["Traced[_L]"]


def traced(value: Any, layer: _L, before: Traced[_L] | None = None) -> Traced[_L]:
    """``value`` with a layer at every leaf: that of ``before`` where it is the same there, else ``layer``."""
    if isinstance(value, Within):
        return File(traced(value.document, layer, before.document if isinstance(before, File) else None))
    if isinstance(value, Mapping) and value:
        old = before if isinstance(before, dict) else {}
        return {key: traced(below, layer, old.get(key)) for key, below in value.items()}
    if isinstance(value, list) and value:
        pairs = _paired(value, before if isinstance(before, list) else [])
        return [traced(below, layer, old) for below, old in pairs]
    if isinstance(before, Leaf) and _same(before.value, value):
        return before
    return Leaf(value, layer)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: ``true`` is not 1, and 1 is not 1.0."""
    return type(one) is type(other) and bool(one == other)


def _paired(value: Sequence[Any], before: Sequence[Traced[_L]]) -> list[tuple[Any, Traced[_L] | None]]:
    """Each item with the item that it was before, if there was one."""
    pairs = aligned([untraced(item) for item in before], value)
    return [(value[new], None if old is None else before[old]) for old, new in pairs if new is not None]


def aligned(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[int | None, int | None]]:
    """Which item of the old list is which of the new one: every new index in order, then the old ones that are gone."""
    found = dict(_same_items(old, new))
    pairs: list[tuple[int | None, int | None]] = [(found.get(at), at) for at in range(len(new))]
    pairs += [(at, None) for at in range(len(old)) if at not in found.values()]
    return pairs


def _same_items(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int, int | None]]:
    if name := _naming(old, new):
        places = {_text(item[name]): at for at, item in enumerate(old)}
        yield from ((at, places.get(_text(item[name]))) for at, item in enumerate(new))
        return
    matcher = SequenceMatcher(
        None, [_text(item) for item in old], [_text(item) for item in new], autojunk=False
    )
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag in {"equal", "replace"}:
            yield from zip(range(new_from, new_to), range(old_from, old_to), strict=False)


def _text(item: Any) -> str:
    """For comparing only; numbers of any size, unlike canonical JSON."""
    return json.dumps(item, sort_keys=True, ensure_ascii=False)


def _naming(*lists: Sequence[Any]) -> str:
    """The field that tells the items of all these lists apart; empty when there is none."""
    for name in _NAMES:
        if all(_is_named(items, name) for items in lists):
            return name
    return ""


def _is_named(items: Sequence[Any], name: str) -> bool:
    if not all(isinstance(item, Mapping) and isinstance(item.get(name), str | int) for item in items):
        return False
    return len({_text(item[name]) for item in items}) == len(items)


def untraced(node: Traced[_L]) -> Any:
    """The value alone."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, File):
        return Within(untraced(node.document))
    if isinstance(node, dict):
        return {key: untraced(below) for key, below in node.items()}
    return [untraced(below) for below in node]


def leaves(node: Traced[_L], pointer: str = "") -> Iterator[tuple[str, Leaf[_L]]]:
    """Every leaf with its pointer, in the order of the value."""
    if isinstance(node, Leaf):
        yield pointer, node
    elif isinstance(node, File):
        yield from leaves(node.document, f"{pointer}#")
    elif isinstance(node, dict):
        for key, below in node.items():
            yield from leaves(below, f"{pointer}/{escaped(key)}")
    else:
        for index, below in enumerate(node):
            yield from leaves(below, f"{pointer}/{index}")


def escaped(step: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")


def rewritten(node: Traced[_L], change: Callable[[str, Leaf[_L]], Leaf[_L]], pointer: str = "") -> Traced[_L]:
    """The same value with every leaf replaced by what ``change`` makes of it."""
    if isinstance(node, Leaf):
        return change(pointer, node)
    if isinstance(node, File):
        return replace(node, document=rewritten(node.document, change, f"{pointer}#"))
    if isinstance(node, dict):
        return {key: rewritten(below, change, f"{pointer}/{escaped(key)}") for key, below in node.items()}
    return [rewritten(below, change, f"{pointer}/{index}") for index, below in enumerate(node)]
