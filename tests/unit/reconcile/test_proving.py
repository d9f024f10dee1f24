"""A revision is proven with fakes behind the ports: what is tried, and what is said of what fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.adapters.expressions import CelExpressions
from ocdp_operator.model.publication import TemplateEntry
from ocdp_operator.plan.policy import Limits
from ocdp_operator.plan.proof import MAX_CASES
from ocdp_operator.reconcile.proving import MAX_RENDERINGS, Proof, prove
from tests.support.apps import app_files, template
from tests.support.fakes_renderer import FakeRenderer
from tests.support.fakes_sources import FakeSources

URL = "https://git.example.test/apps.git"


@dataclass
class Bench:
    """The parts that publishing needs."""

    sources: FakeSources
    renderer: FakeRenderer
    expressions: CelExpressions

    async def proof(self, **changes: Any) -> Proof:
        entry = TemplateEntry.model_validate(template("web", URL, **changes))
        commit = self.sources.commit(URL, app_files())
        return await prove(self, entry, commit, limits=Limits(ingress_domains=("apps.example.test",)))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with CelExpressions() as expressions:
        yield Bench(FakeSources(tmp_path), FakeRenderer(), expressions)


def declared(**rules: Any) -> dict[str, Any]:
    return {"title": "Title", "description": "Description."} | rules


def schema(properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties} | rest


SECRET = declared(type="string", **{"x-ocdp": {"secret": True, "generate": {"length": 24}}})


async def test_a_sound_template_is_proven_by_few_renderings(bench: Bench):
    proof = await bench.proof()

    assert proof.faults == ()
    assert 2 <= proof.renderings < 10
    assert proof.claims > proof.renderings
    assert proof.unproven == 0


async def test_a_generated_secret_may_be_required_and_needs_no_value(bench: Bench):
    mappings = [{"from": "values.password", "secret": {"key": "PASSWORD"}}]
    proof = await bench.proof(
        schema=schema({"password": SECRET}, required=["password"]),
        mappings=mappings,
        components=[],
        examples=[{}],
    )
    assert proof.faults == ()


async def test_every_example_that_cannot_be_claimed_is_named_without_its_values(bench: Bench):
    key = declared(type="string", pattern="^sk-")
    proof = await bench.proof(
        schema=schema({"key": key, "size": declared(type="integer", maximum=3)}),
        mappings=[],
        components=[],
        examples=[{"key": "sk-1"}, {"key": "hunter2"}, {"size": 9}],
    )
    said = "\n".join(proof.faults)
    assert "/spec/values/key must match the pattern ^sk- (with examples[1]" in said
    assert "/spec/values/size must be at most 3 (with examples[2]" in said
    assert "hunter2" not in said


async def test_a_secret_mapping_from_a_plain_value_is_refused(bench: Bench):
    proof = await bench.proof(
        mappings=[{"from": "values.storageGi", "secret": {"key": "SIZE"}}], components=[]
    )
    assert any("x-ocdp.generate" in fault for fault in proof.faults)


async def test_a_schema_without_end_is_refused(bench: Bench):
    proof = await bench.proof(
        schema={"type": "object", "allOf": [{"$ref": "#"}]}, mappings=[], components=[], examples=[{}]
    )
    assert any("schema of the template" in fault for fault in proof.faults)


async def test_the_same_fault_of_many_claims_is_told_once_with_the_first(bench: Bench):
    patch = {"kind": "Deployment", "name": "web", "pointer": "/spec/nothing", "op": "replace"}
    proof = await bench.proof(
        mappings=[{"from": "values.guarded", "patch": patch}], components=[], examples=[{"guarded": "yes"}]
    )
    (fault,) = proof.faults
    assert fault.startswith("mappings[0], from values.guarded: Deployment web has no /spec/nothing")
    assert "(with examples[0] and " in fault


async def test_a_component_that_nothing_brings_in_is_named(bench: Bench):
    tier = declared(type="string", pattern="^[a-z]+$", default="plain")
    table = {"plain": None, "guarded": "web/components/guarded"}
    proof = await bench.proof(
        schema=schema({"tier": tier}), mappings=[{"from": "values.tier", "components": table}], examples=[{}]
    )
    assert [fault.split(": ")[0] for fault in proof.faults] == [
        "mappings[0], from values.tier",
        "mappings[0].components.guarded, web/components/guarded",
    ]


async def test_both_sides_of_a_threshold_are_tried(bench: Bench):
    size = declared(type="integer", minimum=1, maximum=9, default=1)
    patch = {"kind": "Deployment", "name": "web", "pointer": "/spec/nothing", "op": "replace"}
    proof = await bench.proof(
        schema=schema({"size": size}),
        mappings=[{"from": "values.size", "when": "values.size > 5", "patch": patch}],
        components=[],
        examples=[{}],
    )
    (fault,) = proof.faults
    assert fault.startswith("mappings[0], from values.size: Deployment web has no /spec/nothing")
    assert "(with examples[0] with /size 9" in fault


async def test_more_than_can_be_tried_is_counted(bench: Bench):
    choice = declared(enum=list(range(MAX_CASES + 56)))
    proof = await bench.proof(schema=schema({"a": choice}), mappings=[], components=[], examples=[{}])
    assert (proof.faults, proof.claims, proof.unproven) == ((), MAX_CASES + 1, 57)


async def test_more_than_can_be_rendered_is_counted(bench: Bench):
    name = declared(type="string", enum=[f"n{number}" for number in range(MAX_RENDERINGS + 20)])
    greeting = {"configMap": "web-config", "file": "settings.yaml", "pointer": "/greeting"}
    proof = await bench.proof(
        schema=schema({"name": name}),
        mappings=[{"from": "values.name", "configFile": greeting}],
        components=[],
        examples=[{}],
    )
    assert proof.faults == ()
    assert proof.renderings == MAX_RENDERINGS
    assert proof.unproven == 22


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        pytest.param({"target": {"kind": "Deployment", "name": "web"}, "pointers": ["/spec/replicas"]}, "", id="there"),
        pytest.param({"target": {"kind": "Deployment"}, "pointers": ["/spec/replicas"]}, "", id="every one"),
        pytest.param(
            {"target": {"kind": "Deployment", "name": "other"}, "pointers": ["/spec/replicas"]},
            "ignore[0].target: there is no Deployment other",
            id="no such object",
        ),
        pytest.param(
            {"target": {"kind": "StatefulSet"}, "pointers": ["/spec/replicas"]},
            "ignore[0].target: there is no StatefulSet at all",
            id="none of the kind",
        ),
        pytest.param(
            {"target": {"kind": "Deployment"}, "pointers": ["/spec/template/spec/containers/7/image"]},
            "ignore[0].pointers[0]: /spec/template/spec/containers/7/image leads through a list without such an item",
            id="no such container",
        ),
    ],
)  # fmt: skip
async def test_what_a_template_ignores_must_be_in_some_rendering(
    bench: Bench, rule: dict[str, Any], fault: str
):
    proof = await bench.proof(ignore=[rule])
    assert proof.faults == ((fault,) if fault else ())
