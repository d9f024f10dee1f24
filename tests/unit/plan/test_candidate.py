"""A claim as it would be once it took a candidate, and what keeps it from taking it by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.model.claim import ClaimStatus, UpgradePolicy
from ocdp_operator.model.profile import Layer, ProfileRef
from ocdp_operator.model.template import Placement
from ocdp_operator.plan.candidate import Candidate, ProfileCandidate, TemplateCandidate
from ocdp_operator.plan.resolve import question, resolve
from tests.support.builders import NAMESPACE, WORKSPACE, answer, claim, in_force, profile, template

EAST, WEST = ProfileRef(id="east", revision=1), ProfileRef(id="east", revision=2)
CANDIDATE = TemplateCandidate(template(5))
PROFILE = ProfileCandidate(profile("cluster", "east", revision=2, labels={"site": "west"}), "local")
AUTO, MANUAL = UpgradePolicy.AUTO, UpgradePolicy.MANUAL


def running(**spec: Any) -> Any:
    status = in_force(2, pinned=spec.get("template_revision")).model_copy(update={"profiles": (EAST,)})
    return claim(status=status, **spec)


@pytest.mark.parametrize("spec", [{}, {"template_revision": 2}, {"upgrade_policy": AUTO}], ids=str)
def test_a_claim_takes_the_candidate_with_the_newest_profiles(spec: dict[str, Any]):
    moved = CANDIDATE.moved(running(**spec))
    assert question(moved, "local").profiles is None
    found = CANDIDATE.taken(answer(template(2)), "local")
    assert found is not None
    assert resolve(moved, found, succeeded_before=True).revision.revision == 5


@pytest.mark.parametrize("spec", [{}, {"template_revision": 2}, {"upgrade_policy": AUTO}], ids=str)
def test_a_claim_takes_a_profile_on_the_revision_that_it_runs_on(spec: dict[str, Any]):
    moved = PROFILE.moved(running(**spec))
    asked = question(moved, "local")
    assert asked.profiles is None
    assert asked.revision == 2
    found = PROFILE.taken(answer(template(2), profiles=(profile("cluster", "east"),)), "local")
    assert found is not None
    resolved = resolve(moved, found, succeeded_before=True)
    assert resolved.environment.fields["labels"] == {"site": "west"}
    assert resolved.environment.profiles == (WEST,)


def test_a_claim_that_runs_on_the_candidate_stays_as_it_is():
    pinned = running(template_revision=2)
    assert question(TemplateCandidate(template(2)).moved(pinned), "local").profiles == (EAST,)


def test_a_template_concerns_its_own_claims():
    assert CANDIDATE.concerns(claim().spec.template_id)
    assert not CANDIDATE.concerns("another")


SUBJECTS = {
    "its cluster": (Layer.CLUSTER, "local", True),
    "another cluster": (Layer.CLUSTER, "remote", False),
    "its customer": (Layer.CUSTOMER, "acme", True),
    "another customer": (Layer.CUSTOMER, "others", False),
    "its workspace": (Layer.WORKSPACE, WORKSPACE, True),
    "another workspace": (Layer.WORKSPACE, "team-b", False),
}


@pytest.mark.parametrize(("layer", "subject", "concerned"), SUBJECTS.values(), ids=SUBJECTS.keys())
def test_a_profile_concerns_the_claims_of_its_subject(layer: Layer, subject: str, concerned: bool):
    candidate = ProfileCandidate(profile(layer), subject)
    known = replace(answer(), placement=Placement(WORKSPACE, "acme", NAMESPACE))
    assert (candidate.taken(known, "local") is not None) is concerned


def test_layers_stay_in_their_order():
    known = answer(profiles=(profile("cluster"), profile("workspace")))
    found = ProfileCandidate(profile("customer"), "acme").taken(known, "local")
    assert found is not None
    assert [each.layer for each in found.profiles] == list(Layer)
    assert found.newest_profiles == tuple(each.ref for each in found.profiles)


def test_a_profile_that_is_taken_out_of_use_is_left_out():
    known = answer(profiles=(profile("cluster", "east"),))
    found = replace(PROFILE, disabled=True).taken(known, "local")
    assert found is not None
    assert found.profiles == ()


def went_back() -> ClaimStatus:
    known = in_force(2)
    assert known.template is not None
    return known.model_copy(update={"template": known.template.model_copy(update={"failed": 5})})


def recorded(policy: UpgradePolicy) -> ClaimStatus:
    known = in_force(2)
    assert known.template is not None
    return known.model_copy(update={"template": known.template.model_copy(update={"upgrade_policy": policy})})


WAITS: dict[str, tuple[Candidate, dict[str, Any], str]] = {
    "Auto": (CANDIDATE, {"upgrade_policy": AUTO}, ""),
    "Auto, as recorded": (CANDIDATE, {"status": recorded(AUTO)}, ""),
    "Manual": (CANDIDATE, {"upgrade_policy": MANUAL, "status": recorded(AUTO)}, "Manual"),
    "silent": (CANDIDATE, {}, "Manual"),
    "pinned": (CANDIDATE, {"upgrade_policy": AUTO, "template_revision": 2}, "pinned to 2"),
    "suspended": (CANDIDATE, {"upgrade_policy": AUTO, "suspend": True}, "suspended"),
    "an old revision": (replace(CANDIDATE, newest=False), {"upgrade_policy": AUTO}, "a newer revision is published"),
    "back from it": (CANDIDATE, {"upgrade_policy": AUTO, "status": went_back()}, "it went back from this revision"),
    "a profile, Auto": (PROFILE, {"upgrade_policy": AUTO, "template_revision": 2}, ""),
    "a profile, Manual": (PROFILE, {}, "Manual"),
    "a profile, suspended": (PROFILE, {"upgrade_policy": AUTO, "suspend": True}, "suspended"),
    "an old profile": (replace(PROFILE, newest=False), {"upgrade_policy": AUTO}, "a newer revision is published"),
}  # fmt: skip


@pytest.mark.parametrize(("candidate", "fields", "waits"), WAITS.values(), ids=WAITS.keys())
def test_what_keeps_a_claim_from_moving_by_itself(candidate: Candidate, fields: dict[str, Any], waits: str):
    assert candidate.waits(claim(**fields)) == waits
