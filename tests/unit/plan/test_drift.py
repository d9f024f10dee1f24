"""Drift is seen in metadata alone, and the gravest difference is told."""

from __future__ import annotations

import pytest

from ocdp_operator.model.objects import Mark
from ocdp_operator.plan.drift import DriftKind, find_drift
from tests.support.builders import CLAIM_UID, NAMESPACE, entry, observed, ref

RECORDED = entry("Deployment", "ide-web")


def mark(uid: str = CLAIM_UID, namespace: str = NAMESPACE, name: str = "ide-web") -> Mark:
    return Mark(uid, namespace, "ide", ref("Deployment", name))


def live(**fields):
    return observed("Deployment", "ide-web", **fields)


@pytest.mark.parametrize(
    ("seen", "kind", "disown"),
    [
        pytest.param(None, DriftKind.GONE, False, id="gone"),
        pytest.param(live(uid="uid-2"), DriftKind.REPLACED, False, id="another object"),
        pytest.param(live(uid="uid-2", mark=None), DriftKind.REPLACED, False, id="another's object"),
        pytest.param(live(mark=None), DriftKind.MARK_CHANGED, False, id="mark removed"),
        pytest.param(live(mark=mark(uid="other")), DriftKind.MARK_CHANGED, False, id="another claim's mark"),
        pytest.param(live(mark=mark(name="ide-x")), DriftKind.MARK_CHANGED, False, id="a copied mark"),
        pytest.param(live(mark=mark(namespace="x")), DriftKind.MARK_CHANGED, False, id="another namespace's mark"),
        pytest.param(live(before_first_apply=True), DriftKind.TAKEN_OVER, True, id="taken over"),
        pytest.param(
            live(foreign_parts=("/spec/template/spec/containers/sidecar",)), DriftKind.FOREIGN_PARTS, True, id="sidecar"
        ),
        pytest.param(live(applied_digest="other"), DriftKind.FIELDS_CHANGED, False, id="a field changed"),
        pytest.param(live(applied_digest=""), DriftKind.FIELDS_CHANGED, False, id="our fields taken away"),
        pytest.param(
            live(applied_digest="other", foreign_parts=("/x",)), DriftKind.FOREIGN_PARTS, True, id="the gravest is told"
        ),
        pytest.param(live(mark=None, before_first_apply=True), DriftKind.MARK_CHANGED, True, id="and all is mended"),
    ],
)  # fmt: skip
def test_an_object_that_is_not_as_it_was_applied_has_drifted(seen, kind, disown):
    drift = find_drift(RECORDED, seen, claim_uid=CLAIM_UID)

    assert drift is not None
    assert (drift.kind, drift.disown) == (kind, disown)
    assert "Deployment/ide-web" in drift.message


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(live(), id="as applied"),
        pytest.param(live(generation=9, labels={"a": "b"}, resource_version="99"), id="others wrote their own fields"),
        pytest.param(live(deletion_timestamp="2026-01-01T00:00:00Z", mark=None), id="being deleted"),
    ],
)  # fmt: skip
def test_an_object_that_is_as_it_was_applied_has_not_drifted(seen):
    assert find_drift(RECORDED, seen, claim_uid=CLAIM_UID) is None


def test_an_object_whose_apply_was_never_recorded_has_drifted():
    drift = find_drift(
        entry("Deployment", "ide-web", applied=""), live(applied_digest=""), claim_uid=CLAIM_UID
    )

    assert drift is not None
    assert drift.kind is DriftKind.FIELDS_CHANGED


def test_no_drift_in_a_converged_claim():
    assert find_drift(RECORDED, live(), claim_uid=CLAIM_UID) is None
