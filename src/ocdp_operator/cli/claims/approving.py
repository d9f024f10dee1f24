"""``ocdp claim approve``: lets go of the objects that a guard keeps from being pruned."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ocdp_operator.adapters.cluster.claims import RawClaim, UserClaims
from ocdp_operator.cli.claims.command import (
    FIVE_MINUTES,
    Name,
    Timeout,
    Wait,
    Yes,
    confirmed,
    finish,
    run,
    say,
)
from ocdp_operator.cli.claims.verdict import State, Verdict, unless_suspended
from ocdp_operator.cli.output import Format, show_table
from ocdp_operator.cli.target import Context, Kubeconfig, Namespace
from ocdp_operator.errors import Refused
from ocdp_operator.model.claim import PendingPrune, WorkloadClaim
from ocdp_operator.model.kinds import PVC, SECRET
from ocdp_operator.model.names import APPROVE_PRUNE

_HOLDS = {PVC.kind: "data, which goes with it", SECRET.kind: "credentials, which go with it"}


def approve(
    name: Name,
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest", metavar="DIGEST", help="Approve this set, and no other that may wait by now."
        ),
    ] = None,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Let the objects go that a guard keeps from being pruned: shows them, asks, and approves exactly this set, once."""

    async def ask(claims: UserClaims) -> None:
        pending = waiting(await claims.get(name), digest)
        typer.echo(pending.reason)
        show_table(("KIND", "NAME", "HOLDS"), rows(pending))
        count = len(pending.objects)
        confirmed(f"Delete {'this object' if count == 1 else f'these {count} objects'} for good?", yes=yes)
        waiting(await claims.get(name), pending.digest)
        await claims.change(name, {"metadata": {"annotations": {APPROVE_PRUNE: pending.digest}}})
        say(f"claim {name}: the prune {pending.digest} is approved", Format.TABLE)
        if wait:
            await finish(claims, name, partial(pruned, approved=pending), timeout, Format.TABLE, later="get")

    run(ask, (kubeconfig, context, namespace))


def waiting(raw: RawClaim, digest: str | None) -> PendingPrune:
    """The set that waits. Raises Refused when there is none, or when it is not the one with this digest."""
    claim = WorkloadClaim.parse(raw)
    pending, name = claim.status.pending_prune, claim.key.name
    if pending is None:
        raise Refused(f"Nothing of claim {name} waits for an approval.")
    if digest is not None and digest != pending.digest:
        raise Refused(
            f"Another set of claim {name} waits by now; its digest is {pending.digest}.",
            remedy=f"Look at it, and approve that one: {_command(claim)}",
        )
    return pending


def rows(pending: PendingPrune) -> list[tuple[str, str, str]]:
    """KIND, NAME, and what HOLDS tells that an object of that kind holds."""
    named = (each.partition("/") for each in pending.objects)
    return [(kind, name, _HOLDS.get(kind, "-")) for kind, _, name in named]


def pruned(raw: RawClaim | None, approved: PendingPrune) -> Verdict:
    """Whether the operator acted on the approval, and nothing of that set is left.

    An approval that met another set than the one it names is used up, and lets nothing go.
    """
    if raw is None:
        return Verdict(State.REFUSED, raw)
    claim = WorkloadClaim.parse(raw)
    recorded = claim.status.recorded
    if APPROVE_PRUNE in claim.annotations or any(entry.approved for entry in recorded):
        return unless_suspended(raw)
    kept = [str(entry.ref) for entry in recorded.undesired if str(entry.ref) in approved.objects]
    if claim.status.pending_prune is None or not kept:
        return Verdict(State.PENDING if kept else State.REACHED, raw)
    why = f"the set had changed by then: nothing was approved, and {', '.join(kept)} stays; look again: {_command(claim)}"
    return Verdict(State.REFUSED, raw, why)


def _command(claim: WorkloadClaim) -> str:
    return f"ocdp claim approve {claim.key.name} -n {claim.key.namespace}"
