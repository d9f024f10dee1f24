"""Events that anybody may write who may write events, as the operator reads them."""

from __future__ import annotations

from tests.support.cluster_worlds import RealWorld, config_map, marked


async def test_of_an_event_with_a_long_message_no_more_is_taken_than_of_kubernetes_own(
    world: RealWorld,
) -> None:
    created = await world.cluster.apply(world.namespace, marked(config_map(), world.namespace), uid="")
    await world.tell(created, "FailedCreate", "a" * 60_000, "2026-01-01T00:00:00Z", warning=True)
    (told,) = await world.cluster.events_about(world.namespace, created.uid)
    assert told.reason == "FailedCreate"
    assert len(told.message) == 2048
