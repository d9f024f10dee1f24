"""Where each secret of a claim ends up: in the pod directly, or in the claim's credentials Secret (design 3).

Everything here knows names and keys, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ocdp_operator.model.expression import ITEM
from ocdp_operator.model.kinds import DEPLOYMENT, JOB, SECRET, STATEFUL_SET
from ocdp_operator.model.names import credentials_name
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.secrets import GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.wire import digest
from ocdp_operator.plan.wording import listed, shown

_REWRITABLE: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind)
"""Kinds whose pods may be given another reference later; a Job's template can never change."""
_POD: Final = ("spec", "template", "spec")
_CONTAINERS: Final = ("initContainers", "containers")
_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_ROTATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}(?:/([-._A-Za-z0-9]+(?:,[-._A-Za-z0-9]+)*))?")
MAX_ROTATION: Final = 256
"""Characters of a request for a rotation, as many as the status holds."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Allotment:
    """What was decided for a rendering."""

    rendering: Rendering
    """With direct references."""
    held: tuple[SecretUse, ...]
    """What the credentials Secret will hold."""


def allot(rendering: Rendering, claim: str, secrets: Sequence[SecretUse]) -> Allotment:
    """Lets pods refer to the user's Secret itself where its value is used as it is, and by environment variables alone.

    What is generated, derived, mounted through a volume, or used by a Job is held by the credentials Secret. The policy must
    have let the rendering through: then nothing but the claim's own Secret is referred to, and nothing else is rewritten.
    """
    direct = _direct(rendering, claim, secrets)
    if not direct:
        return Allotment(rendering, tuple(secrets))
    manifests = tuple(
        _referring(manifest, claim, direct) if manifest.ref.kind in _REWRITABLE else manifest
        for manifest in rendering.manifests
    )
    return Allotment(Rendering(manifests), tuple(use for use in secrets if use.key not in direct))


def references(secrets: Sequence[SecretUse]) -> tuple[tuple[SecretValue, SecretReference], ...]:
    """Every reference to a user's Secret with the value that made it, in the order of the values' paths."""
    found = {
        (part.path, part.origin): (part, part.origin)
        for use in secrets
        for part in use.text
        if isinstance(part, SecretValue) and isinstance(part.origin, SecretReference)
    }
    return tuple(sorted(found.values(), key=lambda pair: [str(step) for step in pair[0].path]))


def with_own_keys(held: Sequence[SecretUse]) -> tuple[SecretUse, ...]:
    """The same with a key for each generated value that only texts derived from it would hold: it could not be kept else.

    Such a key is that of the text behind a dot, which no mapping's key begins with: it stays with its text, wherever in a
    list the item is that it comes from. Of several values in one text each has a hash too.
    """
    alone = {use.plain.path for use in held if use.plain is not None}
    lonely: list[SecretUse] = []
    for use in held:
        parts = {
            part.path: part
            for part in use.text
            if isinstance(part, SecretValue)
            and isinstance(part.origin, GenerateRule)
            and part.path not in alone
        }
        endings = _endings(tuple(parts))
        lonely += [SecretUse(f".{use.key}{endings[path]}", (part,)) for path, part in parts.items()]
    return (*held, *lonely)


def _endings(paths: Sequence[tuple[str | int, ...]]) -> Mapping[tuple[str | int, ...], str]:
    """What tells the values of one text apart: where they are declared, and where they are only if that is the same."""
    if len(paths) < 2:
        return dict.fromkeys(paths, "")
    declared = {path: [ITEM if isinstance(step, int) else step for step in path] for path in paths}
    places = list(declared.values())
    return {
        path: "." + digest(place if places.count(place) == 1 else list(path))[:8]
        for path, place in declared.items()
    }


def to_rotate(request: str, held: Sequence[SecretUse]) -> frozenset[tuple[str | int, ...]]:
    """Paths of the generated values that a request for a rotation means: all of them, or those of the keys that it names.

    Raises ValueError, with a sentence for users, for a request that cannot be followed.
    """
    asked = _ROTATION.fullmatch(request) if len(request) <= MAX_ROTATION else None
    if asked is None:
        raise ValueError("must be TOKEN or TOKEN/KEY,KEY, where TOKEN has letters, digits and any of '._:-'")
    made = {use.key: _generated(use) for use in held}
    keys = asked[1].split(",") if asked[1] else list(made)
    unknown = [key for key in keys if asked[1] and not made.get(key)]
    if unknown:
        raise ValueError(
            f"names {listed('keys without a generated value', [shown(key) for key in unknown], 200)}"
        )
    paths = frozenset(path for key in keys for path in made[key])
    if not paths:
        raise ValueError("asks for a rotation, but no credential of this claim is generated")
    return paths


def _generated(use: SecretUse) -> frozenset[tuple[str | int, ...]]:
    return frozenset(
        part.path
        for part in use.text
        if isinstance(part, SecretValue) and isinstance(part.origin, GenerateRule)
    )


def _direct(rendering: Rendering, claim: str, secrets: Sequence[SecretUse]) -> dict[str, SecretReference]:
    """Key -> the user's Secret and key, where pods can do without a copy."""
    name = credentials_name(claim)
    held = _Held(name)
    for manifest in rendering.manifests:
        held.look_at(manifest)
    return {
        use.key: use.plain.origin
        for use in secrets
        if use.plain is not None
        and isinstance(use.plain.origin, SecretReference)
        and not held.everything
        and use.key not in held.keys
        and all(_VARIABLE.fullmatch(prefix + use.key) for prefix in held.prefixes)
    }


class _Held:
    """Keys of the credentials Secret that must be in it, since something reads them in another way than by a variable."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.everything = False
        self.keys: set[str] = set()
        self.prefixes: set[str] = set()

    def look_at(self, manifest: Manifest) -> None:
        if manifest.ref.kind == SECRET.kind:
            return
        pod = _at(manifest.body, _POD)
        if manifest.ref.kind == JOB.kind:
            for container in _containers(pod):
                self.keys |= {str(reference.get("key")) for reference in self._variables(container)}
                self.everything |= any(self._origins(container))
        elif manifest.ref.kind in _REWRITABLE:
            for container in _containers(pod):
                own = list(self._origins(container))
                self.prefixes |= {origin.get("prefix") or "" for origin in own}
                # Of two sources with the same variable the later one wins; an explicit variable would win over both.
                self.everything |= bool(own) and (len(own) > 1 or own[0] is not container["envFrom"][-1])
        for volume in pod.get("volumes") or ():
            self._mounted(volume.get("secret") or {}, "secretName")
            for source in (volume.get("projected") or {}).get("sources") or ():
                self._mounted(source.get("secret") or {}, "name")
        # Whatever else names it reads all of it: a pull secret, the certificate of an Ingress, a driver of volumes.
        self.everything |= self._name in _texts(_without_known(manifest))

    def _mounted(self, source: Json, field: str) -> None:
        if source.get(field) != self._name:
            return
        items = source.get("items") or ()
        self.keys |= {str(item.get("key")) for item in items}
        self.everything |= not items

    def _variables(self, container: Json) -> Iterator[Json]:
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            if reference.get("name") == self._name:
                yield reference

    def _origins(self, container: Json) -> Iterator[Json]:
        for origin in container.get("envFrom") or ():
            if (origin.get("secretRef") or {}).get("name") == self._name:
                yield origin


def _referring(manifest: Manifest, claim: str, direct: Mapping[str, SecretReference]) -> Manifest:
    def in_pod(pod: Json) -> Json:
        rewritten = {
            part: [_in_container(container, credentials_name(claim), direct) for container in pod[part]]
            for part in _CONTAINERS
            if pod.get(part)
        }
        return {**pod, **rewritten}

    return replace(manifest, body=_edited(manifest.body, _POD, in_pod))


def _in_container(container: Json, name: str, direct: Mapping[str, SecretReference]) -> Json:
    known = container.get("env") or ()
    env = [*_from_all(container, name, direct), *(_one(variable, name, direct) for variable in known)]
    return {**container, "env": env} if env else container


def _one(variable: Json, name: str, direct: Mapping[str, SecretReference]) -> Json:
    reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
    if reference.get("name") != name or reference.get("key") not in direct:
        return variable
    own = direct[reference["key"]]
    return {**variable, "valueFrom": {"secretKeyRef": {**reference, "name": own.name, "key": own.key}}}


def _from_all(container: Json, name: str, direct: Mapping[str, SecretReference]) -> Iterator[Json]:
    """The variables that ``envFrom`` would have made of these keys. They come first, as there: others may refer to them."""
    said = {variable.get("name") for variable in container.get("env") or ()}
    for origin in container.get("envFrom") or ():
        source = origin.get("secretRef") or {}
        if source.get("name") != name:
            continue
        for key, own in sorted(direct.items()):
            variable = (origin.get("prefix") or "") + key
            if variable in said:
                continue  # the base says another value, which would win
            said.add(variable)
            reference = {"name": own.name, "key": own.key}
            if "optional" in source:
                reference["optional"] = source["optional"]
            yield {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _containers(pod: Json) -> Iterator[Json]:
    for part in _CONTAINERS:
        yield from pod.get(part) or ()


def _at(body: Json, path: Sequence[str]) -> Json:
    for step in path:
        body = body.get(step) or {}
    return body


def _edited(body: Json, path: Sequence[str], change: Callable[[Json], Json]) -> dict[str, Any]:
    head, *rest = path
    old = body.get(head) or {}
    return {**body, head: _edited(old, rest, change) if rest else dict(change(old))}


def _without_known(manifest: Manifest) -> Json:
    """The object without the places where a reference is understood."""
    if manifest.ref.kind not in (*_REWRITABLE, JOB.kind):
        return manifest.body

    def in_pod(pod: Json) -> Json:
        rest = {part: pod[part] for part in pod if part not in (*_CONTAINERS, "volumes")}
        rest["containers"] = [
            {field: value for field, value in container.items() if field not in ("env", "envFrom")}
            for container in _containers(pod)
        ]
        rest["volumes"] = [
            {field: value for field, value in volume.items() if field not in ("secret", "projected")}
            for volume in pod.get("volumes") or ()
        ]
        return rest

    return _edited(manifest.body, _POD, in_pod)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
