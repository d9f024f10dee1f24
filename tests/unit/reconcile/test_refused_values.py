"""Values that the schema refuses write nothing; whatever it accepts is applied."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.plan.values import check_size, fill
from tests.support import builders
from tests.support.every_target import ACCEPTED, JSON, SCHEMA
from tests.support.pipeline_world import World, app

TEMPLATE = builders.template(
    schema=SCHEMA,
    mappings=[
        {
            "from": "values.text",
            "patch": {"kind": "Service", "name": "web", "pointer": "/metadata/annotations/a"},
        },
        {
            "value": "values.models.map(m, m.name)",
            "patch": {"kind": "Service", "name": "web", "pointer": "/metadata/x"},
        },
        {"value": "values.text + values.password", "secret": {"key": "DERIVED"}},
    ],
)
MISFITS = st.fixed_dictionaries(
    {},
    optional={
        "text": JSON,
        "tag": JSON,
        "replicas": JSON,
        "nodePort": JSON,
        "models": st.lists(st.dictionaries(st.sampled_from(["name", "note", "weight", "apiKey", "other"]), JSON), max_size=3),
        "password": JSON,
        "unknown": JSON,
    },
)  # fmt: skip


def is_accepted(values: dict[str, Any]) -> bool:
    try:
        check_size(values)
        fill(values, SCHEMA)
    except Stalled:
        return False
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=MISFITS | ACCEPTED)
async def test_what_is_refused_writes_nothing_and_the_rest_is_applied(values: dict[str, Any]):
    world = World(app(), revision=TEMPLATE)
    world.ask_for(values=values)
    await world.reconcile()
    failure = (await world.claim()).status.failure
    if is_accepted(values):
        assert failure is None or failure.code != Reason.INVALID_VALUES
        return
    assert failure is not None
    assert failure.code == Reason.INVALID_VALUES
    assert failure.value_path.startswith("/spec/values")
    assert (world.live(), world.renders) == (set(), 0)
    assert (await world.claim()).status.inventory == ()
