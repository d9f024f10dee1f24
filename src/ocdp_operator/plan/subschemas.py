"""A schema's parts as ``x-ocdp`` and ``default`` are looked for in them: at a property, behind ``$ref``, and in ``allOf``.

Every step is counted: a schema and the values that it judges are both from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from ocdp_operator.model.effort import Effort
from ocdp_operator.model.keyword import KEYWORD, Keyword, keyword_of

_MAX_PARTS: Final = 200


class TooDeep(ValueError):
    """Defaults or references of a schema that never end."""


def parts(schema: Any, root: Mapping[str, Any], effort: Effort) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema that holds with it. Raises TooDeep and TooMuchWork."""
    waiting, count = [schema], 0
    while waiting:
        part = waiting.pop(0)
        effort.spend()
        if not isinstance(part, Mapping):
            continue
        count += 1
        if count > _MAX_PARTS:
            raise TooDeep
        yield part
        waiting += [_referenced(part.get("$ref"), root), *(part.get("allOf") or ())]


def of_property(known: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    """What parts say of a property by its name."""
    return [schemas[name] for part in known if name in (schemas := part.get("properties") or {})]


def of_others(known: Iterable[Mapping[str, Any]]) -> list[Any]:
    """What they say of properties that they do not name."""
    return [schema for part in known if isinstance(schema := part.get("additionalProperties"), Mapping)]


def of_item(known: Iterable[Mapping[str, Any]], index: int) -> list[Any]:
    """What they say of an item of a list."""
    found = []
    for part in known:
        first = part.get("prefixItems") or ()
        found.append(first[index] if index < len(first) else part.get("items"))
    return found


def says_secret(raw: Any) -> bool:
    """Whether an ``x-ocdp`` makes its property a secret, by ``secret`` or by ``generate``."""
    return isinstance(raw, Mapping) and (raw.get("secret") is True or "generate" in raw)


def is_secret(schema: Any, root: Mapping[str, Any], effort: Effort | None = None) -> bool:
    """Whether a property is a secret. Raises TooDeep and TooMuchWork."""
    return any(says_secret(part.get(KEYWORD)) for part in parts(schema, root, effort or Effort()))


def takes_null(schema: Any, root: Mapping[str, Any], effort: Effort | None = None) -> bool:
    """Whether null, which is as if it were left out, is among the types that a secret names. Raises TooDeep and TooMuchWork."""
    said = (part.get("type") for part in parts(schema, root, effort or Effort()))
    return any(isinstance(types, list) and "null" in types for types in said)


def keywords(schema: Any, root: Mapping[str, Any], effort: Effort) -> Iterator[Keyword]:
    """What ``x-ocdp`` says of a property. Raises ValueError for one that cannot be read, TooDeep and TooMuchWork."""
    yield from (keyword_of(part) for part in parts(schema, root, effort) if KEYWORD in part)


def _referenced(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
