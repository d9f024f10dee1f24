"""Functions that mappings have beside CEL's own: ``quantity``, ``slug`` and ``envName``. No message quotes what they were given."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from hashlib import sha256
from typing import Any, Final

from ocdp_operator.model.quantity import Quantity
from ocdp_operator.model.secrets import TOKEN_MARKS

MAX_LABEL: Final = 63
"""Characters of a DNS label."""
MAX_ENV_NAME: Final = 48
_HASH: Final = 8
_BINARY: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_LARGEST: Final = 2**63


class BadArgument(ValueError):
    """A function cannot take what it was given; the message says what it takes."""


def quantity(amount: Any, share: Any = 1) -> str:
    """A number, or a text such as ``500m`` or ``1.5Gi``, as the API server would write it: ``1536Mi``.

    With a ``share``, above 0 and at most 1, so much of it, rounded up to thousandths, or to whole bytes of what is written
    in ``Ki`` and so on. Raises BadArgument for anything that is no amount of at least 0, or no share.
    """
    text = f"{Decimal(repr(amount)):f}" if type(amount) in {int, float} and abs(amount) < _LARGEST else amount
    if not isinstance(text, str):
        raise BadArgument("quantity takes a number, or a text such as 500m or 2Gi")
    if type(share) not in {int, float} or not 0 < share <= 1:
        raise BadArgument("quantity takes a share above 0 and at most 1")
    with localcontext() as context:
        context.prec = 80
        value, is_binary = _amount(text)
        if value >= _LARGEST:
            raise BadArgument("quantity takes less than 2^63")
        if share != 1:
            part = value * Decimal(repr(share))
            value = part.quantize(Decimal(1) if is_binary else Decimal("0.001"), ROUND_CEILING)
        return _binary(value) if is_binary and value >= 1024 and value == int(value) else _decimal(value)


def _amount(text: str) -> tuple[Decimal, bool]:
    """The amount, and whether it is written in ``Ki`` and so on."""
    amount: Decimal | None
    try:
        amount = Quantity.parse(text).amount
    except ValueError:
        amount = None
    if amount is None or text.startswith(("+", "-")):
        raise BadArgument("quantity takes a number, or a text such as 500m or 2Gi")
    return amount, text.endswith("i")


def _binary(value: Decimal) -> str:
    whole, suffix = int(value), ""
    for larger in _BINARY:
        if whole % 1024:
            break
        whole, suffix = whole // 1024, larger
    return f"{whole}{suffix}"


def _decimal(value: Decimal) -> str:
    nanos = int((value * 10**9).to_integral_value(rounding=ROUND_CEILING))
    if not nanos:
        return "0"
    suffix = "n"
    for larger in _DECIMAL[1:]:
        if nanos % 1000:
            break
        nanos, suffix = nanos // 1000, larger
    return f"{nanos}{suffix}"


def slug(text: Any) -> str:
    """The text as a DNS label; a hash of the whole text ends it when it had to be changed or cut. Raises BadArgument."""
    if not isinstance(text, str) or not _is_plain(text):
        raise BadArgument("slug takes a text that is no secret")
    label = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    if label == text and 0 < len(label) <= MAX_LABEL:
        return label
    hashed = sha256(text.encode()).hexdigest()[:_HASH]
    return f"{label[: MAX_LABEL - _HASH - 1].rstrip('-')}-{hashed}".lstrip("-")


def env_name(text: Any) -> str:
    """The text as a part of a variable's name; a hash ends it unless it is one already, so that unlike texts stay unlike.

    Raises BadArgument.
    """
    if not isinstance(text, str) or not _is_plain(text):
        raise BadArgument("envName takes a text that is no secret")
    name = re.sub("[^A-Z0-9_]", "_", text.upper())
    if name == text and 0 < len(name) <= MAX_ENV_NAME:
        return name
    hashed = sha256(text.encode()).hexdigest()[:_HASH].upper()
    return f"{name[: MAX_ENV_NAME - _HASH - 1]}_{hashed}".lstrip("_")


def _is_plain(text: str) -> bool:
    return not any(mark in text for mark in TOKEN_MARKS)
