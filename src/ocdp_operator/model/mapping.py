"""Mappings: how a value, a profile's field or an expression becomes part of the overlay (design 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, model_validator

from ocdp_operator.model.wire import WireModel

MAPPING_FACTS: Final = ("claim.name", "claim.namespace", "workspace.customer", "workspace.id")
"""Where a mapping may read from, beside ``values`` and ``profile``."""
MAX_EXPRESSION: Final = 512
"""Characters of a CEL expression."""


class PatchTarget(WireModel):
    """Adds or replaces a field of one object of the base by a JSON patch (RFC 6902)."""

    kind: str
    name: str
    """The object's name in the base, before the claim's prefix."""
    pointer: str = Field(pattern="^(/[^/]*)+$")
    op: Literal["add", "replace"] = "add"


class ConfigFileTarget(WireModel):
    """Sets a value inside one structured file of a ConfigMap that the base generates."""

    config_map: str
    file: str
    pointer: str = Field(pattern="^(/[^/]*)+$")


class ForEach(WireModel):
    """A key of the Secret for each item of a list: ``prefix + envName(item's name) + suffix``."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """The item's field that names it; stable, and unlike in every item."""
    value: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    """The item's field that is the secret; an item without it gets no key."""
    prefix: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,30})?$")
    suffix: str = Field(default="", pattern=r"^[A-Za-z0-9_]{0,30}$")


class SecretTarget(WireModel):
    """Puts a value into the claim's credentials Secret; it never passes through kustomize."""

    key: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")
    for_each: ForEach | None = None

    @model_validator(mode="after")
    def _key_or_keys(self) -> SecretTarget:
        if (self.key is None) is (self.for_each is None):
            raise ValueError("a secret has either key or forEach")
        return self


class ImageTarget(WireModel):
    """Sets one part of every image of this name."""

    name: str = Field(min_length=1, max_length=512)
    """As the base writes it, without tag and digest."""
    part: Literal["name", "tag", "digest"] = "tag"


class ReplicasTarget(WireModel):
    """Sets how many pods a Deployment or StatefulSet of the base has."""

    name: str = Field(min_length=1, max_length=253)


class Mapping_(WireModel):  # noqa: N801 - the field's standard word; the underscore keeps it apart from typing's
    """One way into the overlay: ``from`` a path or by an expression, ``when`` another one is true, to one target."""

    from_: str | None = Field(
        default=None, alias="from", pattern=r"^(values|profile|workspace|claim)(\.[A-Za-z0-9_-]+)+$"
    )
    value: str | None = Field(default=None, min_length=1, max_length=MAX_EXPRESSION)
    """A CEL expression."""
    when: str | None = Field(default=None, min_length=1, max_length=MAX_EXPRESSION)
    """A CEL expression that is true or false; false: the mapping does nothing."""
    patch: PatchTarget | None = None
    config_file: ConfigFileTarget | None = None
    secret: SecretTarget | None = None
    components: Mapping[str, str | None] | None = None
    """From each possible value to the component it brings in, or null for none."""
    image: ImageTarget | None = None
    replicas: ReplicasTarget | None = None

    @property
    def source(self) -> str:
        """Where its value comes from, for a message."""
        return self.from_ if self.from_ is not None else f"{self.value}"

    @property
    def target(self) -> str:
        """Where it goes, for a message."""
        if self.patch is not None:
            return f"patch {self.patch.kind}/{self.patch.name} {self.patch.pointer}"
        if self.config_file is not None:
            file = self.config_file
            return f"configFile {file.config_map}/{file.file} {file.pointer}"
        if self.secret is not None:
            each = self.secret.for_each
            return f"secret {self.secret.key if each is None else f'{each.prefix}*{each.suffix}'}"
        if self.image is not None:
            return f"image {self.image.name} {self.image.part}"
        return "components" if self.replicas is None else f"replicas {self.replicas.name}"

    @model_validator(mode="after")
    def _exactly_one_source_and_target(self) -> Mapping_:
        if (self.from_ is None) is (self.value is None):
            raise ValueError("a mapping has either from or value")
        targets = (self.patch, self.config_file, self.secret, self.components, self.image, self.replicas)
        if sum(target is not None for target in targets) != 1:
            raise ValueError(
                "a mapping has exactly one target: patch, configFile, secret, components, image or replicas"
            )
        return self
