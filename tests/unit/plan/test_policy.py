"""The rendered set is refused as a whole for one violation, whatever shape it comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocdp_operator.errors import Actor, Reason, ReconcileError
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.policy import Limits, check
from tests.support.builders import changed, manifest, pod_spec, ref, resolved, template
from tests.support.renderings import CLEAN, DEPLOYMENT, DOMAINS, NETWORK, SECRET, SERVICE, foreign, refusal


def test_replicas_beside_an_autoscaler_are_refused():
    deployment = next(each for each in CLEAN if each.ref.kind == "Deployment")
    others = [each for each in CLEAN if each is not deployment]

    error = refusal(changed(deployment, "/spec/replicas", 2), *others)

    assert "spec.replicas: must be left out" in error.message


def test_a_clean_set_passes():
    check(Rendering(CLEAN), resolved(), DOMAINS)


ACCOUNT = manifest("ServiceAccount", "ide-web")
VOLUME = manifest("PersistentVolumeClaim", "ide-home", spec={})
STATEFUL = manifest("StatefulSet", "ide-db")
TASK = manifest("Job", "ide-setup")
VOLUMES = "/spec/volumeClaimTemplates"

OBJECTS = [
    ("no namespace", changed(SERVICE, "/metadata/namespace", None)),
    ("another namespace", manifest("Service", "ide-web", namespace="kube-system")),
    ("a name without the claim's", manifest("Service", "web")),
    ("another claim's name", manifest("Service", "idea-web")),
    ("the claim's bare name", manifest("Service", "ide")),
    ("a name that is none", manifest("Service", "ide-web_x")),
    ("generateName", changed(SERVICE, "/metadata/generateName", "ide-")),
    ("uid", changed(SERVICE, "/metadata/uid", "x")),
    ("resourceVersion", changed(SERVICE, "/metadata/resourceVersion", "1")),
    ("ownerReferences", changed(SERVICE, "/metadata/ownerReferences", [{"uid": "x"}])),
    ("finalizers", changed(SERVICE, "/metadata/finalizers", ["x/y"])),
    ("managedFields", changed(SERVICE, "/metadata/managedFields", [])),
    ("deletionTimestamp", changed(SERVICE, "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z")),
    ("status", changed(SERVICE, "/status", {"loadBalancer": {}})),
    ("our mark", changed(SERVICE, "/metadata/annotations", {"ocdp.io/owner": "x"})),
    ("our label", changed(SERVICE, "/metadata/labels", {"ocdp.io/claim-uid": "x"})),
    ("another claim's name as label", changed(SERVICE, "/metadata/labels", {"ocdp.io/claim-name": "other"})),
    ("the claim's name as annotation", changed(SERVICE, "/metadata/annotations", {"ocdp.io/claim-name": "ide"})),
    ("an applyset label", changed(SERVICE, "/metadata/labels", {"applyset.kubernetes.io/part-of": "x"})),
    ("an internal label", changed(SERVICE, "/metadata/labels", {"internal.ocdp.io/apply-order": "1"})),
    ("labels of no shape", changed(SERVICE, "/metadata/labels", ["a"])),
    ("metadata of no shape", Manifest(ref("Service", "ide-web"), {**SERVICE.body, "metadata": "x"})),
    ("generateName with a hash", changed(manifest("ConfigMap", "ide-x"), "/metadata/generateName", "")),
    ("selfLink", changed(SERVICE, "/metadata/selfLink", "/api/v1")),
    ("generation", changed(SERVICE, "/metadata/generation", 1)),
    ("a grace period", changed(SERVICE, "/metadata/deletionGracePeriodSeconds", 0)),
    ("our label on a volume", changed(STATEFUL, VOLUMES, [{"metadata": {"labels": {"ocdp.io/x": "y"}}}])),
    ("a finalizer on a volume", changed(STATEFUL, VOLUMES, [{"metadata": {"finalizers": ["x/y"]}}])),
    ("an owner of a volume", changed(STATEFUL, VOLUMES, [{"metadata": {"ownerReferences": [{"uid": "x"}]}}])),
    ("a volume of a StatefulSet chosen", changed(STATEFUL, VOLUMES, [{"spec": {"volumeName": "pv-1"}}])),
    ("a volume of a StatefulSet copied", changed(STATEFUL, VOLUMES, [{"spec": {"dataSource": {"name": "other-data"}}}])),
    ("a finalizer on pods", changed(DEPLOYMENT, "/spec/template/metadata/finalizers", ["x/y"])),
    ("an owner of pods", changed(DEPLOYMENT, "/spec/template/metadata/ownerReferences", [{"uid": "x"}])),
    ("pods elsewhere", changed(DEPLOYMENT, "/spec/template/metadata/namespace", "kube-system")),
    ("a volume chosen", changed(VOLUME, "/spec/volumeName", "pv-1")),
    ("a volume copied", changed(VOLUME, "/spec/dataSource", {"kind": "PersistentVolumeClaim", "name": "other-data"})),
    ("a volume copied from elsewhere", changed(VOLUME, "/spec/dataSourceRef", {"namespace": "ns-b", "name": "data"})),
    ("an account with tokens", changed(ACCOUNT, "/secrets", [{"name": "admin-token"}])),
    ("an account that mounts its token", changed(ACCOUNT, "/automountServiceAccountToken", True)),
    ("endpoints", foreign("v1", "Endpoints", subsets=[])),
    ("an endpoint slice", foreign("discovery.k8s.io/v1", "EndpointSlice", endpoints=[])),
    ("an event", foreign("v1", "Event")),
    ("a lease", foreign("coordination.k8s.io/v1", "Lease")),
    ("a cluster role", foreign("rbac.authorization.k8s.io/v1", "ClusterRole")),
    ("an admission policy", foreign("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy")),
    ("a mutating webhook", foreign("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")),
    ("an APIService", foreign("apiregistration.k8s.io/v1", "APIService")),
    ("a persistent volume", foreign("v1", "PersistentVolume")),
    ("a storage class", foreign("storage.k8s.io/v1", "StorageClass")),
    ("a certificate request", foreign("certificates.k8s.io/v1", "CertificateSigningRequest")),
    ("a reference grant", foreign("gateway.networking.k8s.io/v1beta1", "ReferenceGrant")),
    ("a route", foreign("gateway.networking.k8s.io/v1", "HTTPRoute")),
    ("an old Ingress", foreign("extensions/v1beta1", "Ingress")),
    ("a quota", foreign("v1", "ResourceQuota")),
    ("a controller of pods", foreign("v1", "ReplicationController", spec={"template": {"spec": pod_spec()}})),
    ("a ReplicaSet", foreign("apps/v1", "ReplicaSet", spec={"template": {"spec": pod_spec()}})),
    ("an old apiVersion", foreign("apps/v1beta1", "Deployment", spec=DEPLOYMENT.body["spec"])),
    ("a manifest that is not what it says", Manifest(ref("ConfigMap", "ide-x"), SERVICE.body)),
    ("cluster-scoped", foreign("v1", "Namespace")),
    ("a role", foreign("rbac.authorization.k8s.io/v1", "Role")),
    ("a role binding", foreign("rbac.authorization.k8s.io/v1", "RoleBinding")),
    ("a cluster role binding", foreign("rbac.authorization.k8s.io/v1", "ClusterRoleBinding")),
    ("a webhook", foreign("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")),
    ("a CRD", foreign("apiextensions.k8s.io/v1", "CustomResourceDefinition")),
    ("a bare pod", foreign("v1", "Pod", spec=pod_spec())),
    ("a DaemonSet", foreign("apps/v1", "DaemonSet")),
    ("a CronJob", foreign("batch/v1", "CronJob")),
    ("a list", foreign("v1", "List", items=[{"kind": "Namespace"}])),
    ("a list of services", foreign("v1", "ServiceList")),
    ("a claim", foreign("ocdp.io/v1alpha1", "WorkloadClaim")),
    ("a workload", foreign("ocdp.io/v1alpha1", "Workload")),
    ("a kind of another group", foreign("example.test/v1", "Deployment")),
    ("a Secret of the base", manifest("Secret", "ide-tls", data={})),
    ("credentials with data", manifest("Secret", "ide-credentials", data={"K": "dg=="})),
    ("credentials with text", manifest("Secret", "ide-credentials", stringData={"K": "v"})),
    ("a Secret of no shape", manifest("Secret", "ide-credentials", data="K")),
    ("a service account's token", manifest("Secret", "ide-credentials", type="kubernetes.io/service-account-token")),
    ("a job that removes itself", changed(TASK, "/spec/ttlSecondsAfterFinished", 60)),
    ("a job that chooses its pods", changed(TASK, "/spec/manualSelector", True)),
    ("a job that counts others' pods", changed(TASK, "/spec/selector", {"matchLabels": {"app": "x"}})),
    ("a job of another controller", changed(TASK, "/spec/managedBy", "example.test/mine")),
    ("a number that JSON cannot carry", changed(SERVICE, "/spec/x", 2**70)),
]  # fmt: skip


@pytest.mark.parametrize("refused", [pytest.param(m, id=what) for what, m in OBJECTS])
def test_an_object_that_takes_what_is_not_the_claims_is_refused(refused):
    companions = [m for m in (SERVICE, DEPLOYMENT) if m.ref != refused.ref]

    error = refusal(*companions, refused)

    assert error.reason is Reason.POLICY_DENIED
    assert f"{refused.ref.kind}/{refused.ref.name}" in error.message


@pytest.mark.parametrize(
    ("own", "narrowed", "passes"),
    [
        pytest.param((), (), True, id="everything known"),
        pytest.param(("Service",), (), True, id="the operator's"),
        pytest.param(("ConfigMap",), (), False, id="not the operator's"),
        pytest.param((), ("ConfigMap",), False, id="not the template's"),
        pytest.param(("ConfigMap",), ("Service",), False, id="a template cannot widen"),
        pytest.param(("Service", "ConfigMap"), ("Service",), True, id="narrowed"),
    ],
)
def test_kinds_are_the_templates_within_the_operators(own, narrowed, passes):
    workload = resolved(revision=template(allowedKinds=narrowed))

    if passes:
        check(Rendering((SERVICE,)), workload, Limits(allowed_kinds=own))
    else:
        assert "kinds that" in refusal(SERVICE, workload=workload, limits=Limits(allowed_kinds=own)).message


@pytest.mark.parametrize("kind", ["Deployment", "Deployment.apps"])
def test_a_kind_may_be_named_with_its_group(kind):
    check(Rendering((DEPLOYMENT,)), resolved(), Limits(allowed_kinds=(kind,)))


def test_a_secret_of_the_base_is_refused_with_the_remedy():
    assert "map the value as `secret`" in refusal(manifest("Secret", "ide-tls")).message


@pytest.mark.parametrize("rendering", [(), (SECRET,)], ids=["nothing", "only the operator's own Secret"])
def test_an_empty_rendering_is_refused(rendering):
    assert refusal(*rendering).reason is Reason.EMPTY_BUILD


def test_an_object_rendered_twice_is_refused():
    assert "twice" in refusal(SERVICE, SERVICE).message


def test_an_object_rendered_in_two_versions_is_refused_as_twice():
    older = foreign("networking.k8s.io/v1beta1", "NetworkPolicy", "ide-web", spec=NETWORK.body["spec"])

    assert "NetworkPolicy/ide-web: is rendered twice" in refusal(SERVICE, NETWORK, older).message


@given(
    group=st.text("abcdefghijklmnopqrstuvwxyz.", max_size=20).map(lambda text: text.strip(".")),
    kind=st.text("ABCDEFGHIJKabcdefghijk", min_size=1, max_size=20),
)
def test_a_kind_that_the_operator_does_not_know_is_refused(group, kind):
    unknown = foreign(f"{group}/v1" if group else "v1", kind)

    assert "objects of this kind" in refusal(SERVICE, unknown).message


@pytest.mark.parametrize(("count", "passes"), [(100, True), (101, False)])
def test_a_rendering_has_at_most_100_objects(count, passes):
    many = tuple(manifest("ConfigMap", f"ide-{n}") for n in range(count))

    if passes:
        check(Rendering(many), resolved(), DOMAINS)
    else:
        assert "at most 100" in refusal(*many).message


@pytest.mark.parametrize(
    ("kind", "name", "passes"),
    [
        ("Service", "ide-" + "x" * 48, True),
        ("Service", "ide-" + "x" * 49, False),
        ("ConfigMap", "ide-" + "x" * 48 + "-2ggt7d8bmk", True),
        ("ConfigMap", "ide-" + "x" * 49 + "-2ggt7d8bmk", False),
        ("Service", "ide-" + "x" * 40 + "-2ggt7d8bmk", False),
    ],
    ids=["52", "53", "52 and a hash", "53 and a hash", "what only looks like a hash"],
)
def test_names_have_at_most_52_characters_before_a_hash(kind, name, passes):
    rendering = Rendering((manifest(kind, name),))

    if passes:
        check(rendering, resolved(), DOMAINS)
        return
    error = refusal(*rendering.manifests)
    assert error.reason is Reason.NAME_NOT_ALLOWED
    assert name in error.message


@pytest.mark.parametrize(
    ("claim", "base", "actor", "says"),
    [
        ("a-long-claim-name", 40, Actor.USER, "at most 11 characters"),
        ("ide", 60, Actor.PLATFORM, "base"),
    ],
)
def test_the_remedy_for_a_long_name_is_exact(claim, base, actor, says):
    long = manifest("ConfigMap", f"{claim}-{'x' * base}")

    error = refusal(long, workload=resolved(claim))

    assert error.reason is Reason.NAME_NOT_ALLOWED
    assert error.actor is actor
    assert says in error.remedy


def test_a_long_name_beside_another_violation_is_listed_with_it():
    error = refusal(manifest("Service", "ide-" + "x" * 49), manifest("Secret", "ide-tls"))

    assert error.reason is Reason.POLICY_DENIED
    assert "1 characters too long" in error.message


def test_every_violation_is_listed_or_counted():
    pods = tuple(
        changed(manifest("Deployment", f"ide-{n}"), "/spec/template/spec/hostNetwork", True)
        for n in range(60)
    )

    few, many = refusal(*pods[:3]), refusal(*pods)

    assert all(f"Deployment/ide-{n} spec.template.spec.hostNetwork" in few.message for n in range(3))
    assert len(many.message.encode()) <= 1024
    assert "60 violations" in many.message
    assert many.message.endswith("more")


def test_hostile_names_cannot_break_the_line():
    hostile = foreign("v1", "Na\nme\x1b[0m" + "x" * 3000)

    message = refusal(hostile).message

    assert message.isprintable()
    assert len(message) < 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
POINTERS = sorted(
    {f"/spec/template/spec{pointer}" for pointer in ("", "/containers", "/volumes", "/securityContext")}
    | {
        f"/spec/template/spec/containers/0{pointer}"
        for pointer in ("", "/name", "/securityContext", "/ports")
    }
    | {
        "/spec",
        "/spec/template",
        "/spec/template/metadata",
        "/metadata",
        "/metadata/name",
        "/metadata/labels",
    }
    | {
        "/kind",
        "/apiVersion",
        "/data",
        "/type",
        "/spec/ports",
        "/spec/rules",
        "/spec/rules/0/http",
        "/spec/tls",
    }
    | {"/spec/scaleTargetRef", "/spec/volumeClaimTemplates"}
)


@settings(max_examples=300)
@given(original=st.sampled_from(CLEAN), pointer=st.sampled_from(POINTERS), value=JSON)
def test_no_shape_of_a_field_ends_in_anything_but_a_verdict(original, pointer, value):
    try:
        hostile = changed(original, pointer, value)
    except (TypeError, IndexError, KeyError):
        return  # the pointer does not fit this kind
    try:
        check(Rendering((hostile, SERVICE)), resolved(), DOMAINS)
    except ReconcileError as error:
        assert len(error.message.encode()) <= 1024  # noqa: PT017 - passing is a verdict too


@given(
    kind=st.sampled_from(CLEAN), body=st.dictionaries(st.text(max_size=8), JSON, max_size=5), name=st.text()
)
def test_no_object_ends_in_anything_but_a_refusal(kind, body, name):
    hostile = Manifest(ObjectRef(kind.ref.group, kind.ref.kind, name), body)

    assert refusal(hostile, SERVICE).reason is Reason.POLICY_DENIED
