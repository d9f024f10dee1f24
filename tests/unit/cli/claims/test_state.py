"""When a stop, and a look that was asked for, count as done; how a wait ends that gets nowhere."""

from __future__ import annotations

from typing import Any, cast

import pytest
import typer

from ocdp_operator.adapters.cluster.claims import UserClaims
from ocdp_operator.cli.claims.adopting import adopted
from ocdp_operator.cli.claims.command import finish
from ocdp_operator.cli.claims.state import looked_at, stopped
from ocdp_operator.cli.claims.verdict import Goal, State, Verdict, judge, rotated
from ocdp_operator.cli.output import Format


def raw(
    *conditions: tuple[str, str, str] | tuple[str, str, str, int],
    generation: int = 2,
    handled: str = "",
    suspend: bool = False,
    deleting: bool = False,
) -> dict[str, Any]:
    """Conditions as (type, status, reason), and of which generation where that is not the second."""
    metadata: dict[str, Any] = {
        "name": "ide",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "1",
        "generation": generation,
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    known = [
        {"type": t, "status": s, "reason": r, "observedGeneration": of[0] if of else 2}
        for t, s, r, *of in conditions
    ]
    status = {"observedGeneration": 2, "conditions": known, "lastHandledReconcileAt": handled}
    return {
        "metadata": metadata,
        "spec": {"templateId": "t", "workspaceId": "w", "suspend": suspend},
        "status": status,
    }


RESTS = ("Ready", "False", "Stopped")
SCALED_DOWN = ("Healthy", "Unknown", "Stopped")
REFUSED = (("Ready", "False", "InvalidValues"), ("Stalled", "True", "InvalidValues"))


@pytest.mark.parametrize(
    ("claim", "state"),
    [
        pytest.param(raw(RESTS), State.REACHED, id="at rest"),
        pytest.param(
            raw(RESTS, ("Reconciling", "True", "Progressing")), State.PENDING, id="a pod has yet to end"
        ),
        pytest.param(raw(RESTS, generation=3), State.PENDING, id="not seen yet"),
        pytest.param(raw(("Ready", "True", "Available")), State.PENDING, id="still runs"),
        pytest.param(raw(*REFUSED), State.REFUSED, id="refused"),
        pytest.param(
            raw(*((*each, 1) for each in REFUSED)), State.PENDING, id="an edit before the stop was refused"
        ),
        pytest.param(raw(*REFUSED, SCALED_DOWN), State.REACHED, id="refused, and at rest all the same"),
        pytest.param(raw(*REFUSED, (*SCALED_DOWN, 1)), State.REFUSED, id="refused, and at rest before"),
        pytest.param(
            raw(RESTS, SCALED_DOWN, ("Reconciling", "True", "Progressing")),
            State.PENDING,
            id="at rest but for a pod",
        ),
        pytest.param(raw(("Ready", "True", "Available"), suspend=True), State.REFUSED, id="suspended"),
        pytest.param(raw(RESTS, suspend=True), State.REACHED, id="stopped, then suspended"),
        pytest.param(raw(RESTS, deleting=True), State.REFUSED, id="being deleted"),
        pytest.param(None, State.REFUSED, id="gone"),
    ],
)
def test_a_claim_is_stopped_when_nothing_of_it_runs(claim: dict[str, Any] | None, state: State):
    assert stopped(claim).state is state


@pytest.mark.parametrize(
    ("claim", "state"),
    [
        pytest.param(raw(handled="now"), State.REACHED, id="looked"),
        pytest.param(raw(handled="before"), State.PENDING, id="not yet"),
        pytest.param(raw(handled="before", suspend=True), State.REFUSED, id="suspended"),
        pytest.param(
            raw(("Stalled", "True", "InvalidValues"), handled="now"),
            State.REFUSED,
            id="looked, and it is refused",
        ),
        pytest.param(None, State.REFUSED, id="gone"),
    ],
)
def test_a_look_is_over_when_the_status_repeats_its_token(claim: dict[str, Any] | None, state: State):
    assert looked_at(claim, "now").state is state


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(judge(raw(("Applied", "False", "ApplyFailed"), suspend=True), Goal.READY), id="wait"),
        pytest.param(stopped(raw(suspend=True)), id="stop"),
        pytest.param(looked_at(raw(suspend=True), "now"), id="reconcile"),
        pytest.param(rotated(raw(("Ready", "True", "Available"), suspend=True), "now"), id="rotate"),
        pytest.param(adopted(raw(suspend=True), "in the way"), id="adopt"),
    ],
)
def test_a_wait_for_a_suspended_claim_ends_at_once_and_says_how_to_resume_it(verdict: Verdict):
    assert verdict.state is State.REFUSED
    assert verdict.why.endswith(": ocdp claim resume ide -n n")


def test_a_suspended_claim_that_is_there_already_is_no_refusal():
    assert judge(raw(("Ready", "True", "Available"), suspend=True), Goal.READY).reached
    assert judge(raw(suspend=True), Goal.DELETED).state is State.PENDING


async def test_a_wait_that_is_over_names_the_command_that_goes_on(capsys: pytest.CaptureFixture[str]):
    class Claims:
        namespace = "n"

        async def find(self, name: str) -> dict[str, Any]:
            return raw()

    with pytest.raises(typer.Exit):
        await finish(cast("UserClaims", Claims()), "ide", stopped, "0s", Format.TABLE, later="stop")
    assert capsys.readouterr().err.endswith("error: not within 0s; it goes on: ocdp claim stop ide -n n\n")
