"""``ocdp template``: publishes templates, and shows what was published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.expressions import evaluated
from ocdp_operator.cli.output import (
    Dsn,
    Files,
    Format,
    Output,
    SettingsFile,
    read_entries,
    show_changes,
    show_documents,
    show_entries,
    show_table,
    state,
)
from ocdp_operator.errors import ReconcileError, Stalled
from ocdp_operator.model.claim import ClaimKey, ClaimSpec, WorkloadClaim
from ocdp_operator.model.publication import (
    Change,
    PinnedTemplate,
    PublicationError,
    TemplateEntry,
    to_document,
)
from ocdp_operator.model.template import CatalogAnswer, Placement, TemplateRevision
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.bind import bind, expression_roots, expressions_of
from ocdp_operator.plan.resolve import resolve
from ocdp_operator.settings import Settings

RefResolver: TypeAlias = Callable[[str, str], Awaitable[str]]
"""From a repository's URL and a ref to the commit that it names now."""

app = typer.Typer(name="template", help="Templates: what users may ask for.", no_args_is_help=True)


@app.command()
def apply(files: Files, dsn: Dsn, settings: SettingsFile = None) -> None:
    """Check templates and publish them: a new revision of each, pinned to the commit that its ref names now."""
    entries = read_entries(files, TemplateEntry)
    check_examples(entries)
    show_changes(asyncio.run(_apply(entries, dsn, settings)))


@app.command()
def get(
    template: str,
    dsn: Dsn,
    revision: Annotated[int | None, typer.Option("--revision", help="An older one.", min=1)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show one template: its source, and the values that it takes."""
    entry = asyncio.run(_get(dsn, template, revision))
    if output is Format.TABLE:
        show_table(("TEMPLATE", entry.id), _facts(entry))
        typer.echo()
        show_table(("VALUE", "TYPE", "DEFAULT", "DESCRIPTION"), _values(entry.values_schema))
    else:
        show_documents([to_document(entry)], output)


@app.command("list")
def list_(
    dsn: Dsn,
    template: Annotated[
        str | None, typer.Argument(help="All revisions of this one.", show_default=False)
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """List the newest revision of every template, or every revision of one."""
    entries = asyncio.run(_list(dsn, template))
    columns = ("TEMPLATE", "REVISION", "REF", "COMMIT", "PUBLISHED", "STATE", "TITLE")
    show_entries(entries, output, columns=columns, rows=[_row(entry) for entry in entries])


@asynccontextmanager
async def resolver(settings: Path | None) -> AsyncIterator[RefResolver]:
    """The operator's own way to Git repositories, under the same settings. Raises SettingsError."""
    # Imported here: it loads every adapter, and only publishing needs one of them.
    from ocdp_operator.composition import sources  # noqa: PLC0415

    git = sources(Settings.load(settings))
    await git.open()
    try:
        yield git.resolve_ref
    finally:
        await git.close()


def check_examples(entries: Sequence[TemplateEntry]) -> None:
    """Resolves a claim with each example, as the operator would. Raises PublicationError with every refusal."""
    faults = [
        f"template {entry.id}, examples[{index}]: {error.message}"
        for entry in entries
        for index, example in enumerate(entry.examples)
        if (error := _refusal(entry, example)) is not None
    ]
    if faults:
        raise PublicationError("\n  ".join(["Not every example can be claimed:", *faults]))


def _refusal(entry: TemplateEntry, example: dict[str, Any]) -> Stalled | None:
    place = Placement("example", "example", "example")
    claim = WorkloadClaim(
        key=ClaimKey(place.namespace, "example"),
        uid="",
        resource_version="",
        generation=1,
        spec=ClaimSpec(template_id=entry.id, workspace_id=place.workspace_id, values=example),
    )
    answer = CatalogAnswer(
        template_exists=True,
        granted=True,
        placement=place,
        namespace_workspace=place.workspace_id,
        revision=TemplateRevision(entry.id, 1, entry.pinned(""), entry.body),
    )
    try:
        workload = resolve(claim, answer, succeeded_before=False)
        expressions = expressions_of(workload)
        found = evaluated(expressions, expression_roots(workload))
        bind(workload, dict(zip(expressions, found, strict=True)))
    except Stalled as error:
        return error
    return None


async def publish(entries: Sequence[TemplateEntry], dsn: str, resolve_ref: RefResolver) -> tuple[Change, ...]:
    """Resolves every ref, then stores all templates or none.

    Raises PublicationError, Waiting or Stalled; the last two name the template whose source they are about.
    """
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.apply(
            [PinnedTemplate(entry, await _commit(entry, resolve_ref)) for entry in entries]
        )


async def _apply(entries: Sequence[TemplateEntry], dsn: str, settings: Path | None) -> tuple[Change, ...]:
    async with resolver(settings) as resolve_ref:
        return await publish(entries, dsn, resolve_ref)


async def _commit(entry: TemplateEntry, resolve_ref: RefResolver) -> str:
    try:
        return await resolve_ref(entry.source.repository_url, entry.source.ref)
    except ReconcileError as error:
        message = f"Template {entry.id}, ref {entry.source.ref}: {error.message}"
        raise type(error)(error.reason, message, actor=error.actor, remedy=error.remedy) from None


async def _get(dsn: str, template: str, revision: int | None) -> TemplateEntry:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.template(template, revision)


async def _list(dsn: str, template: str | None) -> tuple[TemplateEntry, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await (registry.templates() if template is None else registry.revisions(template))


def _row(entry: TemplateEntry) -> tuple[str, ...]:
    published = entry.published
    assert published is not None
    return (
        entry.id,
        str(published.revision),
        entry.source.ref,
        published.commit[:12],
        published.published_at.strftime("%Y-%m-%d %H:%M"),
        state(disabled=entry.disabled),
        entry.title,
    )


def _facts(entry: TemplateEntry) -> Iterator[tuple[str, str]]:
    published = entry.published
    assert published is not None
    yield "title", entry.title
    yield "description", entry.description
    yield "state", state(disabled=entry.disabled)
    yield "revision", str(published.revision)
    yield "published", f"{published.published_at:%Y-%m-%d %H:%M} by {published.published_by}"
    yield "repository", entry.source.repository_url
    yield "ref", f"{entry.source.ref} at commit {published.commit}"
    yield "path", entry.source.path
    yield "components", ", ".join(entry.components) or "-"
    yield "allowed kinds", ", ".join(entry.allowed_kinds) or "those of the operator"


def _values(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, each in schema.get("properties", {}).items():
        node = each if isinstance(each, dict) else {}
        default = canonical_json(node["default"]).decode() if "default" in node else "-"
        yield name, _type(node), default, str(node.get("description") or node.get("title") or "")


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return " | ".join(
            value if isinstance(value, str) else canonical_json(value).decode() for value in node["enum"]
        )
    declared = node.get("type", "any")
    return declared if isinstance(declared, str) else " | ".join(declared)
