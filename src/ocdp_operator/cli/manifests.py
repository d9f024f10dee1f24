"""``ocdp manifests``: validate a manifest repository (docs/manifests.md)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ocdp_operator.cli.output import FAILED
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.dryrun import WARNS, Answers, dry_run
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.namespaces import restricted_namespace
from ocdp_operator.dev.programs import builders, served_schema
from ocdp_operator.manifests.problems import Finding, findings
from ocdp_operator.manifests.repository import Repository
from ocdp_operator.manifests.validation import Report, Verdict, validate

app = typer.Typer(
    name="manifests",
    help="A manifest repository: apps/ and tests/kustomize.",
    no_args_is_help=True,
)

_NAMESPACE: Final = "validate"
_MAX_PLACES: Final = 4
"""Of a problem that is in many places: the others are a number."""

_Program = typer.Option(
    show_default=False, metavar="FILE", exists=True, dir_okay=False, help="This program, not the one found."
)


@app.command("validate")
def validate_command(
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="The repository; it holds apps/.", file_okay=False)
    ] = Path(),
    *,
    write_golden: Annotated[
        bool, typer.Option("--write-golden", help="Renew tests/kustomize/golden instead of comparing it.")
    ] = False,
    server: Annotated[
        bool,
        typer.Option("--server", help="Also ask the API server of a local control plane, by dry runs."),
    ] = False,
    kustomize: Annotated[Path | None, _Program] = None,
    kubectl: Annotated[Path | None, _Program] = None,
) -> None:
    """Build every base, component and overlay, and judge what comes out. Exit code 1 when something is wrong."""
    try:
        clean = asyncio.run(_validate(root, (kustomize, kubectl), write_golden=write_golden, server=server))
    except LocalEnvironmentError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    if not clean:
        raise typer.Exit(FAILED)


@app.command()
def schema() -> None:
    """Print the schema file, as the API server of a local control plane serves it."""
    try:
        typer.echo(asyncio.run(_served_schema()), nl=False)
    except LocalEnvironmentError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error


async def _served_schema() -> bytes:
    async with ControlPlane.start() as plane:
        return await served_schema(plane)


async def _validate(
    root: Path, given: tuple[Path | None, Path | None], *, write_golden: bool, server: bool
) -> bool:
    repository = Repository.at(root)
    report = await validate(repository, await builders(*given), write_golden=write_golden)
    console = _console()
    console.print(_table(report.verdicts))
    answers = await _answers(report) if server else None
    warnings, problems = report.warnings, report.problems
    if answers is not None:
        warnings, problems = (*warnings, *answers.warnings), (*problems, *answers.problems)
    told = findings(problems)
    _show(console, "warning", "yellow", findings(warnings))
    _show(console, "error", "red", told)
    for name in report.renewed:
        console.print(f"renewed {name}")
    if answers is not None:
        console.print(f"{answers.asked} different objects put to the API server, without being stored")
    console.print(_summary(report, len(told)))
    return not told


async def _answers(report: Report) -> Answers:
    async with ControlPlane.start() as plane:
        await plane.kubectl("create", "-f", "-", stdin=restricted_namespace(_NAMESPACE, WARNS))
        return await dry_run(plane, report.verdicts, _NAMESPACE)


def _table(verdicts: Iterable[Verdict]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("overlay", overflow="fold")
    table.add_column("objects", justify="right")
    table.add_column("verdict")
    table.add_column("time", justify="right")
    for verdict in verdicts:
        objects = str(len(verdict.manifests)) if verdict.built else "-"
        seconds = f"{verdict.seconds:.2f} s" if verdict.seconds else "-"
        table.add_row(verdict.target.name, objects, _word(verdict), seconds)
    return table


def _word(verdict: Verdict) -> Text:
    if verdict.problems:
        count = len(findings(verdict.problems))
        what = f"{count} error{'s' if count > 1 else ''}" if verdict.built else "cannot be built"
        return Text(what, "red")
    if not verdict.built:
        return Text("not built: its files are refused", "red")
    return Text("ok, differs from kubectl", "yellow") if verdict.warnings else Text("ok", "green")


def _show(console: Console, word: str, style: str, found: Iterable[Finding]) -> None:
    for finding in found:
        console.print(Text(f"{word}: ", style) + Text(str(finding.problem)))
        for line in finding.problem.detail:
            console.print(Text(f"    {line}"))
        if finding.also:
            shown = ", ".join(finding.also[:_MAX_PLACES])
            more = len(finding.also) - _MAX_PLACES
            console.print(Text(f"    also in {shown}{f' and {more} more' if more > 0 else ''}"))


def _summary(report: Report, problems: int) -> str:
    overlays = sum(verdict.target.is_overlay for verdict in report.verdicts)
    parts = (
        f"{len(report.verdicts) - overlays} bases with components, {overlays} overlays",
        f"{report.objects} objects",
        f"Kubernetes {report.schema_version}, kustomize {report.versions[0]}",
        f"{problems} error{'' if problems == 1 else 's'}" if problems else "no errors",
        f"{report.seconds:.1f} s",
    )
    return ", ".join(parts)


def _console() -> Console:
    """A pipe gets each row on one line; a terminal folds."""
    return Console(width=None if sys.stdout.isatty() else 1000, highlight=False, markup=False)
