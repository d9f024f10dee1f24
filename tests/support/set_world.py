"""A claim with a StatefulSet whose controller made a volume, on fakes; and what may be kept of it."""

from __future__ import annotations

from typing import Any

from tests.support import builders
from tests.support.pipeline_world import World, app

VOLUME, SECRET, OF_SET = (
    ("PersistentVolumeClaim", "ide-data"),
    ("Secret", "ide-credentials"),
    ("PersistentVolumeClaim", "data-ide-db-0"),
)
SELECTOR = {"app.kubernetes.io/instance": "ide", "app.kubernetes.io/name": "db"}


def database(replicas: int = 1) -> Any:
    template = {"metadata": {"labels": SELECTOR}, "spec": builders.pod_spec()}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": SELECTOR},
        "template": template,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
    }
    return builders.manifest("StatefulSet", "ide-db", spec=spec)


def put_volume(world: World, name: str = "data-ide-db-0", **metadata: Any) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": SELECTOR, **metadata},
        "spec": {},
    }
    world.cluster.put(builders.NAMESPACE, body, manager="kube-controller-manager")


async def failure(world: World) -> Any:
    await world.reconcile(2)
    return (await world.claim()).status.failure


TOMBSTONE = {
    "claim": "ns-a/ide",
    "uid": "former",
    "template": "t",
    "revision": 1,
    "workspace": "w",
    "since": "x",
}


async def with_a_volume() -> World:
    """A claim with a set of one pod, whose volume is there."""
    made = World(app(database()))
    made.ask_for()
    await made.settle()
    put_volume(made)
    return made
