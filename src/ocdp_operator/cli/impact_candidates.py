"""The candidate that a command names: a file that need not be published, or a revision of the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol, TypeVar

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli.publishing import says_the_same
from ocdp_operator.errors import SettingsError
from ocdp_operator.model.profile import ProfileRef, ProfileRevision
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import PublicationError, TemplateEntry, parse_entries
from ocdp_operator.model.template import TemplateRevision
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.candidate import ProfileCandidate, TemplateCandidate

_STDIN: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_E = TypeVar("_E", TemplateEntry, EnvironmentProfileEntry)


class Sources(Protocol):
    """Git, as far as a ref must be resolved."""

    async def resolve_ref(self, repository_url: str, ref: str) -> str:
        """The commit that the ref names now."""
        ...


async def template_candidate(
    registry: CatalogRegistry, sources: Sources, subject: str, revision: int | None
) -> tuple[TemplateCandidate, str]:
    """The candidate, and what to call it. A file that says what the newest revision says is that revision.

    Raises PublicationError, SettingsError, and what resolving a ref raises.
    """
    entry = _from_file(subject, revision, TemplateEntry)
    if entry is None:
        chosen = await registry.template(subject, revision)
        newest = await registry.template(subject)
        return _published(chosen, newest=chosen.published == newest.published)
    known = {each.id: each for each in await registry.templates()}.get(entry.id)
    commit = await sources.resolve_ref(entry.source.repository_url, entry.source.ref)
    if known is not None and known.published is not None and says_the_same(known, entry, commit):
        return _published(known, newest=True, disabled=entry.disabled)
    number = known.published.revision + 1 if known is not None and known.published is not None else 1
    said = f"template {entry.id}, not published, {entry.source.ref} at commit {commit[:12]}"
    return TemplateCandidate(
        TemplateRevision(entry.id, number, entry.pinned(commit), entry.body), disabled=entry.disabled
    ), said


def _published(
    entry: TemplateEntry, *, newest: bool, disabled: bool | None = None
) -> tuple[TemplateCandidate, str]:
    published = entry.published
    assert published is not None
    revision = TemplateRevision(entry.id, published.revision, entry.pinned(published.commit), entry.body)
    said = f"template {entry.id} revision {published.revision}, {entry.source.ref} at commit {published.commit[:12]}"
    return TemplateCandidate(revision, newest, disabled), said


async def profile_candidate(
    registry: CatalogRegistry,
    sources: Sources,  # noqa: ARG001 - as the other one
    subject: str,
    revision: int | None,
) -> tuple[ProfileCandidate, str]:
    """The same for a profile. Raises PublicationError and SettingsError."""
    # Imported here: the command that says it uses this module.
    from ocdp_operator.cli.profile import check_annotations  # noqa: PLC0415

    entry = _from_file(subject, revision, EnvironmentProfileEntry)
    if entry is None:
        chosen = await registry.profile(subject, revision)
        newest = await registry.profile(subject)
        return _of_profile(chosen, newest=chosen.published == newest.published)
    check_annotations([entry])
    known = {each.id: each for each in await registry.profiles()}.get(entry.id)
    if known is None or known.published is None:
        return _of_profile(entry, number=1)
    if canonical_json(dict(known.body)) == canonical_json(dict(entry.body)):
        return _of_profile(known.model_copy(update={"disabled": entry.disabled}))
    return _of_profile(entry, number=known.published.revision + 1)


def _of_profile(
    entry: EnvironmentProfileEntry, *, number: int = 0, newest: bool = True
) -> tuple[ProfileCandidate, str]:
    """``number``: of an entry that is not published."""
    layer, subject = entry.subject
    revision = number or (entry.published.revision if entry.published else 1)
    said = f"profile {entry.id}, not published" if number else f"profile {entry.id} revision {revision}"
    named = ProfileRevision(ProfileRef(id=entry.id, revision=revision), layer, entry.body)
    return ProfileCandidate(named, subject, newest, entry.disabled), f"{said}, of {layer} {subject}"


def _from_file(subject: str, revision: int | None, entry: type[_E]) -> _E | None:
    """The one entry of the file; None: the subject is an id."""
    if not _is_file(subject):
        return None
    if revision is not None:
        raise SettingsError("--revision goes with the id of what is published, not with a file.")
    entries = parse_entries(_content(subject), name=subject, entry=entry)
    if len(entries) != 1:
        raise PublicationError(f"{subject} holds {len(entries)} documents; one candidate is looked at.")
    return entries[0]


def _is_file(subject: str) -> bool:
    looks_like_one = subject == _STDIN or "/" in subject or subject.endswith(_SUFFIXES)
    return looks_like_one or Path(subject).is_file()


def _content(subject: str) -> bytes:
    if subject == _STDIN:
        return typer.get_binary_stream("stdin").read()
    try:
        return Path(subject).read_bytes()
    except OSError as error:
        raise SettingsError(f"{subject} cannot be read: {error.strerror}.") from None
