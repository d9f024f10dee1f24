"""``ocdp binding``: who may use which template."""

from __future__ import annotations

import asyncio

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli.output import (
    Dsn,
    Files,
    Format,
    Output,
    read_entries,
    show_changes,
    show_entries,
    state,
)
from ocdp_operator.model.publication import BindingEntry, Change

app = typer.Typer(
    name="binding", help="Which workspace, user or group may use which template.", no_args_is_help=True
)


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Offer templates, or take offers back by `disabled: true`; what runs is kept."""
    show_changes(asyncio.run(_apply(dsn, read_entries(files, BindingEntry))))


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List bindings."""
    entries = asyncio.run(_list(dsn))
    rows = [(entry.template, *entry.subject, state(disabled=entry.disabled)) for entry in entries]
    show_entries(entries, output, columns=("TEMPLATE", "SUBJECT", "NAME", "STATE"), rows=rows)


async def _apply(dsn: str, entries: list[BindingEntry]) -> tuple[Change, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.apply(entries)


async def _list(dsn: str) -> tuple[BindingEntry, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.bindings()
