"""``ocdp version``."""

from __future__ import annotations

import typer

from ocdp_operator import __version__
from ocdp_operator.adapters.catalog.schema import HEAD


def version() -> None:
    """Print the version of ocdp and of the catalog that it reads and writes."""
    typer.echo(f"ocdp {__version__}, catalog version {HEAD}")
