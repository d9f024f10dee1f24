"""Claims on a terminal or in a pipe: lists, the account of one, the verdict, and the line that says what is waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from typing import Any, Self

import typer
from rich.console import Console
from rich.status import Status

from ocdp_operator.adapters.cluster.claims import RawClaim
from ocdp_operator.cli.claims import account
from ocdp_operator.cli.output import Format, show_document, show_documents, show_table


def show_claims(claims: Sequence[RawClaim], output: Format, now: datetime, *, everywhere: bool) -> None:
    """A table, or the claims as documents."""
    if output is not Format.TABLE:
        show_documents([bare(raw) for raw in claims], output)
        return
    where = [(raw["metadata"]["namespace"],) if everywhere else () for raw in claims]
    columns = ("NAMESPACE", *account.COLUMNS) if everywhere else account.COLUMNS
    rows = ((*place, *account.row(raw, now)) for place, raw in zip(where, claims, strict=True))
    show_table(columns, rows)


def show_claim(raw: RawClaim, output: Format, events: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Everything about one claim."""
    if output is not Format.TABLE:
        show_document(bare(raw), output)
        return
    for line in account.account(raw, now):
        typer.echo(line)
    for columns, rows in (
        (("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"), account.conditions(raw, now)),
        (("ENDPOINT", "URL"), account.endpoints(raw)),
        (("CREDENTIAL", "PRINTED BY"), account.credentials_of(raw)),
        (("AGE", "EVENT", "REASON", "MESSAGE"), account.events(events, now)),
    ):
        if rows:
            typer.echo()
            show_table(columns, rows)


def show_verdict(raw: RawClaim, output: Format) -> None:
    """What the operator says of it, where it answers, and how to read its credentials."""
    if output is not Format.TABLE:
        show_document(bare(raw), output)
        return
    for line in account.told(raw):
        typer.echo(line)


def bare(raw: RawClaim) -> dict[str, Any]:
    """The claim without the API server's record of who set which field."""
    metadata = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    return {**raw, "metadata": metadata}


class Progress(AbstractContextManager["Progress"]):
    """Says on standard error what is waited for: one line that changes on a terminal, else a line for each change."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._status: Status | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._open.enter_context(self._console.status(f"waiting for {self._name}"))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def tell(self, what: str) -> None:
        """This is what it hangs on now."""
        line = f"waiting for {self._name}: {what}"
        if self._status is None:
            self._console.print(line)
        else:
            self._status.update(line)
