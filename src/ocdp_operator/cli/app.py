"""The ``ocdp`` command, for users, the platform team and the cluster operator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import typer

from ocdp_operator.cli.output import tell, tell_fault
from ocdp_operator.errors import OcdpError

GROUPS: Final = (
    "claim",
    "catalog",
    "template",
    "cluster",
    "workspace",
    "binding",
    "profile",
    "manifests",
    "dev",
)
"""Commands with commands below them, each in the module of its name."""
COMMANDS: Final = {
    "render": "preview",
    "diff": "preview",
    "explain": "preview",
    "run": "run",
    "version": "version",
}
"""The other ones, each a function of its name in this module."""


def program(first: str = "") -> typer.Typer:
    """The commands: that one alone which ``first`` names, so that nothing is loaded but what it needs; else all of them.

    Loading all of them takes a second or more of a small machine's time, most of it for the libraries of the others.
    """
    app = typer.Typer(
        name="ocdp",
        help="Offer workloads as templates, and run the operator that turns claims into them.",
        epilog="Exit codes: 0 done, 1 refused, failed or not ready in time, 2 wrong usage or settings, "
        "3 the cluster, PostgreSQL or Git does not answer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_nothing)
    known = first in GROUPS or first in COMMANDS
    for name in GROUPS:
        if name == first or not known:
            app.add_typer(_module(name).app)
    for name, module in COMMANDS.items():
        if name == first or not known:
            app.command()(getattr(_module(module), name))
    return app


def _module(name: str) -> Any:
    return import_module(f"ocdp_operator.cli.{name}")


def _nothing() -> None:
    pass  # with a callback, a program of one command is still asked for that command by its name


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits the process with its code; an error, foreseen or not, is one message, never a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        program(next(iter(given), ""))(args=arguments, prog_name="ocdp")
    except OcdpError as error:
        sys.exit(tell(error))
    except Exception as fault:  # noqa: BLE001 - the last resort: a user is owed a sentence
        sys.exit(tell_fault(fault))


if __name__ == "__main__":
    main()
