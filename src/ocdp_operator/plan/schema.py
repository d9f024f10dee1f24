"""JSON Schema 2020-12 as templates use it: secrets by reference, quantities, references within the schema only.

A schema and the values that it judges are both from outside, and this runs in the event loop: every step is counted, and
every pattern is matched in linear time, so that no pair of them can hold the operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

from ocdp_operator.model.effort import Effort
from ocdp_operator.model.keyword import KEYWORD, QUANTITY, keyword_of
from ocdp_operator.model.patterns import pattern
from ocdp_operator.model.quantity import Quantity
from ocdp_operator.model.values_schema import MAX_SCHEMA_BYTES, REFUSED_KEYWORDS
from ocdp_operator.plan.subschemas import is_secret, parts, takes_null

_BYTES_OF_A_STEP: Final = 256
"""Bytes of an instance that a keyword can look at, or put into a message, in one step."""
_ITEMS_OF_A_STEP: Final = 8
CHECKED_FORMATS: Final = ("date", "email", "idn-email", "ipv4", "ipv6", QUANTITY, "uuid")
"""Those that are checked: each in linear time. ``regex`` is not: no text of a user is compiled."""
_FORMATS: Final = FormatChecker(each for each in CHECKED_FORMATS if each != QUANTITY)
_REFERENCE: Final = "secretKeyRef"
_SECRET_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII
)
_SECRET_KEY: Final = re.compile(r"[-._A-Za-z0-9]{1,253}", re.ASCII)

_Keyword: TypeAlias = Callable[[Any, Any, Any, Mapping[str, Any]], Iterable[ValidationError] | None]


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that the values break. It holds nothing of the values but the way to the place."""

    path: tuple[str | int, ...]
    keyword: str
    """Of JSON Schema; or ``quantityMinimum``, ``quantityMaximum``, ``secret``, ``secretName`` and ``secretKey``."""
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
    return _violations(_compiled(schema_json).iter_errors, values)


def violations_at(schema_json: bytes, node: Mapping[str, Any], value: Any) -> tuple[Violation, ...]:
    """Every rule of one part of a schema, ``node``, that a value breaks. Raises like ``violations``."""
    return _violations(partial(_compiled(schema_json).descend, schema=node), value)  # type: ignore[attr-defined]


def _violations(errors_of: Callable[[Any], Iterable[ValidationError]], value: Any) -> tuple[Violation, ...]:
    sizes: dict[int, int] = {}
    effort = Effort()
    _measure(value, sizes, effort)
    token = _check.set(_Check(effort, sizes))
    try:
        return tuple(
            Violation(tuple(error.absolute_path), str(error.validator), error.validator_value)
            for error in errors_of(value)
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
            if name not in instance and not _is_generated(properties.get(name), schema):
                yield ValidationError("", path=[name])

    own: dict[str, _Keyword] = {
        KEYWORD: _own_rules,
        "required": required,
        "additionalProperties": _additional,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        **dict.fromkeys(REFUSED_KEYWORDS, _refused),
    }
    known = extend(  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped
        Draft202012Validator,
        {
            keyword: _counted(keyword, check, schema)
            for keyword, check in (Draft202012Validator.VALIDATORS | own).items()
        },
    )
    validator: Validator = known(schema, registry=Registry(), format_checker=_FORMATS)
    return validator


def _counted(keyword: str, check: _Keyword, root: Mapping[str, Any]) -> _Keyword:
    """The same check, which pays for what it may cost before it begins; a secret is only ever a reference."""

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
        judge = _secret_judge(schema, root)
        if judge is None:
            yield from check(validator, rule, instance, schema) or ()
        elif judge == keyword and not (instance is None and takes_null(schema, root, _check.get().effort)):
            yield from _secret_faults(instance, generated=_is_generated(schema, root))

    return counted


def _secret_judge(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str | None:
    """The one keyword of a secret's schema that is asked: what the secret is, is for nobody to judge here."""
    held = next((keyword for keyword in (KEYWORD, "$ref", "allOf") if keyword in schema), None)
    return held if held is not None and is_secret(schema, root, _check.get().effort) else None


def _secret_faults(instance: Any, *, generated: bool) -> Iterator[ValidationError]:
    """``{secretKeyRef: {name, key}}``, and nothing else. Nothing of what was given instead is said."""
    reference = instance.get(_REFERENCE) if isinstance(instance, Mapping) and len(instance) == 1 else None
    if not isinstance(reference, Mapping) or set(reference) != {"name", "key"}:
        yield ValidationError("", validator="secret", validator_value=generated)
        return
    for field, form, rule in (("name", _SECRET_NAME, "secretName"), ("key", _SECRET_KEY, "secretKey")):
        if not isinstance(reference[field], str) or form.fullmatch(reference[field]) is None:
            yield ValidationError("", validator=rule, path=[_REFERENCE, field])


def _is_generated(schema: Any, root: Mapping[str, Any]) -> bool:
    said = (part.get(KEYWORD) for part in parts(schema, root, _check.get().effort))
    return any(isinstance(keyword, Mapping) and "generate" in keyword for keyword in said)


@_FORMATS.checks(QUANTITY, raises=ValueError)
def _is_quantity(instance: object) -> bool:
    return not isinstance(instance, str) or bool(Quantity.parse(instance))


def _own_rules(
    validator: Any, _keyword: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    known = keyword_of(schema)
    if not validator.is_type(instance, "string") or not (known.minimum or known.maximum):
        return
    try:
        given = Quantity.parse(instance)
    except ValueError:
        return  # its format says so
    if known.minimum is not None and given < Quantity.parse(known.minimum):
        yield ValidationError("", validator="quantityMinimum", validator_value=known.minimum)
    if known.maximum is not None and given > Quantity.parse(known.maximum):
        yield ValidationError("", validator="quantityMaximum", validator_value=known.maximum)


def _refused(*_: Any) -> Iterator[ValidationError]:
    raise ValueError("a keyword that is not supported")


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
