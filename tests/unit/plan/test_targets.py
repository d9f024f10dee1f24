"""Targets of mappings in a rendered base."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.model.mapping import Mapping_
from ocdp_operator.model.template import Bound
from ocdp_operator.plan.targets import Targets
from tests.support import builders


def bound(value: Any = 1, **target: Any) -> Bound:
    return Bound(0, Mapping_.model_validate({"from": "values.a", **target}), value)


def patch(
    pointer: str, op: str = "replace", *, kind: str = "Deployment", name: str = "web"
) -> dict[str, Any]:
    return {"patch": {"kind": kind, "name": name, "pointer": pointer, "op": op}}


@pytest.fixture
def targets() -> Targets:
    containers = [{"name": "web", "image": "registry:5000/team/web:1.0@sha256:abc", "env": [{"name": "A"}]}]
    deployment = builders.manifest(
        "Deployment",
        "example-web",
        spec={
            "replicas": 1,
            "template": {"spec": {"containers": containers, "initContainers": [{"image": "init"}]}},
        },
    )
    service = builders.manifest("Service", "example-site-web", spec={"ports": [], "a/b": {"c~d": 1}})
    return Targets([deployment, service], "example-")


CONTAINER = "/spec/template/spec/containers/0"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (patch("/spec/replicas"), None),
        (patch("/spec/replica"), "Deployment web has no /spec/replica (op replace)"),
        (patch("/spec/paused", "add"), None),
        (patch("/spec/strategy/type", "add"), "Deployment web cannot add to /spec/strategy/type (op add)"),
        (patch("/spec/replicas/x", "add"), "Deployment web cannot add to /spec/replicas/x (op add)"),
        (patch(f"{CONTAINER}/env/0/value", "add"), None),
        (patch(f"{CONTAINER}/env/1", "add"), None),
        (patch(f"{CONTAINER}/env/-", "add"), None),
        (patch(f"{CONTAINER}/env/2", "add"), f"Deployment web cannot add to {CONTAINER}/env/2 (op add)"),
        (patch(f"{CONTAINER}/env/1"), f"Deployment web has no {CONTAINER}/env/1 (op replace)"),
        (patch(f"{CONTAINER}/env/-"), f"Deployment web has no {CONTAINER}/env/- (op replace)"),
        (patch(f"{CONTAINER}/env/x"), f"Deployment web has no {CONTAINER}/env/x (op replace)"),
        (patch("/spec/a~1b/c~0d", kind="Service"), None),
        (patch("/spec", kind="Ingress"), "there is no Ingress web"),
        (patch("/spec", name="wep"), "there is no Deployment wep"),
        ({"image": {"name": "registry:5000/team/web"}}, None),
        ({"image": {"name": "init"}}, None),
        (
            {"image": {"name": "web"}},
            "no container has the image web; there are init, registry:5000/team/web",
        ),
        ({"replicas": {"name": "web"}}, None),
        ({"replicas": {"name": "wep"}}, "there is no Deployment and no StatefulSet wep"),
        ({"configFile": {"configMap": "c", "file": "f", "pointer": "/x"}}, None),
    ],
    ids=str,
)
def test_what_a_mapping_aims_at_must_be_there(targets: Targets, target: dict[str, Any], why: str | None):
    assert targets.fault(bound(**target)) == why


def test_a_mapping_may_build_on_one_before_it(targets: Targets):
    assert targets.fault(bound({"type": "x"}, **patch("/spec/strategy", "add"))) is None
    assert targets.fault(bound(**patch("/spec/strategy/type"))) is None
