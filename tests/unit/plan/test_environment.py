"""The environment's fields on built objects of any base: what each of them changes, and that nothing else does."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from ocdp_operator.model.objects import Manifest, Observed
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.environment import with_environment
from ocdp_operator.plan.profiles import merge
from tests.support.builders import by_ref, manifest, observed, profile, resolved


def put(*manifests: Manifest, live: tuple[Observed, ...] = (), **fields: Any) -> tuple[Manifest, ...]:
    """The objects in an environment of these fields."""
    workload = resolved(environment=merge([profile("cluster", **fields)]))
    return with_environment(Rendering(manifests), workload, by_ref(*live)).manifests


def leaves(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {k: v for key, below in value.items() for k, v in leaves(below, f"{at}/{key}").items()}
    if isinstance(value, list) and value:
        return {k: v for index, below in enumerate(value) for k, v in leaves(below, f"{at}/{index}").items()}
    return {at: value}


def changes(before: Manifest, **given: Any) -> dict[str, Any]:
    """Path -> what it is afterwards; what is gone is None."""
    (after,) = put(before, **given)
    old, new = leaves(dict(before.body)), leaves(dict(after.body))
    return {path: new.get(path) for path in {*old, *new} if old.get(path) != new.get(path)}


def pods(kind: str = "Deployment", **pod: Any) -> Manifest:
    """An object with a pod template whose spec is ``pod``."""
    labels = {"app": "x", "tier": "web"}
    spec: dict[str, Any] = {"template": {"metadata": {"labels": labels}, "spec": pod}}
    if kind != "Job":
        spec["selector"] = {"matchLabels": {"app": "x"}}
    return manifest(kind, "ide-x", spec=spec)


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "image": "codercom/code-server:4"} | fields


def pvc(**spec: Any) -> Manifest:
    return manifest("PersistentVolumeClaim", "ide-data", spec={"accessModes": ["ReadWriteOnce"], **spec})


def service(type_: str = "LoadBalancer", **spec: Any) -> Manifest:
    return manifest("Service", "ide-web", spec={"type": type_, **spec})


def ingress(*hosts: str, **spec: Any) -> Manifest:
    return manifest("Ingress", "ide-web", spec={"rules": [{"host": host} for host in hosts], **spec})


def volumes_of(class_: str | None = None) -> Manifest:
    own = {} if class_ is None else {"storageClassName": class_}
    return manifest(
        "StatefulSet",
        "ide-db",
        spec={
            "template": {"spec": {"containers": []}},
            "volumeClaimTemplates": [
                {"metadata": {"name": "a"}, "spec": own},
                {"metadata": {"name": "b"}, "spec": {}},
            ],
        },
    )


CLASS_OF_A = "/spec/volumeClaimTemplates/0/spec/storageClassName"
CLASS_OF_B = "/spec/volumeClaimTemplates/1/spec/storageClassName"
ENV = "/spec/template/spec/containers/0/env"
GPU = {"resources": {"limits": {"nvidia.com/gpu": 2, "memory": "1Gi"}, "requests": {"nvidia.com/gpu": "2"}}}

FIELDS: dict[str, tuple[Manifest, dict[str, Any], dict[str, Any]]] = {
    "storageClass of a claim": (pvc(), {"storageClass": "fast"}, {"/spec/storageClassName": "fast"}),
    "storageClass outranks the base": (
        pvc(storageClassName="slow"), {"storageClass": "fast"}, {"/spec/storageClassName": "fast"},
    ),
    "storageClass of a StatefulSet's volumes": (
        volumes_of("slow"), {"storageClass": "fast"}, {CLASS_OF_A: "fast", CLASS_OF_B: "fast", "/spec/volumeClaimTemplates/1/spec": None},
    ),
    "storageClass of a volume that lives as long as its pod": (
        pods(volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"a": 1}}}}]), {"storageClass": "fast"},
        {"/spec/template/spec/volumes/0/ephemeral/volumeClaimTemplate/spec/storageClassName": "fast"},
    ),
    "ingress.class": (
        ingress("a.test", ingressClassName="base"), {"ingress": {"class": "public"}}, {"/spec/ingressClassName": "public"},
    ),
    "ingress.class in the place of the old annotation": (
        manifest("Ingress", "ide-web", metadata={"annotations": {"kubernetes.io/ingress.class": "base"}}, spec={}),
        {"ingress": {"class": "public"}},
        {"/spec": None, "/spec/ingressClassName": "public", "/metadata/annotations/kubernetes.io/ingress.class": None, "/metadata/annotations": {}},
    ),
    "ingress.annotations": (
        manifest("Ingress", "ide-web", metadata={"annotations": {"a/b": "base", "c": "base"}}, spec={}),
        {"ingress": {"annotations": {"a/b": "site", "d": "site"}}},
        {"/metadata/annotations/a/b": "site", "/metadata/annotations/d": "site"},
    ),
    "ingress.tls by the usual name": (
        ingress("a.test", "b.test", "a.test"), {"ingress": {"tls": {}}},
        {"/spec/tls/0/hosts/0": "a.test", "/spec/tls/0/hosts/1": "b.test", "/spec/tls/0/secretName": "ide-web-tls"},
    ),
    "ingress.tls.secretName": (
        ingress("a.test", tls=[{"hosts": ["a.test"], "secretName": "base"}]), {"ingress": {"tls": {"secretName": "wildcard"}}},
        {"/spec/tls/0/secretName": "wildcard"},
    ),
    "ingress.tls without hosts": (ingress(), {"ingress": {"tls": {}}}, {}),
    "ingress.domain changes nothing by itself": (ingress("a.test"), {"ingress": {"domain": "b.test"}}, {}),
    "loadBalancer.class": (service(), {"loadBalancer": {"class": "x/internal"}}, {"/spec/loadBalancerClass": "x/internal"}),
    "loadBalancer.annotations": (
        service(), {"loadBalancer": {"annotations": {"x/y": "1"}}}, {"/metadata/annotations/x/y": "1"},
    ),
    "loadBalancer of another Service": (
        service("NodePort"), {"loadBalancer": {"class": "x/internal", "annotations": {"x/y": "1"}}}, {},
    ),
    "gpu.resource": (
        pods(containers=[container(**GPU)]), {"gpu": {"resource": "amd.com/gpu"}},
        {
            "/spec/template/spec/containers/0/resources/limits/nvidia.com/gpu": None,
            "/spec/template/spec/containers/0/resources/limits/amd.com/gpu": 2,
            "/spec/template/spec/containers/0/resources/requests/nvidia.com/gpu": None,
            "/spec/template/spec/containers/0/resources/requests/amd.com/gpu": "2",
        },
    ),
    "gpu.runtimeClass of pods that ask for GPUs": (
        pods(containers=[container(), container(**GPU)]), {"gpu": {"runtimeClass": "nvidia"}},
        {"/spec/template/spec/runtimeClassName": "nvidia"},
    ),
    "gpu.runtimeClass of pods that ask for none": (
        pods(containers=[container(resources={"limits": {"nvidia.com/gpu": "0"}})]), {"gpu": {"runtimeClass": "nvidia"}}, {},
    ),
    "registry.prefix": (
        pods("StatefulSet", containers=[container()], initContainers=[container(image="ghcr.io/a/b@sha256:0")], volumes=[{"name": "v", "image": {"reference": "models/m:1"}}]),
        {"registry": {"prefix": "r.test/m"}},
        {
            "/spec/template/spec/containers/0/image": "r.test/m/codercom/code-server:4",
            "/spec/template/spec/initContainers/0/image": "r.test/m/a/b@sha256:0",
            "/spec/template/spec/volumes/0/image/reference": "r.test/m/models/m:1",
        },
    ),
    "registry.pullSecrets": (
        pods(imagePullSecrets=[{"name": "a"}]), {"registry": {"pullSecrets": ["a", "b"]}},
        {"/spec/template/spec/imagePullSecrets/1/name": "b"},
    ),
    "nodeSelector": (
        pods(nodeSelector={"a": "base", "b": "base"}), {"nodeSelector": {"a": "site", "c": "site"}},
        {"/spec/template/spec/nodeSelector/a": "site", "/spec/template/spec/nodeSelector/c": "site"},
    ),
    "tolerations": (
        pods("Job", tolerations=[{"key": "a", "operator": "Exists"}]),
        {"tolerations": [{"operator": "Exists", "key": "a"}, {"key": "b", "value": "c"}]},
        {"/spec/template/spec/tolerations/1/key": "b", "/spec/template/spec/tolerations/1/value": "c"},
    ),
    "labels of an object": (
        manifest("ConfigMap", "ide-config-abc", data={"a": "b"}), {"labels": {"x/site": "east"}}, {"/metadata/labels/x/site": "east"},
    ),
    "labels of pods, but never one that is selected by": (
        pods(), {"labels": {"app": "y", "tier": "site"}},
        {"/metadata/labels/app": "y", "/metadata/labels/tier": "site", "/spec/template/metadata/labels/tier": "site"},
    ),
    "proxy": (
        pods(containers=[container()]), {"proxy": {"http": "http://p:1", "noProxy": ["localhost", ".svc"]}},
        {
            f"{ENV}/0/name": "HTTP_PROXY", f"{ENV}/0/value": "http://p:1",
            f"{ENV}/1/name": "http_proxy", f"{ENV}/1/value": "http://p:1",
            f"{ENV}/2/name": "NO_PROXY", f"{ENV}/2/value": "localhost,.svc",
            f"{ENV}/3/name": "no_proxy", f"{ENV}/3/value": "localhost,.svc",
        },
    ),
    "parameters are for mappings": (pods(containers=[container()]), {"parameters": {"a": "b"}, "nodePorts": {"from": 1, "to": 2}}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("before", "fields", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_field_changes_exactly_what_it_is_for(
    before: Manifest, fields: dict[str, Any], expected: dict[str, Any]
):
    assert changes(before, **fields) == expected


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_every_kind_with_pods_gets_all_of_it(kind: str):
    (changed,) = put(
        pods(kind, containers=[container(**GPU)], initContainers=[container()]),
        gpu={"resource": "amd.com/gpu", "runtimeClass": "amd"},
        registry={"prefix": "r.test", "pullSecrets": ["s"]},
        nodeSelector={"n": "1"},
        tolerations=[{"operator": "Exists"}],
        labels={"l": "1"},
        proxy={"https": "http://p"},
    )
    template = changed.body["spec"]["template"]
    pod = template["spec"]
    assert template["metadata"]["labels"]["l"] == "1"
    assert (pod["runtimeClassName"], pod["nodeSelector"], pod["tolerations"], pod["imagePullSecrets"]) == (
        "amd", {"n": "1"}, [{"operator": "Exists"}], [{"name": "s"}],
    )  # fmt: skip
    for each in (*pod["containers"], *pod["initContainers"]):
        assert each["image"] == "r.test/codercom/code-server:4"
        assert [variable["name"] for variable in each["env"]] == ["HTTPS_PROXY", "https_proxy"]


def test_the_way_out_is_the_platforms_to_say():
    own = [
        {"name": "HTTP_PROXY", "value": "http://elsewhere"},
        {"name": "KEPT", "value": "1"},
        {"name": "http_proxy", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    (changed,) = put(pods(containers=[container(env=own)]), proxy={"http": "http://p"})
    assert changed.body["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "KEPT", "value": "1"},
        {"name": "HTTP_PROXY", "value": "http://p"},
        {"name": "http_proxy", "value": "http://p"},
    ]


@pytest.mark.parametrize(
    "selecting",
    [
        manifest("Service", "ide-web", spec={"selector": {"x/site": "a"}}),
        manifest("NetworkPolicy", "ide-net", spec={"podSelector": {"matchExpressions": [{"key": "x/site", "operator": "Exists"}]}}),
        manifest("PodDisruptionBudget", "ide-pdb", spec={"selector": {"matchLabels": {"x/site": "a"}}}),
    ],
    ids=lambda each: each.ref.kind,
)  # fmt: skip
def test_a_label_that_another_object_selects_by_stays_on_pods(selecting: Manifest):
    changed, _ = put(pods(), selecting, labels={"x/site": "east", "x/other": "1"})
    labels = changed.body["spec"]["template"]["metadata"]["labels"]
    assert "x/site" not in labels
    assert labels["x/other"] == "1"


def live_pvc(*, sends_class: bool = True, **spec: Any) -> Observed:
    return observed("PersistentVolumeClaim", "ide-data", spec=spec, sends_class=sends_class)


def live_service(**spec: Any) -> Observed:
    return observed("Service", "ide-web", spec=spec)


@pytest.mark.parametrize(
    ("before", "live", "fields", "expected"),
    [
        pytest.param(pvc(), live_pvc(storageClassName="old"), {"storageClass": "new"}, "old", id="a volume keeps its class"),
        pytest.param(pvc(storageClassName="base"), live_pvc(storageClassName="old"), {"storageClass": "new"}, "old", id="against the base too"),
        pytest.param(pvc(), live_pvc(storageClassName="old"), {}, "old", id="also when no profile names one any more"),
        pytest.param(pvc(storageClassName="base"), live_pvc(storageClassName="old"), {}, "base", id="a base alone says what it says"),
        pytest.param(pvc(), live_pvc(storageClassName="chosen", sends_class=False), {}, None, id="what the API server chose is not sent"),
        pytest.param(pvc(), live_pvc(storageClassName="chosen", sends_class=False), {"storageClass": "new"}, None, id="and no profile changes it"),
        pytest.param(pvc(storageClassName="base"), live_pvc(storageClassName="chosen", sends_class=False), {"storageClass": "new"}, "chosen", id="nor a base under a profile"),
        pytest.param(pvc(), live_pvc(), {"storageClass": "new"}, "new", id="a volume that has none yet gets one"),
        pytest.param(pvc(), live_pvc(), {}, None, id="nobody names a class"),
        pytest.param(service(), live_service(type="LoadBalancer", loadBalancerClass="old"), {"loadBalancer": {"class": "new"}}, "old", id="a load balancer keeps its class"),
        pytest.param(service(), live_service(type="LoadBalancer"), {"loadBalancer": {"class": "new"}}, None, id="a load balancer keeps to have none"),
        pytest.param(service(), live_service(type="LoadBalancer", loadBalancerClass="old"), {}, "old", id="a load balancer keeps what no profile says any more"),
        pytest.param(service(), live_service(type="ClusterIP"), {"loadBalancer": {"class": "new"}}, "new", id="what becomes one gets the class"),
    ],
)  # fmt: skip
def test_what_cannot_change_is_taken_from_the_live_object(
    before: Manifest, live: Observed, fields: dict[str, Any], expected: str | None
):
    (changed,) = put(before, live=(live,), **fields)
    field = "storageClassName" if before.ref.kind == "PersistentVolumeClaim" else "loadBalancerClass"
    assert changed.body["spec"].get(field) == expected


def test_a_statefulset_goes_on_making_volumes_of_its_first_class():
    live = observed("StatefulSet", "ide-db", spec=dict(volumes_of("old").body["spec"]))
    (changed,) = put(volumes_of(), live=(live,), storageClass="new")
    classes = [volume["spec"] for volume in changed.body["spec"]["volumeClaimTemplates"]]
    assert classes == [{"storageClassName": "old"}, {}]


EVERYTHING = {
    "storageClass": "fast", "ingress": {"class": "c", "annotations": {"a": "1"}, "tls": {}}, "loadBalancer": {"class": "x/y", "annotations": {"a": "1"}},
    "gpu": {"resource": "a.b/c", "runtimeClass": "r"}, "registry": {"prefix": "r.test", "pullSecrets": ["s"]}, "nodeSelector": {"a": "1"},
    "tolerations": [{"operator": "Exists"}], "labels": {"a": "1"}, "proxy": {"http": "http://p", "https": "http://p", "noProxy": ["a"]},
}  # fmt: skip
KINDS = (
    pvc(), service(), ingress("a.test"), volumes_of(), pods(containers=[container(**GPU)]), pods("Job"),
    manifest("ConfigMap", "ide-config", data={}), manifest("Secret", "ide-credentials", type="Opaque"),
)  # fmt: skip


def test_names_stay_and_nothing_is_changed_in_place():
    before = deepcopy([each.body for each in KINDS])
    changed = put(*KINDS, **EVERYTHING)
    assert [each.ref for each in changed] == [each.ref for each in KINDS]
    assert [each.body for each in KINDS] == before
    assert all(each.body["metadata"]["labels"]["a"] == "1" for each in changed)


def test_the_environment_put_twice_is_put_once():
    once = put(*KINDS, **EVERYTHING)
    assert put(*once, **EVERYTHING) == once


def test_without_profiles_the_rendering_is_as_it_is():
    rendering = Rendering(KINDS)
    assert with_environment(rendering, resolved()) is rendering


JUNK = [None, 1, "text", [], [None, 1, {"name": []}], {}, {"name": []}, {"a": {"b": None}}]


@pytest.mark.parametrize("junk", JUNK, ids=repr)
@pytest.mark.parametrize("kind", sorted({each.ref.kind for each in KINDS}))
def test_a_base_of_any_shape_is_left_for_the_policy_to_judge(kind: str, junk: Any):
    name = "ide-x"
    bodies = [
        {"spec": junk},
        {"spec": dict.fromkeys(("template", "rules", "volumeClaimTemplates", "selector", "type"), junk)},
        {"spec": {"type": "LoadBalancer", "template": {"spec": junk, "metadata": junk}}},
        {"spec": {"template": {"spec": dict.fromkeys(("containers", "volumes", "nodeSelector", "tolerations", "imagePullSecrets"), junk)}}},
        {"spec": {"template": {"spec": {"containers": [{"env": junk, "image": junk, "resources": junk}, junk], "volumes": [junk, {"ephemeral": junk, "image": junk}]}}}},
        {"metadata": {"name": name, "labels": junk, "annotations": junk}},
    ]  # fmt: skip
    for body in bodies:
        whole = manifest(kind, name, spec={})
        put(Manifest(whole.ref, {**whole.body, **body}), **EVERYTHING)
