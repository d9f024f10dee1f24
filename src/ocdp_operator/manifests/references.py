"""Every Secret and ConfigMap that an object names is in the set; the one that is not is the seam of a base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.manifests.problems import Problem, of_violation, subject
from ocdp_operator.model.kinds import CONFIG_MAP, INGRESS, SECRET
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.template import RevisionBody
from ocdp_operator.plan.place import Place, Violations
from ocdp_operator.plan.pod_reach import secret_names
from ocdp_operator.plan.pod_security import containers
from ocdp_operator.plan.wording import shown

SEAM: Final = RevisionBody().credentials_secret
"""The Secret that a base names and does not hold: the operator brings it, or the person who deploys the base."""

_POD_OWNERS: Final = ("Deployment", "StatefulSet", "Job")
_ACCOUNT: Final = "ServiceAccount"


def pod_template(manifest: Manifest, found: Violations) -> Place | None:
    """The pod template of an object that has one."""
    if manifest.ref.kind not in _POD_OWNERS:
        return None
    return Place(manifest.body, found).at("spec", "template")


def seam(manifests: Iterable[Manifest]) -> str:
    """The name by which the pods of this set refer to their credentials: a Secret of the set, or that of the base."""
    listed = tuple(manifests)
    brought = {manifest.ref.name for manifest in listed if manifest.ref.kind == SECRET.kind}
    named = {name for manifest in listed for name in _used_secrets(manifest)}
    both = sorted(brought & named)
    return both[0] if len(both) == 1 and SEAM not in named else SEAM


def required_keys(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Keys of the seam Secret without which a container does not start, sorted."""
    return tuple(sorted({key for manifest in manifests for key in _required_keys(manifest)}))


def unresolved(where: str, manifests: tuple[Manifest, ...], *, without_seam: bool) -> Iterator[Problem]:
    """References to what is not in the set. ``without_seam``: it is a base's, which leaves the seam to others."""
    there = _There({(m.ref.kind, m.ref.name): m.body for m in manifests}, without_seam)
    for manifest in manifests:
        found = Violations(subject(manifest))
        for kind, name, key in _references(manifest, found):
            there.check(kind, name, key)
        yield from (of_violation(where, each) for each in found)


@dataclass(frozen=True, slots=True)
class _There:
    """The objects of a set."""

    objects: Mapping[tuple[str, str], Mapping[str, Any]]
    without_seam: bool

    def check(self, kind: str, name: Place, key: Place | None) -> None:
        """Denies a name that leads nowhere, and a key that its object does not hold."""
        text = name.text()
        body = self.objects.get((kind, text))
        left_to_others = self.without_seam and (kind, text) == (SECRET.kind, SEAM)
        if not text or (body is None and left_to_others):
            return
        if body is None:
            name.deny(f"there is no {kind} {shown(text)} in this set")
            return
        held = [part for part in (body.get("data"), body.get("binaryData"), body.get("stringData")) if part]
        if key is not None and held and not any(key.text() in part for part in held):
            key.deny(f"{kind} {shown(text)} has no such key")


_Reference = tuple[str, Place, Place | None]
"""Kind, where its name is said, and where a key of it is."""


def _references(manifest: Manifest, found: Violations) -> Iterator[_Reference]:
    body = Place(manifest.body, found)
    if manifest.ref.kind == _ACCOUNT:
        yield from ((SECRET.kind, pull.at("name"), None) for pull in body.at("imagePullSecrets").items())
    if manifest.ref.kind == INGRESS.kind:
        yield from ((SECRET.kind, tls.at("secretName"), None) for tls in body.at("spec", "tls").items())
    template = pod_template(manifest, found)
    if template is not None:
        yield from _pod_references(template.at("spec"))


def _pod_references(pod: Place) -> Iterator[_Reference]:
    yield from ((SECRET.kind, name, None) for name in secret_names(pod))
    yield from ((SECRET.kind, pull.at("name"), None) for pull in pod.at("imagePullSecrets").items())
    for container in containers(pod):
        yield from _environment(container)
    for volume in pod.at("volumes").items():
        for source in (volume, *volume.at("projected", "sources").items()):
            yield from _files(source.at("configMap"))


def _environment(container: Place) -> Iterator[_Reference]:
    for variable in container.at("env").items():
        for kind, field in ((SECRET.kind, "secretKeyRef"), (CONFIG_MAP.kind, "configMapKeyRef")):
            reference = variable.at("valueFrom", field)
            if not _optional(reference):
                yield kind, reference.at("name"), reference.at("key")
    for origin in container.at("envFrom").items():
        if not _optional(origin.at("configMapRef")):
            yield CONFIG_MAP.kind, origin.at("configMapRef", "name"), None


def _files(config_map: Place) -> Iterator[_Reference]:
    if not _optional(config_map):
        yield CONFIG_MAP.kind, config_map.at("name"), None
        for item in config_map.at("items").items():
            yield CONFIG_MAP.kind, config_map.at("name"), item.at("key")


def _optional(reference: Place) -> bool:
    return reference.at("optional").value is True


def _used_secrets(manifest: Manifest) -> Iterator[str]:
    template = pod_template(manifest, Violations(""))
    if template is not None:
        yield from (name.text() for name in secret_names(template.at("spec")) if name.value)


def _required_keys(manifest: Manifest) -> Iterator[str]:
    template = pod_template(manifest, Violations(""))
    if template is None:
        return
    for container in containers(template.at("spec")):
        for variable in container.at("env").items():
            reference = variable.at("valueFrom", "secretKeyRef")
            if reference.at("name").is_exactly(SEAM) and not _optional(reference):
                yield reference.at("key").text()
