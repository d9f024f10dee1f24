"""``ocdp claim retained`` and ``ocdp claim adopt``: what deleted claims left, and how a claim takes it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from ocdp_operator.adapters.cluster.claims import RawClaim, UserClaims
from ocdp_operator.adapters.cluster.kept import KeptObjects
from ocdp_operator.cli.claims.account import age
from ocdp_operator.cli.claims.command import (
    FIVE_MINUTES,
    Name,
    Timeout,
    Wait,
    Where,
    Yes,
    confirmed,
    finish,
    say,
)
from ocdp_operator.cli.claims.kept import UNKNOWN, Kept, all_retained, chosen, kept_from
from ocdp_operator.cli.claims.verdict import Goal, State, Verdict, judge, unless_suspended
from ocdp_operator.cli.output import Format, Output, show_documents, show_table
from ocdp_operator.cli.target import Context, Kubeconfig, Namespace, target
from ocdp_operator.errors import Reason, Refused
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.names import ADOPT

Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")]


def retained(
    everywhere: Everywhere = False,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """List what deleted claims left: volumes and credentials, with the claim and since when."""

    async def tell(claims: UserClaims, objects: KeptObjects) -> None:
        living = {raw["metadata"]["uid"] for raw in await claims.list(everywhere=everywhere)}
        found, with_secrets = await all_retained(objects, living)
        if not with_secrets:
            typer.echo("You may not list Secrets: credentials that were kept are not shown.", err=True)
        if output is not Format.TABLE:
            show_documents([kept.document() for kept in found], output)
        elif not found:
            where = "any namespace" if everywhere else f"namespace {claims.namespace}"
            typer.echo(f"Nothing of a deleted claim is kept in {where}.", err=True)
        else:
            columns = ("CLAIM", "KIND", "NAME", "SIZE", "SINCE")
            places = [(kept.namespace,) if everywhere else () for kept in found]
            rows = [
                (*place, kept.claim.name, *_cells(kept)) for place, kept in zip(places, found, strict=True)
            ]
            show_table(("NAMESPACE", *columns) if everywhere else columns, rows)

    _run(tell, (kubeconfig, context, namespace), everywhere=everywhere)


def adopt(
    name: Name,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="UID", help="The former claim.", show_default="the only one"),
    ] = None,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Take back what an earlier claim of the same name left: shows it, asks, and lets this claim take it over."""

    async def ask(claims: UserClaims, objects: KeptObjects) -> None:
        claim = WorkloadClaim.parse(await claims.get(name))
        before = conflict(claim)
        _check_gone(from_, await claims.list())
        left = [each for each in await kept_from(objects, claim.key) if each.claim_uid != claim.uid]
        kept = chosen(left, from_, name)
        show_table(("KIND", "NAME", "SIZE", "SINCE"), [_cells(each) for each in kept])
        confirmed(f"Take {'it' if len(kept) == 1 else 'them'} back into claim {name}?", yes=yes)
        uid = kept[0].claim_uid
        await claims.change(name, {"metadata": {"annotations": {ADOPT: uid}}})
        say(f"claim {name} takes over what the claim {uid} left", Format.TABLE)
        if wait:
            await finish(claims, name, partial(adopted, before=before), timeout, Format.TABLE, later="get")

    _run(ask, (kubeconfig, context, namespace))


def conflict(claim: WorkloadClaim) -> str:
    """What stands in the claim's way, in the operator's words. Raises Refused when that is nothing that was kept."""
    failure = claim.status.failure
    if failure is None or failure.code is not Reason.OWNERSHIP_CONFLICT:
        raise Refused(
            f"No object of an earlier claim stands in the way of claim {claim.key.name}.",
            remedy=f"See how it is: ocdp claim get {claim.key.name} -n {claim.key.namespace}",
        )
    return failure.message


def adopted(raw: RawClaim | None, before: str) -> Verdict:
    """Whether all is well; the refusal that was there before is no verdict on what was asked since."""
    verdict = judge(raw, Goal.READY)
    if raw is None or verdict.state is not State.REFUSED:
        return verdict
    failure = WorkloadClaim.parse(raw).status.failure
    stands = failure is not None and failure.code is Reason.OWNERSHIP_CONFLICT and failure.message == before
    return unless_suspended(raw) if stands else verdict


def _check_gone(uid: str | None, living: Sequence[RawClaim]) -> None:
    for raw in living:
        if raw["metadata"]["uid"] == uid:
            raise Refused(f"The claim {raw['metadata']['name']} has this UID, and still exists.")


def _cells(kept: Kept) -> tuple[str, str, str, str]:
    since = age(kept.since, datetime.now(UTC)) if kept.since else UNKNOWN
    return (kept.kind, kept.name, kept.size, since)


def _run(
    work: Callable[[UserClaims, KeptObjects], Awaitable[None]], where: Where, *, everywhere: bool = False
) -> None:
    async def there() -> None:
        async with target(*where) as (client, namespace):
            await work(UserClaims(client, namespace), KeptObjects(client, "" if everywhere else namespace))

    asyncio.run(there())
