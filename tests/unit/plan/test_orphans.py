"""What is left of a claim that is gone: only what we made, and never data."""

from __future__ import annotations

import pytest

from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.objects import Mark, Observed
from ocdp_operator.plan.orphans import find_orphans
from tests.support.builders import CLAIM_UID, NAMESPACE, observed, ref


def orphans(
    *seen: Observed, claims: frozenset[str] = frozenset(), recorded: frozenset[str] = frozenset()
) -> list[str]:
    found = find_orphans(seen, claim_uids=claims, recorded_uids=recorded)
    return [str(each.ref) for group in found for each in group.objects]


LEFT = observed("Service", "ide-web", uid="service")


def test_what_a_claim_left_is_found_in_the_order_of_a_release():
    account, deploy = observed("ServiceAccount", "ide-web"), observed("Deployment", "ide-web")
    found = find_orphans([account, LEFT, deploy], claim_uids=(), recorded_uids=())
    assert [(each.claim, each.claim_uid) for each in found] == [(ClaimKey(NAMESPACE, "ide"), CLAIM_UID)]
    assert [str(each.ref) for each in found[0].objects] == [
        "Deployment/ide-web",
        "Service/ide-web",
        "ServiceAccount/ide-web",
    ]
    assert "Service/ide-web" in str(found[0])


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(observed("PersistentVolumeClaim", "ide-data"), id="a volume, which RetainData keeps"),
        pytest.param(observed("Secret", "ide-credentials"), id="the credentials"),
        pytest.param(observed("Service", "ide-web", mark=None), id="unmarked"),
        pytest.param(observed("Service", "ide-web", applied_digest=""), id="a copied mark"),
        pytest.param(observed("Service", "other"), id="a name that no object of the claim has"),
        pytest.param(
            observed("Service", "ide-web", mark=Mark(CLAIM_UID, NAMESPACE, "ide", ref("Service", "ide-x"))),
            id="the mark of another object",
        ),
        pytest.param(
            observed("Service", "ide-web", namespace="elsewhere"), id="copied into another namespace"
        ),
        pytest.param(
            observed("Service", "ide-web", deletion_timestamp="2026-01-01T00:00:00Z"), id="on its way out"
        ),
    ],
)
def test_what_is_no_orphan(kept: Observed):
    assert orphans(kept) == []


def test_an_object_of_a_living_claim_or_on_record_is_no_orphan():
    assert orphans(LEFT) == ["Service/ide-web"]
    assert orphans(LEFT, claims=frozenset({CLAIM_UID})) == []
    assert orphans(LEFT, recorded=frozenset({"service"})) == []
