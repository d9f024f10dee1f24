"""What an upgrade changes and says, from claims as the API server holds them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.cli.claims.upgrading import back, move
from ocdp_operator.model.claim import HistoryItem, WorkloadClaim

EAST_1, EAST_2 = ({"id": "east", "revision": number} for number in (1, 2))


def _claim(
    revision: int | None = 1,
    *,
    pin: int | None = None,
    available: int | None = None,
    newer_profiles: bool = False,
) -> WorkloadClaim:
    template = {"revision": revision, "commit": "a" * 40}
    status: dict[str, Any] = {"profiles": [EAST_1]}
    if revision is not None:
        status["template"] = template | ({} if available is None else {"available": available})
    if newer_profiles:
        status["availableProfiles"] = [EAST_2]
    spec: dict[str, Any] = {"templateId": "web", "workspaceId": "team-a"}
    if pin is not None:
        spec["templateRevision"] = pin
    metadata = {
        "name": "ide",
        "namespace": "team-a",
        "uid": "u",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": "2026-01-02T03:03:00Z",
    }
    return WorkloadClaim.parse({"metadata": metadata, "spec": spec, "status": status})


PROFILES = "from east revision 1 to east revision 2"
MOVES = {
    "a newer revision": (
        (_claim(available=2), None),
        (2, "claim ide goes from revision 1 to revision 2 of web"),
    ),
    "a named revision, at once": (
        (_claim(None), 3),
        (3, "claim ide goes from no revision yet to revision 3 of web"),
    ),
    "a revision and profiles": (
        (_claim(available=2, newer_profiles=True), None),
        (2, f"claim ide goes from revision 1 to revision 2 of web, and {PROFILES}"),
    ),
    "profiles alone, no pin": (
        (_claim(newer_profiles=True), None),
        (1, f"claim ide goes {PROFILES}; it is pinned to revision 1 of web from now on"),
    ),
    "profiles alone, a pin": (
        (_claim(pin=1, newer_profiles=True), None),
        (None, f"claim ide goes {PROFILES}; it is no longer pinned to revision 1 of web, the newest"),
    ),
    "the revision in force, named": (
        (_claim(), 1),
        (1, "claim ide stays on revision 1 of web, and is pinned to it"),
    ),
}
STAYS = {
    "nothing newer": ((_claim(), None), "revision 1, and nothing newer is known"),
    "nothing at all": ((_claim(None), None), "no revision yet, and nothing newer is known"),
    "the pin": ((_claim(pin=1), 1), "it is pinned to revision 1 already"),
    "the pin, with a newer revision": ((_claim(pin=1, available=2), 1), "it is pinned to revision 1 already"),
    "the pin, with newer profiles": (
        (_claim(pin=1, newer_profiles=True), 1),
        "it is pinned to revision 1 already; its newer profiles are taken without --to: ocdp claim upgrade ide -n team-a",
    ),
    "on its way there": ((_claim(pin=2), 2), "it is asked to go to revision 2 already"),
}


@pytest.mark.parametrize(("asked", "expected"), MOVES.values(), ids=MOVES.keys())
def test_an_upgrade_sets_or_takes_away_the_pin_and_says_from_what_to_what(
    asked: tuple[WorkloadClaim, int | None], expected: tuple[int | None, str]
):
    found = move(*asked)
    assert (found.change, found.said) == ({"spec": {"templateRevision": expected[0]}}, expected[1])


@pytest.mark.parametrize(("asked", "why"), STAYS.values(), ids=STAYS.keys())
def test_an_upgrade_to_where_the_claim_is_says_why_nothing_changes(
    asked: tuple[WorkloadClaim, int | None], why: str
):
    found = move(*asked)
    assert (found.change, found.said) == (None, f"claim ide unchanged: {why}")


def _after(*history: tuple[int, bool], pin: int | None = None) -> WorkloadClaim:
    """A claim on the first of these revisions; whether it was healthy on each."""
    made = _claim(history[0][0] if history else None, pin=pin)
    items = tuple(
        HistoryItem(revision=number, commit="c", input_digest=str(number), first_applied="", healthy=healthy)
        for number, healthy in history
    )
    return replace(made, status=made.status.model_copy(update={"history": items}))


@pytest.mark.parametrize(
    ("claim", "pin"),
    [
        (_after((3, False), (2, True), (1, True)), 2),
        (_after((3, True), (3, True), (2, False), (1, True)), 1),
        (_after((3, False), (3, True), (2, True), pin=3), 2),
    ],
    ids=["the last", "the last healthy one", "beside a pin"],
)
def test_a_rollback_pins_the_last_healthy_revision_other_than_the_present_one(claim: WorkloadClaim, pin: int):
    found = back(claim)
    assert found.change == {"spec": {"templateRevision": pin}}
    assert found.said == (
        f"claim ide goes back from revision 3 to revision {pin} of web, and is pinned to it; "
        "to move it on: ocdp claim upgrade ide -n team-a"
    )


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        (_after(), "it was healthy on no revision"),
        (_after((2, True), (1, False)), "it was healthy on no revision other than 2"),
    ],
    ids=["a new claim", "nothing else was"],
)
def test_a_rollback_without_a_healthy_revision_changes_nothing(claim: WorkloadClaim, why: str):
    assert (back(claim).change, back(claim).said) == (None, f"claim ide unchanged: {why}")
