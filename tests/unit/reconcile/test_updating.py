"""Updates of what cannot simply be applied: planned before the first write, and carried out so that nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.objects import Manifest
from tests.support import builders
from tests.support.pipeline_world import Killed, World, app

SIZED = {
    "schema": {"type": "object", "properties": {"gi": {"type": "integer", "default": 1}}},
    "mappings": [
        {
            "from": "values.gi",
            "patch": {
                "kind": "PersistentVolumeClaim",
                "name": "data",
                "pointer": "/spec/resources/requests/storage",
            },
        }
    ],
}


def volume(size: str = "2Gi", **spec: Any) -> Manifest:
    claimed = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": size}},
    }
    return builders.manifest("PersistentVolumeClaim", "ide-data", spec=claimed | spec)


def store(size: str = "2Gi", image: str = "app:1") -> Manifest:
    labels = {"app.kubernetes.io/instance": "ide", "app.kubernetes.io/name": "store"}
    pod = builders.pod_spec()
    pod["containers"][0]["image"] = image
    template = {"metadata": {"name": "data"}, "spec": volume(size).body["spec"]}
    spec = {
        "replicas": 1,
        "serviceName": "ide-store",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
        "volumeClaimTemplates": [template],
    }
    return builders.manifest("StatefulSet", "ide-store", spec=spec)


def with_volume(size: str = "2Gi", greeting: str = "bbcdfghkmt", **spec: Any) -> list[Manifest]:
    rest = [each for each in app(greeting=greeting) if each.ref.kind != "PersistentVolumeClaim"]
    return [*rest, volume(size, **spec)]


async def lives(world: World) -> None:
    world.cluster.storage_classes = {"fast": True, "stiff": False}
    world.ask_for(values={})
    await world.settle()


def sent(world: World) -> dict[str, Any]:
    """Every object but for its status."""
    return {
        str(ref): {part: raw.get(part) for part in ("spec", "data")} | {"uid": raw["metadata"]["uid"]}
        for (_, ref), raw in world.cluster.objects.items()
    }


def make_volume_of_the_set(world: World, size: str = "2Gi") -> str:
    """What the StatefulSet's controller makes; its UID."""
    labels = {"app.kubernetes.io/instance": "ide", "app.kubernetes.io/name": "store"}
    body = dict(volume(size).body) | {
        "metadata": {"name": "data-ide-store-0", "namespace": builders.NAMESPACE, "labels": labels},
        "status": {"phase": "Bound"},
    }
    made = world.cluster.put(builders.NAMESPACE, body, manager="kube-controller-manager")
    return str(made["metadata"]["uid"])


def size_of(world: World, name: str) -> str:
    return str(world.raw("PersistentVolumeClaim", name)["spec"]["resources"]["requests"]["storage"])


async def condition(world: World, type_: str) -> Any:
    found = (await world.claim()).status.condition_set.get(type_)
    assert found is not None
    return found


async def test_a_volume_grows_in_place():
    world = World(with_volume())
    await lives(world)
    world.manifests = with_volume("3Gi")
    world.ask_for(values={"gi": 3})
    await world.settle()
    assert size_of(world, "ide-data") == "3Gi"
    assert (await condition(world, "Ready")).status is Truth.TRUE


@pytest.mark.parametrize(
    ("changed", "says"),
    {
        "smaller": (with_volume("1Gi", "2222222222"), "cannot be changed from 2Gi to 1Gi"),
        "of another class": (
            with_volume(greeting="2222222222", storageClassName="slow"),
            "/spec/storageClassName cannot be changed from fast to slow",
        ),
    }.values(),
    ids=["smaller", "of another class"],
)
async def test_nothing_of_a_set_is_written_when_one_field_of_it_cannot_change(
    changed: list[Manifest], says: str
):
    world = World(with_volume())
    await lives(world)
    before = sent(world)
    recorded = (await world.claim()).status.recorded
    world.manifests = changed
    world.ask_for(values={"gi": 1})
    await world.settle()

    assert sent(world) == before
    claim = await world.claim()
    assert claim.status.recorded == recorded
    ready = await condition(world, "Ready")
    assert (ready.status, ready.reason) == (Truth.FALSE, Reason.IMMUTABLE_FIELD_CONFLICT)
    assert says in ready.message
    assert (await condition(world, "Stalled")).reason == Reason.IMMUTABLE_FIELD_CONFLICT
    assert (await condition(world, "Healthy")).status is Truth.TRUE

    world.manifests = with_volume()
    world.ask_for(values={})
    await world.settle()
    assert (await condition(world, "Ready")).status is Truth.TRUE


async def test_a_refused_value_is_said_with_its_path_and_is_for_the_user_to_change():
    world = World(with_volume(), revision=builders.template(**SIZED))
    await lives(world)
    world.manifests = with_volume("1Gi")
    world.ask_for(values={"gi": 2})
    await world.settle()
    failure = (await world.claim()).status.failure
    assert failure is not None
    assert failure.value_path == "/spec/values/gi"
    assert failure.actor is Actor.USER
    assert "never shrinks" in failure.remedy


async def test_what_runs_is_kept_right_and_can_be_stopped_while_an_edit_of_it_is_refused():
    world = World(with_volume())
    await lives(world)
    world.manifests = with_volume("1Gi", "2222222222")
    world.ask_for(values={"gi": 2})
    await world.settle()
    world.cluster.remove(builders.NAMESPACE, builders.ref("Service", "ide-web"))
    await world.settle()
    assert "Service/ide-web" in world.live()
    assert (await condition(world, "Ready")).reason == Reason.IMMUTABLE_FIELD_CONFLICT
    world.ask_for(values={"gi": 2}, running=False)
    await world.settle()
    assert world.raw("Deployment", "ide-web")["spec"]["replicas"] == 0
    assert "ConfigMap/ide-config-2222222222" not in world.live()


async def test_a_class_that_lets_nothing_grow_is_known_before_anything_is_written():
    world = World(with_volume(storageClassName="stiff"))
    await lives(world)
    world.manifests = with_volume("3Gi", "2222222222", storageClassName="stiff")
    world.ask_for(values={"gi": 3})
    await world.settle()
    assert (await condition(world, "Ready")).reason == Reason.IMMUTABLE_FIELD_CONFLICT
    assert "ConfigMap/ide-config-2222222222" not in world.live()


async def test_a_volume_that_is_not_bound_holds_up_nothing_else_and_grows_once_it_is():
    world = World(with_volume())
    await lives(world)
    world.cluster.set_status(
        builders.NAMESPACE, builders.ref("PersistentVolumeClaim", "ide-data"), phase="Pending"
    )
    world.manifests = with_volume("3Gi", "2222222222")
    world.ask_for(values={"gi": 3})
    await world.reconcile()
    assert "ConfigMap/ide-config-2222222222" in world.live()
    assert size_of(world, "ide-data") == "2Gi"
    ready = await condition(world, "Ready")
    assert "grows only once it is bound" in ready.message
    assert (await condition(world, "Reconciling")).status is Truth.TRUE
    await world.settle()
    assert size_of(world, "ide-data") == "3Gi"
    assert (await condition(world, "Ready")).status is Truth.TRUE


async def grown_set() -> World:
    world = World([*app(), store()])
    await lives(world)
    make_volume_of_the_set(world)
    world.manifests = [*app(), store("3Gi")]
    world.ask_for(values={"gi": 3})
    return world


async def test_a_stateful_set_with_a_larger_template_is_made_anew_and_its_volumes_grow():
    world = await grown_set()
    before = world.raw("StatefulSet", "ide-store")["metadata"]["uid"]
    kept = world.raw("PersistentVolumeClaim", "data-ide-store-0")["metadata"]["uid"]
    await world.settle()
    after = world.raw("StatefulSet", "ide-store")
    assert after["metadata"]["uid"] != before
    assert after["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "3Gi"
    assert size_of(world, "data-ide-store-0") == "3Gi"
    assert world.raw("PersistentVolumeClaim", "data-ide-store-0")["metadata"]["uid"] == kept


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 9))
async def test_a_process_that_dies_while_a_set_is_made_anew_loses_nothing(at: int, when: str):
    world = await grown_set()
    kept = world.raw("PersistentVolumeClaim", "data-ide-store-0")["metadata"]["uid"]
    setattr(world, f"kill_{when}", at)
    world.restart()
    try:
        await world.settle()
    except Killed:
        world.kill_before = world.kill_after = None
        world.restart()
        await world.settle()
    after = world.raw("StatefulSet", "ide-store")
    assert after["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "3Gi"
    assert size_of(world, "data-ide-store-0") == "3Gi"
    assert world.raw("PersistentVolumeClaim", "data-ide-store-0")["metadata"]["uid"] == kept


async def test_a_set_whose_successor_is_refused_stays_as_it_is():
    world = await grown_set()
    before = world.raw("StatefulSet", "ide-store")
    ref = builders.ref("StatefulSet", "ide-store")
    world.cluster.refuse[ref] = Stalled(Reason.APPLY_FAILED, "no such field")
    await world.reconcile(3)
    assert world.raw("StatefulSet", "ide-store") == before
    assert size_of(world, "data-ide-store-0") == "2Gi"


async def test_a_volume_that_only_has_the_name_is_left_alone():
    world = await grown_set()
    world.raw("PersistentVolumeClaim", "data-ide-store-0")["metadata"]["labels"] = {}
    await world.settle()
    assert size_of(world, "data-ide-store-0") == "2Gi"


def job(image: str) -> Manifest:
    pod = builders.pod_spec(restartPolicy="Never")
    pod["containers"][0]["image"] = image
    labels = {"app.kubernetes.io/instance": "ide"}
    return builders.manifest(
        "Job", "ide-seed", spec={"template": {"metadata": {"labels": labels}, "spec": pod}}
    )


def finish_jobs(world: World) -> None:
    for (namespace, ref), _ in list(world.cluster.objects.items()):
        if ref.kind == "Job":
            world.cluster.set_status(
                namespace, ref, succeeded=1, conditions=[{"type": "Complete", "status": "True"}]
            )


async def test_a_job_with_other_content_is_another_job_and_the_old_one_goes():
    world = World([*app(), job("app:1")])
    world.ask_for()
    await world.reconcile()
    finish_jobs(world)
    await world.settle()
    [first] = [name for name in world.live() if name.startswith("Job/")]
    world.manifests = [*app(), job("app:2")]
    world.ask_for(values={"image": "2"})
    await world.reconcile()
    finish_jobs(world)
    await world.settle()
    [second] = [name for name in world.live() if name.startswith("Job/")]
    assert first != second
    assert first.startswith("Job/ide-seed-")
    assert second.startswith("Job/ide-seed-")
    assert (await condition(world, "Ready")).status is Truth.TRUE


async def test_nothing_is_read_to_plan_when_nothing_is_sent(monkeypatch: pytest.MonkeyPatch):
    world = World(with_volume())
    await lives(world)
    reads: list[str] = []
    read = world.cluster.read

    async def counted(namespace: str, ref: Any) -> Any:
        reads.append(str(ref))
        return await read(namespace, ref)

    monkeypatch.setattr(world.cluster, "read", counted)
    await world.reconcile(3)
    assert reads == []
    world.manifests = with_volume("3Gi")
    world.ask_for(values={"gi": 3})
    await world.settle()
    assert reads == ["PersistentVolumeClaim/ide-data"]
