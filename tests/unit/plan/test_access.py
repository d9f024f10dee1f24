"""Who may use a template: a workspace by its binding, people by theirs, and only where it is proven who they are."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.claim import Identity, WorkloadClaim
from ocdp_operator.plan.access import asking, check_access
from ocdp_operator.plan.resolve import question, resolve
from tests.support.builders import answer, claim, in_force

ALICE = Identity(username="alice", groups=("data", "system:authenticated"))
BOB = Identity(username="bob", groups=("ops", "system:authenticated"))
NAMED = {"granted": False, "granted_users": frozenset({"alice"})}
GROUPED = {"granted": False, "granted_groups": frozenset({"data"})}
NOBODY = {"granted": False}


def of(requested: Identity | None = ALICE, changed: Identity | None = ALICE, **fields: Any) -> WorkloadClaim:
    return claim(requested_by=requested, changed_by=changed, **fields)


def refusal(asked: WorkloadClaim, *, before: bool = False, stamped: bool = True, **facts: Any) -> Stalled:
    with pytest.raises(Stalled) as caught:
        check_access(asked, answer(**facts), succeeded_before=before, stamps_count=stamped)
    assert caught.value.value_path == "/spec/templateId"
    return caught.value


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        pytest.param(of(), NAMED, id="by name"),
        pytest.param(of(), GROUPED, id="by group"),
        pytest.param(of(ALICE, BOB), {**NAMED, "granted_groups": frozenset({"ops"})}, id="each by theirs"),
        pytest.param(of(ALICE, BOB), {"granted_users": frozenset({"alice", "bob"})}, id="two by name"),
        pytest.param(of(BOB, BOB), {}, id="the workspace's binding is for everybody in it"),
    ],
)
def test_who_is_bound_may_use_the_template(asked: WorkloadClaim, facts: dict[str, Any]):
    check_access(asked, answer(**facts), succeeded_before=False, stamps_count=True)
    assert resolve(asked, answer(**facts), succeeded_before=False, stamps_count=True).claim_name == "ide"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(of(BOB, BOB), id="another"),
        pytest.param(of(BOB, ALICE), id="another made it"),
        pytest.param(of(ALICE, BOB), id="another changed it"),
        pytest.param(of(ALICE, None), id="nobody changed it"),
        pytest.param(of(None, ALICE), id="nobody made it"),
        pytest.param(of(None, None), id="nobody"),
        pytest.param(of(Identity(), Identity()), id="without names"),
        pytest.param(of(Identity(username="ALICE"), Identity(username="alice ")), id="almost the name"),
        pytest.param(of(Identity(groups=("alice",)), Identity(groups=("alice",))), id="a group of that name"),
    ],
)
@pytest.mark.parametrize("stamped", [True, False], ids=["stamped", "unstamped"])
def test_who_is_not_bound_may_not(asked: WorkloadClaim, stamped: bool):
    error = refusal(asked, stamped=stamped, **NAMED)
    assert error.reason is Reason.TEMPLATE_NOT_AVAILABLE


def test_a_user_of_a_groups_name_is_not_the_group():
    error = refusal(of(Identity(username="data"), Identity(username="data")), **GROUPED)
    assert error.reason is Reason.TEMPLATE_NOT_AVAILABLE


@pytest.mark.parametrize("before", [True, False], ids=["after a success", "new"])
@pytest.mark.parametrize("facts", [NAMED, GROUPED], ids=["by name", "by group"])
def test_an_unproven_identity_is_the_reason_only_where_it_would_have_been_enough(
    facts: dict[str, Any], before: bool
):
    error = refusal(of(), before=before, stamped=False, **facts)
    assert error.reason is Reason.IDENTITY_UNVERIFIED
    assert error.actor is Actor.CLUSTER_OPERATOR


@pytest.mark.parametrize(
    ("asked", "facts", "before", "reason"),
    [
        pytest.param(of(), NOBODY, False, Reason.TEMPLATE_NOT_AVAILABLE, id="nobody is bound"),
        pytest.param(of(), NOBODY, True, Reason.ACCESS_REVOKED, id="revoked"),
        pytest.param(of(BOB, BOB), NAMED, False, Reason.TEMPLATE_NOT_AVAILABLE, id="another is bound"),
        pytest.param(of(ALICE, BOB), NAMED, True, Reason.ACCESS_REVOKED, id="one of the two is bound"),
        pytest.param(
            of(), {**NAMED, "template_exists": False}, False, Reason.TEMPLATE_NOT_AVAILABLE, id="no template"
        ),
    ],
)
def test_where_nobody_would_have_been_let_in_the_proof_is_not_the_reason(
    asked: WorkloadClaim, facts: dict[str, Any], before: bool, reason: Reason
):
    assert refusal(asked, before=before, stamped=False, **facts).reason is reason


def test_a_workspaces_binding_needs_no_proof_of_who_asks():
    check_access(of(None, None), answer(), succeeded_before=False, stamps_count=False)


def test_unknown_and_forbidden_are_told_apart_by_nobody_whoever_asks():
    unknown = refusal(of(), template_exists=False, granted=False, revision=None, newest=None)
    for other in (refusal(of(), **NOBODY), refusal(of(), **NOBODY, disabled=True)):
        assert vars(other) == vars(unknown)


def test_without_proof_the_remedy_says_why_a_binding_to_somebody_does_not_help():
    assert "users and groups" in refusal(of(None, None), stamped=False, **NAMED).remedy
    assert "users and groups" not in refusal(of(BOB, BOB), **NAMED).remedy


def test_who_changed_a_claim_that_ran_is_refused_by_name():
    error = refusal(of(ALICE, BOB), before=True, **NAMED)
    assert error.reason is Reason.ACCESS_REVOKED
    assert "changed by bob, who may not use template 'code-server'" in error.message
    assert "bob" in error.remedy


def test_who_changed_a_claim_before_it_ran_is_refused_by_name():
    error = refusal(of(ALICE, BOB), **NAMED)
    assert error.reason is Reason.TEMPLATE_NOT_AVAILABLE
    assert "changed by bob" in error.message


def test_a_name_from_outside_cannot_forge_a_line():
    error = refusal(of(ALICE, Identity(username="bob\nReady: True" + "x" * 999)), before=True, **NAMED)
    assert "\n" not in error.message
    assert len(error.message) < 400


def test_access_that_was_taken_away_is_revoked_by_name():
    error = refusal(of(), before=True, **NOBODY)
    assert error.reason is Reason.ACCESS_REVOKED
    assert "alice" in error.message
    assert "goes on unchanged" in error.message


def test_a_disabled_template_takes_no_new_claims_of_people_either():
    assert refusal(of(), disabled=True, **NAMED).reason is Reason.TEMPLATE_DISABLED
    resolve(of(status=in_force(1)), answer(disabled=True, **NAMED), succeeded_before=True, stamps_count=True)


def test_the_catalog_is_asked_for_both_people_and_all_their_groups_once():
    assert asking(of(ALICE, BOB)) == (("alice", "bob"), ("data", "system:authenticated", "ops"))
    assert asking(of(None, Identity())) == ((), ())
    asked = question(of(ALICE, ALICE), "east")
    assert (asked.users, asked.groups) == (("alice",), ("data", "system:authenticated"))


@pytest.mark.parametrize("name", ["", "\x00", "a\x00b", "a b", "x" * 254, "\ud800"])
def test_the_catalog_is_not_asked_for_names_that_no_binding_can_have(name: str):
    assert asking(of(ALICE, Identity(username=name, groups=("ops", name)))) == (
        ("alice",),
        ("data", "system:authenticated", "ops"),
    )
