"""What ``ocdp claim approve`` shows, refuses and waits for."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.cli.claims.approving import pruned, rows, waiting
from ocdp_operator.cli.claims.verdict import State
from ocdp_operator.errors import Refused
from ocdp_operator.model.claim import PendingPrune
from ocdp_operator.model.names import APPROVE_PRUNE

PENDING = {
    "digest": "abc",
    "reason": "Data or credentials would be deleted.",
    "objects": ["Deployment/ide-web", "PersistentVolumeClaim/ide-data", "Secret/ide-credentials"],
}
KEPT = {"id": "ide-data__PersistentVolumeClaim", "wave": 1, "uid": "u", "desired": False}
OTHER = {"id": "ide-cache__PersistentVolumeClaim", "wave": 1, "uid": "v", "desired": False}
LEAVING = {"id": "ide-data__PersistentVolumeClaim", "wave": 1, "uid": "u", "desired": False, "approved": True}


def claim(
    annotations: dict[str, str] | None = None, *, suspend: bool = False, **status: Any
) -> dict[str, Any]:
    metadata = {"name": "ide", "namespace": "team-a", "uid": "u", "resourceVersion": "1", "generation": 1}
    return {
        "metadata": {**metadata, "annotations": annotations or {}},
        "spec": {"templateId": "code-server", "workspaceId": "team-a", "suspend": suspend},
        "status": status,
    }


def test_each_object_is_shown_with_what_it_holds():
    assert rows(waiting(claim(pendingPrune=PENDING), None)) == [
        ("Deployment", "ide-web", "-"),
        ("PersistentVolumeClaim", "ide-data", "data, which goes with it"),
        ("Secret", "ide-credentials", "credentials, which go with it"),
    ]


def test_a_set_is_approved_by_its_digest_alone():
    assert waiting(claim(pendingPrune=PENDING), "abc").digest == "abc"
    with pytest.raises(Refused, match="its digest is abc"):
        waiting(claim(pendingPrune=PENDING), "former")


def test_nothing_is_approved_where_nothing_waits():
    with pytest.raises(Refused, match="Nothing of claim ide waits"):
        waiting(claim(), None)


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        (claim({APPROVE_PRUNE: "abc"}, pendingPrune=PENDING), State.PENDING),
        (claim({APPROVE_PRUNE: "abc"}), State.PENDING),
        (claim(inventory=[LEAVING]), State.PENDING),
        (claim(inventory=[KEPT]), State.PENDING),
        (claim(), State.REACHED),
        (claim(inventory=[OTHER], pendingPrune={**PENDING, "digest": "new"}), State.REACHED),
        (claim(inventory=[KEPT, OTHER], pendingPrune={**PENDING, "digest": "new"}), State.REFUSED),
        (claim(inventory=[KEPT], pendingPrune=PENDING), State.REFUSED),
        (claim({APPROVE_PRUNE: "abc"}, suspend=True, pendingPrune=PENDING), State.REFUSED),
        (None, State.REFUSED),
    ],
    ids=[
        "not looked at yet", "not taken away yet", "an object leaves", "no longer held, not gone yet", "all gone",
        "gone, and another set waits", "the set changed before it was looked at", "the approval met another set",
        "suspended", "the claim is gone",
    ],
)  # fmt: skip
def test_a_prune_is_done_when_the_approval_is_used_up_and_nothing_of_it_is_left(
    raw: dict[str, Any] | None, state: State
):
    assert pruned(raw, PendingPrune.model_validate(PENDING)).state is state


def test_an_approval_that_came_too_late_says_what_stays():
    changed = claim(inventory=[KEPT, OTHER], pendingPrune={**PENDING, "digest": "new"})
    why = pruned(changed, PendingPrune.model_validate(PENDING)).why
    assert "nothing was approved, and PersistentVolumeClaim/ide-data stays" in why
    assert why.endswith(": ocdp claim approve ide -n team-a")
