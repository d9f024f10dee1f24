"""``ocdp profile``: what the platform gives every workload of a cluster, a customer or a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli import impact
from ocdp_operator.cli.entries import in_catalog, switch
from ocdp_operator.cli.output import (
    Dsn,
    Files,
    Format,
    Output,
    read_entries,
    show_changes,
    show_document,
    show_documents,
    show_entries,
    show_table,
    state,
)
from ocdp_operator.model.profile import Environment, LockConflict, ProfileRef
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import Change, PublicationError, to_document
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.exposure import annotation_faults
from ocdp_operator.plan.profiles import dotted, leaves, locked_by, merge

app = typer.Typer(
    name="profile",
    help="What every workload of a cluster, a customer or a workspace gets, whatever its template.",
    no_args_is_help=True,
)

Profile = Annotated[str, typer.Argument(help="The profile's id.", show_default=False)]

app.command("impact")(impact.profile)


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Publish a revision of each profile, unless its newest one says the same."""
    entries = read_entries(files, EnvironmentProfileEntry)
    check_annotations(entries)
    changes, conflicts = in_catalog(dsn, lambda registry: _apply(registry, entries))
    show_changes(changes)
    for note in conflicts:
        typer.echo(f"note: {note}", err=True)


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List the newest revision of every profile."""
    entries = in_catalog(dsn, lambda registry: registry.profiles())
    columns = ("PROFILE", "OF", "NAME", "REVISION", "PUBLISHED", "STATE", "SAYS")
    show_entries(entries, output, columns=columns, rows=[_row(entry) for entry in entries])


@app.command()
def get(
    profile: Profile,
    dsn: Dsn,
    revision: Annotated[
        int | None, typer.Option("--revision", min=1, help="Another one than the newest.", show_default=False)
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what one profile says."""
    entry = in_catalog(dsn, lambda registry: registry.profile(profile, revision))
    if output is not Format.TABLE:
        show_documents([to_document(entry)], output)
        return
    show_table(("PROFILE", entry.id), _facts(entry))
    typer.echo()
    show_table(("FIELD", "VALUE"), [(field, _worded(value)) for field, value in _said(entry.body)])


@app.command()
def history(profile: Profile, dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List every revision of one profile, newest first, and what each changed."""
    entries = in_catalog(dsn, lambda registry: registry.profile_revisions(profile))
    rows = [
        (*_published(entry), _changed(before, entry))
        for entry, before in zip(entries, (*entries[1:], None), strict=True)
    ]
    show_entries(entries, output, columns=("REVISION", "PUBLISHED", "BY", "CHANGED"), rows=rows)


@app.command()
def disable(profile: Profile, dsn: Dsn) -> None:
    """Give the profile to nobody anew; claims that stay on a revision of it keep it."""
    switch(dsn, in_catalog(dsn, lambda registry: registry.profile(profile)), disabled=True)


@app.command()
def enable(profile: Profile, dsn: Dsn) -> None:
    """Take a disabled profile into use again."""
    switch(dsn, in_catalog(dsn, lambda registry: registry.profile(profile)), disabled=False)


@app.command()
def show(
    dsn: Dsn,
    workspace: Annotated[str, typer.Option("--workspace", help="Its id in the catalog.")],
    cluster: Annotated[str, typer.Option("--cluster", help="Its id in the catalog.")],
    output: Output = Format.TABLE,
) -> None:
    """Show what a new claim of a workspace gets in a cluster, and which profile says so."""
    (layers,) = in_catalog(dsn, lambda registry: registry.environments([(workspace, cluster)]))
    environment = merge(layers)
    if output is not Format.TABLE:
        show_document(_document(environment), output)
        return
    rows = [
        (dotted(pointer), _worded(value), str(profile), _lock(environment, pointer))
        for pointer, value, profile in leaves(environment)
    ]
    show_table(("FIELD", "VALUE", "FROM", "LOCKED BY"), rows)
    for conflict in environment.conflicts:
        typer.echo(f"note: {_conflict(conflict)}", err=True)


def check_annotations(entries: Sequence[EnvironmentProfileEntry]) -> None:
    """Raises PublicationError for annotations with which no claim would pass the operator's policy."""
    refusals = [
        f"{entry.id}: {field}.annotations[{name}] {why}"
        for entry in entries
        for field in ("ingress", "loadBalancer")
        for name, value in ((entry.body.get(field) or {}).get("annotations") or {}).items()
        if value is not None
        for why in annotation_faults(name, value)
    ]
    if refusals:
        raise PublicationError("\n  ".join(["Not published:", *refusals]))


async def _apply(
    registry: CatalogRegistry, entries: Sequence[EnvironmentProfileEntry]
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Stores the profiles, and tells what locks overrule in them wherever a workspace is placed."""
    changes = await registry.apply(entries)
    places = [
        (workspace.id, placement.cluster)
        for workspace in await registry.workspaces()
        for placement in workspace.placements
        if not (workspace.disabled or placement.disabled)
    ]
    ours = {entry.id for entry in entries}
    environments = await registry.environments(places)
    conflicts = (conflict for layers in environments for conflict in merge(layers).conflicts)
    told = (_conflict(each) for each in conflicts if {each.profile.id, each.locked_by.id} & ours)
    return changes, tuple(dict.fromkeys(told))


def _published(entry: EnvironmentProfileEntry) -> tuple[str, str, str]:
    published = entry.published
    assert published is not None
    return str(published.revision), f"{published.published_at:%Y-%m-%d %H:%M}", published.published_by


def _row(entry: EnvironmentProfileEntry) -> tuple[str, ...]:
    revision, published, _ = _published(entry)
    return (
        entry.id,
        *entry.subject,
        revision,
        published,
        state(disabled=entry.disabled),
        ", ".join(entry.body),
    )


def _facts(entry: EnvironmentProfileEntry) -> Iterator[tuple[str, str]]:
    revision, published, by = _published(entry)
    layer, subject = entry.subject
    yield "of", f"{layer} {subject}"
    yield "state", state(disabled=entry.disabled)
    yield "revision", revision
    yield "published", f"{published} by {by}"
    yield "locks", ", ".join(entry.locked) or "-"


def _said(body: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that a profile says, what it takes away too."""
    for name, value in body.items():
        below = f"{path}.{name}" if path else name
        if isinstance(value, Mapping) and value:
            yield from _said(value, below)
        elif below != "locked":
            yield below, value


def _changed(before: EnvironmentProfileEntry | None, after: EnvironmentProfileEntry) -> str:
    """The fields that a revision says otherwise than the one before."""
    if before is None:
        return "first revision"
    old, new = (dict(_said(each.body)) | {"locked": list(each.locked)} for each in (before, after))
    fields = dict.fromkeys((*new, *old))
    return ", ".join(field for field in fields if _key(old, field) != _key(new, field))


def _key(said: Mapping[str, Any], field: str) -> bytes:
    return canonical_json(said[field]) if field in said else b""


def _worded(value: Any) -> str:
    """A value as people read it; null says that it is taken away."""
    return value if isinstance(value, str) else canonical_json(value).decode()


def _lock(environment: Environment, pointer: str) -> str:
    owner = locked_by(environment, pointer)
    return str(owner) if owner is not None else "-"


def _conflict(conflict: LockConflict) -> str:
    return f"{dotted(conflict.pointer)} of profile {conflict.profile} counts for nothing: {conflict.locked_by} locks it."


def _document(environment: Environment) -> dict[str, Any]:
    def named(refs: Mapping[str, ProfileRef]) -> dict[str, str]:
        return {key: str(ref) for key, ref in sorted(refs.items())}

    return {
        "profiles": [str(ref) for ref in environment.profiles],
        "fields": dict(environment.fields),
        "from": named(environment.origins),
        "locked": named(environment.locks),
        "conflicts": [_conflict(each) for each in environment.conflicts],
    }
