"""Renderings of one claim, each with one layer more -> the layer that set each leaf of each object.

The order is that of the build: the base as it lies in the repository, the operator's names and labels, each component,
each mapping, each field of the environment, the stamps. A leaf belongs to the last layer that changed it, or that says
the same value again on purpose: a mapping that sets what is there already is named all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ocdp_operator.model.kinds import SECRET
from ocdp_operator.model.names import CREDENTIALS_VERSION, GENERATED_KEYS, GROWN_FROM, OWNER, ROTATED
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.provenance import (
    FieldOrigin,
    GeneratedLayer,
    Layer,
    PlatformLayer,
    PlatformPart,
    Provenance,
)
from ocdp_operator.model.secrets import GenerateRule, SecretReference
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.layers import LayerAt, Naming, Stem, Traces
from ocdp_operator.plan.mapping_layers import mapping_layer
from ocdp_operator.plan.tracing import Traced, escaped, leaves

MASK: Final = "***"
"""What is shown of a Secret's value."""


_OF_CREDENTIALS: Final = "|".join(escaped(name) for name in (CREDENTIALS_VERSION, GENERATED_KEYS, ROTATED))
_PARTS: Final[tuple[tuple[PlatformPart, re.Pattern[str]], ...]] = (
    (PlatformPart.NAMESPACE, re.compile("/metadata/namespace")),
    (PlatformPart.MARK, re.compile(f".*/annotations/{escaped(OWNER)}")),
    (
        PlatformPart.CREDENTIALS,
        re.compile(f".*/annotations/({_OF_CREDENTIALS})|/type|/(stringD|d)ata.*"),
    ),
    (PlatformPart.LABEL, re.compile(".*/(labels|matchLabels|selector)/.*")),
    (PlatformPart.RETENTION, re.compile("/spec/persistentVolumeClaimRetentionPolicy/.*")),
    (
        PlatformPart.KEPT,
        re.compile(f".*/annotations/{escaped(GROWN_FROM)}|/spec/(.*/)?resources/requests/storage"),
    ),
    (PlatformPart.ROLLOUT, re.compile("/spec/strategy(/.*)?")),
    (PlatformPart.STATE, re.compile("/spec/(replicas|suspend)")),
    (PlatformPart.KIND, re.compile("/(apiVersion|kind)")),
    (PlatformPart.NAME, re.compile(".*[nN]ame")),
)
"""What the operator does to objects, by the place of the change, the first that fits."""


def platform_layer(_stem: Stem, pointer: str) -> Layer:
    """What the operator changes of itself, by the place of the change."""
    fits = (part for part, pattern in _PARTS if pattern.fullmatch(pointer))
    return PlatformLayer(next(fits, PlatformPart.OTHER))


def stamp_layer(workload: ResolvedWorkload, given: Mapping[str, Any]) -> LayerAt:
    """The stamps: keys of the credentials Secret are of the mapping that asks for them, or generated."""
    uses = {use.key: use for use in workload.secrets}

    def layer_at(stem: Stem, pointer: str) -> Layer:
        root, _, key = pointer.removeprefix("/").partition("/")
        if stem.kind == SECRET.kind and root in {"data", "stringData"} and key in uses:
            use = uses[key]
            if use.plain is not None and isinstance(use.plain.origin, GenerateRule):
                return GeneratedLayer(f"credentials: mappings[{use.mapping}]")
            return mapping_layer(use.mapping, workload, given)
        return platform_layer(stem, pointer)

    return layer_at


def reference_layer(
    manifests: Iterable[Manifest], workload: ResolvedWorkload, naming: Naming, given: Mapping[str, Any]
) -> LayerAt:
    """Direct references to users' Secrets, which are ``manifests`` with them: of the mapping that asks for the key."""
    bodies = {naming.stem(manifest.ref): manifest.body for manifest in manifests}
    uses = {
        (use.plain.origin.name, use.plain.origin.key): use
        for use in workload.secrets
        if use.plain is not None and isinstance(use.plain.origin, SecretReference)
    }

    def layer_at(stem: Stem, pointer: str) -> Layer:
        reference = (_variable(bodies[stem], pointer).get("valueFrom") or {}).get("secretKeyRef") or {}
        use = uses.get((str(reference.get("name")), str(reference.get("key"))))
        return platform_layer(stem, pointer) if use is None else mapping_layer(use.mapping, workload, given)

    return layer_at


def _variable(body: Any, pointer: str) -> Mapping[str, Any]:
    """The environment variable that a pointer leads into; empty for any other."""
    steps = pointer.split("/")[1:]
    if "env" not in steps:
        return {}
    for step in steps[: steps.index("env") + 2]:
        body = body[int(step)] if isinstance(body, list) else body.get(step) or {}
    return body if isinstance(body, Mapping) else {}


def finished(traces: Traces, manifests: Iterable[Manifest], naming: Naming) -> Provenance:
    """The provenance of the objects as they are sent: Secrets masked, content hashes told from names."""
    manifests = tuple(manifests)
    hashed = {manifest.ref.name for manifest in manifests if naming.is_generated(manifest.ref)}
    return Provenance(
        {
            manifest.ref: tuple(_fields(traces[naming.stem(manifest.ref)], manifest.ref, hashed))
            for manifest in manifests
        }
    )


def _fields(node: Traced[Layer], ref: ObjectRef, hashed: set[str]) -> Iterator[FieldOrigin]:
    for pointer, leaf in leaves(node):
        value, layer = leaf.value, leaf.layer
        if ref.kind == SECRET.kind and pointer.startswith(("/data/", "/stringData/")):
            value = MASK
        elif isinstance(value, str) and value in hashed and pointer.endswith("/name"):
            layer = GeneratedLayer("content hash")
        yield FieldOrigin(pointer or "/", value, layer)
