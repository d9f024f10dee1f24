"""The ``ocdp`` command, for users, the platform team and the cluster operator."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from ocdp_operator import __version__
from ocdp_operator.adapters.catalog.schema import HEAD
from ocdp_operator.cli import (
    binding,
    catalog,
    claim,
    cluster,
    demo,
    dev,
    manifests,
    preview,
    profile,
    run,
    template,
    workspace,
)
from ocdp_operator.cli.output import tell, tell_fault
from ocdp_operator.errors import OcdpError

app = typer.Typer(
    name="ocdp",
    help="Offer workloads as templates, and run the operator that turns claims into them.",
    epilog="Exit codes: 0 done, 1 refused, failed or not ready in time, 2 wrong usage or settings, "
    "3 the cluster, PostgreSQL or Git does not answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _commands in (claim, catalog, template, cluster, workspace, binding, profile, manifests, dev):
    app.add_typer(_commands.app)
for _command in (preview.render, preview.diff, preview.explain, run.run):
    app.command()(_command)
dev.app.command()(demo.demo)


@app.command()
def version() -> None:
    """Print the version of ocdp and of the catalog that it reads and writes."""
    typer.echo(f"ocdp {__version__}, catalog version {HEAD}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits the process with its code; an error, foreseen or not, is one message, never a traceback."""
    try:
        app(args=arguments, prog_name="ocdp")
    except OcdpError as error:
        sys.exit(tell(error))
    except Exception as fault:  # noqa: BLE001 - the last resort: a user is owed a sentence
        sys.exit(tell_fault(fault))


if __name__ == "__main__":
    main()
