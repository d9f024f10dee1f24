"""What the commands on claims have in common: the claim's name, the wait, and the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeAlias, TypeVar

import typer

from ocdp_operator.adapters.cluster.claims import UserClaims
from ocdp_operator.cli.claims.completion import claim_names
from ocdp_operator.cli.claims.printing import Progress, show_verdict
from ocdp_operator.cli.claims.verdict import Judge, State, checked_duration, parse_duration, wait_for
from ocdp_operator.cli.output import FAILED, Format
from ocdp_operator.cli.target import target

Name = Annotated[str, typer.Argument(help="The claim's name.", autocompletion=claim_names)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the operator's verdict.")]
Timeout = Annotated[
    str,
    typer.Option(
        "--timeout",
        callback=checked_duration,
        metavar="DURATION",
        help="How long to wait: 90s, 5m, 1h30m. Exit code 1 when it is over.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
FIVE_MINUTES: Final = "5m"
Where: TypeAlias = tuple[str | None, str | None, str | None]
"""Kubeconfig, context and namespace, as they were given."""
_T = TypeVar("_T")


def run(work: Callable[[UserClaims], Awaitable[_T]], where: Where) -> _T:
    """What ``work`` makes of the claims of that place."""

    async def there() -> _T:
        async with target(*where) as (client, namespace):
            return await work(UserClaims(client, namespace))

    return asyncio.run(there())


async def finish(
    claims: UserClaims, name: str, judged: Judge, patience: str, output: Format, *, later: str = "wait"
) -> None:
    """Waits, tells the verdict, and ends with code 1 when it is not the one that was wished for.

    ``later``: the command on claims that goes on from here when the time is over.
    """
    with Progress(name) as line:
        verdict = await wait_for(claims, name, judged, seconds=parse_duration(patience), tell=line.tell)
    if verdict.raw is None:
        say(f"claim {name} is gone", output)
    else:
        show_verdict(verdict.raw, output)
    if verdict.state is State.PENDING:
        command = f"ocdp claim {later} {name} -n {claims.namespace}"
        typer.echo(f"error: not within {patience}; it goes on: {command}", err=True)
    elif verdict.why:
        typer.echo(f"error: {verdict.why}", err=True)
    if not verdict.reached:
        raise typer.Exit(FAILED)


def say(line: str, output: Format) -> None:
    """On standard output for people; beside it where a document is printed."""
    typer.echo(line, err=output is not Format.TABLE)


def confirmed(question: str, *, yes: bool) -> None:
    """Returns when the answer is yes, or was given before. Raises typer.Abort."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
