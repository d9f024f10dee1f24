"""A stop takes the pods and nothing else, and is the last step on what is sent."""

from __future__ import annotations

import pytest

from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.plan.ignoring import as_to, left_to_others
from ocdp_operator.plan.running import at_rest, desired_in_state, in_state
from ocdp_operator.plan.stamp import Desired
from tests.support import builders


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [("Deployment", "replicas", 0), ("StatefulSet", "replicas", 0), ("Job", "suspend", True)],
)
def test_what_has_pods_rests_without_them(kind: str, field: str, value: object):
    running = builders.changed(builders.manifest(kind, "ide-web"), "/spec/other", 1)
    resting = at_rest(running)
    assert resting.body["spec"] == {**running.body["spec"], field: value}
    assert field not in running.body["spec"]


@pytest.mark.parametrize(
    "kind", ["Service", "PersistentVolumeClaim", "ConfigMap", "Secret", "Ingress", "HorizontalPodAutoscaler"]
)
def test_what_has_no_pods_is_as_it_was(kind: str):
    manifest = builders.manifest(kind, "ide-web")
    assert at_rest(manifest) is manifest


def test_a_stop_minds_replicas_that_are_left_to_an_autoscaler():
    deployment = builders.changed(builders.manifest("Deployment", "ide-web"), "/spec/replicas", 3)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ide-web"}
    autoscaler = builders.manifest("HorizontalPodAutoscaler", "ide-web", spec={"scaleTargetRef": target})
    left = next(
        each for each in left_to_others([deployment, autoscaler], (), "ide-") if each.ref == deployment.ref
    )
    assert "replicas" not in left.body["spec"]
    managed = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    live = {
        **left.body,
        "metadata": {**left.body["metadata"], "managedFields": [managed]},
        "spec": {"replicas": 7},
    }
    assert as_to(at_rest(left), live).body["spec"]["replicas"] == 0
    assert "replicas" not in as_to(left, live).body["spec"]


def test_a_claim_that_runs_is_sent_as_it_was_rendered():
    manifests = (builders.manifest("Deployment", "ide-web"),)
    assert in_state(manifests, running=True) == manifests


def test_the_record_says_what_was_sent():
    manifest = builders.manifest("Deployment", "ide-web")
    entry = Entry(manifest.ref, wave=3, sent=manifest.sent_digest)
    desired = desired_in_state(Desired((manifest,), Inventory.of([entry])), running=False)
    assert [each.sent for each in desired.inventory] == [each.sent_digest for each in desired.manifests]
    assert desired.inventory.entries[manifest.ref].sent != entry.sent
