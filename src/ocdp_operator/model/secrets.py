"""Secret values as everything but the credentials stage knows them: where they come from, never what they are (design 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

TOKEN_MARKS: Final = ("\x02", "\x03")
"""What stands for a secret in expressions begins and ends with these: no user's value may hold them, and no manifest can."""


class Alphabet(StrEnum):
    """The characters of a generated value."""

    ALPHANUMERIC = "alphanumeric"
    HEX = "hex"


@dataclass(frozen=True, slots=True)
class GenerateRule:
    """``x-ocdp.generate`` of a property: made once, kept in the credentials Secret, rotated on request."""

    length: int = 24
    """Of the random part."""
    alphabet: Alphabet = Alphabet.ALPHANUMERIC
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A key of a user's Secret in the claim's namespace, as ``{secretKeyRef: {name, key}}`` names it."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class SecretValue:
    """One secret of the claim's values."""

    path: tuple[str | int, ...]
    """Below ``values``."""
    origin: GenerateRule | SecretReference


SecretText: TypeAlias = tuple[str | SecretValue, ...]
"""Plain text and secrets, in this order; one secret alone is handed on as it is, anything else is derived from it."""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A key of the claim's credentials Secret, and what it will hold."""

    key: str
    text: SecretText
    mapping: int = 0
    """Index of the mapping that asks for it."""

    @property
    def plain(self) -> SecretValue | None:
        """The one secret that it is, if nothing is derived from it."""
        return self.text[0] if len(self.text) == 1 and isinstance(self.text[0], SecretValue) else None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the claim's credentials Secret is to hold. The one place outside of the cluster where values are, and never shown."""

    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole ``data`` of the Secret, base64 as on the wire."""
    version: int = 0
    """When it changes, the Secret is sent again and the pods that use it roll."""
    generated: tuple[str, ...] = ()
    """Keys whose values are the operator's own, sorted."""
    rotation: str = ""
    """The request for a rotation that was last followed."""
    rotated: tuple[str, ...] = ()
    """Keys that have other values by it now, sorted."""
