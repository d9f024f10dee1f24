"""Manifests against the committed schema: as strict as the API server, and no stricter."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ocdp_operator.dev.recipes import KUBERNETES
from ocdp_operator.manifests.schema import Schema
from ocdp_operator.model.kinds import RUNTIME_KINDS
from ocdp_operator.model.objects import Manifest
from tests.support.apps import deployment, stateful_set

SCHEMA = Schema.shipped()
POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)

REFUSED = {
    "an unknown field": (("spec", "replica"), 1, "spec.replica", "unknown field"),
    "an unknown field far below": (
        (*CONTAINER, "securityContext", "rootless"),
        True,
        "spec.template.spec.containers[web].securityContext.rootless",
        "unknown field",
    ),
    "text for a number": (("spec", "replicas"), "1", "spec.replicas", "must be a whole number, not 1"),
    "a boolean for a number": (
        ("spec", "replicas"),
        True,
        "spec.replicas",
        "must be a whole number, not True",
    ),
    "a number that is too large": (("spec", "replicas"), 2**31, "spec.replicas", "2147483648 is no int32"),
    "text for a boolean": (
        (*POD, "enableServiceLinks"),
        "no",
        "spec.template.spec.enableServiceLinks",
        "must be true or false, not no",
    ),
    "an object for a list": (
        (*POD, "volumes"),
        {},
        "spec.template.spec.volumes",
        "must be a list, not {}",
    ),
    "a number as an annotation": (
        ("metadata", "annotations"),
        {"example.test/cost": 4711},
        "metadata.annotations[example.test/cost]",
        "must be text, not 4711",
    ),
    "a word that is none of the allowed": (
        (*CONTAINER, "imagePullPolicy"),
        "Sometimes",
        "spec.template.spec.containers[web].imagePullPolicy",
        "must be one of Always, IfNotPresent, Never, not Sometimes",
    ),
    "a list where a port is": (
        (*CONTAINER, "livenessProbe"),
        {"httpGet": {"port": []}},
        "spec.template.spec.containers[web].livenessProbe.httpGet.port",
        "must be a whole number or text, not []",
    ),
    "null for what is required": (("spec", "selector"), None, "spec.selector", "is required"),
    "a time that is none": (
        ("metadata", "creationTimestamp"),
        "yesterday",
        "metadata.creationTimestamp",
        "yesterday is no date-time",
    ),
    "two ports with one key": (
        (*CONTAINER, "ports"),
        [{"containerPort": 80, "protocol": "TCP"}] * 2,
        "spec.template.spec.containers[web].ports",
        "has two items with containerPort 80, protocol TCP",
    ),
}
TAKEN: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "null for what may be absent": (("spec", "paused"), None),
    "an empty time": (("metadata", "creationTimestamp"), None),
    "a port by its name": ((*CONTAINER, "livenessProbe"), {"httpGet": {"port": "http"}}),
    "a port by its number": ((*CONTAINER, "livenessProbe"), {"httpGet": {"port": 8080}}),
    "any annotation": (("metadata", "annotations"), {"example.test/any": "thing"}),
    "the same port for two protocols": (
        (*CONTAINER, "ports"),
        [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
    ),
}
QUANTITIES = {
    **dict.fromkeys(("500m", "1Gi", "2", "1.5", ".5Gi", "1e3", "12E", "100k", "-1", 2, 0.5), True),
    **dict.fromkeys(("1 Gi", "1GB", "one", "1gi", "", "2 cores", "1,5"), False),
}


def changed(steps: tuple[str | int, ...], value: Any) -> Manifest:
    body: Any = copy.deepcopy(deployment())
    place = body
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = value
    return Manifest.of(body)


def said(manifest: Manifest) -> list[tuple[str, str]]:
    return [(problem.field, problem.what) for problem in SCHEMA.problems("here", manifest)]


@pytest.mark.parametrize("body", [deployment(), stateful_set()], ids=["Deployment", "StatefulSet"])
def test_a_valid_object_passes(body: dict[str, Any]):
    assert said(Manifest.of(body)) == []


@pytest.mark.parametrize(("steps", "value", "field", "what"), REFUSED.values(), ids=REFUSED.keys())
def test_a_mistake_is_named_with_its_field(steps: Any, value: Any, field: str, what: str):
    assert said(changed(steps, value)) == [(field, what)]


@pytest.mark.parametrize(("steps", "value"), TAKEN.values(), ids=TAKEN.keys())
def test_what_the_server_takes_passes(steps: Any, value: Any):
    assert said(changed(steps, value)) == []


@pytest.mark.parametrize(("quantity", "valid"), QUANTITIES.items(), ids=repr)
def test_quantities_are_those_of_kubernetes(quantity: Any, valid: bool):
    manifest = changed((*CONTAINER, "resources"), {"limits": {"memory": quantity}})
    assert (said(manifest) == []) is valid


@pytest.mark.parametrize(("data", "valid"), {"c2VjcmV0": True, "": True, "not base64!": False}.items())
def test_the_data_of_a_secret_is_base64(data: str, valid: bool):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": data}}
    assert (said(Manifest.of(body)) == []) is valid


def test_an_object_of_another_version_or_kind_is_refused():
    old = Manifest.of({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "web"}})
    assert said(old) == [("apiVersion", "must be apps/v1, not apps/v1beta1")]
    foreign = Manifest.of({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"}})
    assert said(foreign) == [("kind", "CronJob of batch/v1 is no kind that may be rendered")]


def test_every_kind_that_may_be_rendered_has_a_schema():
    for kind in RUNTIME_KINDS:
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}, "unknown": 1}
        assert ("unknown", "unknown field") in said(Manifest.of(body)), kind


def test_the_schema_is_of_the_version_that_the_local_control_plane_has():
    assert SCHEMA.version == f"v{KUBERNETES}"
