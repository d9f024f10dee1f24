"""What real refusals become: the words of the API server are no API, so each pattern is held by the real thing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ocdp_operator.errors import Actor, Conflict, Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.claim import ClaimStatus
from ocdp_operator.model.kinds import Kind
from ocdp_operator.model.names import FINALIZER
from ocdp_operator.model.objects import ObjectRef, Observed
from tests.support.cluster_worlds import (
    RealWorld,
    config_map,
    deployment,
    marked,
    secret,
    service,
    stateful_set,
)

SECRET_WORD = "hunter2"


async def put(world: RealWorld, body: dict[str, Any], uid: str = "") -> Observed:
    return await world.cluster.apply(world.namespace, marked(body, world.namespace), uid=uid)


async def refused(world: RealWorld, body: dict[str, Any], uid: str = "") -> ReconcileError:
    with pytest.raises(ReconcileError) as caught:
        await put(world, body, uid)
    assert SECRET_WORD not in str(caught.value)
    return caught.value


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy = deepcopy(body)
    node: Any = copy
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        node = node[step] if isinstance(node, list) else node.setdefault(step, {})
    node[last] = value
    return copy


def claim(**spec: Any) -> dict[str, Any]:
    defaults = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": defaults | spec,
    }


def job() -> dict[str, Any]:
    body = deployment("once")
    pod = body["spec"]["template"]["spec"] | {"restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {"template": {"spec": pod}},
    }


@dataclass(frozen=True)
class Refusal:
    """A change of an object, or an object, and what its refusal says."""

    body: dict[str, Any]
    path: str
    value: Any
    says: str
    kind: type[ReconcileError] = Stalled
    reason: Reason = Reason.APPLY_FAILED
    exists: bool = True


IMMUTABLE = Reason.IMMUTABLE_FIELD_CONFLICT
CONTAINER = "spec.template.spec.containers.0"
REFUSALS = {
    "selector of a Deployment": Refusal(
        deployment(), "spec.selector.matchLabels.more", SECRET_WORD, "spec.selector", reason=IMMUTABLE
    ),
    "volume claim's access modes": Refusal(
        claim(), "spec.accessModes", ["ReadWriteMany"], "spec cannot be changed", reason=IMMUTABLE
    ),
    "name of a StatefulSet's service": Refusal(
        stateful_set(), "spec.serviceName", SECRET_WORD, "spec cannot be changed", reason=IMMUTABLE
    ),
    "template of a Job": Refusal(
        job(), f"{CONTAINER}.image", SECRET_WORD, "spec.template cannot be changed", reason=IMMUTABLE
    ),
    "address of a Service": Refusal(
        service(),
        "spec.clusterIP",
        "10.255.255.254",
        "spec.clusterIPs[0] cannot be changed",
        reason=IMMUTABLE,
    ),
    "content of an immutable ConfigMap": Refusal(
        config_map(a="1") | {"immutable": True},
        "data.a",
        SECRET_WORD,
        "data cannot be changed",
        reason=IMMUTABLE,
    ),
    "unknown field": Refusal(
        deployment(), "spec.replica", 2, "spec.replica is not a field of this kind", exists=False
    ),
    "text for a number": Refusal(
        deployment(), "spec.replicas", SECRET_WORD, "spec.replicas does not fit the schema", exists=False
    ),
    "number for a text": Refusal(
        deployment(), f"{CONTAINER}.env", [{"name": "A", "value": 5}], "does not fit the schema", exists=False
    ),
    "two containers of one name": Refusal(
        deployment(),
        "spec.template.spec.containers",
        [{"name": "app", "image": "a"}, {"name": "app", "image": "b"}],
        "containers has two items of one name",
        exists=False,
    ),
    "quantity that is none": Refusal(
        deployment(),
        f"{CONTAINER}.resources",
        {"requests": {"cpu": SECRET_WORD}},
        "does not fit",
        exists=False,
    ),
    "name of a variable": Refusal(
        deployment(),
        f"{CONTAINER}.env",
        [{"name": f"{SECRET_WORD}=", "value": "x"}],
        "spec.template.spec.containers[0].env[0].name has a value that is not allowed",
        exists=False,
    ),
    "missing image": Refusal(
        deployment(),
        f"{CONTAINER}.image",
        "",
        "spec.template.spec.containers[0].image is required",
        exists=False,
    ),
    "node port out of range": Refusal(
        service(type="NodePort"), "spec.ports.0.nodePort", 99, "spec.ports[0].nodePort", exists=False
    ),
    "Secret": Refusal(secret(A="YQ=="), "data.A", "%%%", "Secret/ide-credentials does not fit", exists=False),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
async def test_refusal_names_object_and_field_and_no_value(world: RealWorld, case: Refusal) -> None:
    uid = (await put(world, case.body)).uid if case.exists else ""
    error = await refused(world, changed(case.body, case.path, case.value), uid)
    assert isinstance(error, case.kind)
    assert error.reason is case.reason
    assert case.says in error.message
    assert str(ObjectRef("", case.body["kind"], case.body["metadata"]["name"])) in error.message


async def test_an_immutable_secret_is_to_be_deleted(world: RealWorld) -> None:
    body = secret(A="YQ==") | {"immutable": True}
    error = await refused(world, changed(body, "data.A", "Yg=="), (await put(world, body)).uid)
    assert error.reason is IMMUTABLE
    assert "Delete Secret/ide-credentials" in error.remedy


async def test_selector_alone_is_called_immutable(world: RealWorld) -> None:
    created = await put(world, deployment())
    labels = {"app.kubernetes.io/name": "ide", "more": SECRET_WORD}
    body = changed(deployment(), "spec.selector.matchLabels", labels)
    body = changed(body, "spec.template.metadata.labels", {**labels, "ocdp.io/claim-name": "ide"})
    error = await refused(world, body, created.uid)
    assert (error.reason, error.actor) == (IMMUTABLE, Actor.PLATFORM)
    assert error.message == "Deployment/ide: spec.selector cannot be changed."


async def test_volume_that_may_neither_grow_nor_shrink_says_so(world: RealWorld) -> None:
    await world.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": world.namespace},
            "provisioner": await world.kubectl("get", "sc", "-o", "jsonpath={.items[0].provisioner}"),
            "allowVolumeExpansion": False,
        }
    )
    body = claim(storageClassName=world.namespace)
    created = await put(world, body)

    async def bound() -> bool:
        seen = await world.cluster.get(world.namespace, created.ref)
        return seen is not None and seen.body["status"].get("phase") == "Bound"

    await eventually(bound)
    for size in ("3Gi", "1Gi"):
        error = await refused(world, changed(body, "spec.resources.requests.storage", size), created.uid)
        assert isinstance(error, Stalled)
        assert error.reason is IMMUTABLE
    await world.kubectl("delete", "storageclass", world.namespace)


async def test_node_port_of_another_service_is_waited_for(world: RealWorld) -> None:
    first = await put(world, service("first", type="NodePort"))
    port = first.body["spec"]["ports"][0]["nodePort"]
    error = await refused(world, changed(service("second", type="NodePort"), "spec.ports.0.nodePort", port))
    assert isinstance(error, Waiting)
    assert (error.reason, error.actor) == (Reason.NODE_PORT_TAKEN, Actor.USER)
    assert f"spec.ports[0].nodePort: another Service has node port {port}" in error.message
    assert "node port" in error.remedy


async def test_exceeded_quota_is_waited_for_with_its_numbers(world: RealWorld) -> None:
    await world.kubectl(
        "create", "quota", "small", "--hard=count/configmaps=1"
    )  # kube-root-ca.crt is the one

    async def used_up() -> bool:
        found = json.loads(await world.kubectl("get", "quota", "small", "-o", "json"))
        return bool(found["status"].get("used") == {"count/configmaps": "1"})

    await eventually(used_up)
    error = await refused(world, config_map())
    assert isinstance(error, Waiting)
    assert error.reason is Reason.QUOTA_EXCEEDED
    assert "limited: count/configmaps=1" in error.message


async def test_terminating_namespace_is_waited_for(world: RealWorld) -> None:
    await world.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "held", "finalizers": ["example.test/hold"]},
        }
    )
    await world.control_plane.kubectl("delete", "namespace", world.namespace, "--wait=false")
    error = await refused(world, config_map())
    assert isinstance(error, Waiting)
    assert error.reason is Reason.NAMESPACE_TERMINATING
    assert (await world.cluster.namespace(world.namespace)).terminating  # type: ignore[union-attr]
    await world.edit(ObjectRef("", "ConfigMap", "held"), {"metadata": {"finalizers": None}})


async def test_kind_that_is_not_served_is_absent_when_read_and_waited_for_when_applied(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    unserved = Kind("example.test", "v1", "ConfigMap", "configmaps", 1)
    monkeypatch.setattr("ocdp_operator.model.objects.find_kind", lambda *_: unserved)
    assert await world.cluster.get(world.namespace, ObjectRef("", "ConfigMap", "ide-config")) is None
    error = await refused(world, config_map())
    assert isinstance(error, Waiting)
    assert "does not serve this kind" in error.message


async def test_admission_policy_is_named_with_its_message(world: RealWorld) -> None:
    policy = {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["configmaps", "secrets"],
                }
            ]
        },
        "validations": [{"expression": "false", "message": "Nothing goes in here."}],
    }
    async with admission(world, "ValidatingAdmissionPolicy", policy):
        await eventually(lambda: is_refused(world, config_map("probe")))
        error = await refused(world, config_map())
        assert isinstance(error, Stalled)
        assert error.reason is Reason.APPLY_FAILED
        assert f"'{world.namespace}'" in error.message
        assert "Nothing goes in here" in error.message
        assert "Nothing goes in here" not in (await refused(world, secret())).message


async def test_webhook_that_does_not_answer_is_waited_for_by_its_name(world: RealWorld) -> None:
    webhook = {
        "name": "away.example.test",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        ],
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": world.namespace},
        "webhooks": [webhook],
    }
    await world.create(body)
    try:
        await eventually(lambda: is_refused(world, config_map("probe")))
        error = await refused(world, config_map())
        assert isinstance(error, Waiting)
        assert error.reason is Reason.CLUSTER_UNAVAILABLE
        assert "away.example.test" in error.message
    finally:
        await world.kubectl("delete", "validatingwebhookconfiguration", world.namespace)


async def test_part_that_comes_back_at_once_is_a_fault_of_the_cluster(world: RealWorld) -> None:
    created = await put(world, deployment())
    pod = 'Object.spec.template.spec{volumes: [Object.spec.template.spec.volumes{name: "injected"}]}'
    expression = f"Object{{spec: Object.spec{{template: Object.spec.template{{spec: {pod}}}}}}}"
    policy = {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": ["apps"],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE"],
                    "resources": ["deployments"],
                }
            ]
        },
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    }
    async with admission(world, "MutatingAdmissionPolicy", policy):

        async def injected() -> bool:
            applied = await put(world, changed(deployment(), "spec.replicas", 2), created.uid)
            await put(world, deployment(), created.uid)
            return bool(applied.foreign_parts)

        await eventually(injected)
        seen = await world.cluster.get(world.namespace, created.ref)
        assert seen is not None
        assert seen.foreign_parts == ("/spec/template/spec/volumes/injected",)
        with pytest.raises(Stalled, match="again as soon as it is removed") as caught:
            await world.cluster.disown(world.namespace, seen)
        assert caught.value.actor is Actor.CLUSTER_OPERATOR


async def test_claim_that_its_crd_refuses_is_our_own_fault(world: RealWorld) -> None:
    created = await world.create_claim("ide", templateId="t", workspaceId="w")
    with pytest.raises(Waiting) as caught:
        await world.cluster.patch_claim_status(created, ClaimStatus(url="u" * 3000))
    assert caught.value.reason is Reason.INTERNAL_ERROR
    assert "status.url" in caught.value.message
    with pytest.raises(Conflict):
        await world.cluster.patch_claim(
            replace(created, resource_version="1"), finalizers=[FINALIZER], annotations={}
        )


@asynccontextmanager
async def admission(world: RealWorld, kind: str, policy: dict[str, Any]) -> AsyncIterator[None]:
    """A policy that holds in this namespace alone."""
    group = "admissionregistration.k8s.io/v1"
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}}
    binding: dict[str, Any] = {"policyName": world.namespace, "matchResources": here}
    if kind.startswith("Validating"):
        binding["validationActions"] = ["Deny"]
    for name, spec in ((kind, policy), (f"{kind}Binding", binding)):
        body = {"apiVersion": group, "kind": name, "metadata": {"name": world.namespace}, "spec": spec}
        await world.create(body)
    try:
        yield
    finally:
        await world.kubectl("delete", f"{kind}Binding,{kind}".lower(), world.namespace)


async def is_refused(world: RealWorld, body: dict[str, Any]) -> bool:
    try:
        await put(world, body)
    except Conflict:
        await world.remove(ObjectRef("", body["kind"], body["metadata"]["name"]))
        return False
    except ReconcileError:
        return True
    return False


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await check():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.1)


def test_examples_hold_the_secret_word() -> None:
    assert any(SECRET_WORD in json.dumps(case.value) for case in REFUSALS.values())
