"""The base of every model that is parsed from, or written to, JSON: camelCase outside, frozen inside."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """Parses camelCase, ignores fields that it does not know, and cannot be changed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        arbitrary_types_allowed=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """The JSON form: camelCase, without fields that hold their default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def canonical_json(value: Any) -> bytes:
    """The same value gives the same bytes: sorted keys, no spaces."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON: tells that something changed."""
    return sha256(canonical_json(value)).hexdigest()[:16]
