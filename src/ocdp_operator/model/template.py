"""What the catalog says: a template's revision, where a workspace is placed, and who may use the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from ocdp_operator.model.claim import DeletionPolicy
from ocdp_operator.model.source import PinnedSource
from ocdp_operator.model.wire import WireModel

MAPPING_FACTS: Final = ("claim.name", "claim.namespace", "workspace.customer", "workspace.id")
"""Where a mapping may read from, beside ``values``."""


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


class SecretTarget(WireModel):
    """Puts a value into the claim's credentials Secret; it never passes through kustomize."""

    key: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")


class Mapping_(WireModel):  # noqa: N801 - the field's standard word; the underscore keeps it apart from typing's
    """One way in which a value becomes part of the overlay: ``from`` a path, to exactly one target."""

    from_: str = Field(alias="from", pattern=r"^(values|workspace|claim)(\.[A-Za-z0-9_-]+)+$")
    patch: PatchTarget | None = None
    config_file: ConfigFileTarget | None = None
    secret: SecretTarget | None = None
    components: Mapping[str, str | None] | None = None
    """From each possible value to the component it brings in, or null for none."""

    @model_validator(mode="after")
    def _exactly_one_target(self) -> Mapping_:
        targets = [t for t in (self.patch, self.config_file, self.secret, self.components) if t is not None]
        if len(targets) != 1:
            raise ValueError("a mapping has exactly one target: patch, configFile, secret or components")
        return self


class TemplateDefaults(WireModel):
    """Decisions a template takes where a claim is silent; recorded on the claim when taken."""

    deletion_policy: DeletionPolicy | None = None


class RevisionBody(WireModel):
    """The part of a template file that a revision freezes, as the catalog stores it (JSON)."""

    values_schema: dict[str, Any] = Field(default_factory=dict, alias="schema")
    mappings: tuple[Mapping_, ...] = ()
    components: tuple[str, ...] = ()
    """Component directories that mappings may bring in, relative to the repository's root."""
    allowed_kinds: tuple[str, ...] = ()
    """Kinds a rendering may hold, as ``Kind`` or ``Kind.group``; empty: the operator's own list."""
    credentials_secret: str = "credentials"  # noqa: S105 - the name of a Secret
    """The name by which the base refers to its Secret; the overlay brings it, and references follow."""
    examples: tuple[dict[str, Any], ...] = ()
    defaults: TemplateDefaults = TemplateDefaults()


@dataclass(frozen=True, slots=True)
class TemplateRevision:
    """An immutable revision of a template, with the commit that its ref resolved to when it was published."""

    template_id: str
    revision: int
    source: PinnedSource
    body: RevisionBody


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a workspace lives in this cluster."""

    workspace_id: str
    customer: str
    namespace: str


@dataclass(frozen=True, slots=True)
class CatalogQuestion:
    """What one resolve asks of the catalog, in one transaction."""

    cluster_id: str
    template_id: str
    workspace_id: str
    namespace: str
    revision: int | None
    """The revision in force or pinned; None asks for the newest."""


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """What the catalog knew, all of one moment. Absent things are None: never the result of a failed query."""

    template_exists: bool = False
    disabled: bool = False
    """The template is disabled: no new claims; what runs goes on."""
    granted: bool = False
    """A binding grants the template to the workspace."""
    placement: Placement | None = None
    """Of the asked workspace in this cluster."""
    namespace_workspace: str | None = None
    """The workspace that is placed in the asked namespace of this cluster; None: a namespace never placed."""
    revision: TemplateRevision | None = None
    newest: int | None = None
    counter: int = 0


@dataclass(frozen=True, slots=True)
class ResolvedWorkload:
    """A claim x a revision x a placement: all defaults filled in, access checked."""

    claim_name: str
    namespace: str
    workspace_id: str
    customer: str
    revision: TemplateRevision
    values: Mapping[str, Any] = field(default_factory=dict)
    """With the schema's defaults; secrets are never in here."""
    secret_keys: Mapping[str, int] = field(default_factory=dict)
    """Keys of the credentials Secret that are generated, with their length."""
    components: tuple[str, ...] = ()
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN_DATA
    default_policy: DeletionPolicy = DeletionPolicy.RETAIN_DATA
    """The deletion policy if the claim says nothing."""
    newer: int | None = None
