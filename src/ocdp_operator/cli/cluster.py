"""``ocdp cluster``: the clusters that workspaces are placed in."""

from __future__ import annotations

from typing import Annotated

import typer

from ocdp_operator.cli.entries import apply_entries, found, in_catalog, show_entry, show_history, switch
from ocdp_operator.cli.output import Dsn, Files, Format, Output, show_entries, state
from ocdp_operator.model.publication import ClusterEntry

app = typer.Typer(
    name="cluster", help="Target clusters, by the clusterId of their operator.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster's id.")]


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Register clusters, or disable them."""
    apply_entries(dsn, files, ClusterEntry)


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List clusters."""
    entries = in_catalog(dsn, lambda registry: registry.clusters())
    rows = [(entry.id, state(disabled=entry.disabled)) for entry in entries]
    show_entries(entries, output, columns=("CLUSTER", "STATE"), rows=rows)


@app.command()
def get(cluster: Name, dsn: Dsn, output: Output = Format.TABLE) -> None:
    """Show one cluster, and the workspaces that are placed in it."""
    entry = _find(dsn, cluster)
    workspaces = in_catalog(dsn, lambda registry: registry.workspaces())
    placed = [
        f"{workspace.id} (namespace {placement.namespace})"
        for workspace in workspaces
        for placement in workspace.placements
        if placement.cluster == cluster and not (workspace.disabled or placement.disabled)
    ]
    facts = [
        ("cluster", entry.id),
        ("state", state(disabled=entry.disabled)),
        ("workspaces", ", ".join(placed) or "-"),
    ]
    show_entry(entry, output, facts)


@app.command()
def history(cluster: Name, dsn: Dsn, output: Output = Format.TABLE) -> None:
    """Show when the cluster was registered and, while it is disabled, since when; earlier times are not kept."""
    show_history(dsn, _find(dsn, cluster), output)


@app.command()
def disable(cluster: Name, dsn: Dsn) -> None:
    """Take a cluster out of use: nothing new is resolved for it; what runs is kept."""
    switch(dsn, _find(dsn, cluster), disabled=True)


@app.command()
def enable(cluster: Name, dsn: Dsn) -> None:
    """Take a cluster into use again."""
    switch(dsn, _find(dsn, cluster), disabled=False)


def _find(dsn: str, cluster: str) -> ClusterEntry:
    entries = in_catalog(dsn, lambda registry: registry.clusters())
    return found(
        entries, lambda entry: entry.id == cluster, named=f"cluster {cluster}", listed_by="ocdp cluster list"
    )
