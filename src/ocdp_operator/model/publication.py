"""What a platform team writes into the catalog: YAML documents, parsed and checked before anything is stored.

One command takes one kind. Unknown keys are errors; every fault is reported at once, with file, document and path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from ocdp_operator.errors import OcdpError, Stalled
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.faults import Fault, dotted, unstorable
from ocdp_operator.model.identifier import Identifier, Subject
from ocdp_operator.model.ignoring import pointer_fault
from ocdp_operator.model.kinds import RUNTIME_KINDS
from ocdp_operator.model.mapping_faults import mappings_faults, source_fault
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.source import PinnedSource
from ocdp_operator.model.template import RevisionBody
from ocdp_operator.model.values_schema import ValuesSchema
from ocdp_operator.model.wire import WireModel


class PublicationError(OcdpError):
    """Something cannot enter the catalog, or is not in it; the message lists why, ``remedy`` says what to do next."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def _repository_path(path: str) -> str:
    if any(segment in {"", ".", ".."} for segment in path.split("/")):
        raise ValueError("a path is relative to the repository's root, without '.', '..' or empty parts")
    if path.startswith("-") or not path.isprintable() or "\\" in path or " " in path:
        raise ValueError("a path begins with no dash, and has no backslash, blank or control character")
    return path


RepositoryPath = Annotated[
    str, StringConstraints(pattern=r"^[^\\\s\x00]+$", max_length=512), AfterValidator(_repository_path)
]


class TemplateSource(WireModel):
    """Where a template's manifests come from, by ref."""

    type: Literal["gitKustomize"] = "gitKustomize"
    repository_url: Annotated[
        str, StringConstraints(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$", max_length=2000)
    ]
    """http or https, without credentials: those belong into the settings' credentials file."""
    ref: Annotated[str, StringConstraints(pattern=r"^[^-\s\x00][^\s\x00]*$", max_length=255)]
    path: RepositoryPath


class Published(WireModel):
    """What the catalog adds to a template's revision; shown by ``get``, ignored by ``apply``."""

    revision: int
    commit: str
    published_at: datetime
    published_by: str = ""
    kustomize_version: str | None = None


class TemplateEntry(RevisionBody):
    """``kind: WorkloadTemplate``: becomes a revision, unless the newest one says the same."""

    kind: Literal["WorkloadTemplate"] = "WorkloadTemplate"
    id: Identifier
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    template_type: Literal["kustomize"] = "kustomize"
    source: TemplateSource
    disabled: bool = False
    """No new claims; what runs goes on."""
    values_schema: dict[str, Any] = Field(alias="schema")
    published: Published | None = None

    @property
    def body(self) -> RevisionBody:
        """The part that a revision freezes."""
        return RevisionBody.model_construct(
            **{name: getattr(self, name) for name in RevisionBody.model_fields}
        )

    def pinned(self, commit: str) -> PinnedSource:
        """The source at the commit that its ref resolved to."""
        return PinnedSource(self.source.repository_url, self.source.ref, self.source.path, commit)


class ClusterEntry(WireModel):
    """``kind: Cluster``: a target cluster, by the ``clusterId`` of its operator."""

    kind: Literal["Cluster"] = "Cluster"
    id: Identifier
    disabled: bool = False


class PlacementEntry(WireModel):
    """Where a workspace lives in one cluster. It never moves: disable it and add another."""

    cluster: Identifier
    namespace: Identifier
    disabled: bool = False


class WorkspaceEntry(WireModel):
    """``kind: Workspace``: with at most one enabled placement in each cluster."""

    kind: Literal["Workspace"] = "Workspace"
    id: Identifier
    customer: Identifier
    placements: tuple[PlacementEntry, ...] = ()
    disabled: bool = False

    @model_validator(mode="after")
    def _one_in_each_cluster(self) -> WorkspaceEntry:
        enabled = [placement.cluster for placement in self.placements if not placement.disabled]
        if len(set(enabled)) < len(enabled):
            raise ValueError("a workspace has at most one enabled placement in each cluster")
        return self


class BindingEntry(WireModel):
    """``kind: AccessBinding``: offers a template to one workspace, user or group."""

    kind: Literal["AccessBinding"] = "AccessBinding"
    template: Identifier
    workspace: Identifier | None = None
    user: Subject | None = None
    group: Subject | None = None
    disabled: bool = False

    @model_validator(mode="after")
    def _exactly_one_subject(self) -> BindingEntry:
        if sum(subject is not None for subject in (self.workspace, self.user, self.group)) != 1:
            raise ValueError("a binding names exactly one of workspace, user and group")
        return self

    @property
    def subject(self) -> tuple[str, str]:
        """``("workspace", "team-a")``."""
        named = (("workspace", self.workspace), ("user", self.user), ("group", self.group))
        return next((kind, name) for kind, name in named if name is not None)

    def __str__(self) -> str:
        return f"{self.template} to {' '.join(self.subject)}"


@dataclass(frozen=True, slots=True)
class PinnedTemplate:
    """A template ready to be stored: checked, and its ref resolved."""

    entry: TemplateEntry
    commit: str
    kustomize_version: str | None = None
    """The version that rendered the examples; None when nothing was rendered."""


Entry: TypeAlias = TemplateEntry | ClusterEntry | WorkspaceEntry | BindingEntry | EnvironmentProfileEntry
Storable: TypeAlias = ClusterEntry | WorkspaceEntry | BindingEntry | EnvironmentProfileEntry | PinnedTemplate


class Action(StrEnum):
    """What storing an entry did."""

    PUBLISHED = "published"
    """A new revision of a template or a profile."""
    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What storing one entry, or one placement of a workspace, did."""

    subject: str
    """``template code-server``."""
    action: Action
    detail: str = ""


_FIRST: Final = (
    *("kind", "id", "title", "description", "templateType", "source", "schema"),
    *("cluster", "customer", "workspace"),
)

_OUR_WORDS: Final = {
    "extra_forbidden": "unknown key",
    "missing": "is required",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
}
"""For pydantic's kinds of faults, whose own words are Python's."""
_E = TypeVar("_E", TemplateEntry, ClusterEntry, WorkspaceEntry, BindingEntry, EnvironmentProfileEntry)
_COMMANDS: Final = {
    "WorkloadTemplate": "ocdp template apply",
    "Workspace": "ocdp workspace apply",
    "AccessBinding": "ocdp binding apply",
    "EnvironmentProfile": "ocdp profile apply",
    "Cluster": "ocdp cluster apply",
}


def parse_entries(data: bytes, *, name: str, entry: type[_E]) -> tuple[_E, ...]:
    """Every document of a file as an entry of one kind; ``name`` is the file's, for messages.

    Raises PublicationError with every fault, each with its document and path.
    """
    try:
        documents = load_documents(data, name=name)
    except Stalled as error:
        raise PublicationError(error.message) from None
    entries: list[_E] = []
    faults: list[str] = []
    for number, document in enumerate(documents, start=1):
        if document is None:
            continue
        try:
            entries.append(_parse_entry(document, entry))
        except _Refused as refused:
            faults += [f"document {number}, {fault}" for fault in refused.faults]
    if not entries and not faults:
        faults.append("it holds no document")
    if faults:
        raise PublicationError("\n  ".join([f"{name} is not accepted:", *faults]))
    return tuple(entries)


def to_document(entry: Entry) -> dict[str, Any]:
    """The entry as a document that ``apply`` takes again."""
    # Of a profile null is not silence: it takes away what an earlier layer says.
    is_profile = isinstance(entry, EnvironmentProfileEntry)
    wire = entry.model_dump(
        mode="json", by_alias=True, exclude_unset=is_profile, exclude_defaults=not is_profile
    )
    wire |= {"kind": entry.kind}
    if isinstance(entry, TemplateEntry):
        wire |= {"templateType": entry.template_type, "source": entry.source.model_dump(by_alias=True)}
    return {key: wire[key] for key in dict.fromkeys((*_FIRST, *wire)) if key in wire}


class _Refused(Exception):
    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = faults


def _parse_entry(document: Any, entry: type[_E]) -> _E:
    expected = entry.model_fields["kind"].default
    if not isinstance(document, dict):
        raise _Refused([Fault("", f"a document is a mapping with `kind: {expected}`")])
    kind = document.get("kind")
    if kind != expected:
        command = _COMMANDS.get(kind) if isinstance(kind, str) else None
        hint = f"`{command}` takes kind {kind}" if command else f"`kind: {expected}` is expected here"
        raise _Refused([Fault("kind", hint)])
    faults = list(unstorable(document))
    try:
        parsed = entry.model_validate(document, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        faults += [_fault(each) for each in error.errors(include_input=False, include_url=False)]
        raise _Refused(faults) from None
    if isinstance(parsed, TemplateEntry) and not faults:
        faults += template_faults(parsed)
    if faults:
        raise _Refused(faults)
    return parsed


def _fault(error: Any) -> Fault:
    message = _OUR_WORDS.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
    return Fault(dotted(error["loc"]), message)


def template_faults(entry: TemplateEntry) -> Iterator[Fault]:
    """Why a template cannot be published, as far as the file alone tells; its examples are tried when publishing."""
    schema = ValuesSchema(entry.values_schema)
    if faults := schema.faults():
        yield from (fault.under("schema") for fault in faults)
        return
    for index, path in enumerate(entry.components):
        try:
            _repository_path(path)
        except ValueError as error:
            yield Fault(f"components[{index}]", str(error))
    yield from mappings_faults(entry.body, schema)
    for steps, source in schema.sources():
        if (why := source_fault(source, schema)) is not None:
            yield Fault(f"schema.{dotted(steps)}", why)
    names = {kind.kind for kind in RUNTIME_KINDS} | {f"{kind.kind}.{kind.group}" for kind in RUNTIME_KINDS}
    for index, kind in enumerate(entry.allowed_kinds):
        if kind not in names:
            yield Fault(f"allowedKinds[{index}]", f"the operator never writes a {kind}")
    yield from _ignore_faults(entry)
    if not entry.examples:
        yield Fault("examples", "give at least one example of values; `{}` is one")


def _ignore_faults(entry: TemplateEntry) -> Iterator[Fault]:
    for index, rule in enumerate(entry.ignore):
        for number, pointer in enumerate(rule.pointers):
            if (why := pointer_fault(rule.target.kind, pointer)) is not None:
                yield Fault(f"ignore[{index}].pointers[{number}]", why)
