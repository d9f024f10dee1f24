"""``ocdp workspace``: workspaces, where they live, and the objects a cluster needs for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ocdp_operator.cli.entries import apply_entries, found, in_catalog, show_entry, show_history, switch
from ocdp_operator.cli.output import Dsn, Files, Format, Output, show_entries, state, to_yaml
from ocdp_operator.model.names import WORKSPACE
from ocdp_operator.model.publication import WorkspaceEntry
from ocdp_operator.model.template import Placement

APPLIER = "ocdp-applier"
"""The ClusterRole, and the name of the RoleBinding that lets the operator write into one namespace (design 4.9)."""

app = typer.Typer(name="workspace", help="Workspaces, and the namespaces they live in.", no_args_is_help=True)


Name = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace's id.")]


@dataclass(frozen=True, slots=True)
class OperatorAccount:
    """The ServiceAccount that the operator writes as."""

    namespace: str = "ocdp-system"
    name: str = "ocdp-operator"


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Register workspaces and their placements; what a file leaves out stays as it is."""
    apply_entries(dsn, files, WorkspaceEntry)


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List workspaces, a row for each placement."""
    entries = in_catalog(dsn, lambda registry: registry.workspaces())
    columns = ("WORKSPACE", "CUSTOMER", "CLUSTER", "NAMESPACE", "STATE")
    show_entries(entries, output, columns=columns, rows=[row for entry in entries for row in _rows(entry)])


@app.command()
def get(workspace: Name, dsn: Dsn, output: Output = Format.TABLE) -> None:
    """Show one workspace, where it is placed, and the templates that it may use."""
    entry = _find(dsn, workspace)
    bindings = in_catalog(dsn, lambda registry: registry.bindings())
    offered = [
        each.template for each in bindings if each.workspace == workspace and not each.disabled
    ]  # what its users and groups may use as well depends on who asks
    facts = [
        ("workspace", entry.id),
        ("customer", entry.customer),
        ("state", state(disabled=entry.disabled)),
        *(
            (
                "placement",
                f"cluster {placement.cluster}, namespace {placement.namespace}, {state(disabled=placement.disabled)}",
            )
            for placement in entry.placements
        ),
        ("templates", ", ".join(offered) or "-"),
    ]
    show_entry(entry, output, facts)


@app.command()
def history(workspace: Name, dsn: Dsn, output: Output = Format.TABLE) -> None:
    """Show when the workspace was registered and placed and, while it or a placement is disabled, since when; earlier times are not kept."""
    show_history(dsn, _find(dsn, workspace), output)


@app.command()
def disable(workspace: Name, dsn: Dsn) -> None:
    """Take a workspace out of use: it gets nothing new; what runs is kept."""
    switch(dsn, _alone(dsn, workspace), disabled=True)


@app.command()
def enable(workspace: Name, dsn: Dsn) -> None:
    """Take a workspace into use again."""
    switch(dsn, _alone(dsn, workspace), disabled=False)


@app.command()
def manifest(
    workspace: Name,
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
    placement = in_catalog(dsn, lambda registry: registry.placement(workspace, cluster))
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


def _find(dsn: str, workspace: str) -> WorkspaceEntry:
    return found(
        in_catalog(dsn, lambda registry: registry.workspaces()),
        lambda entry: entry.id == workspace,
        named=f"workspace {workspace}",
        listed_by="ocdp workspace list",
    )


def _alone(dsn: str, workspace: str) -> WorkspaceEntry:
    """Without its placements: what an entry leaves out stays as it is."""
    return _find(dsn, workspace).model_copy(update={"placements": ()})
