"""What the catalog says: a template's revision, where a workspace is placed, and who may use the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from ocdp_operator.model.claim import DeletionPolicy, UpgradePolicy
from ocdp_operator.model.ignoring import IgnoreRule
from ocdp_operator.model.mapping import Mapping_
from ocdp_operator.model.profile import Environment, ProfileRef, ProfileRevision
from ocdp_operator.model.secrets import SecretUse
from ocdp_operator.model.source import PinnedSource
from ocdp_operator.model.wire import WireModel


class TemplateDefaults(WireModel):
    """Decisions a template takes where a claim is silent; recorded on the claim when taken."""

    deletion_policy: DeletionPolicy | None = None
    upgrade_policy: UpgradePolicy | None = None


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
    ignore: tuple[IgnoreRule, ...] = Field(default=(), max_length=50)
    """Fields of the rendered objects that others may own: they are never put back."""
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
    users: tuple[str, ...] = ()
    """Whose bindings matter: who made the claim, and who changed it last."""
    groups: tuple[str, ...] = ()
    """Every group of these users."""
    profiles: tuple[ProfileRef, ...] | None = None
    """The profile revisions in force; None asks for the newest of each layer."""


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """What the catalog knew, all of one moment. Absent things are None: never the result of a failed query."""

    template_exists: bool = False
    disabled: bool = False
    """The template is disabled: no new claims; what runs goes on."""
    granted: bool = False
    """A binding grants the template to the workspace."""
    granted_users: frozenset[str] = frozenset()
    """Those of the asked users to whom a binding grants it by name."""
    granted_groups: frozenset[str] = frozenset()
    """Those of the asked groups to which a binding grants it."""
    profiles: tuple[ProfileRevision, ...] = ()
    """The asked profile revisions, in the order of the layers."""
    newest_profiles: tuple[ProfileRef, ...] = ()
    """The newest revision of each layer's profile, in the same order."""
    placement: Placement | None = None
    """Of the asked workspace in this cluster."""
    namespace_workspace: str | None = None
    """The workspace that is placed in the asked namespace of this cluster; None: a namespace never placed."""
    revision: TemplateRevision | None = None
    newest: int | None = None
    counter: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """A mapping that applies to this claim, with the value that it brings: JSON, never null, never a secret."""

    index: int
    """Of the mapping in the revision."""
    mapping: Mapping_
    value: Any


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
    bound: tuple[Bound, ...] = ()
    """The mappings that apply, in their order; those to ``secret`` and ``components`` are not among them."""
    secrets: tuple[SecretUse, ...] = ()
    """The keys of the credentials Secret, in the order of the mappings."""
    components: tuple[str, ...] = ()
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN_DATA
    default_policy: DeletionPolicy = DeletionPolicy.RETAIN_DATA
    """The deletion policy if the claim says nothing."""
    newer: int | None = None
    environment: Environment = field(default_factory=Environment)
    newer_profiles: tuple[ProfileRef, ...] = ()
    """The newest profiles of the layers, where they are others than those of ``environment``."""
    upgrade_policy: UpgradePolicy = UpgradePolicy.MANUAL
    """The one in force."""
    default_upgrade: UpgradePolicy = UpgradePolicy.MANUAL
    """The upgrade policy if the claim says nothing."""
    immutable: Mapping[str, str] = field(default_factory=dict)
    """Path below ``values`` -> a digest of the value, for each that may not change after the claim was made."""
