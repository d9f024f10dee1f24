"""The planner of updates against the API server: what it lets through is taken, and what it refuses would be refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.updating import Way, plan_update
from tests.support.cluster_worlds import RealWorld, config_map, deployment, marked, service, stateful_set
from tests.support.live_objects import changed, job, volume, with_template
from tests.support.world import eventually

STIFF = "stiff"
EXPANDS = {"local": True, STIFF: False}
POD = "spec.template.spec"
SIZE = "spec.resources.requests.storage"
CLAIMED = "spec.volumeClaimTemplates.0.spec"


@dataclass(frozen=True)
class Case:
    """An object, a change of it, and what is planned."""

    was: dict[str, Any]
    path: str
    value: Any
    way: Way
    bound: bool = False


def port(number: int) -> dict[str, Any]:
    return {"name": "http", "port": 80, "nodePort": number}


def balanced(**spec: Any) -> dict[str, Any]:
    return service(type="LoadBalancer", **spec)


CASES = {
    "Deployment, nothing": Case(deployment(), "spec.replicas", 1, Way.UNCHANGED),
    "Deployment, resources in other words": Case(
        deployment(), f"{POD}.containers.0.resources", {"requests": {"cpu": "0.5"}}, Way.IN_PLACE
    ),
    "Deployment, an image": Case(deployment(), f"{POD}.containers.0.image", "app:2", Way.IN_PLACE),
    "Deployment, a strategy": Case(deployment(), "spec.strategy", {"type": "Recreate"}, Way.IN_PLACE),
    "Deployment, selector": Case(deployment(), "spec.selector.matchLabels.more", "x", Way.REFUSED),
    "Job, parallelism": Case(job(), "spec.parallelism", 2, Way.IN_PLACE),
    "Job, deadline": Case(job(), "spec.activeDeadlineSeconds", 100, Way.IN_PLACE),
    "Job, retries": Case(job(), "spec.backoffLimit", 2, Way.IN_PLACE),
    "Job, suspended": Case(job(), "spec.suspend", True, Way.IN_PLACE),
    "Job, image": Case(job(), f"{POD}.containers.0.image", "app:2", Way.REFUSED),
    "Job, completion mode": Case(
        job() | {"spec": job()["spec"] | {"completions": 1}}, "spec.completionMode", "Indexed", Way.REFUSED
    ),
    "volume, grows": Case(volume(), SIZE, "3Gi", Way.EXPAND, bound=True),
    "volume, the same in other words": Case(volume(), SIZE, "2048Mi", Way.UNCHANGED, bound=True),
    "volume, shrinks": Case(volume(), SIZE, "1Gi", Way.REFUSED, bound=True),
    "volume, class without growth": Case(
        volume(storageClassName=STIFF), SIZE, "3Gi", Way.REFUSED, bound=True
    ),
    "volume, other class": Case(
        volume(storageClassName="local"), "spec.storageClassName", STIFF, Way.REFUSED, bound=True
    ),
    "volume, access": Case(volume(), "spec.accessModes", ["ReadWriteMany"], Way.REFUSED, bound=True),
    "volume, default mode": Case(volume(), "spec.volumeMode", "Filesystem", Way.UNCHANGED, bound=True),
    "volume, mode": Case(volume(), "spec.volumeMode", "Block", Way.REFUSED, bound=True),
    "volume, source": Case(
        volume(),
        "spec.dataSource",
        {"kind": "PersistentVolumeClaim", "name": "other"},
        Way.IN_PLACE,  # a field that does not live: the API server judges, and refuses
        bound=True,
    ),
    "volume, a selector that stays": Case(volume(), "metadata.labels.tier", "gold", Way.IN_PLACE, bound=True),
    "StatefulSet, replicas": Case(with_template(), "spec.replicas", 1, Way.IN_PLACE),
    "StatefulSet, image": Case(with_template(), f"{POD}.containers.0.image", "app:2", Way.IN_PLACE),
    "StatefulSet, first ordinal": Case(with_template(), "spec.ordinals", {"start": 1}, Way.IN_PLACE),
    "StatefulSet, update strategy": Case(
        with_template(), "spec.updateStrategy", {"type": "OnDelete"}, Way.IN_PLACE
    ),
    "StatefulSet, seconds": Case(with_template(), "spec.minReadySeconds", 5, Way.IN_PLACE),
    "StatefulSet, selector": Case(stateful_set(), "spec.selector.matchLabels.more", "x", Way.REFUSED),
    "StatefulSet, service": Case(stateful_set(), "spec.serviceName", "other", Way.REFUSED),
    "StatefulSet, pod management": Case(stateful_set(), "spec.podManagementPolicy", "Parallel", Way.RECREATE),
    "StatefulSet, default pod management": Case(
        stateful_set(), "spec.podManagementPolicy", "OrderedReady", Way.UNCHANGED
    ),
    "StatefulSet, larger template": Case(
        with_template(), f"{CLAIMED}.resources.requests.storage", "3Gi", Way.RECREATE
    ),
    "StatefulSet, template in other words": Case(
        with_template(), f"{CLAIMED}.resources.requests.storage", "2048Mi", Way.UNCHANGED
    ),
    "StatefulSet, default mode of a template": Case(
        with_template(), f"{CLAIMED}.volumeMode", "Filesystem", Way.UNCHANGED
    ),
    "StatefulSet, smaller template": Case(
        with_template(), f"{CLAIMED}.resources.requests.storage", "1Gi", Way.REFUSED
    ),
    "StatefulSet, class of a template": Case(
        with_template(), f"{CLAIMED}.storageClassName", STIFF, Way.REFUSED
    ),
    "StatefulSet, label of a template": Case(
        with_template(), "spec.volumeClaimTemplates.0.metadata.labels", {"tier": "gold"}, Way.RECREATE
    ),
    "StatefulSet, no template": Case(with_template(), "spec.volumeClaimTemplates", [], Way.REFUSED),
    "Service, a node port": Case(service(), "spec.type", "NodePort", Way.IN_PLACE),
    "Service, no node port": Case(service(type="NodePort"), "spec.type", "ClusterIP", Way.IN_PLACE),
    "Service, a balancer": Case(service(), "spec.type", "LoadBalancer", Way.IN_PLACE),
    "Service, no balancer": Case(
        balanced(loadBalancerClass="ocdp.io/none"),
        "spec",
        {"ports": [{"name": "http", "port": 80}], "type": "ClusterIP"},
        Way.IN_PLACE,
    ),
    "Service, an explicit node port given up": Case(
        service(
            type="NodePort", ports=[port(30061)]
        ),  # of those that are handed out to nobody who asks for any
        "spec",
        {"ports": [{"name": "http", "port": 80}], "type": "ClusterIP"},
        Way.IN_PLACE,
    ),
    "Service, class of a balancer": Case(
        balanced(loadBalancerClass="ocdp.io/none"), "spec.loadBalancerClass", "ocdp.io/other", Way.REFUSED
    ),
    "Service, address": Case(service(), "spec.clusterIP", "10.255.255.254", Way.REFUSED),
    "Service, headless": Case(service(), "spec.clusterIP", "None", Way.REFUSED),
    "Service, family": Case(service(), "spec.ipFamilies", ["IPv6"], Way.REFUSED),
    "Service, the family as it is": Case(service(), "spec.ipFamilies", ["IPv4"], Way.UNCHANGED),
    "ConfigMap": Case(config_map(a="1"), "data.a", "2", Way.IN_PLACE),
    "immutable ConfigMap": Case(config_map(a="1") | {"immutable": True}, "data.a", "2", Way.REFUSED),
    "immutable ConfigMap, mutable": Case(
        config_map(a="1") | {"immutable": True}, "immutable", None, Way.REFUSED
    ),
    "immutable ConfigMap, labels": Case(
        config_map(a="1") | {"immutable": True}, "metadata.labels.more", "x", Way.IN_PLACE
    ),
}
JUDGED_BY_THE_SERVER = {"volume, source"}


@pytest.fixture
async def classes(world: RealWorld) -> None:
    stiff = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STIFF},
        "provisioner": "kubernetes.io/host-path",
        "allowVolumeExpansion": False,
    }
    await world.kubectl("apply", "-f", "-", stdin=json.dumps(stiff))


async def applied(world: RealWorld, case: Case) -> dict[str, Any]:
    """The object as it was, once the API server and the controllers are through with it."""
    manifest = marked(case.was, world.namespace)
    await world.cluster.apply(world.namespace, manifest, uid="")

    async def there() -> Any:
        raw = await world.cluster.read(world.namespace, manifest.ref)
        bound = raw is not None and (raw.get("status") or {}).get("phase") == "Bound"
        return raw if bound or not case.bound else None

    return dict(await eventually(there, "it is bound"))


@pytest.mark.usefixtures("classes")
@pytest.mark.parametrize("name", CASES)
async def test_the_api_server_agrees_with_the_plan(world: RealWorld, name: str) -> None:
    case = CASES[name]
    live = await applied(world, case)
    unchanged = plan_update(marked(case.was, world.namespace), live, EXPANDS)
    assert unchanged.way is Way.UNCHANGED, unchanged
    wanted = marked(changed(case.was, case.path, case.value), world.namespace)
    planned = plan_update(wanted, live, EXPANDS)
    assert planned.way is case.way, planned
    if case.way in (Way.REFUSED, Way.RECREATE) or name in JUDGED_BY_THE_SERVER:
        with pytest.raises(ReconcileError):
            await world.cluster.apply(world.namespace, wanted, uid=live["metadata"]["uid"])
    else:
        if planned.first is not None:
            await world.cluster.apply(world.namespace, planned.first, uid=live["metadata"]["uid"])
        after = await world.cluster.apply(world.namespace, wanted, uid=live["metadata"]["uid"])
        assert after.uid == live["metadata"]["uid"]


async def test_a_headless_service_stays_headless_whatever_the_api_server_answers(world: RealWorld) -> None:
    """It takes the apply and leaves the address as it is: that is no way to get one, and is refused before it is asked."""
    case = Case(service(clusterIP="None"), "spec.clusterIP", None, Way.REFUSED)
    live = await applied(world, case)
    wanted = marked(changed(case.was, case.path, case.value), world.namespace)
    assert plan_update(wanted, live).way is Way.REFUSED
    await world.cluster.apply(world.namespace, wanted, uid=live["metadata"]["uid"])
    after = await world.cluster.read(world.namespace, Manifest.of(case.was).ref)
    assert after is not None
    assert after["spec"]["clusterIP"] == "None"


async def test_a_volume_that_is_not_bound_cannot_grow_yet(world: RealWorld) -> None:
    late = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "late"},
        "provisioner": "kubernetes.io/host-path",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    await world.kubectl("apply", "-f", "-", stdin=json.dumps(late))
    case = Case(volume(storageClassName="late"), SIZE, "3Gi", Way.WAIT)
    live = await applied(world, case)
    wanted = marked(changed(case.was, case.path, case.value), world.namespace)
    assert plan_update(wanted, live, {"late": True}).way is Way.WAIT
    with pytest.raises(ReconcileError):
        await world.cluster.apply(world.namespace, wanted, uid=live["metadata"]["uid"])
