"""When a stop, and a look that was asked for, count as done."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.cli.claims.state import looked_at, stopped
from ocdp_operator.cli.claims.verdict import State


def raw(
    *conditions: tuple[str, str, str],
    generation: int = 2,
    handled: str = "",
    suspend: bool = False,
    deleting: bool = False,
) -> dict[str, Any]:
    """Conditions as (type, status, reason)."""
    metadata: dict[str, Any] = {
        "name": "ide",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "1",
        "generation": generation,
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    known = [{"type": t, "status": s, "reason": r, "observedGeneration": 2} for t, s, r in conditions]
    status = {"observedGeneration": 2, "conditions": known, "lastHandledReconcileAt": handled}
    return {
        "metadata": metadata,
        "spec": {"templateId": "t", "workspaceId": "w", "suspend": suspend},
        "status": status,
    }


RESTS = ("Ready", "False", "Stopped")


@pytest.mark.parametrize(
    ("claim", "state"),
    [
        pytest.param(raw(RESTS), State.REACHED, id="at rest"),
        pytest.param(
            raw(RESTS, ("Reconciling", "True", "Progressing")), State.PENDING, id="a pod has yet to end"
        ),
        pytest.param(raw(RESTS, generation=3), State.PENDING, id="not seen yet"),
        pytest.param(raw(("Ready", "True", "Available")), State.PENDING, id="still runs"),
        pytest.param(
            raw(("Ready", "False", "InvalidValues"), ("Stalled", "True", "InvalidValues")),
            State.REFUSED,
            id="refused",
        ),
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
