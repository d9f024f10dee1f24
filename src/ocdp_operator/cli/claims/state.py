"""``ocdp claim stop|start|suspend|resume|reconcile``: what a user changes of a workload that runs, beside its values."""

from __future__ import annotations

import secrets
from functools import partial

import typer

from ocdp_operator.adapters.cluster.claims import RawClaim, UserClaims
from ocdp_operator.cli.claims.command import FIVE_MINUTES, Name, Timeout, Wait, finish, run, say
from ocdp_operator.cli.claims.verdict import Goal, State, Verdict, judge, says, unless_suspended
from ocdp_operator.cli.output import Format, Output
from ocdp_operator.cli.target import Context, Kubeconfig, Namespace
from ocdp_operator.errors import Reason
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.names import RECONCILE_REQUESTED


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (stop, start, suspend, resume, reconcile):
        app.command()(command)


def stop(
    name: Name,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Stop the app: its pods go, and what they held is free; data, credentials and addresses stay."""

    async def change(claims: UserClaims) -> None:
        await claims.change(name, {"spec": {"running": False}})
        say(f"claim {name} is being stopped; data and credentials stay", output)
        if wait:
            await finish(claims, name, stopped, timeout, output, later="stop")

    run(change, (kubeconfig, context, namespace))


def start(
    name: Name,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Start a stopped app again, as it was."""

    async def change(claims: UserClaims) -> None:
        await claims.change(name, {"spec": {"running": None}})
        say(f"claim {name} is being started", output)
        if wait:
            await finish(claims, name, partial(judge, goal=Goal.READY), timeout, output)

    run(change, (kubeconfig, context, namespace))


def suspend(
    name: Name,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Leave the claim's objects alone: the app runs on, nothing is applied or repaired until `resume`."""

    async def change(claims: UserClaims) -> None:
        await claims.change(name, {"spec": {"suspend": True}})
        until = f"ocdp claim resume {name} -n {claims.namespace}"
        say(
            f"claim {name} is suspended: the app runs on, and nothing of it is applied or repaired until: {until}",
            output,
        )

    run(change, (kubeconfig, context, namespace))


def resume(
    name: Name,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Take a suspended claim up again."""

    async def change(claims: UserClaims) -> None:
        await claims.change(name, {"spec": {"suspend": None}})
        say(f"claim {name} is no longer suspended", output)

    run(change, (kubeconfig, context, namespace))


def reconcile(
    name: Name,
    wait: Wait = True,
    timeout: Timeout = FIVE_MINUTES,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Ask the operator for a thorough look now: past its back-off, at the Secrets too."""
    token = secrets.token_hex(8)

    async def ask(claims: UserClaims) -> None:
        await claims.change(name, {"metadata": {"annotations": {RECONCILE_REQUESTED: token}}})
        say(f"claim {name}: a look is asked for", output)
        if wait:
            await finish(claims, name, partial(looked_at, token=token), timeout, output, later="get")

    run(ask, (kubeconfig, context, namespace))


def stopped(raw: RawClaim | None) -> Verdict:
    """Whether the claim was brought to rest; a stop is carried out although what else its spec says is refused."""
    if raw is None:
        return Verdict(State.REFUSED, raw)
    claim = WorkloadClaim.parse(raw)
    if claim.deleting:
        return Verdict(State.REFUSED, raw)
    ends = says(claim, "Reconciling") and _is_stopped(claim, "Ready")  # a pod has yet to go
    if not ends and (_is_stopped(claim, "Ready") or _is_stopped(claim, "Healthy")):
        return Verdict(State.REACHED, raw)
    return Verdict(State.REFUSED, raw) if says(claim, "Stalled") else unless_suspended(raw)


def _is_stopped(claim: WorkloadClaim, type_: str) -> bool:
    told = claim.status.condition_set.get(type_)
    return told is not None and told.reason is Reason.STOPPED and told.observed_generation >= claim.generation


def looked_at(raw: RawClaim | None, token: str) -> Verdict:
    """Whether the operator has looked since this was asked for, whatever it found."""
    if raw is None:
        return Verdict(State.REFUSED, raw)
    claim = WorkloadClaim.parse(raw)
    if claim.status.last_handled_reconcile_at != token:
        return Verdict(State.REFUSED, raw) if claim.deleting else unless_suspended(raw)
    stalled = claim.status.condition_set.is_true("Stalled")
    return Verdict(State.REFUSED if stalled else State.REACHED, raw)
