"""``ocdp binding``: who may use which template."""

from __future__ import annotations

from typing import Annotated

import typer

from ocdp_operator.cli.entries import apply_entries, found, in_catalog, show_entry, show_history, switch
from ocdp_operator.cli.output import Dsn, Files, Format, Output, show_entries, state
from ocdp_operator.model.publication import BindingEntry

app = typer.Typer(
    name="binding", help="Which workspace, user or group may use which template.", no_args_is_help=True
)

Template = Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template that is offered.")]
Workspace = Annotated[str | None, typer.Option("--workspace", help="The workspace it is offered to.")]
User = Annotated[str | None, typer.Option("--user", help="Or the user, by the name the API server knows.")]
Group = Annotated[str | None, typer.Option("--group", help="Or the group of users.")]


@app.command()
def apply(files: Files, dsn: Dsn) -> None:
    """Offer templates, or take offers back by `disabled: true`; what runs is kept."""
    apply_entries(dsn, files, BindingEntry)


@app.command("list")
def list_(dsn: Dsn, output: Output = Format.TABLE) -> None:
    """List bindings."""
    entries = in_catalog(dsn, lambda registry: registry.bindings())
    rows = [(entry.template, *entry.subject, state(disabled=entry.disabled)) for entry in entries]
    show_entries(entries, output, columns=("TEMPLATE", "SUBJECT", "NAME", "STATE"), rows=rows)


@app.command()
def get(
    template: Template,
    dsn: Dsn,
    workspace: Workspace = None,
    user: User = None,
    group: Group = None,
    output: Output = Format.TABLE,
) -> None:
    """Show one binding, by its template and the one that it is offered to."""
    entry = _find(dsn, template, workspace=workspace, user=user, group=group)
    kind, name = entry.subject
    facts = [("template", entry.template), (kind, name), ("state", state(disabled=entry.disabled))]
    show_entry(entry, output, facts)


@app.command()
def history(
    template: Template,
    dsn: Dsn,
    workspace: Workspace = None,
    user: User = None,
    group: Group = None,
    output: Output = Format.TABLE,
) -> None:
    """Show when the template was first offered and, while the offer is taken back, since when; earlier times are not kept."""
    show_history(dsn, _find(dsn, template, workspace=workspace, user=user, group=group), output)


@app.command()
def disable(
    template: Template, dsn: Dsn, workspace: Workspace = None, user: User = None, group: Group = None
) -> None:
    """Take an offer back: claims that run are kept, and get no update."""
    switch(dsn, _find(dsn, template, workspace=workspace, user=user, group=group), disabled=True)


@app.command()
def enable(
    template: Template, dsn: Dsn, workspace: Workspace = None, user: User = None, group: Group = None
) -> None:
    """Offer the template again."""
    switch(dsn, _find(dsn, template, workspace=workspace, user=user, group=group), disabled=False)


def _find(dsn: str, template: str, **subjects: str | None) -> BindingEntry:
    named = [(kind, name) for kind, name in subjects.items() if name is not None]
    if len(named) != 1:
        raise typer.BadParameter("name exactly one of --workspace, --user and --group")
    kind, name = named[0]
    return found(
        in_catalog(dsn, lambda registry: registry.bindings()),
        lambda entry: entry.template == template and entry.subject == (kind, name),
        named=f"binding of template {template} to {kind} {name}",
        listed_by="ocdp binding list",
    )
