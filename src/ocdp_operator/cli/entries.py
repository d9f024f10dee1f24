"""What the commands of clusters, workspaces and bindings do alike: apply, find one, show it, switch it off and on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import typer

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.cli.output import (
    Format,
    read_entries,
    show_changes,
    show_document,
    show_documents,
    show_table,
    state,
)
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import (
    BindingEntry,
    ClusterEntry,
    PublicationError,
    WorkspaceEntry,
    to_document,
)

_E = TypeVar("_E", ClusterEntry, WorkspaceEntry, BindingEntry)
_T = TypeVar("_T")


def in_catalog(dsn: str, work: Callable[[CatalogRegistry], Awaitable[_T]]) -> _T:
    """What the work gives. Raises PublicationError, SettingsError and Waiting(CatalogUnavailable)."""

    async def run() -> _T:
        async with CatalogRegistry.connect(dsn) as registry:
            return await work(registry)

    return asyncio.run(run())


def apply_entries(dsn: str, files: Iterable[typer.FileBinaryRead], entry: type[_E]) -> None:
    """Stores every document of the files, or none, and says what changed."""
    entries = read_entries(files, entry)
    show_changes(in_catalog(dsn, lambda registry: registry.apply(entries)))


def found(entries: Iterable[_E], wanted: Callable[[_E], bool], *, named: str, listed_by: str) -> _E:
    """The entry. Raises PublicationError when there is none."""
    for entry in entries:
        if wanted(entry):
            return entry
    raise PublicationError(f"There is no {named}.", remedy=f"See `{listed_by}`.")


def show_entry(entry: _E, output: Format, rows: Iterable[Sequence[str]]) -> None:
    """One entry: facts in two columns, or the document, which ``apply -f`` takes again."""
    if output is Format.TABLE:
        show_table(("", ""), rows, header=False)
    else:
        show_document(to_document(entry), output)


def show_history(dsn: str, entry: _E, output: Format) -> None:
    """When it was made and, while it is out of use, since when: the catalog keeps no log of earlier times."""
    rows = in_catalog(dsn, lambda registry: registry.history(entry))
    if output is Format.TABLE:
        show_table(("WHEN", "WHAT"), [(f"{at:%Y-%m-%d %H:%M:%S}", what) for at, what in rows])
    else:
        show_documents([{"at": at.isoformat(), "what": what} for at, what in rows], output)


def switch(dsn: str, entry: _E | EnvironmentProfileEntry, *, disabled: bool) -> None:
    """Takes the entry out of use, or into use again, and says whether that changed anything."""
    switched = entry.model_copy(update={"disabled": disabled})
    changes = in_catalog(dsn, lambda registry: registry.apply([switched]))
    show_changes(replace(change, detail=state(disabled=disabled)) for change in changes)
