"""A Pod read as what it asks of a process: arguments, environment, files, probes, and the time it has to end.

What a kubelet would do with one container, without a container: volumes become directories, and where an argument or a plain
value names a path below a mount, it names that directory instead, unless whoever starts it can put the directory there.
What cannot be had this way is refused, not left out: other volume types, resource fields, init containers. Fields as in the
core/v1 API.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ocdp_operator.dev.errors import LocalEnvironmentError

Contents = Mapping[str, bytes]
"""File name or key -> content."""

_VARIABLE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_FIELD: Final = re.compile(r"(metadata\.(?:labels|annotations))\['([^']+)'\]")


@dataclass(frozen=True, slots=True)
class Referred:
    """The ConfigMaps and Secrets that a Pod may refer to, by name."""

    config_maps: Mapping[str, Contents]
    secrets: Mapping[str, Contents]


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """An ``httpGet`` probe. Times in seconds."""

    path: str
    port: int
    period: int
    timeout: int
    failures: int

    @property
    def patience(self) -> int:
        """How long it may fail before the kubelet acts."""
        return self.period * self.failures


@dataclass(frozen=True, slots=True)
class Confinement:
    """As whom it runs, and what it may not write to."""

    user: int | None
    group: int | None
    volume_group: int | None
    """``fsGroup``: its volumes belong to this group, and it is a member."""
    read_only_root: bool
    read_only_mounts: frozenset[str]
    """Mount paths."""


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """What one container of a Pod asks for."""

    account: str
    """Its ServiceAccount."""
    command: tuple[str, ...]
    """Instead of the image's entry point, if not empty."""
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, Path]
    """Mount path -> the directory that stands for it."""
    probes: Mapping[str, HttpProbe]
    """``startup``, ``liveness`` and ``readiness``, where given."""
    grace_seconds: int
    confinement: Confinement


def contents(body: Mapping[str, Any]) -> Contents:
    """What a ConfigMap or Secret holds, as the API server returns it."""
    plain, coded = ("stringData", "data") if body["kind"] == "Secret" else ("data", "binaryData")
    decoded = {key: base64.b64decode(value) for key, value in (body.get(coded) or {}).items()}
    return decoded | {key: value.encode() for key, value in (body.get(plain) or {}).items()}


def read_container(
    pod: Mapping[str, Any], referred: Referred, directory: Path, *, mapped: bool = True
) -> ContainerRun:
    """The run of the only container of ``pod``, whose volumes are made below ``directory``.

    ``pod`` is one that the API server made: with a name, a namespace and every default. Not ``mapped``, paths stay as they
    are: the caller sees to it that the process finds its mounts there.

    Raises:
        LocalEnvironmentError: a ConfigMap, Secret or key that is not optional is missing, or the Pod asks for something that
            a process of this machine cannot be given.
    """
    spec = pod["spec"]
    if len(spec["containers"]) != 1 or spec.get("initContainers"):
        raise LocalEnvironmentError("Only a Pod with exactly one container can be run as a process.")
    container = spec["containers"][0]
    mounts = dict(_mounted(spec, container, referred, directory))
    paths = _Paths(mounts if mapped else {})
    environment = _Environment(pod, referred, paths).of(container)
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ()) if "name" in port}
    return ContainerRun(
        account=spec.get("serviceAccountName") or "default",
        command=tuple(paths.mapped(_expanded(word, environment)) for word in container.get("command", ())),
        arguments=tuple(paths.mapped(_expanded(word, environment)) for word in container.get("args", ())),
        environment=environment,
        mounts=mounts,
        probes=dict(_probes(container, ports)),
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
        confinement=_confinement(spec, container),
    )


def _confinement(spec: Mapping[str, Any], container: Mapping[str, Any]) -> Confinement:
    own = container.get("securityContext", {})
    said = {**spec.get("securityContext", {}), **own}
    mounts = container.get("volumeMounts", ())
    return Confinement(
        user=said.get("runAsUser"),
        group=said.get("runAsGroup"),
        volume_group=said.get("fsGroup"),
        read_only_root=own.get("readOnlyRootFilesystem", False),
        read_only_mounts=frozenset(
            mount["mountPath"].rstrip("/") for mount in mounts if mount.get("readOnly")
        ),
    )


def _mounted(
    spec: Mapping[str, Any], container: Mapping[str, Any], referred: Referred, directory: Path
) -> Iterator[tuple[str, Path]]:
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        if mount["mountPath"].startswith("/var/run/secrets/kubernetes.io/"):
            continue  # the account's token: whoever starts the process logs in with one of its own
        root = directory / mount["name"]
        if not root.exists():
            _fill(volumes[mount["name"]], referred, root)
        mounted = root / mount.get("subPath", "")
        if not mounted.exists():
            mounted.mkdir(parents=True)
        yield mount["mountPath"].rstrip("/"), mounted


def _fill(volume: Mapping[str, Any], referred: Referred, root: Path) -> None:
    root.mkdir(parents=True)
    if "emptyDir" in volume or "persistentVolumeClaim" in volume:
        return
    for kind, key, known in (
        ("configMap", "name", referred.config_maps),
        ("secret", "secretName", referred.secrets),
    ):
        if kind in volume:
            source = volume[kind]
            held = _held(known, source[key], kind, optional=source.get("optional", False))
            items = source.get("items") or [{"key": name, "path": name} for name in held]
            for item in items:
                target = root / item["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(held[item["key"]])
            return
    raise LocalEnvironmentError(f"The volume {volume['name']} is of a type that no directory stands for.")


def _held(known: Mapping[str, Contents], name: str, kind: str, *, optional: bool) -> Contents:
    if name not in known and not optional:
        raise LocalEnvironmentError(f"The {kind} {name} does not exist, and the Pod cannot do without.")
    return known.get(name, {})


class _Paths:
    """Where a path in the container is on this machine."""

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        self._mounts = mounts
        longest_first = sorted(mounts, key=len, reverse=True)
        names = "|".join(re.escape(path) for path in longest_first)
        self._pattern = re.compile(rf"(?<![\w./-])(?:{names})(?![\w.-])") if names else None

    def mapped(self, text: str) -> str:
        """``text`` with each path below a mount put where the mount is."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: str(self._mounts[found[0]]), text)


class _Environment:
    """The variables of a container, resolved."""

    def __init__(self, pod: Mapping[str, Any], referred: Referred, paths: _Paths) -> None:
        self._pod = pod
        self._referred = referred
        self._paths = paths

    def of(self, container: Mapping[str, Any]) -> dict[str, str]:
        """In the order given: a later variable may refer to an earlier one."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self._all_of(source)
        for variable in container.get("env", ()):
            value = self._value(variable, found)
            if value is not None:
                found[variable["name"]] = value
        return found

    def _all_of(self, source: Mapping[str, Any]) -> dict[str, str]:
        kind = "configMapRef" if "configMapRef" in source else "secretRef"
        reference = source[kind]
        known = self._referred.config_maps if kind == "configMapRef" else self._referred.secrets
        held = _held(known, reference["name"], kind, optional=reference.get("optional", False))
        return {source.get("prefix", "") + key: value.decode() for key, value in held.items()}

    def _value(self, variable: Mapping[str, Any], before: Mapping[str, str]) -> str | None:
        source = variable.get("valueFrom")
        if source is None:
            return self._paths.mapped(_expanded(variable.get("value", ""), before))
        if "fieldRef" in source:
            return _field(self._pod, source["fieldRef"]["fieldPath"])
        for kind, known in (
            ("configMapKeyRef", self._referred.config_maps),
            ("secretKeyRef", self._referred.secrets),
        ):
            if kind in source:
                return self._key(source[kind], kind, known)
        raise LocalEnvironmentError(
            f"The variable {variable['name']} comes from where a process cannot look."
        )

    @staticmethod
    def _key(reference: Mapping[str, Any], kind: str, known: Mapping[str, Contents]) -> str | None:
        optional = reference.get("optional", False)
        held = _held(known, reference["name"], kind, optional=optional)
        if reference["key"] in held:
            return held[reference["key"]].decode()
        if optional:
            return None
        raise LocalEnvironmentError(f"{reference['name']} has no key {reference['key']}.")


def _field(pod: Mapping[str, Any], path: str) -> str:
    """A downward API field of the Pod; empty where the Pod does not say."""
    keyed = _FIELD.fullmatch(path)
    steps = (*keyed[1].split("."), keyed[2]) if keyed else tuple(path.split("."))
    value: Any = pod
    for step in steps:
        value = value.get(step, {}) if isinstance(value, Mapping) else {}
    return value if isinstance(value, str) else ""


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced where the variable is known, and ``$$`` by one dollar sign, as the kubelet does."""

    def replacement(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else environment.get(found[1], found[0])

    return _VARIABLE.sub(replacement, text)


def _probes(container: Mapping[str, Any], ports: Mapping[str, int]) -> Iterator[tuple[str, HttpProbe]]:
    for name in ("startup", "liveness", "readiness"):
        probe = container.get(f"{name}Probe")
        if probe is None:
            continue
        if "httpGet" not in probe:
            raise LocalEnvironmentError(f"The {name} probe is not an httpGet.")
        port = probe["httpGet"]["port"]
        yield (
            name,
            HttpProbe(
                path=probe["httpGet"].get("path", "/"),
                port=ports[port] if isinstance(port, str) else port,
                period=probe.get("periodSeconds", 10),
                timeout=probe.get("timeoutSeconds", 1),
                failures=probe.get("failureThreshold", 3),
            ),
        )
