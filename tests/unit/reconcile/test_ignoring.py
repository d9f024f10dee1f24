"""Fields that a template leaves to others, and replicas that an autoscaler owns: no drift, no fight, no lost value."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.names import IGNORED_FIELDS, WORKSPACE
from ocdp_operator.model.objects import Manifest
from tests.support import builders
from tests.support.pipeline_world import PASSWORD, World, app

DEPLOYMENT = builders.ref("Deployment", "ide-web")
RELABELLED: dict[str, Any] = {"metadata": {"labels": {WORKSPACE: "x"}}}
IMAGE = "/spec/template/spec/containers/0/image"


def ignoring(*pointers: str, revision: int = 1) -> Any:
    rule = {"target": {"kind": "Deployment", "name": "web"}, "pointers": list(pointers)}
    return builders.template(**PASSWORD, ignore=[rule], revision=revision)


def autoscaler() -> Any:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ide-web"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5}
    return builders.manifest("HorizontalPodAutoscaler", "ide-web", spec=spec)


def of_somebody_else(world: World) -> None:
    """An autoscaler that no rendering knows of."""
    world.cluster.put(builders.NAMESPACE, {**autoscaler().body, "metadata": {"name": "theirs"}})


def scaled() -> list[Manifest]:
    """With an autoscaler; the policy lets no rendering say how many pods it then wants."""
    manifests = app(autoscaler())
    for manifest in manifests:
        if manifest.ref == DEPLOYMENT:
            del manifest.body["spec"]["replicas"]  # type: ignore[attr-defined]
    return manifests


async def converged(world: World) -> World:
    world.ask_for()
    await world.settle()
    world.cluster.events.clear()
    return world


def deployment(world: World) -> dict[str, Any]:
    return world.raw("Deployment", "ide-web")


def relabel(world: World) -> None:
    """A change of another field of ours."""
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, RELABELLED)


def is_labelled(world: World) -> bool:
    return bool(deployment(world)["metadata"]["labels"][WORKSPACE] == builders.WORKSPACE)


def replicas(world: World) -> int | None:
    return deployment(world)["spec"].get("replicas")


def told(world: World) -> list[Reason]:
    return [event.reason for event in world.cluster.events]


async def writes_nothing(world: World, looks: int = 3) -> None:
    world.make_healthy()
    await world.settle()
    before = world.cluster.writes
    for _ in range(looks):
        await world.reconcile()
    assert world.cluster.writes == before


@pytest.mark.parametrize("manager", ["kubectl-edit", "kubectl", "rival"])
async def test_a_change_of_an_ignored_field_is_no_drift(manager: str):
    world = await converged(World(app(), revision=ignoring("/spec/replicas")))
    assert replicas(world) == 1
    version = deployment(world)["metadata"]["annotations"][IGNORED_FIELDS]
    assert version == "/spec/replicas"
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, {"spec": {"replicas": 4}}, manager=manager)
    await writes_nothing(world)
    assert replicas(world) == 4
    assert Reason.DRIFT_CORRECTED not in told(world)


async def test_a_field_that_somebody_took_is_not_sent_with_another_change():
    world = await converged(World(app(), revision=ignoring("/spec/replicas")))
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, {"spec": {"replicas": 4}}, manager="rival")
    relabel(world)
    await world.settle()
    assert replicas(world) == 4
    assert is_labelled(world)
    managers = {entry["manager"] for entry in deployment(world)["metadata"]["managedFields"]}
    assert "rival" in managers
    await writes_nothing(world)


async def test_a_field_that_we_alone_own_keeps_its_live_value():
    world = await converged(World(app(), revision=ignoring("/spec/replicas")))
    changed = app()
    changed[-1].body["spec"]["replicas"] = 3  # type: ignore[index]
    changed[-1].body["spec"]["paused"] = False  # type: ignore[index]
    world.manifests = changed
    world.ask_for(values={"greeting": "new"})
    await world.settle()
    assert deployment(world)["spec"]["paused"] is False
    assert replicas(world) == 1
    await writes_nothing(world)


async def test_a_rendering_that_differs_in_an_ignored_field_alone_is_not_sent():
    world = await converged(World(app(), revision=ignoring("/spec/replicas")))
    version = deployment(world)["metadata"]["resourceVersion"]
    world.manifests = app()
    world.manifests[-1].body["spec"]["replicas"] = 3  # type: ignore[index]
    world.ask_for(values={"greeting": "new"})
    await world.reconcile()
    assert deployment(world)["metadata"]["resourceVersion"] == version


async def test_a_rule_that_comes_later_keeps_what_others_set():
    world = await converged(World(app()))
    world.revision = ignoring(IMAGE, revision=2)
    world.ask_for(templateRevision=2)
    await world.settle()
    image = deployment(world)["spec"]["template"]["spec"]["containers"][0]["image"]
    change = {
        "spec": {"template": {"spec": {"containers": [{"name": "server", "image": "registry.test/other:2"}]}}}
    }
    name = deployment(world)["spec"]["template"]["spec"]["containers"][0]["name"]
    change["spec"]["template"]["spec"]["containers"][0]["name"] = name
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, change, manager="image-updater")
    await writes_nothing(world)
    assert deployment(world)["spec"]["template"]["spec"]["containers"][0]["image"] != image


async def test_a_change_beside_an_ignored_field_is_repaired_and_told_without_it():
    world = await converged(World(app(), revision=ignoring("/spec/replicas")))
    change = {"spec": {"replicas": 4}, **RELABELLED}
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, change, manager="rival")
    await world.settle()
    (event,) = (each for each in world.cluster.events if each.reason is Reason.DRIFT_CORRECTED)
    assert "metadata.labels[ocdp.io/workspace]" in event.message
    assert "replicas" not in event.message
    assert replicas(world) == 4


@pytest.mark.parametrize("text", ["/spec/template", "", "/metadata /spec/selector"])
async def test_whoever_changes_what_is_ignored_changes_a_field_of_ours(text: str):
    world = await converged(World(app(), revision=ignoring("/spec/replicas")))
    change = {"metadata": {"annotations": {IGNORED_FIELDS: text}, **RELABELLED["metadata"]}}
    world.cluster.edit(builders.NAMESPACE, DEPLOYMENT, change, manager="rival")
    await world.settle()
    assert deployment(world)["metadata"]["annotations"][IGNORED_FIELDS] == "/spec/replicas"
    assert is_labelled(world)


async def test_what_an_autoscaler_of_the_rendering_scales_is_sent_without_replicas():
    world = await converged(World(scaled()))
    assert replicas(world) is None
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager="kube-controller-manager")
    await writes_nothing(world)
    assert replicas(world) == 4


async def test_an_autoscaler_that_comes_with_a_newer_revision_finds_the_pods_as_they_are():
    world = World(app())
    world.manifests[-1].body["spec"]["replicas"] = 3  # type: ignore[index]
    await converged(world)
    world.manifests = scaled()
    world.revision = builders.template(**PASSWORD, revision=2)
    world.ask_for(templateRevision=2)
    await world.settle()
    assert "HorizontalPodAutoscaler/ide-web" in world.live()
    assert replicas(world) == 3
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager="kube-controller-manager")
    await writes_nothing(world)
    assert replicas(world) == 4


async def test_an_autoscaler_of_somebody_else_is_left_to_it():
    world = await converged(World(app()))
    of_somebody_else(world)
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager="kube-controller-manager")
    await writes_nothing(world)
    assert replicas(world) == 4
    relabel(world)
    await world.settle()
    assert is_labelled(world)
    assert replicas(world) == 4
    await writes_nothing(world)


@pytest.mark.parametrize("named", [False, True], ids=["alone", "beside another autoscaler"])
async def test_replicas_are_the_claims_again_once_their_autoscaler_is_gone(named: bool):
    world = await converged(World(app()))
    if named:
        body = deepcopy(dict(autoscaler().body))
        body["spec"]["scaleTargetRef"]["name"] = "ide-other"
        world.cluster.put(builders.NAMESPACE, body)
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager="kube-controller-manager")
    await writes_nothing(world)
    world.manifests = app()
    world.manifests[-1].body["spec"]["replicas"] = 2  # type: ignore[index]
    world.ask_for(values={"replicas": 2})
    await world.settle()
    assert replicas(world) == 2
    await writes_nothing(world)
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 5, manager="kubectl")
    await world.settle()
    assert replicas(world) == 2


@pytest.mark.parametrize("after", ["nothing", "an autoscaler", "a write beside an autoscaler"])
async def test_a_person_who_scales_is_put_right(after: str):
    world = await converged(World(app()))
    of_somebody_else(world)
    if after != "nothing":
        world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager="kube-controller-manager")
    if after == "a write beside an autoscaler":
        relabel(world)
    await world.settle()
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 5, manager="kubectl")
    await world.settle()
    assert replicas(world) == 1
    await writes_nothing(world)


async def test_none_at_all_is_said_to_an_autoscaled_object_too():
    world = await converged(World(app()))
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager="kube-controller-manager")
    world.manifests = [
        replace(each, body={**each.body, "spec": {**each.body["spec"], "replicas": 0}})
        if each.ref == DEPLOYMENT
        else each
        for each in app()
    ]
    world.ask_for(values={"greeting": "new"})
    await world.settle()
    assert replicas(world) == 0


@pytest.mark.parametrize(
    "by", ["the template", "an autoscaler of the rendering", "an autoscaler of somebody else"]
)
async def test_a_claim_that_stops_has_no_pods_whoever_owns_how_many_there_are(by: str):
    manifests = scaled() if by == "an autoscaler of the rendering" else app()
    revision = ignoring("/spec/replicas") if by == "the template" else builders.template(**PASSWORD)
    world = await converged(World(manifests, revision=revision))
    manager = "rival" if by == "the template" else "kube-controller-manager"
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager=manager)
    await world.settle()
    assert replicas(world) == 4

    world.ask_for(running=False)
    await world.settle()
    assert replicas(world) == 0
    await writes_nothing(world)
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 3, manager="rival")
    await world.settle()
    assert replicas(world) == 0

    world.ask_for(running=True)
    await world.settle()
    assert replicas(world) in (1, None)  # what the API server fills in where nobody says how many
    world.cluster.scale(builders.NAMESPACE, DEPLOYMENT, 4, manager=manager)
    await writes_nothing(world)
    assert replicas(world) == 4
