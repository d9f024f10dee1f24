"""Whatever a schema accepts is rendered, lands as it is, and changes nothing but what it is mapped to (real kustomize)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.model.expression_functions import env_name
from ocdp_operator.plan.overlay import build_overlay
from tests.integration.kustomize.conftest import MakeArtifact, Objects, build
from tests.support.every_target import ACCEPTED, AWKWARD, assert_literal, claimed, files, keys_of


@pytest.fixture
async def plain(renderer: KustomizeRenderer, make_artifact: MakeArtifact) -> Objects:
    """What is rendered of no values at all."""
    return await build(renderer, make_artifact(files()), claimed({}))


async def check(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, values: dict[str, Any], plain: Objects
) -> None:
    workload = claimed(values)
    objects = await build(renderer, make_artifact(files()), workload)
    assert_literal(dict(objects), values, dict(plain))
    keyed = [f"KEY_{env_name(each['name'])}" for each in values.get("models", []) if "apiKey" in each]
    assert keys_of(workload) == keyed
    overlay = build_overlay(workload, files())
    assert not [
        path for path, content in overlay.files.items() if b"\\u0002" in content or b"\x02" in content
    ]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(values=ACCEPTED)
async def test_what_the_schema_accepts_lands_as_it_is_and_changes_nothing_else(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, plain: Objects, values: dict[str, Any]
):
    await check(renderer, make_artifact, values, plain)


@pytest.mark.parametrize("text", AWKWARD, ids=repr)
async def test_awkward_text_lands_as_it_is(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, plain: Objects, text: str
):
    reference = {"secretKeyRef": {"name": "mine", "key": "k"}}
    models = [{"name": text[:64], "note": text, "apiKey": reference}]
    await check(renderer, make_artifact, {"text": text, "data": {text: [text]}, "models": models}, plain)


async def test_two_mappings_to_one_image_set_both_parts(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, plain: Objects
):
    values = {"image": "mirror.example.test:5000/web", "tag": "2.0.0", "replicas": 3}
    await check(renderer, make_artifact, values, plain)
