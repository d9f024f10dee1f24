"""Kubernetes quantities: ``500m``, ``1.5Gi``, ``2e3`` (the grammar of apimachinery's resource.Quantity)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_MAX_LENGTH: Final = 40
_MAX_EXPONENT: Final = 18
"""Of ten; more would be cut by Kubernetes without a word."""
_NUMBER: Final = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([A-Za-z]*)((?:(?<=[eE])[+-]?[0-9]+)?)", re.ASCII
)
_BINARY: Final = {f"{prefix}i": Decimal(1024**power) for power, prefix in enumerate("KMGTPE", start=1)}
_DECIMAL: Final = {
    prefix: Decimal(10) ** power
    for prefix, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
}
_SUFFIXES: Final = {"": Decimal(1), **_BINARY, **_DECIMAL}


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An amount, exactly; ``1Gi`` and ``1024Mi`` are equal."""

    amount: Decimal

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """The amount that a text names. Raises ValueError, which does not quote it."""
        found = _NUMBER.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if found is None:
            raise ValueError("no quantity")
        number, suffix, exponent = found.groups()
        if exponent:
            if suffix not in {"e", "E"} or abs(int(exponent)) > _MAX_EXPONENT:
                raise ValueError("no quantity")
            return cls(Decimal(number).scaleb(int(exponent)))
        if suffix not in _SUFFIXES:
            raise ValueError("no quantity")
        return cls(Decimal(number) * _SUFFIXES[suffix])
