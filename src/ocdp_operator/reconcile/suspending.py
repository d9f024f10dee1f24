"""A suspended claim: nothing is written into the namespace, and what others change in its objects is told (design 4.6)."""

from __future__ import annotations

from contextlib import suppress

from ocdp_operator.errors import ReconcileError
from ocdp_operator.plan.drift import Drift
from ocdp_operator.plan.running import in_state
from ocdp_operator.reconcile.drifting import all_drifts, explained
from ocdp_operator.reconcile.run import Run
from ocdp_operator.reconcile.upholding import kept_rendering


async def look_on(run: Run) -> None:
    """Finds the drift of a claim that is left alone, with the fields that differ and who owns them.

    That costs requests only when an object drifted, or drifted further, since it was told last.
    """
    drifts = {drift: _entry_digest(run, drift) for drift in await all_drifts(run)}
    told = {drift: run.circuits.told(run.claim, drift, seen) for drift, seen in drifts.items()}
    news = [drift for drift, known in told.items() if known is None]
    if news:
        with suppress(
            ReconcileError
        ):  # then they are told without their fields, and looked up at the next look
            kept = await kept_rendering(run)
            manifests = in_state(kept.values(), running=run.was_running is not False)
            for drift, known in zip(news, await explained(run, manifests, news), strict=True):
                run.circuits.tell(run.claim, known, drifts[drift])
                told[drift] = known
    run.found(drifted=tuple(known or drift for drift, known in told.items()))
    run.keeps_up()


def _entry_digest(run: Run, drift: Drift) -> str:
    """Moves when somebody takes another field of the object."""
    seen = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(drift.ref)
    return seen.applied_digest if seen is not None else ""
