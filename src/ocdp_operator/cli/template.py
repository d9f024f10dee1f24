"""``ocdp template``: publishes templates, and shows what was published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli import impact, publishing
from ocdp_operator.cli.output import (
    Dsn,
    Format,
    Output,
    show_changes,
    show_documents,
    show_entries,
    show_table,
    state,
)
from ocdp_operator.cli.value_rows import COLUMNS, value_rows
from ocdp_operator.model.publication import Change, PinnedTemplate, TemplateEntry, to_document

app = typer.Typer(name="template", help="Templates: what users may ask for.", no_args_is_help=True)


app.command("publish")(publishing.publish)
app.command("apply", help="The same as publish.")(publishing.publish)
app.command("refresh")(publishing.refresh)
app.command("impact")(impact.template)


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
        show_table(COLUMNS, value_rows(entry.values_schema))
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


@app.command()
def history(template: str, dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List every revision of one template, newest first."""
    list_(dsn, template, output)


@app.command()
def disable(template: str, dsn: Dsn) -> None:
    """Take no new claims of a template; what runs goes on."""
    show_changes(asyncio.run(_switch(dsn, template, disabled=True)))


@app.command()
def enable(template: str, dsn: Dsn) -> None:
    """Take new claims of a template again."""
    show_changes(asyncio.run(_switch(dsn, template, disabled=False)))


async def _switch(dsn: str, template: str, *, disabled: bool) -> tuple[Change, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        entry = await registry.template(template)
        assert entry.published is not None
        # The newest revision as it is stored: no other is made of it.
        switched = entry.model_copy(update={"disabled": disabled})
        changes = await registry.apply([PinnedTemplate(switched, entry.published.commit)])
    return tuple(replace(change, detail=state(disabled=disabled)) for change in changes)


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
    yield "kustomize", published.kustomize_version or "-"
    yield "components", ", ".join(entry.components) or "-"
    yield "allowed kinds", ", ".join(entry.allowed_kinds) or "those of the operator"
