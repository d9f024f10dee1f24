"""``ocdp cluster``: the clusters that workspaces are placed in."""

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
from ocdp_operator.model.publication import Change, ClusterEntry

app = typer.Typer(
    name="cluster", help="Target clusters, by the clusterId of their operator.", no_args_is_help=True
)


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Register clusters, or disable them."""
    show_changes(asyncio.run(_apply(dsn, read_entries(files, ClusterEntry))))


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List clusters."""
    entries = asyncio.run(_list(dsn))
    rows = [(entry.id, state(disabled=entry.disabled)) for entry in entries]
    show_entries(entries, output, columns=("CLUSTER", "STATE"), rows=rows)


async def _apply(dsn: str, entries: list[ClusterEntry]) -> tuple[Change, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.apply(entries)


async def _list(dsn: str) -> tuple[ClusterEntry, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.clusters()
