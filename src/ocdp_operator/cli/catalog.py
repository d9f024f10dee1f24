"""``ocdp catalog``: the database itself."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ocdp_operator.adapters.catalog.schema import DEFAULT_READER
from ocdp_operator.adapters.catalog.schema import grant_read as _grant_read
from ocdp_operator.adapters.catalog.schema import migrate as _migrate
from ocdp_operator.cli.output import Dsn

app = typer.Typer(
    name="catalog", help="The catalog's database: its tables, and who may read them.", no_args_is_help=True
)


@app.command()
def migrate(
    dsn: Dsn,
    reader: Annotated[
        str, typer.Option("--reader", help="The role, without login, that may read; made where it is absent.")
    ] = DEFAULT_READER,
) -> None:
    """Bring the database to this version's schema; safe to repeat."""
    done = asyncio.run(_migrate(dsn, reader=reader))
    if done.before == done.after:
        typer.echo(f"The catalog is at version {done.after} already.")
    else:
        typer.echo(f"The catalog is at version {done.after} now; it was at {done.before or 'none'}.")
    if done.reader:
        typer.echo(f"The role {done.reader} may read it.")
    else:
        typer.echo(
            f"Nobody else may read it yet: the role {reader} is absent, and you may not make roles. "
            "Let a role read with `ocdp catalog grant --role NAME`.",
            err=True,
        )


@app.command()
def grant(
    dsn: Dsn, role: Annotated[str, typer.Option("--role", help="The role that the operator connects as.")]
) -> None:
    """Let an existing role read the catalog, and nothing more."""
    asyncio.run(_grant_read(dsn, role))
    typer.echo(f"The role {role} may read the catalog, and nothing more.")
