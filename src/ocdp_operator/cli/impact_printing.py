"""How an impact is printed: claims by gravity, and a summary; fields by their names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ocdp_operator.cli.output import Format, show_document, show_table
from ocdp_operator.model.impact import ClaimImpact, Complaint, Gravity, Impact, ObjectImpact

_COLUMNS: Final = ("IMPACT", "CLAIM", "MOVES", "WHAT")
_MOST_FIELDS: Final = 2


@contextmanager
def progress(claims: int) -> Iterator[Callable[[], None]]:
    """Counts claims on standard error while it is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("claims"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("claims", total=claims)
        yield lambda: bar.advance(task)


def show_impact(impact: Impact, output: Format) -> None:
    """Claims that would not stay as they are, the gravest first, and how many of each; as a document: all of it."""
    if output is not Format.TABLE:
        show_document(document(impact), output)
        return
    rows = [_row(each) for each in impact.claims if each.gravity is not Gravity.UNCHANGED]
    if rows:
        show_table(_COLUMNS, rows)
    typer.echo(impact.candidate)
    typer.echo(summary(impact))


def summary(impact: Impact) -> str:
    """``200 claims: 150 unchanged, 40 change, 10 restart``."""
    total = len(impact.claims)
    named = [f"{number} {gravity}" for gravity, number in reversed(impact.counts.items()) if number]
    said = f"{total} claim{'' if total == 1 else 's'}" + (f": {', '.join(named)}" if named else "")
    return f"{said}; {impact.others} others are not concerned" if impact.others else said


def _row(each: ClaimImpact) -> tuple[str, str, str, str]:
    moves = f"waits: {each.waits}" if each.waits else "by itself"
    return str(each.gravity), str(each.claim), moves, _what(each)


def _what(each: ClaimImpact) -> str:
    if each.complaint is not None:
        return f"{each.complaint.reason}: {each.complaint.message}"
    first, *others = each.objects
    more = f"; {len(others)} more object{'' if len(others) == 1 else 's'}" if others else ""
    return f"{_object(first)}{more}"


def _object(each: ObjectImpact) -> str:
    fields = list(each.fields[:_MOST_FIELDS])
    if len(each.fields) > _MOST_FIELDS:
        fields.append(f"{len(each.fields) - _MOST_FIELDS} more")
    said = f": {', '.join(fields)}" if fields else ""
    return f"{each.ref} {each.turn}{said}" + (f" ({each.note})" if each.note else "")


def document(impact: Impact) -> dict[str, Any]:
    """The impact as JSON."""
    counts = {str(gravity): number for gravity, number in impact.counts.items()}
    return {
        "candidate": impact.candidate,
        "summary": {"claims": len(impact.claims), **counts, "notConcerned": impact.others},
        "claims": [_claim(each) for each in impact.claims],
    }


def _claim(each: ClaimImpact) -> dict[str, Any]:
    said: dict[str, Any] = {
        "namespace": each.claim.namespace,
        "name": each.claim.name,
        "impact": str(each.gravity),
        "movesByItself": not each.waits,
    }
    said |= {"waits": each.waits} if each.waits else {}
    said |= {"failure": _failure(each.complaint)} if each.complaint is not None else {}
    return said | ({"objects": [_document(item) for item in each.objects]} if each.objects else {})


def _failure(complaint: Complaint) -> dict[str, str]:
    said = {
        "code": str(complaint.reason),
        "actor": str(complaint.actor),
        "valuePath": complaint.path,
        "message": complaint.message,
        "remedy": complaint.remedy,
    }
    return {key: value for key, value in said.items() if value}


def _document(each: ObjectImpact) -> dict[str, Any]:
    said: dict[str, Any] = {
        "object": str(each.ref),
        "impact": str(each.gravity),
        "change": str(each.turn),
    }
    said |= {"fields": list(each.fields)} if each.fields else {}
    return said | ({"note": each.note} if each.note else {})
