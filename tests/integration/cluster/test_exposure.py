"""Ports and hosts on the real API server: what was allocated stays."""

from __future__ import annotations

from ocdp_operator.model.objects import ObjectRef
from tests.support.cluster_worlds import RealWorld, marked

SERVICE = ObjectRef("", "Service", "ide-web")


async def test_an_allocated_node_port_is_the_same_after_a_hundred_applies(world: RealWorld):
    async def applied(turn: int, uid: str) -> tuple[str, int]:
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "ide-web", "labels": {"turn": str(turn)}},
            "spec": {"type": "NodePort", "selector": {"app": "ide"}, "ports": [{"name": "http", "port": 80}]},
        }
        seen = await world.cluster.apply(world.namespace, marked(body, world.namespace), uid=uid)
        return seen.uid, seen.body["spec"]["ports"][0]["nodePort"]

    uid, port = await applied(0, "")
    assert {await applied(turn, uid) for turn in range(1, 101)} == {(uid, port)}
    live = await world.live(SERVICE)
    assert live is not None
    assert live["metadata"]["labels"]["turn"] == "100"
