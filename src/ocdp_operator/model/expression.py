"""CEL expressions of mappings: what an evaluation gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value of one expression as JSON, or why it has none; ``failure`` quotes no value."""

    value: Any = None
    failure: str = ""
