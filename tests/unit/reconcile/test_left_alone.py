"""An API server that asks to be left alone for a while is, whatever the backoff would say."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason, Waiting
from tests.support.pipeline_world import KEY, World, app


def busy(seconds: float) -> Waiting:
    error = Waiting(Reason.CLUSTER_UNAVAILABLE, "The API server has more requests than it can answer.")
    error.not_before = seconds
    return error


def delays(world: World) -> list[float]:
    found: list[float] = []
    world.reconciler.queue.add = lambda key, after=0.0: found.append(after)  # type: ignore[method-assign,misc]
    return found


@pytest.mark.parametrize("step", ["apply", "patch_claim", "patch_claim_status"])
async def test_a_claim_is_not_looked_at_before_the_time_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, step: str
):
    world = World(manifests=app())
    world.ask_for(values={})
    found = delays(world)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise busy(120.0)

    monkeypatch.setattr(world.cluster, step, refuse)
    for _ in range(3):
        await world.reconcile()
    assert len(found) == 3
    assert min(found) >= 120.0


async def test_a_short_time_does_not_shorten_the_backoff():
    world = World(manifests=app())
    world.ask_for(values={})
    found = delays(world)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise busy(1.0)

    world.cluster.apply = refuse  # type: ignore[method-assign]
    for _ in range(6):
        await world.reconcile()
    assert found[-1] > 16.0


async def test_a_deletion_waits_too():
    world = World(manifests=app())
    world.ask_for(values={})
    await world.settle()
    world.cluster.delete_claim(KEY)
    found = delays(world)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise busy(120.0)

    world.cluster.delete = refuse  # type: ignore[method-assign]
    await world.reconcile()
    assert found[-1] >= 120.0
