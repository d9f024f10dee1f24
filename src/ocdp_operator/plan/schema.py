"""JSON Schema 2020-12 as templates use it: ``x-ocdp``, defaults, references within the schema only.

A schema and the values that it judges are both from outside, and this runs in the event loop: every step is counted, and
every pattern is matched in linear time, so that no pair of them can hold the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

from ocdp_operator.model.effort import Effort
from ocdp_operator.model.patterns import pattern
from ocdp_operator.model.values_schema import MAX_SCHEMA_BYTES, REFUSED_KEYWORDS

KEYWORD: Final = "x-ocdp"
_MAX_DEPTH: Final = 60
_MAX_PARTS: Final = 200
_DEFAULT_LENGTH: Final = 24
_MAX_LENGTH: Final = 1024
_BYTES_OF_A_STEP: Final = 256
"""Bytes of an instance that a keyword can look at, or put into a message, in one step."""
_ITEMS_OF_A_STEP: Final = 8
_FORMATS: Final = ("date", "email", "idn-email", "ipv4", "ipv6", "uuid")
"""Those that are checked: each in linear time. ``regex`` is not: no text of a user is compiled."""

_Keyword: TypeAlias = Callable[[Any, Any, Any, Mapping[str, Any]], Iterable[ValidationError] | None]


class TooDeep(ValueError):
    """Defaults or references of a schema that never end."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that the values break. It holds nothing of the values but the way to the place."""

    path: tuple[str | int, ...]
    keyword: str
    rule: Any
    """What the schema says beside the keyword."""


@dataclass(frozen=True, slots=True)
class _Check:
    """One validation under way."""

    effort: Effort
    sizes: Mapping[int, int]
    """Bytes of every mapping and list of the values, by its ``id``."""

    def size(self, instance: Any) -> int:
        if isinstance(instance, str):
            return len(instance)
        return self.sizes.get(id(instance), 1)


_check: ContextVar[_Check] = ContextVar("_check")


def violations(schema_json: bytes, values: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Every rule that the values break.

    Raises ValueError (and what jsonschema and referencing raise) for a schema that cannot be used, and TooMuchWork when
    it takes more than ``MAX_STEPS`` steps to tell.
    """
    validator = _compiled(schema_json)
    sizes: dict[int, int] = {}
    effort = Effort()
    _measure(values, sizes, effort)
    token = _check.set(_Check(effort, sizes))
    try:
        return tuple(
            Violation(tuple(error.absolute_path), str(error.validator), error.validator_value)
            for error in validator.iter_errors(values)
        )
    finally:
        _check.reset(token)


def _measure(value: Any, sizes: dict[int, int], effort: Effort) -> int:
    effort.spend()
    if isinstance(value, Mapping):
        size = sum(len(key) + _measure(below, sizes, effort) for key, below in value.items())
    elif isinstance(value, list):
        size = sum(_measure(below, sizes, effort) for below in value)
    else:
        return len(value) if isinstance(value, str) else 1
    effort.spend(size // _BYTES_OF_A_STEP)
    sizes[id(value)] = size
    return size


@lru_cache(maxsize=256)
def _compiled(schema_json: bytes) -> Validator:
    """The validator for a schema; the same schema gives the same one. Raises ValueError for what is no schema."""
    if len(schema_json) > MAX_SCHEMA_BYTES:
        raise ValueError("too large")
    schema = orjson.loads(schema_json)
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError:
        raise ValueError("no JSON Schema") from None

    def required(
        validator: Any, names: Any, instance: Any, parent: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if not validator.is_type(instance, "object"):
            return
        properties = parent.get("properties") or {}
        for name in names:
            if name not in instance and not _is_secret(properties.get(name), schema, _check.get().effort):
                yield ValidationError("", path=[name])

    own: dict[str, _Keyword] = {
        KEYWORD: _given_secret,
        "required": required,
        "additionalProperties": _additional,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        **dict.fromkeys(REFUSED_KEYWORDS, _refused),
    }
    known = extend(  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped
        Draft202012Validator,
        {
            keyword: _counted(keyword, check)
            for keyword, check in (Draft202012Validator.VALIDATORS | own).items()
        },
    )
    validator: Validator = known(schema, registry=Registry(), format_checker=FormatChecker(_FORMATS))
    return validator


def _counted(keyword: str, check: _Keyword) -> _Keyword:
    """The same check, which pays for what it may cost before it begins."""

    def counted(
        validator: Any, rule: Any, instance: Any, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        under_way = _check.get()
        times = {"enum": rule, "uniqueItems": instance}.get(keyword)
        looks = len(times) if isinstance(times, list) else 1
        items = sum(len(each) for each in (rule, instance) if isinstance(each, Mapping | list))
        under_way.effort.spend(
            items // _ITEMS_OF_A_STEP + looks * (1 + under_way.size(instance) // _BYTES_OF_A_STEP)
        )
        yield from check(validator, rule, instance, schema) or ()

    return counted


def _refused(*_: Any) -> Iterator[ValidationError]:
    raise ValueError("a keyword that is not supported")


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
    patterns = schema.get("patternProperties") or ()
    for name, value in instance.items():
        if name in named or any(_matches(text, name) for text in patterns):
            continue
        if allowed is False:
            yield ValidationError("", path=[name])
        else:
            yield from validator.descend(value, allowed, path=name)


def _pattern_properties(
    validator: Any, rules: Mapping[str, Any], instance: Any, _schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for text, below in rules.items():
        for name, value in instance.items():
            if _matches(text, name):
                yield from validator.descend(value, below, path=name, schema_path=text)


def _pattern(
    validator: Any, text: str, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # What is too long is refused already; no pattern need work on it.
    if not validator.is_type(instance, "string") or len(instance) > schema.get("maxLength", len(instance)):
        return
    if not _matches(text, instance):
        yield ValidationError("")


def _matches(text: str, instance: str) -> bool:
    known = pattern(text)
    _check.get().effort.spend(known.steps_for(instance))
    return known.found_in(instance)


def _says_secret(keyword: Any) -> bool:
    return isinstance(keyword, Mapping) and (keyword.get("secret") is True or "generate" in keyword)


def is_secret(schema: Any, root: Mapping[str, Any]) -> bool:
    """Whether a property is a secret, by ``secret`` or by ``generate``. Raises TooDeep and TooMuchWork."""
    return _is_secret(schema, root, Effort())


def _is_secret(schema: Any, root: Mapping[str, Any], effort: Effort) -> bool:
    return any(_says_secret(part.get(KEYWORD)) for part in _parts(schema, root, effort))


def generated_length(path: str, root: Mapping[str, Any]) -> int | None:
    """The length of the secret that ``values.<path>`` generates; None when it generates none.

    Raises ValueError for a length that cannot be.
    """
    effort = Effort()
    found: list[Any] = [root]
    for step in path.split("."):
        found = [below for part in found for below in _of_property(_parts(part, root, effort), step)]
    for part in (known for schema in found for known in _parts(schema, root, effort)):
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

    A default that is an object is filled in turn. Secrets get none. Raises TooDeep when defaults never end, and
    TooMuchWork when they are too many.
    """
    complete = _Filling(schema, Effort()).filled(dict(values), schema, 0)
    assert isinstance(complete, dict)
    return complete


@dataclass(frozen=True, slots=True)
class _Filling:
    root: Mapping[str, Any]
    effort: Effort

    def filled(self, value: Any, schema: Any, depth: int) -> Any:
        self.effort.spend()
        if depth > _MAX_DEPTH:
            raise TooDeep
        if not isinstance(value, Mapping | list):
            return value
        parts = tuple(_parts(schema, self.root, self.effort))
        if isinstance(value, Mapping):
            complete = {**self._defaults(parts), **value}
            return {
                name: self._by_all(below, _of_property(parts, name) or _of_others(parts), depth)
                for name, below in complete.items()
            }
        return [self._by_all(below, _of_item(parts, index), depth) for index, below in enumerate(value)]

    def _by_all(self, value: Any, schemas: Iterable[Any], depth: int) -> Any:
        for schema in schemas:
            value = self.filled(value, schema, depth + 1)
        return value

    def _defaults(self, parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for holder in parts:
            for name, schema in (holder.get("properties") or {}).items():
                self.effort.spend()
                if name in found or _is_secret(schema, self.root, self.effort):
                    continue
                known = [
                    part["default"] for part in _parts(schema, self.root, self.effort) if "default" in part
                ]
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


def _parts(schema: Any, root: Mapping[str, Any], effort: Effort) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema that holds with it: behind ``$ref`` within the root, and in ``allOf``."""
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


def _referenced(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
