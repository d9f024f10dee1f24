"""The overlays of ``tests/kustomize``: each component and setting has one, and the operator's are as it makes them today."""

from __future__ import annotations

import pytest

from tests.support.app_renderings import APPS, COMPONENTS, ROOT, example_template
from tests.support.generated_overlays import committed, full_claim, generated

OVERLAYS = {path.parent.name for path in (ROOT / "tests" / "kustomize").glob("*/kustomization.yaml")}
SETTINGS = (
    "ingress-class",
    "load-balancer-class",
    "registry",
    "pull-secret",
    "node-selector",
    "toleration",
    "site-labels",
    "proxy",
    "site",
    "generated",
)
OF_SOME = {
    "storage-class": ("code-server", "vllm-server"),
    "runtime-class": ("vllm-server",),
    "gpu-resource": ("vllm-server",),
}


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_has_an_overlay_of_its_own(component: str):
    _, app, _, name = component.split("/")
    overlay = ROOT / "tests" / "kustomize" / f"{app}-{name}" / "kustomization.yaml"
    assert f"../../../{component}\n" in overlay.read_text()


@pytest.mark.parametrize("app", APPS)
def test_each_setting_of_an_environment_has_an_overlay(app: str):
    wanted = (*SETTINGS, *(name for name, apps in OF_SOME.items() if app in apps))
    assert {f"{app}-{name}" for name in wanted} <= OVERLAYS


@pytest.mark.parametrize("app", APPS)
def test_the_claim_that_is_rendered_sets_every_value(app: str):
    _, values = full_claim(app)
    assert values.keys() == example_template(app).values_schema["properties"].keys()


@pytest.mark.parametrize("app", APPS)
def test_the_generated_overlay_is_what_the_operator_generates(app: str):
    """Else run ``python -m tests.support.generated_overlays``, and look at what changed."""
    assert committed(app) == generated(app)
