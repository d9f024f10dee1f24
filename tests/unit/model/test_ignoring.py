"""Which fields a template may leave to others, and how an object remembers them."""

from __future__ import annotations

import pytest

from ocdp_operator.model.ignoring import (
    ignored_paths,
    owned_at,
    path_of,
    pointer_fault,
    to_text,
    with_value,
    without,
)
from ocdp_operator.model.names import IGNORED_FIELDS

BODY = {
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "image": "x:1", "env": [{"name": "LEVEL", "value": "info"}]},
                    {"name": "side", "image": "y:1"},
                ],
                "tolerations": [{"key": "gpu"}],
            }
        },
    }
}
POD = "/spec/template/spec"


@pytest.mark.parametrize(
    ("kind", "pointer"),
    [
        ("Deployment", "/spec/replicas"),
        ("StatefulSet", "/spec/replicas"),
        ("Deployment", f"{POD}/containers/0/image"),
        ("Deployment", f"{POD}/containers/0/resources"),
        ("Deployment", f"{POD}/containers/0/resources/limits/cpu"),
        ("Deployment", f"{POD}/containers/0/env/3/value"),
        ("Deployment", f"{POD}/tolerations"),
        ("Deployment", "/spec/strategy"),
        ("ConfigMap", "/data/settings.yaml"),
        ("PersistentVolumeClaim", "/spec/resources/requests/storage"),
        ("HorizontalPodAutoscaler", "/spec/maxReplicas"),
    ],
)
def test_a_field_that_the_policy_does_not_guard_can_be_ignored(kind: str, pointer: str):
    assert pointer_fault(kind, pointer) is None


@pytest.mark.parametrize(
    ("kind", "pointer"),
    [
        pytest.param("Deployment", "/metadata/annotations", id="metadata"),
        pytest.param("Deployment", "/metadata/labels/a", id="a label"),
        pytest.param("Deployment", "/spec", id="all of it"),
        pytest.param("Deployment", "/spec/selector", id="a selector"),
        pytest.param("Deployment", "/spec/template", id="the pod template"),
        pytest.param("Deployment", "/spec/template/metadata/labels", id="the pods' labels"),
        pytest.param("Deployment", f"{POD}/containers", id="the containers"),
        pytest.param("Deployment", f"{POD}/containers/0", id="a container"),
        pytest.param("Deployment", f"{POD}/containers/0/securityContext", id="a container's security"),
        pytest.param("Deployment", f"{POD}/containers/0/env", id="references to Secrets"),
        pytest.param("Deployment", f"{POD}/containers/0/env/0/valueFrom", id="a reference to a Secret"),
        pytest.param("Deployment", f"{POD}/containers/0/volumeMounts", id="mounts"),
        pytest.param("Deployment", f"{POD}/securityContext", id="the pod's security"),
        pytest.param("Deployment", f"{POD}/securityContext/runAsUser", id="a part of it"),
        pytest.param("Deployment", f"{POD}/serviceAccountName", id="the account"),
        pytest.param("Deployment", f"{POD}/volumes", id="volumes"),
        pytest.param("Deployment", f"{POD}/hostNetwork", id="the host"),
        pytest.param("Deployment", f"{POD}/nodeName", id="the node"),
        pytest.param("Service", "/spec/type", id="the type of a Service"),
        pytest.param("Service", "/spec/externalIPs", id="addresses"),
        pytest.param("Service", "/spec/selector", id="whom a Service means"),
        pytest.param("Ingress", "/spec/rules", id="hosts"),
        pytest.param("NetworkPolicy", "/spec/ingress", id="a network policy"),
        pytest.param("ConfigMap", "/data", id="all data"),
        pytest.param("Secret", "/data/a", id="a Secret"),
        pytest.param("Deployment", "spec/replicas", id="no pointer"),
        pytest.param("Deployment", "/spec/replicas/", id="below it"),
        pytest.param("ConfigMap", "/data/a~2b", id="a bad escape"),
        pytest.param("ConfigMap", "/data/a b", id="a blank"),
        pytest.param("ConfigMap", "/data/a\n", id="a line break"),
    ],
)
def test_what_the_policy_guards_cannot_be_ignored(kind: str, pointer: str):
    assert pointer_fault(kind, pointer)


def test_items_of_lists_are_remembered_by_their_names():
    path = path_of(f"{POD}/containers/1/image", BODY)
    assert path == ("spec", "template", "spec", "containers", "[side]", "image")
    assert path_of(f"{POD}/containers/2/image", BODY) is None
    env = path_of(f"{POD}/containers/0/env/0/value", BODY)
    assert env is not None
    assert env[-2:] == ("[LEVEL]", "value")


def test_an_annotation_holds_what_was_put_there_and_nothing_outside_of_spec_and_data():
    paths = (("spec", "replicas"), ("data", "a/b~c"))
    assert set(ignored_paths({"annotations": {IGNORED_FIELDS: to_text(paths)}})) == set(paths)
    forged = "/metadata/annotations /spec / /spec/replicas"
    assert ignored_paths({"annotations": {IGNORED_FIELDS: forged}}) == (("spec", "replicas"),)
    assert ignored_paths({}) == ()


def test_a_field_goes_with_what_it_leaves_empty_and_nothing_else():
    path = path_of(f"{POD}/containers/0/env/0/value", BODY)
    assert path is not None
    gone = without(BODY, path)
    assert gone["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "LEVEL"}]
    assert with_value(gone, path, "info") == BODY
    assert without({"spec": {"replicas": 1}, "kind": "x"}, ("spec", "replicas")) == {"kind": "x"}
    assert without(BODY, ("spec", "absent", "field")) == BODY


def test_ownership_is_looked_up_as_the_server_writes_it():
    tree = {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}, "f:selector": {}}}
    assert owned_at(tree, ("spec", "containers", "[web]", "image")) == {}
    assert owned_at(tree, ("spec", "containers", "[web]", "args")) is None
    assert owned_at(tree, ("spec", "selector", "app")) == {}
