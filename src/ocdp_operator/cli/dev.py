"""``ocdp dev``: the local control plane, PostgreSQL and Git server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ocdp_operator.cli.demo import demo
from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.foreground import keep_up, start_detached
from ocdp_operator.dev.record import Record, Running

app = typer.Typer(
    name="dev",
    help="A real Kubernetes control plane with simulated nodes, PostgreSQL and a Git server, on this machine.",
    no_args_is_help=True,
)

_SELF = ("-m", "ocdp_operator.cli.dev", "up")


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is up.")] = False,
) -> None:
    """Start everything; stay until Ctrl-C. Serves apps/ of the current directory over Git."""
    with _failures_told():
        if detach:
            _show(asyncio.run(start_detached(_SELF)))
        else:
            asyncio.run(keep_up(Path.cwd(), _show_with_hint))


@app.command()
def down() -> None:
    """End what `up` started."""
    with _failures_told():
        ended = asyncio.run(Record().end())
        print("ended" if ended else "nothing was up")


@app.command()
def status() -> None:
    """Show where everything is; exit code 1 when nothing is up."""
    running = Record().read()
    if running is None:
        print("nothing is up: start it with `ocdp dev up`")
        raise typer.Exit(1)
    _show(running)


@app.command()
def build() -> None:
    """Find the control plane's programs, or build them; print where each is."""
    with _failures_told():
        found = asyncio.run(Binaries.locate())
    table = _table()
    for name in found.__slots__:
        table.add_row(name.replace("_", "-"), str(getattr(found, name)))
    _console().print(table)


@contextmanager
def _failures_told() -> Iterator[None]:
    try:
        yield
    except LocalEnvironmentError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _show_with_hint(running: Running) -> None:
    _show(running)
    print("Ctrl-C ends it.", flush=True)


def _show(running: Running) -> None:
    table = _table()
    table.add_row("kubeconfig", str(running.kubeconfig))
    table.add_row("API server", running.server)
    table.add_row("audit log", str(running.audit_log))
    table.add_row("PostgreSQL", running.dsn)
    table.add_row("Git", running.repository_url)
    table.add_row("process", str(running.pid))
    _console().print(table)


def _console() -> Console:
    """A pipe gets each row on one line; a terminal folds."""
    return Console(width=None if sys.stdout.isatty() else 1000)


def _table() -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


app.command()(demo)

if __name__ == "__main__":
    app()
