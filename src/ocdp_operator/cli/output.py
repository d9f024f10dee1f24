"""What the commands have in common: options, files in, tables and documents out, errors told without a traceback.

Exit codes: 0 done; 1 refused, failed or not ready in time; 2 wrong usage or settings; 3 a dependency (the cluster,
PostgreSQL, Git) does not answer.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
import yaml
from rich.console import Console
from rich.table import Table

from ocdp_operator.errors import Actor, OcdpError, Reason, ReconcileError, SettingsError, Waiting
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import (
    BindingEntry,
    Change,
    ClusterEntry,
    Entry,
    TemplateEntry,
    WorkspaceEntry,
    parse_entries,
    to_document,
)

_PACKAGE: Final = Path(__file__).parents[1]
FAILED: Final = 1
USAGE: Final = 2
AWAY: Final = 3

Dsn = Annotated[
    str,
    typer.Option(
        "--dsn",
        envvar="OCDP_CATALOG_DSN",
        show_default=False,
        metavar="DSN",
        help="PostgreSQL connection string of the catalog. The variable keeps a password out of the process list.",
    ),
]
Files = Annotated[
    list[typer.FileBinaryRead],
    typer.Option(
        "--file", "-f", metavar="FILE", help="YAML with one or several documents; - reads standard input."
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="OCDP_SETTINGS",
        show_default=False,
        metavar="FILE",
        help="The operator's settings: allowed Git origins, and the file with their credentials.",
    ),
]


class Format(StrEnum):
    """How ``list`` and ``get`` print."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]

_E = TypeVar("_E", TemplateEntry, ClusterEntry, WorkspaceEntry, BindingEntry, EnvironmentProfileEntry)


def read_entries(files: Iterable[typer.FileBinaryRead], entry: type[_E]) -> list[_E]:
    """Every document of every file. Raises PublicationError that names file, document and path of each fault."""
    return [each for file in files for each in parse_entries(file.read(), name=_name(file), entry=entry)]


def _name(file: typer.FileBinaryRead) -> str:
    name = getattr(file, "name", "<stdin>")
    return "standard input" if name == "<stdin>" else str(name)


def show_changes(changes: Iterable[Change]) -> None:
    """One line for each."""
    for change in changes:
        typer.echo(f"{change.subject} {change.action}" + (f": {change.detail}" if change.detail else ""))


def show_entries(
    entries: Sequence[Entry], output: Format, *, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """A list: the rows as a table, or the entries as documents."""
    if output is Format.TABLE:
        show_table(columns, rows)
    else:
        show_documents([to_document(entry) for entry in entries], output)


def show_documents(documents: Sequence[dict[str, Any]], output: Format) -> None:
    """YAML documents, which ``apply -f`` takes again, or one JSON list."""
    if output is Format.JSON:
        typer.echo(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        typer.echo(to_yaml(documents), nl=False)


def show_document(document: Mapping[str, Any], output: Format) -> None:
    """One document, as YAML or as one JSON object."""
    if output is Format.JSON:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        typer.echo(to_yaml([dict(document)]), nl=False)


def to_yaml(documents: Sequence[dict[str, Any]]) -> str:
    """The documents, one after the other."""
    return str(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


class _Dumper(yaml.SafeDumper):
    """Text of several lines as it stands, below ``|``."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data.strip("\n") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, header: bool = True) -> None:
    """A table without lines; a pipe gets each row on one line."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not sys.stdout.isatty())
    for row in rows:
        table.add_row(*row)
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 10_000, highlight=False, markup=False, emoji=False)
    if terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def state(*, disabled: bool) -> str:
    """The word for it."""
    return "disabled" if disabled else "enabled"


def tell(error: OcdpError) -> int:
    """Prints the error on standard error, with its remedy, and returns the exit code that belongs to it."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print("error:", str(error) or type(error).__name__, style="red" if console.is_terminal else None)
    if isinstance(error, ReconcileError):
        console.print(f"code: {error.reason}; who must act: {error.actor}")
    if remedy := getattr(error, "remedy", ""):
        console.print("what to do:", remedy)
    if isinstance(error, Waiting):
        return AWAY
    return USAGE if isinstance(error, SettingsError) else FAILED


def tell_fault(fault: Exception) -> int:
    """Prints that the program itself is at fault: the type and the place alone, since a message may hold a secret."""
    ours = [
        frame
        for frame in traceback.extract_tb(fault.__traceback__)
        if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    place = f" in {Path(ours[-1].filename).relative_to(_PACKAGE)}, line {ours[-1].lineno}" if ours else ""
    typer.echo(
        f"error: {Reason.INTERNAL_ERROR}: ocdp met a fault of its own: {type(fault).__name__}{place}. "
        f"Report this line; who must act: {Actor.MAINTAINERS}.",
        err=True,
    )
    return FAILED
