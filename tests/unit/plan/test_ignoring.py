"""What is sent to an object that lives, where a part of it is left to others."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from ocdp_operator.model.ignoring import REPLICAS, IgnoreRule
from ocdp_operator.model.names import IGNORED_FIELDS
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.ignoring import as_it_lives, as_to, left_to_others, minded, missed
from tests.support.field_ownership import applied, merged, updated

RESOURCES = "/spec/template/spec/containers/0/resources"
BODY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "ide-web", "annotations": {"a": "b"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "image": "x:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
                ]
            }
        },
    },
}


def manifest(*pointers: str) -> Manifest:
    rule = IgnoreRule.model_validate({"target": {"kind": "Deployment", "name": "web"}, "pointers": pointers})
    (marked,) = left_to_others([Manifest.of(deepcopy(BODY))], [rule], "ide-")
    return marked


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", **fields}]}}}}


def sent(of: Manifest, change: dict[str, Any], manager: str = "vpa") -> dict[str, Any]:
    """What would be sent after somebody's change."""
    live = applied(None, dict(of.body))
    body: dict[str, Any] = dict(as_to(of, updated(live, merged(live, change), manager)).body)
    return body


def resources(body: dict[str, Any]) -> Any:
    return body["spec"]["template"]["spec"]["containers"][0].get("resources")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        pytest.param({}, {"limits": {"cpu": "1", "memory": "1Gi"}}, id="all ours"),
        pytest.param({"limits": {"cpu": "2"}}, {"limits": {"memory": "1Gi"}}, id="one of two taken"),
        pytest.param({"limits": {"cpu": "2", "memory": "2Gi"}}, None, id="both taken"),
        pytest.param({"requests": {"cpu": "2"}}, {"limits": {"cpu": "1", "memory": "1Gi"}}, id="another added"),
        pytest.param({"limits": {"cpu": None}}, {"limits": {"memory": "1Gi"}}, id="one removed"),
        pytest.param({"limits": None}, None, id="all removed"),
    ],
)  # fmt: skip
def test_what_others_own_is_left_out_and_what_we_alone_own_stays_as_it_lives(change, wanted):
    body = sent(manifest(RESOURCES), container(resources=change))
    assert resources(body) == wanted
    assert body["spec"]["template"]["spec"]["containers"][0]["image"] == "x:1"
    assert body["spec"]["replicas"] == 2


def test_the_digest_of_what_is_sent_leaves_ignored_fields_out_and_no_other():
    plain, other = manifest(RESOURCES), deepcopy(BODY)
    other["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "9"}}
    changed = Manifest(plain.ref, {**other, "metadata": plain.body["metadata"]})
    assert changed.sent_digest == plain.sent_digest
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "y:1"
    assert changed.sent_digest != plain.sent_digest


def test_a_field_that_is_minded_after_all_counts_again():
    both = manifest("/spec/replicas", RESOURCES)
    stopped = minded(both, REPLICAS)
    assert "replicas" not in stopped.body["metadata"]["annotations"][IGNORED_FIELDS]
    assert minded(manifest("/spec/replicas"), REPLICAS).body["metadata"]["annotations"] == {"a": "b"}
    assert stopped.sent_digest != both.sent_digest


def test_replicas_that_we_took_to_none_come_back_as_they_are_rendered():
    of = manifest("/spec/replicas")
    stopped = minded(of, REPLICAS)
    live = applied(None, {**stopped.body, "spec": {**stopped.body["spec"], "replicas": 0}})
    assert as_to(of, live).body["spec"]["replicas"] == 2
    assert as_it_lives(of, live, autoscaled=False).body["spec"]["replicas"] == 2


def test_an_object_that_is_made_anew_keeps_what_others_set():
    of = manifest(RESOURCES)
    live = applied(None, dict(of.body))
    live = updated(live, merged(live, container(resources={"limits": {"cpu": "2"}})), "vpa")
    live = updated(live, merged(live, {"spec": {"replicas": 4}}), "kube-controller-manager", "scale")
    anew = as_it_lives(of, live, autoscaled=True).body
    assert resources(dict(anew)) == {"limits": {"cpu": "2", "memory": "1Gi"}}
    assert anew["spec"]["replicas"] == 4
    assert as_it_lives(of, live, autoscaled=False).body["spec"]["replicas"] == 2


def test_a_rule_that_means_nothing_in_a_rendering_is_named():
    rules = [
        IgnoreRule.model_validate({"target": {"kind": "Deployment", "name": "x"}, "pointers": [RESOURCES]})
    ]
    assert list(missed(rules, [Manifest.of(BODY)], "ide-")) == ["ignore[0].target: there is no Deployment x"]
