"""``ocdp claim stop|start|suspend|resume|reconcile``: what a user changes of a workload that runs, beside its values."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

import typer

from ocdp_operator.adapters.cluster.claims import RawClaim, UserClaims
from ocdp_operator.cli.claims.command import FIVE_MINUTES, Name, Timeout, Wait, finish, run, say
from ocdp_operator.cli.claims.verdict import Goal, State, Verdict, judge
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
            await finish(claims, name, stopped, timeout, output)

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
    said = f"claim {name} is suspended: the app runs on, and nothing of it is applied or repaired until: ocdp claim resume {name}"
    run(partial(_changed, name, {"suspend": True}, said, output), (kubeconfig, context, namespace))


def resume(
    name: Name,
    output: Output = Format.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Take a suspended claim up again."""
    said = f"claim {name} is no longer suspended"
    run(partial(_changed, name, {"suspend": None}, said, output), (kubeconfig, context, namespace))


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
            await finish(claims, name, partial(looked_at, token=token), timeout, output)

    run(ask, (kubeconfig, context, namespace))


async def _changed(name: str, spec: Mapping[str, Any], said: str, output: Format, claims: UserClaims) -> None:
    await claims.change(name, {"spec": spec})
    say(said, output)


def stopped(raw: RawClaim | None) -> Verdict:
    """Whether nothing of the claim runs any more."""
    if raw is None:
        return Verdict(State.REFUSED, raw)
    claim = WorkloadClaim.parse(raw)
    conditions = claim.status.condition_set
    ready = conditions.get("Ready")
    if claim.deleting or conditions.is_true("Stalled"):
        return Verdict(State.REFUSED, raw)
    rests = ready is not None and ready.reason is Reason.STOPPED and not conditions.is_true("Reconciling")
    observed = claim.status.observed_generation >= claim.generation
    return Verdict(State.REACHED if rests and observed else State.PENDING, raw)


def looked_at(raw: RawClaim | None, token: str) -> Verdict:
    """Whether the operator has looked since this was asked for, whatever it found."""
    if raw is None:
        return Verdict(State.REFUSED, raw)
    claim = WorkloadClaim.parse(raw)
    if claim.status.last_handled_reconcile_at != token:
        refused = claim.deleting or claim.spec.suspend
        return Verdict(State.REFUSED if refused else State.PENDING, raw)
    stalled = claim.status.condition_set.is_true("Stalled")
    return Verdict(State.REFUSED if stalled else State.REACHED, raw)
