"""Whatever the schemas of the example templates accept is rendered, lands as it is, and changes nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.errors import Stalled
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.plan.values import check_size, fill
from tests.support.app_renderings import APPS, app_files, build_with, claimed, example_template
from tests.support.bound_places import misplaced, strays
from tests.support.schema_values import values_of

TEMPLATES = {app: example_template(app) for app in APPS}


def is_accepted(app: str, values: dict[str, Any]) -> bool:
    facts = {"workspace": {}, "claim": {}, "profile": {}}
    try:
        check_size(values)
        fill(values, TEMPLATES[app].body.values_schema, facts)
    except Stalled:
        return False
    return True


@pytest.mark.parametrize("app", APPS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_what_the_schema_of_an_application_accepts_lands_as_it_is_and_changes_nothing_else(
    tmp_path: Path, binaries: Binaries, app: str, data: st.DataObject
):
    values = data.draw(values_of(TEMPLATES[app].body.values_schema))
    assume(is_accepted(app, values))
    build = build_with(binaries.kustomize, tmp_path)
    workload = claimed(app, values)
    objects = await build(build_overlay(workload, app_files()).files)
    plain = await build(build_overlay(replace(workload, bound=()), app_files()).files)
    assert misplaced(objects, workload) == []
    assert strays(objects, plain, workload) == []
