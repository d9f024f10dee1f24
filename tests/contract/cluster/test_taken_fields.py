"""Who took a field from us, as the fake and a real API server tell it."""

from __future__ import annotations

from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.plan.ownership import lost_fields
from tests.support.cluster_worlds import World, deployment, marked

APP = ObjectRef("apps", "Deployment", "ide")


async def test_a_read_tells_who_took_a_field(world: World) -> None:
    manifest = marked(deployment(), world.namespace)
    await world.cluster.apply(world.namespace, manifest, uid="")
    await world.edit(APP, {"spec": {"replicas": 5}})
    raw = await world.cluster.read(world.namespace, APP)
    assert raw is not None
    (lost,) = lost_fields(manifest.body, raw)
    assert (lost.path, lost.live, lost.sent) == ("spec.replicas", "5", "1")
    assert lost.managers in {("kubectl-patch",), ("kubectl",)}
