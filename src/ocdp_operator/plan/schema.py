"""JSON Schema 2020-12 as templates use it: ``x-ocdp``, defaults, references within the schema only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

KEYWORD: Final = "x-ocdp"
_MAX_DEPTH: Final = 60
_MAX_PARTS: Final = 200
_DEFAULT_LENGTH: Final = 24
_MAX_LENGTH: Final = 1024


class TooDeep(ValueError):
    """Defaults or references of a schema that never end."""


@lru_cache(maxsize=256)
def compiled(schema_json: bytes) -> Validator:
    """The validator for a schema; the same schema gives the same one. Raises ValueError for what is no schema."""
    schema = orjson.loads(schema_json)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        raise ValueError("no JSON Schema") from None

    def required(
        validator: Any, names: Any, instance: Any, parent: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if not validator.is_type(instance, "object"):
            return
        properties = parent.get("properties") or {}
        for name in names:
            if name not in instance and not is_secret(properties.get(name), schema):
                yield ValidationError("", path=[name])

    known = extend(  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped
        Draft202012Validator,
        {
            KEYWORD: _given_secret,
            "required": required,
            "additionalProperties": _additional,
            "pattern": _pattern,
        },
    )
    validator: Validator = known(
        schema, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return validator


def _given_secret(
    _validator: Any, keyword: Any, _instance: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if _says_secret(keyword):
        yield ValidationError("")


def _additional(
    validator: Any, allowed: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """One error for each field, at its own path, instead of one that quotes them all."""
    if not validator.is_type(instance, "object"):
        return
    named = schema.get("properties") or {}
    patterns = [_python_pattern(pattern) for pattern in schema.get("patternProperties") or ()]
    for name, value in instance.items():
        if name in named or any(pattern.search(name) for pattern in patterns):
            continue
        if allowed is False:
            yield ValidationError("", path=[name])
        else:
            yield from validator.descend(value, allowed, path=name)


def _pattern(
    validator: Any, pattern: str, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # What is too long is refused already; no pattern need work on it.
    if not validator.is_type(instance, "string") or len(instance) > schema.get("maxLength", len(instance)):
        return
    if not _python_pattern(pattern).search(instance):
        yield ValidationError("")


@lru_cache(maxsize=1024)
def _python_pattern(pattern: str) -> re.Pattern[str]:
    r"""``$`` ends the text, as JSON Schema (ECMA 262) means it; Python's also matches before a last line break."""
    return re.compile(
        re.sub(
            r"\\.|\[(?:\\.|[^\]\\])*\]|\$", lambda m: r"\Z" if m[0] == "$" else m[0], pattern, flags=re.DOTALL
        )
    )


def _says_secret(keyword: Any) -> bool:
    return isinstance(keyword, Mapping) and (keyword.get("secret") is True or "generate" in keyword)


def is_secret(schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether a property is a secret, by ``secret`` or by ``generate``."""
    return any(_says_secret(part.get(KEYWORD)) for part in _parts(schema, root))


def generated_length(path: str, root: Mapping[str, Any]) -> int | None:
    """The length of the secret that ``values.<path>`` generates; None when it generates none.

    Raises ValueError for a length that cannot be.
    """
    found: list[Any] = [root]
    for step in path.split("."):
        found = [below for part in found for below in _of_property(_parts(part, root), step)]
    for part in (known for schema in found for known in _parts(schema, root)):
        keyword = part.get(KEYWORD)
        generate = keyword.get("generate") if isinstance(keyword, Mapping) else None
        if isinstance(generate, Mapping):
            length = generate.get("length", _DEFAULT_LENGTH)
            if type(length) is not int or not 1 <= length <= _MAX_LENGTH:
                raise ValueError("length")
            return length
    return None


def filled(values: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The values with ``default`` wherever a property is left out, at every level that exists; nothing is changed in place.

    A default that is an object is filled in turn. Secrets get none. Raises TooDeep when defaults never end.
    """
    complete = _filled(dict(values), schema, schema, 0)
    assert isinstance(complete, dict)
    return complete


def _filled(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise TooDeep
    parts = tuple(_parts(schema, root))
    if isinstance(value, Mapping):
        complete = {**_defaults(parts, root), **value}
        return {
            name: _filled_by_all(below, _of_property(parts, name) or _of_others(parts), root, depth)
            for name, below in complete.items()
        }
    if isinstance(value, list):
        return [
            _filled_by_all(below, _of_item(parts, index), root, depth) for index, below in enumerate(value)
        ]
    return value


def _filled_by_all(value: Any, schemas: Iterable[Any], root: Mapping[str, Any], depth: int) -> Any:
    for schema in schemas:
        value = _filled(value, schema, root, depth + 1)
    return value


def _defaults(parts: Iterable[Mapping[str, Any]], root: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for holder in parts:
        for name, schema in (holder.get("properties") or {}).items():
            if name in found or is_secret(schema, root):
                continue
            known = [part["default"] for part in _parts(schema, root) if "default" in part]
            if known:
                found[name] = known[0]
    return found


def _of_property(parts: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    return [schemas[name] for part in parts if name in (schemas := part.get("properties") or {})]


def _of_others(parts: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [schema for part in parts if isinstance(schema := part.get("additionalProperties"), Mapping)]


def _of_item(parts: Iterable[Mapping[str, Any]], index: int) -> list[Any]:
    found = []
    for part in parts:
        first = part.get("prefixItems") or ()
        found.append(first[index] if index < len(first) else part.get("items"))
    return found


def _parts(schema: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema that holds with it: behind ``$ref`` within the root, and in ``allOf``."""
    waiting, count = [schema], 0
    while waiting:
        part = waiting.pop(0)
        if not isinstance(part, Mapping):
            continue
        count += 1
        if count > _MAX_PARTS:
            raise TooDeep
        yield part
        waiting += [_referenced(part.get("$ref"), root), *(part.get("allOf") or ())]


def _referenced(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
