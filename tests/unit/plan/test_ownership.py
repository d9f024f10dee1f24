"""What somebody took from us is told by field, by the value found, and by who set it; secrets are not."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.plan.ownership import lost_fields
from tests.support.field_ownership import applied, merged, updated

SENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "ide-web", "labels": {"ocdp.io/workspace": "team-a"}, "annotations": {"ocdp.io/owner": "us"}},
    "spec": {
        "replicas": 1,
        "paused": False,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "x.test/web:1",
                        "args": ["--token=hush"],
                        "env": [{"name": "TOKEN", "value": "hush"}],
                        "resources": {"limits": {"cpu": "500m"}},
                    }
                ]
            }
        },
    },
}  # fmt: skip


def _pod(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", **fields}]}}}}


def _told(change: dict[str, Any], manager: str = "kubectl-edit") -> list[str]:
    live = applied(None, SENT)
    after = updated(live, merged(live, change), manager)
    return [each.corrected for each in lost_fields(SENT, after)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"spec": {"replicas": 5}}, ["spec.replicas was 5, set by kubectl-edit; is 1 again"], id="a number"),
        pytest.param({"spec": {"paused": True}}, ["spec.paused was true, set by kubectl-edit; is false again"], id="a truth"),
        pytest.param({"spec": {"replicas": None}}, ["spec.replicas was removed; is 1 again"], id="removed"),
        pytest.param(
            _pod(image="x.test/mine:2"),
            ["spec.template.spec.containers[web].image was x.test/mine:2, set by kubectl-edit; is x.test/web:1 again"],
            id="in a list",
        ),
        pytest.param(
            _pod(resources={"limits": {"cpu": "2"}}),
            ["spec.template.spec.containers[web].resources.limits.cpu was 2, set by kubectl-edit; is 500m again"],
            id="a quantity",
        ),
        pytest.param(
            _pod(args=["--token=seen"]),
            ["spec.template.spec.containers[web].args was changed by kubectl-edit"],
            id="arguments are not told",
        ),
        pytest.param(
            _pod(env=[{"name": "TOKEN", "value": "seen"}]),
            ["spec.template.spec.containers[web].env[TOKEN].value was changed by kubectl-edit"],
            id="nor is the environment",
        ),
        pytest.param(
            {"metadata": {"labels": {"ocdp.io/workspace": "team-b"}}},
            ["metadata.labels[ocdp.io/workspace] was team-b, set by kubectl-edit; is team-a again"],
            id="a label",
        ),
        pytest.param(
            {"metadata": {"annotations": {"ocdp.io/owner": "them"}}},
            ["metadata.annotations[ocdp.io/owner] was changed by kubectl-edit"],
            id="an annotation is not told",
        ),
        pytest.param({"metadata": {"labels": {"theirs": "yes"}}}, [], id="a field of their own"),
    ],
)  # fmt: skip
def test_a_lost_field_is_told_with_its_old_value_and_who_set_it(change, told):
    assert _told(change) == told


def test_the_name_of_a_manager_is_fit_for_one_line():
    told = _told({"spec": {"replicas": 5}}, manager="evil\nname" + "x" * 100)
    assert len(told) == 1
    assert "\n" not in told[0]
    assert len(told[0]) < 120


def test_a_field_that_is_set_back_by_hand_is_told_as_changed():
    live = applied(None, SENT)
    for count in (5, 1):
        live = updated(live, merged(live, {"spec": {"replicas": count}}), "kubectl-edit")
    (told,) = lost_fields(SENT, live)
    assert told.corrected == "spec.replicas was changed by kubectl-edit; is 1 again"


def test_what_stays_as_it_is_is_told_in_the_present():
    live = applied(None, SENT)
    live = updated(live, merged(live, {"spec": {"replicas": 5, "paused": None}}), "kubectl-edit")
    assert [each.found for each in lost_fields(SENT, live)] == [
        "spec.replicas is 5, not 1, set by kubectl-edit",
        "spec.paused is gone, not false",
    ]


def test_what_has_no_value_to_tell_is_changed_by_somebody():
    live = applied(None, SENT)
    live = updated(live, merged(live, _pod(args=["--token=seen"])), "kubectl-patch")
    assert [each.found for each in lost_fields(SENT, live)] == [
        "spec.template.spec.containers[web].args was changed by kubectl-patch"
    ]
