"""A ConfigMap or Secret is in use wherever a pod can name it."""

from __future__ import annotations

import pytest

from ocdp_operator.plan.references import config_map_names, live_references, secret_names
from tests.support.builders import observed

PLACES = [
    pytest.param({part: [{"env": [{"valueFrom": {key: {"name": "x"}}}]}]}, kind, id=f"{part} {key}")
    for part in ("containers", "initContainers", "ephemeralContainers")
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret"))
] + [
    pytest.param({"containers": [{"envFrom": [{"configMapRef": {"name": "x"}}]}]}, "ConfigMap", id="configMapRef"),
    pytest.param({"containers": [{"envFrom": [{"secretRef": {"name": "x"}}]}]}, "Secret", id="secretRef"),
    pytest.param({"volumes": [{"configMap": {"name": "x"}}]}, "ConfigMap", id="configMap volume"),
    pytest.param({"volumes": [{"secret": {"secretName": "x"}}]}, "Secret", id="secret volume"),
    pytest.param(
        {"volumes": [{"projected": {"sources": [{"configMap": {"name": "x"}}]}}]}, "ConfigMap", id="projected configMap"
    ),
    pytest.param({"volumes": [{"projected": {"sources": [{"secret": {"name": "x"}}]}}]}, "Secret", id="projected secret"),
]  # fmt: skip


@pytest.mark.parametrize(("pod", "kind"), PLACES)
def test_a_reference_is_found_wherever_it_stands(pod, kind):
    assert config_map_names(pod) == ({"x"} if kind == "ConfigMap" else set())
    assert secret_names(pod) == ({"x"} if kind == "Secret" else set())


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"containers": None, "volumes": None},
        {"containers": [{"env": [{"name": "A", "value": "b"}]}]},
        {"volumes": [{"emptyDir": {}}]},
    ],
)
def test_a_pod_without_references_has_none(pod):
    assert config_map_names(pod) == secret_names(pod) == frozenset()


def test_live_pods_and_live_pod_templates_count():
    uses = {"volumes": [{"configMap": {"name": "a"}}]}
    template = {"template": {"spec": {"volumes": [{"configMap": {"name": "b"}}]}}}

    found = live_references(
        [
            observed("Pod", "ide-1", spec=uses),
            observed("Deployment", "ide-web", spec=template),
            observed("Service", "s"),
        ]
    )

    assert found == {"a", "b"}
