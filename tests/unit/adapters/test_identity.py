"""The policy that stamps claims, as the cluster has it: what weakens it is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.adapters.cluster.client import Answer
from ocdp_operator.adapters.cluster.identity import NAME, SHIPPED, KubeIdentityPolicy, fingerprint, judge
from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.identity import Stamping

SHIPPED_FILE = Path(__file__).parents[3] / "config" / "admission" / "identity.yaml"
MADE = "2026-01-01T12:00:00Z"
Raw = dict[str, Any]


def shipped() -> tuple[Raw, Raw]:
    """Policy and binding of the file, as the API server gives them back."""
    policy, binding = yaml.safe_load_all(SHIPPED_FILE.read_text())
    policy["spec"]["matchConstraints"] |= {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
    }
    policy["spec"]["matchConstraints"]["resourceRules"][0]["scope"] = "*"
    for each in (policy, binding):
        each["metadata"] |= {"creationTimestamp": MADE, "uid": "u", "generation": 1}
    return policy, binding


def changed(body: Raw, pointer: str, value: Any) -> Raw:
    copy = deepcopy(body)
    *way, last = [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]
    place: Any = copy
    for step in way:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    place[last] = value
    return copy


def test_the_file_is_what_this_version_of_the_operator_expects():
    policy, binding = shipped()
    assert policy["metadata"]["name"] == binding["metadata"]["name"] == NAME
    assert fingerprint(policy["spec"]) == SHIPPED, "config/admission/identity.yaml changed: so must SHIPPED"
    assert list(judge(policy, binding)) == []


def test_another_way_to_fold_lines_is_the_same_policy():
    policy, binding = shipped()
    unfolded = json.loads(json.dumps(policy).replace("\\n", "\\n\\n  "))
    assert unfolded != policy
    assert list(judge(unfolded, binding)) == []


POLICY_FAULTS = {
    "it may fail": ("/spec/failurePolicy", "Ignore", "failurePolicy"),
    "a condition": ("/spec/matchConditions", [{"name": "a", "expression": "false"}], "matchConditions"),
    "some namespaces": ("/spec/matchConstraints/namespaceSelector", {"matchLabels": {"a": "b"}}, "exempt"),
    "some claims": ("/spec/matchConstraints/objectSelector", {"matchLabels": {"a": "b"}}, "exempt"),
    "an exception": ("/spec/matchConstraints/excludeResourceRules", [{"operations": ["*"]}], "exempt"),
    "no rule": ("/spec/matchConstraints/resourceRules", [], "covers CREATE"),
    "no updates": ("/spec/matchConstraints/resourceRules/0/operations", ["CREATE"], "covers UPDATE"),
    "another group": ("/spec/matchConstraints/resourceRules/0/apiGroups", ["apps"], "covers CREATE"),
    "another version": ("/spec/matchConstraints/resourceRules/0/apiVersions", ["v9"], "covers CREATE"),
    "another kind": ("/spec/matchConstraints/resourceRules/0/resources", ["workloads"], "covers CREATE"),
    "one claim": ("/spec/matchConstraints/resourceRules/0/resourceNames", ["ide"], "covers CREATE"),
    "the cluster's": ("/spec/matchConstraints/resourceRules/0/scope", "Cluster", "covers CREATE"),
    "other words": ("/spec/mutations/0/jsonPatch/expression", "[]", "mutations"),
    "another trust": ("/spec/variables/0/expression", "true", "mutations"),
    "no mutation": ("/spec/mutations", [], "mutations"),
    "leaving": ("/metadata/deletionTimestamp", MADE, "being deleted"),
}
BINDING_FAULTS = {
    "another policy": ("/spec/policyName", "other", "another policy"),
    "some namespaces": ("/spec/matchResources/namespaceSelector", {"matchLabels": {"a": "b"}}, "exempt"),
    "some claims": ("/spec/matchResources/objectSelector", {"matchLabels": {"a": "b"}}, "exempt"),
    "some requests": ("/spec/matchResources/resourceRules", [{"operations": ["CREATE"]}], "exempt"),
    "an exception": ("/spec/matchResources/excludeResourceRules", [{"operations": ["*"]}], "exempt"),
    "no parameters": ("/spec/paramRef", None, "parameters"),
    "any parameters": ("/spec/paramRef/name", "", "parameters"),
    "nothing without": ("/spec/paramRef/parameterNotFoundAction", "Allow", "parameters"),
    "the claim's own namespace": ("/spec/paramRef/namespace", None, "from the namespace ocdp-system and no"),
    "a tenant's namespace": ("/spec/paramRef/namespace", "team-a", "from the namespace ocdp-system and no"),
    "whatever carries a label": ("/spec/paramRef/selector", {"matchLabels": {"a": "b"}}, "by name"),
    "leaving": ("/metadata/deletionTimestamp", MADE, "being deleted"),
}


@pytest.mark.parametrize(("pointer", "value", "says"), POLICY_FAULTS.values(), ids=POLICY_FAULTS.keys())
def test_a_policy_that_lets_somebody_out_is_found(pointer: str, value: Any, says: str):
    policy, binding = shipped()
    assert any(says in fault for fault in judge(changed(policy, pointer, value), binding))


@pytest.mark.parametrize(("pointer", "value", "says"), BINDING_FAULTS.values(), ids=BINDING_FAULTS.keys())
def test_a_binding_that_lets_somebody_out_is_found(pointer: str, value: Any, says: str):
    policy, binding = shipped()
    assert any(says in fault for fault in judge(policy, changed(binding, pointer, value)))


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param(
            "/spec/matchResources", {"matchPolicy": "Equivalent", "namespaceSelector": {}}, id="all"
        ),
        pytest.param("/spec/paramRef/name", "elsewhere", id="parameters of another name"),
    ],
)
def test_a_binding_that_binds_everybody_will_do(pointer: str, value: Any):
    policy, binding = shipped()
    assert list(judge(policy, changed(binding, pointer, value))) == []


def test_wide_rules_will_do():
    policy, binding = shipped()
    rule = {"apiGroups": ["*"], "apiVersions": ["v1alpha1"], "operations": ["*"], "resources": ["*"]}
    assert list(judge(changed(policy, "/spec/matchConstraints/resourceRules", [rule]), binding)) == []


class Client:
    """Answers a look at each of the two."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []

    async def send(self, method: str, path: str) -> Answer:
        assert method == "GET"
        self.paths.append(path)
        return self.answers.pop(0)


def ok(body: Mapping[str, Any]) -> Answer:
    return Answer(200, json.dumps(body).encode())


async def read(*answers: Answer) -> Stamping:
    return await KubeIdentityPolicy(Client(*answers)).read()  # type: ignore[arg-type]


async def test_a_stamp_counts_on_a_claim_that_is_newer_than_both_and_a_moment():
    policy, binding = shipped()
    later = changed(binding, "/metadata/creationTimestamp", "2026-01-01T13:00:00Z")
    found = await read(ok(policy), ok(later))
    made = datetime(2026, 1, 1, 13, tzinfo=UTC)
    assert found.since is not None
    assert made < found.since <= made + timedelta(seconds=30)
    assert found.faults == ()
    assert not found.counts("2026-01-01T12:30:00Z")
    assert not found.counts("2026-01-01T13:00:00Z")
    assert not found.counts("")
    assert found.counts("2026-01-01T13:01:00Z")


async def test_what_is_not_there_proves_nothing():
    policy, binding = shipped()
    gone = Answer(404, b'{"kind": "Status"}')
    for answers in ((gone, gone), (ok(policy), gone), (gone, ok(binding))):
        found = await read(*answers)
        assert found.since is None
        assert "not there" in found.faults[0]
        assert not found.counts("2099-01-01T00:00:00Z")


async def test_without_the_right_to_look_nothing_is_proven_and_the_right_is_named():
    message = 'x is forbidden: User "me" cannot get resource "mutatingadmissionpolicies" in API group "a" at the cluster scope'
    found = await read(Answer(403, json.dumps({"message": message}).encode()))
    assert found.since is None
    assert "no right to get mutatingadmissionpolicies" in found.faults[0]


async def test_no_answer_is_no_verdict():
    with pytest.raises(Waiting) as caught:
        await read(Answer(503, b"{}"))
    assert caught.value.reason is Reason.CLUSTER_UNAVAILABLE
