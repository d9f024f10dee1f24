"""Which layer set a field of a rendered object: the answer to "where does this come from?" (design 3, features 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.profile import ProfileRef


class Giver(StrEnum):
    """Who gave the value that a mapping carries."""

    CLAIM = "claim"
    """It is in the claim's ``spec.values``."""
    TEMPLATE = "template"
    """The default of the template's schema, or a constant."""
    PROFILE = "profile"
    PLATFORM = "platform"
    """A fact of the claim or its workspace: a name, a namespace, a customer."""
    EXPRESSION = "expression"
    """Computed: see the expression."""


class PlatformPart(StrEnum):
    """What the operator puts on every object."""

    NAME = "name"
    NAMESPACE = "namespace"
    LABEL = "label"
    MARK = "mark"
    RETENTION = "retention"
    STATE = "state"
    CREDENTIALS = "credentials"
    """The version by which pods roll, and the type of the credentials Secret."""
    KEPT = "kept"
    """As it lives: it can never change, whatever the environment says now; or it is a volume, which never shrinks."""
    ROLLOUT = "rollout"
    """The strategy of a Deployment whose new pods could never start beside the old ones."""
    KIND = "kind"
    OTHER = "other"
    """Anything else that the operator adds of itself."""


@dataclass(frozen=True, slots=True)
class BaseLayer:
    """A file of the base, at the template's commit."""

    file: str
    """From the repository's root."""
    commit: str

    def __str__(self) -> str:
        return f"{self.file}@{self.commit[:12]}"


@dataclass(frozen=True, slots=True)
class ComponentLayer:
    """A component that the values brought in."""

    path: str
    """Its directory, from the repository's root."""
    commit: str
    file: str = ""
    """The file that the object is from; empty where the component changed an object of the base."""
    source: str = ""
    """What the mapping reads that chose it: ``values.exposure``."""

    def __str__(self) -> str:
        chosen = f" ({self.source})" if self.source else ""
        return f"{self.file or self.path}@{self.commit[:12]}{chosen}"


@dataclass(frozen=True, slots=True)
class MappingLayer:
    """A mapping of the template."""

    index: int
    source: str
    """The path or the expression that it takes its value from."""
    giver: Giver
    profile: ProfileRef | None = None
    """The profile that said the value, for a ``Giver.PROFILE``."""

    def __str__(self) -> str:
        return f"mappings[{self.index}]: {self.source} ({self.profile or self.giver})"


@dataclass(frozen=True, slots=True)
class ProfileLayer:
    """A standard field of an environment profile, which needs no mapping."""

    profile: ProfileRef
    field: str
    """``ingress.class``, as a mapping would name it below ``profile``."""

    def __str__(self) -> str:
        return f"{self.profile}: {self.field}"


@dataclass(frozen=True, slots=True)
class GeneratedLayer:
    """A value that is made: a credential, or a name that follows from content."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class PlatformLayer:
    """The operator itself."""

    part: PlatformPart

    def __str__(self) -> str:
        return str(self.part)


Layer: TypeAlias = BaseLayer | ComponentLayer | MappingLayer | ProfileLayer | GeneratedLayer | PlatformLayer

_WORDS: dict[type, str] = {
    BaseLayer: "base",
    ComponentLayer: "component",
    MappingLayer: "mapping",
    ProfileLayer: "profile",
    GeneratedLayer: "generated",
    PlatformLayer: "platform",
}


def layer_word(layer: Layer) -> str:
    """``base``, ``component``, ``mapping``, ``profile``, ``generated`` or ``platform``."""
    return _WORDS[type(layer)]


@dataclass(frozen=True, slots=True)
class FieldOrigin:
    """One leaf of one object, with the layer that set it."""

    pointer: str
    """JSON pointer; inside a structured file of a ConfigMap it goes on after a hash: ``/data/config.yaml#/port``."""
    value: Any
    """JSON; ``***`` in place of a Secret's value."""
    layer: Layer


@dataclass(frozen=True, slots=True)
class Provenance:
    """Every leaf of every object of a claim, each with exactly one layer."""

    objects: dict[ObjectRef, tuple[FieldOrigin, ...]]
    """In the order of the rendering; fields in the order of their pointers' objects."""
