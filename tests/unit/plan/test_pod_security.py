"""Pod templates are held to the Pod Security Standard *restricted*, and to what the operator forbids beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.errors import Actor, Reason, ReconcileError, Stalled
from ocdp_operator.model.source import Rendering
from ocdp_operator.plan.policy import Limits, check
from tests.support.builders import changed, manifest, pod_spec, resolved

POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"

PODS = [
    ("hostNetwork", f"{POD}/hostNetwork", True),
    ("hostNetwork as text", f"{POD}/hostNetwork", "false"),
    ("hostNetwork as a number", f"{POD}/hostNetwork", 0),
    ("hostPID", f"{POD}/hostPID", True),
    ("hostIPC", f"{POD}/hostIPC", True),
    ("nodeName", f"{POD}/nodeName", "node-1"),
    ("token mounted", f"{POD}/automountServiceAccountToken", True),
    ("token as a number", f"{POD}/automountServiceAccountToken", 0),
    ("token not said", f"{POD}/automountServiceAccountToken", None),
    ("another service account", f"{POD}/serviceAccountName", "admin"),
    ("another service account, old field", f"{POD}/serviceAccount", "admin"),
    ("priority class", f"{POD}/priorityClassName", "system-node-critical"),
    ("priority", f"{POD}/priority", 2_000_000_000),
    ("hostPath", f"{POD}/volumes", [{"name": "v", "hostPath": {"path": "/"}}]),
    ("nfs", f"{POD}/volumes", [{"name": "v", "nfs": {"server": "x"}}]),
    ("a volume of no type", f"{POD}/volumes", [{"name": "v"}]),
    ("a volume of two types", f"{POD}/volumes", [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]),
    (
        "a projected token",
        f"{POD}/volumes",
        [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
    ),
    ("pod may be root", f"{POD}/securityContext/runAsNonRoot", False),
    ("pod does not say runAsNonRoot", f"{POD}/securityContext/runAsNonRoot", None),
    ("pod is root", f"{POD}/securityContext/runAsUser", 0),
    ("user as text", f"{POD}/securityContext/runAsUser", "0"),
    ("user as a truth", f"{POD}/securityContext/runAsUser", False),
    ("pod without seccomp", f"{POD}/securityContext/seccompProfile", None),
    ("pod with unconfined seccomp", f"{POD}/securityContext/seccompProfile", {"type": "Unconfined"}),
    ("pod with seccomp of no type", f"{POD}/securityContext/seccompProfile", {}),
    ("pod with unconfined AppArmor", f"{POD}/securityContext/appArmorProfile", {"type": "Unconfined"}),
    ("unsafe sysctl", f"{POD}/securityContext/sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    ("pod's SELinux type", f"{POD}/securityContext/seLinuxOptions", {"type": "spc_t"}),
    ("pod's SELinux user", f"{POD}/securityContext/seLinuxOptions", {"user": "root"}),
    ("pod's SELinux role", f"{POD}/securityContext/seLinuxOptions", {"role": "sysadm_r"}),
    ("pod is a host process", f"{POD}/securityContext/windowsOptions", {"hostProcess": True}),
    ("privileged", f"{CONTAINER}/securityContext/privileged", True),
    ("privileged as a number", f"{CONTAINER}/securityContext/privileged", 1),
    ("escalation", f"{CONTAINER}/securityContext/allowPrivilegeEscalation", True),
    ("escalation not said", f"{CONTAINER}/securityContext/allowPrivilegeEscalation", None),
    ("no security context", f"{CONTAINER}/securityContext", None),
    ("no capability dropped", f"{CONTAINER}/securityContext/capabilities", None),
    ("one capability dropped", f"{CONTAINER}/securityContext/capabilities", {"drop": ["NET_RAW"]}),
    ("capability added", f"{CONTAINER}/securityContext/capabilities/add", ["SYS_ADMIN"]),
    ("procMount", f"{CONTAINER}/securityContext/procMount", "Unmasked"),
    ("container is root", f"{CONTAINER}/securityContext/runAsUser", 0),
    ("container may be root", f"{CONTAINER}/securityContext/runAsNonRoot", False),
    ("container with unconfined seccomp", f"{CONTAINER}/securityContext/seccompProfile", {"type": "Unconfined"}),
    ("container with unconfined AppArmor", f"{CONTAINER}/securityContext/appArmorProfile", {"type": "Unconfined"}),
    ("container's SELinux type", f"{CONTAINER}/securityContext/seLinuxOptions", {"type": "spc_t"}),
    ("container is a host process", f"{CONTAINER}/securityContext/windowsOptions", {"hostProcess": True}),
    ("hostPort", f"{CONTAINER}/ports", [{"containerPort": 80, "hostPort": 80}]),
    ("hostPort as a truth", f"{CONTAINER}/ports", [{"containerPort": 80, "hostPort": False}]),
    ("probe of another host", f"{CONTAINER}/livenessProbe", {"httpGet": {"host": "169.254.169.254"}}),
    ("hook to another host", f"{CONTAINER}/lifecycle", {"preStop": {"tcpSocket": {"host": "db"}}}),
    ("initContainer", f"{POD}/initContainers", [{"name": "i", "securityContext": {"privileged": True}}]),
    ("ephemeral container", f"{POD}/ephemeralContainers", [{"name": "e"}]),
    (
        "AppArmor annotation",
        "/spec/template/metadata/annotations",
        {"container.apparmor.security.beta.kubernetes.io/app": "unconfined"},
    ),
    ("mark on the pod", "/spec/template/metadata/annotations", {"ocdp.io/owner": "x"}),
    ("label on the pod", "/spec/template/metadata/labels", {"ocdp.io/claim-uid": "x"}),
    ("containers of no shape", f"{POD}/containers", "app"),
    ("a container of no shape", f"{POD}/containers", ["app"]),
    ("a pod of no shape", "/spec/template", []),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
@pytest.mark.parametrize(
    ("pointer", "value"), [pytest.param(p, v, id=what) for what, p, v in PODS]
)  # fmt: skip
def test_a_pod_that_is_not_restricted_is_refused(kind, pointer, value):
    with pytest.raises(Stalled) as caught:
        check(Rendering((changed(manifest(kind, "ide-web"), pointer, value),)), resolved(), Limits())

    error = caught.value
    assert error.reason is Reason.POLICY_DENIED
    assert error.actor is Actor.PLATFORM
    assert f"{kind}/ide-web spec.template" in error.message
    assert pointer.rpartition("/")[2] in error.message


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param(f"{POD}/volumes", [{"name": "v", kind: {}}], id=kind)
        for kind in ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret")
    ]
    + [
        pytest.param(f"{POD}/hostNetwork", False, id="no host network"),
        pytest.param(f"{POD}/serviceAccountName", "ide-web", id="own service account"),
        pytest.param(f"{POD}/serviceAccountName", "default", id="default service account"),
        pytest.param(f"{POD}/securityContext/runAsUser", 1000, id="a user"),
        pytest.param(f"{POD}/securityContext/runAsGroup", 0, id="root's group"),
        pytest.param(f"{POD}/securityContext/sysctls", [{"name": "net.ipv4.tcp_rmem"}], id="safe sysctl"),
        pytest.param(f"{POD}/securityContext/seLinuxOptions", {"type": "container_t", "level": "s0"}, id="SELinux"),
        pytest.param(f"{CONTAINER}/securityContext/capabilities/add", ["NET_BIND_SERVICE"], id="low ports"),
        pytest.param(f"{CONTAINER}/securityContext/seccompProfile", {"type": "Localhost"}, id="local seccomp"),
        pytest.param(f"{CONTAINER}/livenessProbe", {"httpGet": {"port": 80, "host": ""}}, id="probe of itself"),
        pytest.param("/spec/template/metadata/labels", {"ocdp.io/claim-name": "ide"}, id="the claim's name"),
        pytest.param("/metadata/creationTimestamp", None, id="no time of creation"),
    ],
)  # fmt: skip
def test_a_restricted_pod_passes(pointer, value):
    check(
        Rendering(
            (
                changed(manifest("Deployment", "ide-web"), pointer, value),
                manifest("ServiceAccount", "ide-web"),
            )
        ),
        resolved(),
        Limits(),
    )


def test_containers_may_say_what_the_pod_leaves_out():
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = pod_spec(securityContext={}, containers=[{"name": "app", "securityContext": context}])

    check(Rendering((changed(manifest("Deployment", "ide-web"), POD, pod),)), resolved(), Limits())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(pointer=st.sampled_from([pointer for _, pointer, _ in PODS]), value=JSON)
def test_no_shape_of_a_field_ends_in_anything_but_a_verdict(pointer, value):
    try:
        check(Rendering((changed(manifest("Deployment", "ide-web"), pointer, value),)), resolved(), Limits())
    except ReconcileError as error:
        assert error.reason is Reason.POLICY_DENIED  # noqa: PT017 - passing is a verdict too
