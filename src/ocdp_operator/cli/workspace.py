"""``ocdp workspace``: workspaces, where they live, and the objects a cluster needs for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

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
    to_yaml,
)
from ocdp_operator.model.names import WORKSPACE
from ocdp_operator.model.publication import Change, WorkspaceEntry
from ocdp_operator.model.template import Placement

APPLIER = "ocdp-applier"
"""The ClusterRole, and the name of the RoleBinding that lets the operator write into one namespace (design 4.9)."""

app = typer.Typer(name="workspace", help="Workspaces, and the namespaces they live in.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class OperatorAccount:
    """The ServiceAccount that the operator writes as."""

    namespace: str = "ocdp-system"
    name: str = "ocdp-operator"


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Register workspaces and their placements; what a file leaves out stays as it is."""
    show_changes(asyncio.run(_apply(dsn, read_entries(files, WorkspaceEntry))))


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List workspaces, a row for each placement."""
    entries = asyncio.run(_list(dsn))
    columns = ("WORKSPACE", "CUSTOMER", "CLUSTER", "NAMESPACE", "STATE")
    show_entries(entries, output, columns=columns, rows=[row for entry in entries for row in _rows(entry)])


@app.command()
def manifest(
    workspace: str,
    dsn: Dsn,
    cluster: Annotated[str, typer.Option("--cluster", help="The cluster's id in the catalog.")],
    operator_namespace: Annotated[
        str, typer.Option("--operator-namespace", help="Where the operator's ServiceAccount is.")
    ] = "ocdp-system",
    operator_account: Annotated[
        str, typer.Option("--operator-account", help="The operator's ServiceAccount.")
    ] = "ocdp-operator",
) -> None:
    """Print the workspace's namespace and the operator's rights in it, for `kubectl apply -f -`."""
    placement = asyncio.run(_placement(dsn, workspace, cluster))
    account = OperatorAccount(operator_namespace, operator_account)
    typer.echo(to_yaml(workspace_objects(placement, account)), nl=False)


def workspace_objects(placement: Placement, account: OperatorAccount) -> tuple[dict[str, Any], ...]:
    """The Namespace, with the labels that admission reads, and the RoleBinding ``ocdp-applier``."""
    return (
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": placement.namespace,
                "labels": {
                    WORKSPACE: placement.workspace_id,
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/enforce-version": "latest",
                },
            },
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": APPLIER, "namespace": placement.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": APPLIER},
            "subjects": [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}],
        },
    )


def _rows(entry: WorkspaceEntry) -> Iterator[tuple[str, ...]]:
    for placement in entry.placements:
        disabled = entry.disabled or placement.disabled
        yield entry.id, entry.customer, placement.cluster, placement.namespace, state(disabled=disabled)
    if not entry.placements:
        yield entry.id, entry.customer, "-", "-", state(disabled=entry.disabled)


async def _apply(dsn: str, entries: list[WorkspaceEntry]) -> tuple[Change, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.apply(entries)


async def _list(dsn: str) -> tuple[WorkspaceEntry, ...]:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.workspaces()


async def _placement(dsn: str, workspace: str, cluster: str) -> Placement:
    async with CatalogRegistry.connect(dsn) as registry:
        return await registry.placement(workspace, cluster)
