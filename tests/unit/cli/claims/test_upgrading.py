"""What an upgrade changes and says, from claims as the API server holds them."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.cli.claims.upgrading import move
from ocdp_operator.model.claim import WorkloadClaim

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
        "it is pinned to revision 1 already; its newer profiles are taken without --to: ocdp claim upgrade ide",
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
