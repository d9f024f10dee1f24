"""Pod templates against the Pod Security Standard *restricted*.

Field by field the checks of ``k8s.io/pod-security-admission`` at version 1.36, without its relaxations for Windows
pods and for user namespaces. A field of the wrong type is refused like a wrong value. What the operator forbids beside
the standard is in ``pod_reach``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocdp_operator.plan.place import Place

_VOLUME_TYPES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
_SELINUX_TYPES: Final = (
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
)
_PROFILES: Final = ("RuntimeDefault", "Localhost")
_APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"
_NAMESPACES_OF_THE_NODE: Final = ("hostNetwork", "hostPID", "hostIPC")
_CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")


def check_pod(template: Place) -> None:
    """Denies what the standard does not admit in the pods of this template."""
    pod = template.at("spec")
    for field in _NAMESPACES_OF_THE_NODE:
        pod.at(field).only(False, why="must not share the node's namespaces")
    _check_volumes(pod)
    _check_annotations(template)
    pod_context = pod.at("securityContext")
    _check_context(pod_context)
    for sysctl in pod_context.at("sysctls").items():
        sysctl.at("name").must_be(*_SYSCTLS, why="is not a safe sysctl")
    for container in containers(pod):
        _check_container(container)
        _check_inherited(container.at("securityContext"), pod_context)


def containers(pod: Place) -> Iterator[Place]:
    """Every container of the pod, of whatever sort."""
    for part in _CONTAINER_LISTS:
        yield from pod.at(part).items()


def _check_volumes(pod: Place) -> None:
    for volume in pod.at("volumes").items():
        types = [field for field, value in volume.mapping().items() if field != "name" and value is not None]
        if len(types) != 1 or types[0] not in _VOLUME_TYPES:
            volume.deny(f"must be one of the types {', '.join(sorted(_VOLUME_TYPES))}")


def _check_annotations(template: Place) -> None:
    for name, value in template.at("metadata", "annotations").entries():
        if name.startswith(_APPARMOR_ANNOTATION):
            profile = value.text()
            if profile not in ("", "runtime/default") and not profile.startswith("localhost/"):
                value.deny("must be runtime/default or localhost/…")


def _check_context(context: Place) -> None:
    """What a pod's and a container's security context have in common."""
    context.at("runAsNonRoot").only(True, why="must be true")
    user = context.at("runAsUser")
    if user.value is not None and (type(user.value) is not int or user.value == 0):
        user.deny("must be a number other than 0")
    seccomp = context.at("seccompProfile")
    if seccomp.value is not None:
        seccomp.at("type").must_be(*_PROFILES, why="must be RuntimeDefault or Localhost")
    apparmor = context.at("appArmorProfile")
    if apparmor.value is not None:
        apparmor.at("type").must_be(*_PROFILES, why="must be RuntimeDefault or Localhost")
    selinux = context.at("seLinuxOptions")
    selinux.at("type").only(*_SELINUX_TYPES, why="must be a container type")
    for field in ("user", "role"):
        selinux.at(field).only("", why="must be left out")
    context.at("windowsOptions", "hostProcess").only(False, why="must not be a process of the host")


def _check_container(container: Place) -> None:
    context = container.at("securityContext")
    _check_context(context)
    context.at("privileged").only(False, why="must not be true")
    context.at("allowPrivilegeEscalation").must_be(False, why="must be false")
    context.at("procMount").only("Default", why="must be Default")
    _check_capabilities(context.at("capabilities"))
    for port in container.at("ports").items():
        port.at("hostPort").only(0, why="must not take a port of the node")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        _check_target(container.at(probe))
    for hook in ("postStart", "preStop"):
        _check_target(container.at("lifecycle", hook))


def _check_capabilities(capabilities: Place) -> None:
    if not any(dropped.is_exactly("ALL") for dropped in capabilities.at("drop").items()):
        capabilities.at("drop").deny("must hold ALL")
    for added in capabilities.at("add").items():
        added.must_be("NET_BIND_SERVICE", why="must not be added; only NET_BIND_SERVICE may be")


def _check_target(handler: Place) -> None:
    for action in ("httpGet", "tcpSocket"):
        handler.at(action, "host").only("", why="must be left out: a probe speaks to its own pod")


def _check_inherited(context: Place, pod_context: Place) -> None:
    """A container may leave out what its pod says, and must say what its pod leaves out."""
    if context.at("runAsNonRoot").value is None and not pod_context.at("runAsNonRoot").is_exactly(True):
        context.at("runAsNonRoot").deny("must be true, here or for the pod")
    if context.at("seccompProfile").value is None and not pod_context.at("seccompProfile", "type").is_exactly(
        *_PROFILES
    ):
        context.at("seccompProfile").deny("must be RuntimeDefault or Localhost, here or for the pod")
