"""The admission policies alone: what the API server refuses the operator's account, though it has every right there is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from ocdp_operator.adapters.cluster import KubeClient
from ocdp_operator.dev.admission import AS_OPERATOR, install_admission, remove_admission
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.model.kinds import RUNTIME_KINDS, WORKLOAD
from ocdp_operator.model.names import CLAIM_NAME, OWNER
from ocdp_operator.model.objects import Mark, ObjectRef
from tests.support.admitted import RUNTIME, changed, ingress, of, own, pods, service
from tests.support.builders import pod_spec
from tests.support.cluster_worlds import (
    CLAIM_UID_OF_TESTS,
    OTHER_UID,
    PROJECT,
    Raw,
    RealWorld,
    config_map,
    secret,
)
from tests.support.fix_controlplane import Namespaces
from tests.support.world import eventually

pytestmark = pytest.mark.usefixtures("fences")

POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"


@pytest.fixture(scope="module")
async def fences(served: Cluster) -> AsyncIterator[None]:
    """The policies, for this module: other tests write as the operator where no workspace is."""
    await served.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
    await install_admission(served, ingress_domains=("apps.example.test", "team.example.test"))
    yield
    await remove_admission(served)


@pytest.fixture
async def world(served: Cluster, client: KubeClient, namespace: Namespaces) -> RealWorld:
    """A workspace's namespace, ready for pods: made as one, since policies hear a moment later of a label that comes later."""
    made = RealWorld(served, client, await namespace(labels={"ocdp.io/workspace": "team-a"}))
    await eventually(lambda: made.live(ObjectRef("", "ServiceAccount", "default")), "it has its account")
    return made


async def as_operator(world: RealWorld, verb: str, *arguments: str, body: Raw | None = None) -> str:
    """What the operator's account does, with every right."""
    stdin = None if body is None else json.dumps(body)
    return await world.kubectl(*AS_OPERATOR, verb, *arguments, stdin=stdin)


async def apply(world: RealWorld, body: Raw, *flags: str) -> str:
    """The operator's form of a write."""
    manager = ("--server-side", "--field-manager=ocdp-operator", "--force-conflicts", "-f", "-")
    return await as_operator(world, "apply", *manager, *flags, body=body)


async def refused(world: RealWorld, body: Raw, says: str) -> None:
    with pytest.raises(LocalEnvironmentError, match="ValidatingAdmissionPolicy 'ocdp-operator-") as caught:
        await apply(world, body, "--dry-run=server")
    assert says in str(caught.value)


def test_the_policies_name_every_kind_that_the_operator_writes():
    policy = next(iter(yaml.safe_load_all((PROJECT / "config/admission/writes.yaml").read_text())))
    runtime = next(each for each in policy["spec"]["variables"] if each["name"] == "runtime")["expression"]
    listed = {part for part in runtime.split('"') if "/" in part and " " not in part}

    assert listed == {f"{kind.group or 'core'}/{kind.plural}" for kind in (*RUNTIME_KINDS, WORKLOAD)}
    assert set(RUNTIME) == {kind.kind for kind in (*RUNTIME_KINDS, WORKLOAD)}


@pytest.mark.parametrize("kind", RUNTIME)
async def test_what_carries_the_mark_is_created_changed_and_deleted(world: RealWorld, kind: str):
    body = own(RUNTIME[kind], world)
    await apply(world, body)
    await apply(world, changed(body, "/metadata/labels/more", "yes"))
    if kind == "Workload":
        await as_operator(
            world, "patch", "wl", "ide", "--subresource=status", "--type=merge", "-p",
            '{"status": {"observedGeneration": 1}}',
        )  # fmt: skip
    await as_operator(
        world, "delete", f"{body['kind']}.{body['apiVersion'].rpartition('/')[0]}".rstrip("."),
        body["metadata"]["name"], "--wait=false",
    )  # fmt: skip


async def test_a_claims_metadata_and_status_may_be_written_and_its_spec_not(world: RealWorld):
    await world.create_claim("ide", templateId="t", workspaceId="w")
    patch = ("patch", "wc", "ide", "--type=merge", "-p")

    await as_operator(world, *patch, '{"metadata": {"finalizers": ["ocdp.io/cleanup"]}}')
    await as_operator(world, *patch, '{"status": {"observedGeneration": 1}}', "--subresource=status")
    with pytest.raises(LocalEnvironmentError, match="what a claim asks for is its user's"):
        await as_operator(world, *patch, '{"spec": {"templateRevision": 2}}')
    with pytest.raises(LocalEnvironmentError, match=r"never does this: DELETE ocdp.io/workloadclaims"):
        await as_operator(world, "delete", "wc", "ide", "--wait=false")
    await world.kubectl(*patch, '{"metadata": {"finalizers": []}}')


async def test_events_are_made_anywhere_and_the_lease_in_its_own_namespace(world: RealWorld):
    event = of("Event", "told", involvedObject={"namespace": world.namespace})
    await as_operator(world, "create", "-f", "-", body=event)
    lease = of("Lease", "ocdp-operator", {"holderIdentity": "me"}, api_version="coordination.k8s.io/v1")
    lease["metadata"]["namespace"] = "ocdp-system"
    make = ("create", "-f", "-", "--dry-run=server", *AS_OPERATOR)

    await world.control_plane.kubectl(*make, stdin=json.dumps(lease))
    for elsewhere in (
        changed(lease, "/metadata/namespace", world.namespace),
        changed(lease, "/metadata/name", "kube-scheduler"),
    ):
        with pytest.raises(LocalEnvironmentError, match=r"CREATE coordination.k8s.io/leases in namespace"):
            await world.control_plane.kubectl(*make, stdin=json.dumps(elsewhere))


CLUSTER_SCOPED = [
    of("Namespace", "ide-more"),
    of("ClusterRole", "ide-more", api_version="rbac.authorization.k8s.io/v1"),
    of(
        "ClusterRoleBinding",
        "ide-more",
        api_version="rbac.authorization.k8s.io/v1",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    ),
    of("ValidatingWebhookConfiguration", "ide-more", api_version="admissionregistration.k8s.io/v1"),
    of("PriorityClass", "ide-more", api_version="scheduling.k8s.io/v1", value=1),
    of("StorageClass", "ide-more", api_version="storage.k8s.io/v1", provisioner="x"),
]
NEVER = [
    of("Role", "ide-more", api_version="rbac.authorization.k8s.io/v1"),
    of(
        "RoleBinding",
        "ide-more",
        api_version="rbac.authorization.k8s.io/v1",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    ),
    of("Pod", "ide-more", pod_spec()),
    of("Endpoints", "ide-web"),
    of("EndpointSlice", "ide-web", api_version="discovery.k8s.io/v1", addressType="IPv4", endpoints=[]),
    of("ResourceQuota", "ide-more", {}),
    of("WorkloadClaim", "ide-more", {"templateId": "t", "workspaceId": "w"}, api_version="ocdp.io/v1alpha1"),
]


@pytest.mark.parametrize("body", [*CLUSTER_SCOPED, *NEVER], ids=lambda body: body["kind"])
async def test_a_kind_that_the_operator_never_writes_is_refused_with_a_mark_too(world: RealWorld, body: Raw):
    mark = f"{CLAIM_UID_OF_TESTS} {world.namespace}/ide core/{body['kind']}/{body['metadata']['name']}"
    await refused(
        world, changed(body, "/metadata/annotations", {OWNER: mark}), "the operator never does this: CREATE"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("exec", "victim", "--", "true"), "CONNECT core/pods/exec", id="exec"),
        pytest.param(("attach", "victim"), "CONNECT core/pods/attach", id="attach"),
        pytest.param(("create", "token", "default"), "CREATE core/serviceaccounts/token", id="a token"),
        pytest.param(("delete", "pod", "victim"), "DELETE core/pods", id="a pod's end"),
        pytest.param(
            ("scale", "deployment", "theirs", "--replicas=2"), "UPDATE apps/deployments/scale", id="scale"
        ),
    ],
)
async def test_what_is_no_write_of_an_object_is_refused(
    world: RealWorld, arguments: tuple[str, ...], says: str
):
    await world.create(of("Pod", "victim", pod_spec(nodeName="nowhere")))
    await world.create(changed(pods(), "/metadata/name", "theirs"))

    with pytest.raises(LocalEnvironmentError, match=says):
        await as_operator(world, *arguments)


async def test_no_object_is_written_where_no_workspace_is(
    served: Cluster, client: KubeClient, namespace: Namespaces
):
    world = RealWorld(served, client, await namespace())
    await refused(world, own(config_map(), world), "has no label ocdp.io/workspace")


def test_marks_are_read_as_the_operator_writes_them():
    assert str(Mark("u", "ns", "ide", ObjectRef("", "ConfigMap", "ide-a"))) == "u ns/ide core/ConfigMap/ide-a"


MARKS = {
    "none": None,
    "empty": "",
    "of another object": "u {namespace}/ide core/ConfigMap/ide-other",
    "of another kind": "u {namespace}/ide core/Secret/ide-config",
    "of another group": "u {namespace}/ide apps/ConfigMap/ide-config",
    "of another namespace": "u kube-system/ide core/ConfigMap/ide-config",
    "of no claim": "u {namespace} core/ConfigMap/ide-config",
    "of no uid": " {namespace}/ide core/ConfigMap/ide-config",
    "of four parts": "u {namespace}/ide core/ConfigMap/ide-config x",
}


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS.keys())
async def test_an_object_without_its_own_mark_is_not_created(world: RealWorld, mark: str | None):
    annotations = {} if mark is None else {OWNER: mark.format(namespace=world.namespace)}

    await refused(
        world, changed(config_map(), "/metadata/annotations", annotations), "core/ConfigMap/ide-config"
    )


async def test_an_object_of_others_is_neither_taken_nor_deleted(world: RealWorld):
    await world.create(config_map(of="them"))
    await refused(world, own(config_map(), world), "is there already, and is not the operator's")
    with pytest.raises(LocalEnvironmentError, match="not the operator's to delete"):
        await as_operator(world, "delete", "configmap", "ide-config")

    await world.create(own(config_map("other-config"), world, claim="other", claim_uid=OTHER_UID))
    theirs = own(config_map("other-config"), world, claim="other-config"[:5], claim_uid=OTHER_UID)
    await apply(world, theirs)
    await refused(
        world, own(config_map("other-config"), world), f"belongs to the claim {world.namespace}/other"
    )


async def test_of_a_volume_without_a_mark_only_the_tombstone_is_written(world: RealWorld):
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-ide-web-0", "labels": {"app": "web"}, "annotations": {"theirs": "yes"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await world.create(volume)
    await world.bound("data-ide-web-0")  # before that its size is nobody's to change

    async def patch(metadata: Raw, **rest: Raw) -> str:
        body = json.dumps({"metadata": metadata, **rest})
        return await as_operator(world, "patch", "pvc", "data-ide-web-0", "--type=merge", "-p", body)

    said = {"labels": {"ocdp.io/retained": "true"}, "annotations": {"ocdp.io/retained": "{}"}}
    await patch(said)
    for more in (
        {"labels": {"app": "mine"}}, {"labels": {"app": None}}, {"annotations": {"theirs": None}},
        {"annotations": {"more": "x"}}, {"finalizers": ["x.test/y"]},
    ):  # fmt: skip
        with pytest.raises(LocalEnvironmentError, match="does not carry the annotation"):
            await patch(more)
    with pytest.raises(LocalEnvironmentError, match="does not carry the annotation"):
        await patch({}, spec={"resources": {"requests": {"storage": "2Gi"}}})
    with pytest.raises(LocalEnvironmentError, match="does not carry the operator's mark"):
        await as_operator(world, "delete", "pvc", "data-ide-web-0")
    await patch({"labels": {"ocdp.io/retained": None}, "annotations": {"ocdp.io/retained": None}})


async def test_what_the_operator_applied_may_be_marked_again(world: RealWorld):
    await apply(world, own(config_map(), world))
    await world.kubectl("annotate", "configmap", "ide-config", f"{OWNER}-")

    await apply(world, own(config_map(), world))


FORBIDDEN = [
    ("a name of another claim", config_map("other-config"), "does not begin with that of the claim ide"),
    ("a Workload of another name", changed(RUNTIME["Workload"], "/metadata/name", "ide-more"), "does not begin"),
    ("another Secret", secret("ide-tls"), "named ide-credentials"),
    ("a token", {
        **changed(secret(), "/metadata/annotations", {"kubernetes.io/service-account.name": "default"}),
        "type": "kubernetes.io/service-account-token",
    }, "Opaque"),
    ("a pull secret", {
        **secret(**{".dockerconfigjson": "e30="}), "type": "kubernetes.io/dockerconfigjson",
    }, "Opaque"),
    ("a generated name", changed(config_map(), "/metadata/generateName", "ide-"), "metadata.generateName"),
    ("an owner", changed(config_map(), "/metadata/ownerReferences", [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": OTHER_UID}
    ]), "metadata.ownerReferences"),
    ("another claim as owner of a Workload", changed(RUNTIME["Workload"], "/metadata/ownerReferences", [
        {"apiVersion": "ocdp.io/v1alpha1", "kind": "WorkloadClaim", "name": "other", "uid": OTHER_UID}
    ]), "metadata.ownerReferences"),
    ("a finalizer", changed(config_map(), "/metadata/finalizers", ["example.test/mine"]), "metadata.finalizers"),
    ("a token in the pods", changed(pods(), f"{POD}/automountServiceAccountToken", True), "token"),
    ("a token by default", changed(pods(), f"{POD}/automountServiceAccountToken", None), "token"),
    ("a projected token", changed(pods("StatefulSet"), f"{POD}/volumes", [
        {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
    ]), "token"),
    ("another account", changed(pods("Job"), f"{POD}/serviceAccountName", "admin"), "not the claim's"),
    ("a node", changed(pods(), f"{POD}/nodeName", "node-1"), "node or their priority"),
    ("a priority", changed(pods(), f"{POD}/priorityClassName", "system-node-critical"), "node or their priority"),
    ("a path of the node", changed(pods(), f"{POD}/volumes", [{"name": "v", "hostPath": {"path": "/"}}]), "files"),
    ("the node's network", changed(pods("Job"), f"{POD}/hostNetwork", True), "namespaces"),
    ("the node's processes", changed(pods(), f"{POD}/hostPID", True), "namespaces"),
    ("the node's memory", changed(pods(), f"{POD}/hostIPC", True), "namespaces"),
    ("a privileged container", changed(pods(), f"{CONTAINER}/securityContext", {"privileged": True}), "privileged"),
    ("a privileged start", changed(pods(), f"{POD}/initContainers", [
        {"name": "i", "image": "i:1", "securityContext": {"privileged": True}}
    ]), "privileged"),
    ("an external address", service(externalIPs=["203.0.113.9"]), "did not hand out"),
    ("an external name", service(type="ExternalName", externalName="evil.test"), "did not hand out"),
    ("a chosen balancer", service(type="LoadBalancer", loadBalancerIP="203.0.113.9"), "did not hand out"),
    ("a Service of every claim", service(selector={"app": "x"}), "pods of other claims"),
    ("a Service of another claim", service(selector={"app.kubernetes.io/instance": "other"}), "pods of other claims"),
    ("a host elsewhere", ingress("evil.test"), "apps.example.test or team.example.test"),
    ("the domain itself", ingress("apps.example.test"), "does not lie under"),
    ("every host under it", ingress("*.apps.example.test"), "does not lie under"),
    ("every host", ingress(None), "does not lie under"),
    ("a TLS host elsewhere", ingress(tls=[{"hosts": ["evil.test"]}]), "does not lie under"),
    ("a TLS section for every host", ingress(tls=[{"secretName": "x"}]), "does not lie under"),
    ("a default backend", ingress(defaultBackend={"service": {"name": "ide-web", "port": {"number": 80}}}), "default"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "says"), [pytest.param(body, says, id=what) for what, body, says in FORBIDDEN]
)
async def test_a_marked_object_may_not_be_everything(world: RealWorld, body: Raw, says: str):
    await refused(world, own(body, world), says)


async def test_what_others_added_does_not_stop_a_repair(world: RealWorld):
    await apply(world, own(pods(), world))
    await apply(world, own(service(), world))
    await world.edit(
        ObjectRef("apps", "Deployment", "ide-web"),
        {
            "spec": {
                "template": {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}], "hostPID": True}}
            }
        },
    )
    await world.edit(ObjectRef("", "Service", "ide-web"), {"spec": {"externalIPs": ["203.0.113.9"]}})

    await apply(world, own(changed(pods(), "/spec/replicas", 1), world))
    await apply(world, own(service(ports=[{"port": 81}]), world))


async def test_a_foreign_finalizer_does_not_stop_a_repair(world: RealWorld):
    await apply(world, own(config_map(), world))
    patch = ("patch", "configmap", "ide-config", "--type=merge", "-p")
    await world.kubectl(*patch, '{"metadata": {"finalizers": ["example.test/mine"]}}')

    await apply(world, own(config_map(more="data"), world))
    await world.kubectl(*patch, '{"metadata": {"finalizers": []}}')


async def test_the_policies_are_for_the_operator_alone(world: RealWorld):
    await world.create(config_map("theirs"))
    await world.create(changed(secret("token"), "/metadata/labels", {CLAIM_NAME: "ide"}))
    await world.create(ingress("anything.test"))


async def test_without_domains_no_ingress_is_written(world: RealWorld, served: Cluster):
    settings = ("patch", "configmap", "ocdp-operator-admission", "-n", "ocdp-system", "--type=merge", "-p")
    before = (await served.kubectl(
        "get", "configmap", "ocdp-operator-admission", "-n", "ocdp-system", "-o", "jsonpath={.data.ingressDomains}"
    )).strip()  # fmt: skip
    await served.kubectl(*settings, '{"data": {"ingressDomains": ""}}')
    try:
        await _until_refused(world, own(ingress(), world), "none is set in the ConfigMap")
    finally:
        await served.kubectl(*settings, json.dumps({"data": {"ingressDomains": before}}))


async def _until_refused(world: RealWorld, body: Raw, says: str) -> None:
    """The API server learns of settings a moment later."""

    async def seen() -> bool:
        try:
            await apply(world, body, "--dry-run=server")
        except LocalEnvironmentError as error:
            return says in str(error)
        return False

    await eventually(seen, says)


async def test_the_api_server_finds_no_fault_with_the_expressions(served: Cluster):
    async def checked() -> list[Any] | None:
        found = json.loads(await served.kubectl("get", "validatingadmissionpolicies", "-o", "json"))
        own = [item for item in found["items"] if item["metadata"]["name"].startswith("ocdp-operator-")]
        seen = [item.get("status", {}) for item in own]
        done = all(status.get("observedGeneration") for status in seen)
        return [seen] if own and done else None

    [statuses] = await eventually(checked, "the policies are type-checked")
    assert len(statuses) == 4
    assert [status.get("typeChecking", {}).get("expressionWarnings", []) for status in statuses] == [[]] * 4
