"""The profiles of a claim: which are asked for, which are taken, and what follows when they are lost."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.claim import ClaimStatus
from ocdp_operator.model.names import IN_FORCE
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.plan.profiles import merge
from ocdp_operator.plan.resolve import input_digest, question, resolve
from tests.support.builders import COMMIT, answer, claim, in_force, profile, resolved

RECORDED = (ProfileRef(id="local", revision=2), ProfileRef(id="acme", revision=1))


def runs_on(**status) -> ClaimStatus:
    """A status that says which revisions the claim runs on."""
    policy = {"upgrade_policy": status.pop("upgrade_policy", None)}
    recorded = in_force(2, **status)
    return recorded.model_copy(
        update={"profiles": RECORDED, "template": recorded.template.model_copy(update=policy)}
    )


@pytest.mark.parametrize(
    ("asking", "profiles"),
    [
        pytest.param(claim(), None, id="a new claim takes the newest"),
        pytest.param(claim(status=runs_on()), RECORDED, id="a running claim stays"),
        pytest.param(claim(status=in_force(2)), (), id="a claim without profiles stays without"),
        pytest.param(claim(status=runs_on(pinned=2), template_revision=2), RECORDED, id="a pinned claim stays"),
        pytest.param(claim(status=runs_on(), template_revision=2), None, id="a new pin moves"),
        pytest.param(claim(status=runs_on(pinned=2)), None, id="a pin taken away moves"),
        pytest.param(claim(status=runs_on(), upgrade_policy="Auto"), RECORDED, id="Auto stays until it is moved"),
        pytest.param(claim(status=runs_on(pinned=2), template_revision=2, upgrade_policy="Auto"), RECORDED, id="Auto beside a pin stays until it is moved"),
        pytest.param(claim(status=runs_on(upgrade_policy="Auto")), RECORDED, id="so does Auto by the template's default"),
        pytest.param(claim(status=runs_on(upgrade_policy="Auto"), upgrade_policy="Manual"), RECORDED, id="Manual against the default stays"),
        pytest.param(claim(status=runs_on().model_copy(update={"history": ()})), None, id="what was refused at once holds nothing"),
        pytest.param(claim(annotations={IN_FORCE: f"4@{COMMIT}"}), None, id="a hint tells nothing of profiles"),
    ],
)  # fmt: skip
def test_the_profiles_that_are_asked_for(asking, profiles):
    assert question(asking, "east").profiles == profiles


def test_the_profiles_are_merged_into_the_environment():
    layers = (
        profile("cluster", storageClass="a", gpu={"resource": "x/y"}),
        profile("workspace", storageClass="b"),
    )
    newest = tuple(each.ref for each in layers)
    workload = resolve(claim(), answer(profiles=layers, newest_profiles=newest), succeeded_before=False)
    assert workload.environment.fields == {"storageClass": "b", "gpu": {"resource": "x/y"}}
    assert workload.environment.profiles == newest
    assert workload.newer_profiles == ()


def test_newer_profiles_are_told():
    layers = (profile("cluster"),)
    newest = (ProfileRef(id="cluster-profile", revision=2), ProfileRef(id="acme", revision=1))
    status = in_force(1).model_copy(update={"profiles": (layers[0].ref,)})
    workload = resolve(
        claim(status=status), answer(profiles=layers, newest_profiles=newest), succeeded_before=True
    )
    assert workload.environment.profiles == (layers[0].ref,)
    assert workload.newer_profiles == newest


def test_recorded_profiles_that_the_catalog_lost_are_named():
    status = in_force(1).model_copy(update={"profiles": RECORDED})
    known = ProfileRevision(RECORDED[0], Layer.CLUSTER, {})
    with pytest.raises(Stalled) as refused:
        resolve(claim(status=status), answer(profiles=(known,)), succeeded_before=True)
    assert refused.value.reason is Reason.REVISION_NOT_FOUND
    assert "acme@1" in refused.value.message
    assert "local@2" not in refused.value.message
    assert resolve(
        claim(status=status, template_revision=1), answer(profiles=()), succeeded_before=True
    ).environment == merge(())


def digest_of(*layers: ProfileRevision) -> str:
    return input_digest(resolved(environment=merge(layers)), credentials_version=1, render_version="1")


@pytest.mark.parametrize(
    "other", [profile("cluster", revision=2), profile("cluster", "other"), profile("cluster", labels={"a": "1"})],
    ids=["revision", "id", "another catalog's content"],
)  # fmt: skip
def test_another_profile_changes_the_digest(other):
    assert digest_of(other) != digest_of(profile("cluster"))
