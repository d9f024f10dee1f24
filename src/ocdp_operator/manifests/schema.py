"""Rendered objects against the schema of the Kubernetes version: strict, without a cluster.

As strict as an API server that is asked with ``fieldValidation=Strict``: an unknown field, a value of the wrong type, a missing
field, a value outside of an enumeration, two items of a list with the same key. What only the server's own code knows (the
form of a name, the range of a port) is left to ``--server``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Final, Self

import orjson
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from ocdp_operator.manifests.problems import Problem, subject
from ocdp_operator.model.kinds import find_kind
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.wording import shown

SCHEMA_FILE: Final = "kubernetes.json"
"""In the package ``schemas`` beside this file; ``ocdp manifests schema --write`` renews it."""

_QUANTITY: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_RANGES: Final = {"int32": 2**31, "int64": 2**63, "int-or-string": 2**31}
_TYPES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


class Schema:
    """What one Kubernetes version takes."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.version = str(document["title"]).rpartition(" ")[2]
        """As ``v1.36.3``."""
        self._kinds: Mapping[str, str] = document["x-kinds"]
        whole = _Validator(dict(document), format_checker=_FORMATS)
        self._validators = {
            kind: whole.evolve(schema={"$ref": ref, "$defs": document["$defs"]})
            for kind, ref in self._kinds.items()
        }
        self._known: dict[bytes, tuple[tuple[str, str], ...]] = {}

    @classmethod
    def shipped(cls) -> Self:
        """The one that comes with this package."""
        return cls(orjson.loads(shipped_bytes()))

    def problems(self, where: str, manifest: Manifest) -> Iterator[Problem]:
        """What the server would refuse in this object."""
        for field, what in self._faults(manifest.body):
            yield Problem(where, what, subject(manifest), field)

    def _faults(self, body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Remembered: a base's objects come again in each of its sets."""
        try:
            key = canonical_json(body)
        except orjson.JSONEncodeError:
            return (("", "holds text or numbers that JSON cannot carry"),)
        if key not in self._known:
            self._known[key] = tuple(self._found(body))
        return self._known[key]

    def _found(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        validator = self._validators.get(f"{body['apiVersion']}/{body['kind']}")
        if validator is None:
            yield self._unknown_kind(body)
            return
        for error in sorted(validator.iter_errors(body), key=lambda error: error.json_path):
            yield from _told(error, body)

    def _unknown_kind(self, body: Mapping[str, Any]) -> tuple[str, str]:
        group = str(body["apiVersion"]).rpartition("/")[0]
        kind = find_kind(group, str(body["kind"]))
        if kind is not None and f"{kind.api_version}/{kind.kind}" in self._kinds:
            return "apiVersion", f"must be {kind.api_version}, not {shown(body['apiVersion'])}"
        return "kind", f"{shown(body['kind'])} of {shown(body['apiVersion'])} is no kind that may be rendered"


@cache
def shipped_bytes() -> bytes:
    """The committed schema file."""
    return (resources.files("ocdp_operator.manifests") / "schemas" / SCHEMA_FILE).read_bytes()


def field_path(body: Any, steps: Sequence[str | int]) -> str:
    """``spec.containers[web].image``: items of lists by their name, where they have one."""
    path, value = "", body
    for step in steps:
        value = _below(value, step)
        if isinstance(step, int):
            name = value.get("name") if isinstance(value, Mapping) else None
            path += f"[{shown(name, 40) if isinstance(name, str) else step}]"
        else:
            plain = "." not in step and "/" not in step
            path += (f".{shown(step)}" if path else shown(step)) if plain else f"[{shown(step)}]"
    return path


def _below(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _told(error: ValidationError, body: Any) -> Iterator[tuple[str, str]]:
    """The field and what is wrong there; for an unknown field, that field."""
    steps: list[str | int] = list(error.absolute_path)
    said: Any = error.validator_value
    if error.validator == "additionalProperties":
        declared: Any = error.schema
        instance: Any = error.instance
        for name in sorted(set(instance) - set(declared.get("properties", {}))):
            yield field_path(body, [*steps, name]), "unknown field"
    elif error.validator == "required":
        yield field_path(body, [*steps, error.message]), "is required"
    elif error.validator == "type":
        yield field_path(body, steps), f"must be {_type_names(said)}, not {_shown(error.instance)}"
    elif error.validator == "enum":
        allowed = ", ".join(str(one) for one in said)
        yield field_path(body, steps), f"must be one of {allowed}, not {_shown(error.instance)}"
    elif error.validator == "format":
        yield field_path(body, steps), f"{_shown(error.instance)} is no {said}"
    else:
        yield field_path(body, steps), error.message


def _type_names(types: str | Sequence[str]) -> str:
    names = [types] if isinstance(types, str) else types
    return " or ".join(_TYPES[name] for name in names)


def _shown(value: Any) -> str:
    return shown(value if isinstance(value, str) else str(value), 60) or "empty text"


def _properties(
    validator: Any, properties: Mapping[str, Any], instance: Any, _: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """As ever, but a field that is null is one that is absent: so the API server reads it."""
    if not validator.is_type(instance, "object"):
        return
    for name, below in properties.items():
        if instance.get(name) is not None:
            yield from validator.descend(instance[name], below, path=name, schema_path=name)


def _required(
    validator: Any, names: Sequence[str], instance: Any, _: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        yield from (ValidationError(name) for name in names if instance.get(name) is None)


def _keys(
    validator: Any, keys: Sequence[str], instance: Any, _: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "array"):
        return
    seen = set()
    for item in instance:
        if not isinstance(item, Mapping):
            continue
        found = tuple(str(item.get(key)) for key in keys)
        if found in seen:
            said = ", ".join(f"{key} {shown(one, 40)}" for key, one in zip(keys, found, strict=True))
            yield ValidationError(f"has two items with {said}")
        seen.add(found)


_Validator: Final = extend(  # type: ignore[no-untyped-call]  # its stub leaves it untyped
    Draft202012Validator, {"properties": _properties, "required": _required, "x-keys": _keys}
)
_FORMATS: Final = FormatChecker(formats=())


@_FORMATS.checks("quantity")
def _is_quantity(value: object) -> bool:
    return not isinstance(value, str) or _QUANTITY.fullmatch(value) is not None


@_FORMATS.checks("byte")
def _is_base64(value: object) -> bool:
    return not isinstance(value, str) or _BASE64.fullmatch("".join(value.split())) is not None


@_FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _in_range(limit: int, value: object) -> bool:
    return not isinstance(value, int) or -limit <= value < limit


for _name, _limit in _RANGES.items():
    _FORMATS.checks(_name)(lambda value, limit=_limit: _in_range(limit, value))
