"""A claim against the catalog's answer: who may use what, which revision, and what follows from the values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.claim import ClaimStatus, DeletionPolicy
from ocdp_operator.model.names import IN_FORCE
from ocdp_operator.model.profile import ProfileRef
from ocdp_operator.model.template import CatalogAnswer, Placement, TemplateRevision
from ocdp_operator.plan.profiles import merge
from ocdp_operator.plan.resolve import check_namespace, input_digest, question, resolve
from tests.support.builders import (
    COMMIT,
    NAMESPACE,
    WORKSPACE,
    answer,
    claim,
    in_force,
    profile,
    resolved,
    template,
)

OTHER_COMMIT = "deadbeef" * 5


def hint(revision: int, commit: str = COMMIT) -> dict[str, str]:
    return {IN_FORCE: f"{revision}@{commit}"}


ENTRIES = ({"id": "ide-web__Service", "wave": 2},)


def refused(revision: int, **status) -> ClaimStatus:
    """The status of a claim of which nothing was ever applied."""
    return in_force(revision).model_copy(update={"history": (), **status})


def refusal(asking, reply: CatalogAnswer, *, succeeded_before: bool = False) -> Stalled:
    with pytest.raises(Stalled) as caught:
        resolve(asking, reply, succeeded_before=succeeded_before)
    return caught.value


@pytest.mark.parametrize(
    ("asking", "revision"),
    [
        pytest.param(claim(), None, id="a new claim takes the newest"),
        pytest.param(claim(template_revision=3), 3, id="a new claim takes its pin"),
        pytest.param(claim(status=in_force(2)), 2, id="a running claim stays"),
        pytest.param(claim(status=in_force(3, pinned=3), template_revision=3), 3, id="a pinned claim stays"),
        pytest.param(claim(status=in_force(2), template_revision=3), 3, id="a new pin moves"),
        pytest.param(claim(status=in_force(3, pinned=3), template_revision=2), 2, id="a changed pin moves back"),
        pytest.param(claim(status=in_force(3, pinned=3)), None, id="a pin taken away is a change"),
        pytest.param(claim(annotations=hint(4)), 4, id="a restored claim takes the hint"),
        pytest.param(claim(annotations=hint(4), template_revision=3), 3, id="a pin is more than a hint"),
        pytest.param(claim(annotations=hint(4), status=in_force(2)), 2, id="status is more than a hint"),
        pytest.param(claim(status=refused(2)), None, id="what was refused at once holds nothing"),
        pytest.param(claim(annotations=hint(2), status=refused(2)), None, id="not by its hint either"),
        pytest.param(claim(status=refused(2), template_revision=2), 2, id="a pin is a pin"),
        pytest.param(claim(status=refused(2, inventory=ENTRIES)), 2, id="what began to be applied stays"),
        pytest.param(claim(annotations={IN_FORCE: "junk"}), None, id="junk is no hint"),
        pytest.param(claim(annotations={IN_FORCE: f"{'9' * 5000}@{COMMIT}"}), None, id="no revision is that high"),
    ],
)  # fmt: skip
def test_the_revision_that_is_asked_for(asking, revision):
    asked = question(asking, "east")

    assert asked.revision == revision
    assert (asked.cluster_id, asked.template_id) == ("east", "code-server")
    assert (asked.workspace_id, asked.namespace) == (WORKSPACE, NAMESPACE)


@pytest.mark.parametrize("name", ["x" * 31, "1st", "Upper", "a.b", "a_b", "a-", "-a", "a\n", ""])
def test_a_claim_name_that_is_no_dns_label_is_refused_before_anything_is_asked(name):
    with pytest.raises(Stalled) as caught:
        question(claim(name), "east")

    assert caught.value.reason is Reason.INVALID_CLAIM


def test_too_many_values_are_refused_before_anything_else():
    asking = claim("x" * 31, values={"a": "x" * 70_000})

    with pytest.raises(Stalled) as caught:
        question(asking, "east")
    assert caught.value.reason is Reason.VALUES_TOO_LARGE
    assert refusal(asking, CatalogAnswer()).reason is Reason.VALUES_TOO_LARGE


def test_a_granted_claim_is_resolved():
    workload = resolve(claim(), answer(template(2)), succeeded_before=False)

    assert (workload.claim_name, workload.namespace) == ("ide", NAMESPACE)
    assert (workload.workspace_id, workload.customer) == (WORKSPACE, "acme")
    assert workload.revision.revision == 2
    assert workload.deletion_policy is DeletionPolicy.RETAIN_DATA


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"namespace_workspace": None, "placement": None}, id="a namespace never placed"),
        pytest.param({"namespace_workspace": "team-b"}, id="another workspace's namespace"),
        pytest.param({"placement": None}, id="a workspace not placed here"),
        pytest.param({"placement": Placement(WORKSPACE, "acme", "ns-b")}, id="a workspace placed elsewhere"),
    ],
)
def test_the_workspace_must_be_placed_in_the_namespace(facts):
    error = refusal(claim(), answer(**facts))

    assert error.reason is Reason.WORKSPACE_MISMATCH
    assert "team-b" not in error.message
    assert "ns-b" not in error.message


def test_a_claim_in_the_wrong_place_learns_nothing_of_templates():
    nowhere = {"namespace_workspace": None, "placement": None}

    unknown = refusal(claim(), answer(**nowhere, template_exists=False, granted=False))

    assert unknown.message == refusal(claim(), answer(**nowhere)).message


def test_unknown_and_forbidden_templates_are_told_apart_by_nobody():
    unknown = refusal(claim(), answer(template_exists=False, granted=False, revision=None, newest=None))
    forbidden = refusal(claim(), answer(granted=False))
    hidden = refusal(claim(), answer(granted=False, disabled=True))

    assert unknown.reason is Reason.TEMPLATE_NOT_AVAILABLE
    for other in (forbidden, hidden):
        assert vars(other) == vars(unknown)


def test_access_can_only_be_revoked_from_a_claim_that_had_it():
    error = refusal(claim(), answer(granted=False), succeeded_before=True)

    assert error.reason is Reason.ACCESS_REVOKED
    assert "goes on" in error.message


def test_a_disabled_template_takes_no_new_claims():
    assert refusal(claim(), answer(disabled=True)).reason is Reason.TEMPLATE_DISABLED


def test_what_runs_goes_on_when_its_template_is_disabled():
    workload = resolve(claim(status=in_force(1)), answer(disabled=True), succeeded_before=True)

    assert workload.revision.revision == 1


@pytest.mark.parametrize(
    ("asking", "found"),
    [
        pytest.param(claim(), None, id="no revision yet"),
        pytest.param(claim(template_revision=9), None, id="no such pin"),
        pytest.param(claim(template_revision=9), template(1), id="an answer to another question"),
        pytest.param(claim(), template(1, template_id="other"), id="a revision of another template"),
        pytest.param(claim(annotations=hint(1, OTHER_COMMIT)), template(1), id="a hint at another commit"),
        pytest.param(claim(status=in_force(1, commit=OTHER_COMMIT)), template(1), id="another catalog's revision"),
    ],
)  # fmt: skip
def test_a_revision_that_is_not_the_one_meant_is_not_taken(asking, found):
    error = refusal(asking, replace(answer(), revision=found))

    assert error.reason is Reason.REVISION_NOT_FOUND


def test_a_pin_to_the_same_number_takes_the_catalogs_word():
    asking = claim(status=in_force(1, commit=OTHER_COMMIT), template_revision=1)

    assert resolve(asking, answer(), succeeded_before=True).revision.source.commit == COMMIT


def test_a_newer_revision_is_told():
    asking = claim(status=in_force(1))

    assert resolve(asking, answer(template(1), newest=3), succeeded_before=True).newer == 3
    assert resolve(asking, answer(template(1), newest=1), succeeded_before=True).newer is None


def test_values_are_checked_and_filled():
    revision = template(schema={"properties": {"size": {"type": "integer", "default": 10}}})

    assert resolve(claim(), answer(revision), succeeded_before=False).values == {"size": 10}
    error = refusal(claim(values={"size": "x"}), answer(revision))
    assert (error.reason, error.value_path) == (Reason.INVALID_VALUES, "/spec/values/size")


@pytest.mark.parametrize(
    ("spec", "status", "default", "effective"),
    [
        pytest.param("Delete", "RetainData", "RetainData", "Delete", id="the claim says"),
        pytest.param(None, "Delete", "RetainData", "RetainData", id="a wish to delete that was taken back"),
        pytest.param(
            None,
            "RetainData",
            "Delete",
            "RetainData",
            id="a newer revision cannot turn keeping into deleting",
        ),
        pytest.param(None, "Delete", "Delete", "Delete", id="as recorded"),
        pytest.param(None, None, "Delete", "Delete", id="the template's default"),
        pytest.param(None, None, None, "RetainData", id="nothing says"),
    ],
)
def test_the_deletion_policy(spec, status, default, effective):
    revision = template(defaults={"deletionPolicy": default} if default else {})
    before = in_force(1).template
    assert before is not None
    kept = before.model_copy(update={"deletion_policy": DeletionPolicy(status)}) if status else None
    recorded = ClaimStatus(template=kept)
    asking = claim(deletion_policy=spec, status=recorded)

    workload = resolve(asking, answer(revision), succeeded_before=False)

    assert workload.deletion_policy == effective


@pytest.mark.parametrize("labels", [{}, {"ocdp.io/workspace": "team-b"}], ids=["none", "another"])
def test_the_namespaces_label_must_repeat_the_placement(labels):
    with pytest.raises(Stalled) as caught:
        check_namespace(claim(), labels)

    assert caught.value.reason is Reason.WORKSPACE_MISMATCH


def test_the_right_label_passes():
    check_namespace(claim(), {"ocdp.io/workspace": WORKSPACE})


def digest_of(*, credentials_version: int = 1, render_version: str = "1", **fields) -> str:
    return input_digest(
        resolved(**fields), credentials_version=credentials_version, render_version=render_version
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"claim_name": "other"}, id="claim"),
        pytest.param({"namespace": "ns-b"}, id="namespace"),
        pytest.param({"workspace_id": "team-b"}, id="workspace"),
        pytest.param({"customer": "other"}, id="customer"),
        pytest.param({"values": {"a": 1}}, id="values"),
        pytest.param({"values": {"a": True}}, id="a value's type"),
        pytest.param({"revision": template(2)}, id="revision"),
        pytest.param({"revision": template(template_id="other")}, id="template"),
        pytest.param({"revision": template(commit=OTHER_COMMIT)}, id="commit"),
        pytest.param({"environment": merge([profile("cluster")])}, id="a profile"),
        pytest.param({"credentials_version": 2}, id="credentials version"),
        pytest.param({"render_version": "2"}, id="render version"),
    ],
)
def test_what_changes_the_rendering_changes_the_digest(changes):
    assert digest_of(**changes) != digest_of()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"deletion_policy": DeletionPolicy.DELETE}, id="deletion policy"),
        pytest.param({"newer": 7}, id="a newer revision"),
        pytest.param({"newer_profiles": (ProfileRef(id="a", revision=7),)}, id="newer profiles"),
        pytest.param({"values": {}}, id="the same values"),
    ],
)
def test_what_does_not_change_the_rendering_does_not_change_the_digest(changes):
    assert digest_of(**changes) == digest_of()


def test_the_order_of_values_does_not_change_the_digest():
    assert digest_of(values={"a": 1, "b": 2}) == digest_of(values={"b": 2, "a": 1})


def keeping(revision: TemplateRevision, recorded: dict[str, str]) -> ClaimStatus:
    status = in_force(revision.revision)
    assert status.template is not None
    return status.model_copy(update={"template": status.template.model_copy(update={"immutable": recorded})})


def test_a_value_that_may_not_change_is_recorded_and_held_to():
    kept = {"type": "string", "default": "ssd", "x-ocdp": {"immutable": True}}
    revision = template(schema={"properties": {"tier": kept, "size": {"type": "integer"}}})
    reply = answer(revision)
    recorded = dict(resolve(claim(values={"tier": "hdd"}), reply, succeeded_before=False).immutable)
    status = keeping(revision, recorded)

    again = resolve(claim(status=status, values={"tier": "hdd", "size": 2}), reply, succeeded_before=True)
    assert again.immutable == recorded
    for values in ({"tier": "ssd"}, {}):
        error = refusal(claim(status=status, values=values), reply, succeeded_before=True)
        assert (error.reason, error.actor) == (Reason.INVALID_VALUES, Actor.USER)
        assert error.value_path == "/spec/values/tier"
        assert "cannot be changed after the claim was made" in error.message
        assert "hdd" not in error.message


def test_what_becomes_unchangeable_later_is_taken_as_it_is():
    revision = template(schema={"properties": {"tier": {"x-ocdp": {"immutable": True}}}})
    status = keeping(revision, {"other": "0123456789abcdef"})

    workload = resolve(claim(status=status, values={"tier": "x"}), answer(revision), succeeded_before=True)

    assert set(workload.immutable) == {"tier"}


def test_a_schema_that_refers_to_itself_on_the_way_to_what_may_not_change_is_the_platforms_fault():
    child = {"type": "object", "properties": {"again": {"$ref": "#/properties/child"}}}
    kept = {"type": "string", "x-ocdp": {"immutable": True}}
    revision = template(schema={"properties": {"child": child, "tier": kept}})

    error = refusal(claim(values={"tier": "x"}), answer(revision))

    assert error.actor is Actor.PLATFORM
    assert "what is immutable in it cannot be told (TooDeep)" in error.message


def test_a_value_may_come_from_the_workspace_or_the_claim():
    schema = {
        "properties": {
            "customer": {"x-ocdp": {"from": "workspace.customer", "hidden": True}},
            "name": {"x-ocdp": {"from": "claim.name"}},
        }
    }

    workload = resolve(claim(), answer(template(schema=schema)), succeeded_before=False)

    assert workload.values == {"customer": "acme", "name": "ide"}
