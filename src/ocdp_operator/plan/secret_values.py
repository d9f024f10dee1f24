"""Secrets of a claim's values, and the tokens that stand for them wherever values are read (design 3).

A token is a control character, a number and another one. No manifest can hold it, so none that strays is ever applied; no
value of a user may, so nobody writes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.effort import Effort
from ocdp_operator.model.keyword import KEYWORD, Generate
from ocdp_operator.model.secrets import (
    TOKEN_MARKS,
    GenerateRule,
    SecretReference,
    SecretText,
    SecretValue,
)
from ocdp_operator.plan.subschemas import of_item, of_others, of_property, parts, says_secret
from ocdp_operator.plan.values import pointer

Path = tuple[str | int, ...]

_OPEN, _CLOSE = TOKEN_MARKS
_TOKEN: Final = re.compile(f"{_OPEN}([0-9]{{1,9}}){_CLOSE}")


def secrets_of(values: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[SecretValue, ...]:
    """Every secret that the values have: given by reference, or generated since none is given. Their order is that of the schema.

    A secret inside of an object or an item exists where that does. Raises Stalled(InvalidValues) for one given in any other
    way, ValueError for a rule that cannot be read, and what the schema's walk raises: TooMuchWork and TooDeep.
    """
    return tuple(_found(values, [schema], (), schema, Effort()))


def _found(
    value: Any, schemas: Sequence[Any], path: Path, root: Mapping[str, Any], effort: Effort
) -> Iterator[SecretValue]:
    known = [part for schema in schemas for part in parts(schema, root, effort)]
    keywords = [part[KEYWORD] for part in known if says_secret(part.get(KEYWORD))]
    if keywords:
        origin = _origin(value, path, keywords)
        if origin is not None:
            yield SecretValue(path, origin)
    elif isinstance(value, Mapping):
        for name in dict.fromkeys((*(n for part in known for n in part.get("properties") or {}), *value)):
            below = of_property(known, name) or of_others(known)
            yield from _found(value.get(name), below, (*path, name), root, effort)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _found(item, of_item(known, index), (*path, index), root, effort)


def _origin(value: Any, path: Path, keywords: Sequence[Any]) -> GenerateRule | SecretReference | None:
    if value is None:
        rules = (each.get("generate") for each in keywords)
        return next((Generate.model_validate(rule).rule for rule in rules if isinstance(rule, Mapping)), None)
    reference = value.get("secretKeyRef") if isinstance(value, Mapping) and len(value) == 1 else None
    if isinstance(reference, Mapping) and reference.keys() == {"name", "key"}:
        return SecretReference(str(reference["name"]), str(reference["key"]))
    at = pointer(path)
    raise Stalled(
        Reason.INVALID_VALUES,
        f"{at} is a secret: give it as {{secretKeyRef: {{name: ..., key: ...}}}}.",
        value_path=at,
    )


def with_tokens(values: Mapping[str, Any], secrets: Sequence[SecretValue]) -> dict[str, Any]:
    """The values with a token for each secret. Raises Stalled(InvalidValues) when one holds what could be taken for a token."""
    for path, text in _texts(values, ()):
        if _OPEN in text or _CLOSE in text:
            at = pointer(path)
            raise Stalled(
                Reason.INVALID_VALUES,
                f"{at} holds a control character, which no manifest can hold.",
                value_path=at,
            )
    complete = dict(values)
    for number, secret in enumerate(secrets):
        _put(complete, secret.path, f"{_OPEN}{number}{_CLOSE}")
    return complete


def _put(place: Any, path: Path, token: str) -> None:
    """Puts it there; what is on the way is copied, once for each secret."""
    step, *rest = path
    if rest:
        below = place[step]
        place[step] = list(below) if isinstance(below, list) else dict(below)
        _put(place[step], tuple(rest), token)
    else:
        place[step] = token


def holds_token(value: Any) -> bool:
    """Whether a secret, or a piece of a token, is anywhere in it."""
    return any(_OPEN in text or _CLOSE in text for _, text in _texts(value, ()))


def secret_text(text: str, secrets: Sequence[SecretValue]) -> SecretText:
    """The text with the secrets that its tokens stand for. Raises ValueError for a token of no secret."""
    plain = _TOKEN.split(text)
    parts: list[str | SecretValue] = []
    for index, part in enumerate(plain):
        if index % 2 == 0:
            if holds_token(part):
                raise ValueError("a piece of a token")
            parts += [part] if part else []
        elif int(part) < len(secrets):
            parts.append(secrets[int(part)])
        else:
            raise ValueError("a token of no secret")
    return tuple(parts) or ("",)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield (*path, key), key
            yield from _texts(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _texts(below, (*path, index))
