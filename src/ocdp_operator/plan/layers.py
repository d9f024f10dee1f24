"""Objects of several renderings of one claim laid over each other: what each rendering changes is its layer's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from ocdp_operator.model.kinds import CONFIG_MAP, JOB
from ocdp_operator.model.kustomization import generated_config_maps
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.provenance import GeneratedLayer, Layer
from ocdp_operator.model.source import Artifact
from ocdp_operator.plan.content_names import HASH, is_named_by_content, stem_of_job
from ocdp_operator.plan.inner_files import looked_into
from ocdp_operator.plan.tracing import Leaf, Traced, rewritten, traced

_HASH: Final = re.compile(f"-{HASH}$")

LayerAt: TypeAlias = Callable[["Stem", str], Layer]
"""Who sets the leaf at this pointer of this object, where a stage changes it."""


@dataclass(frozen=True, slots=True, order=True)
class Stem:
    """An object by its name in the base: without the claim's prefix and without a content hash."""

    group: str
    kind: str
    name: str


Traces: TypeAlias = Mapping[Stem, Traced[Layer]]


@dataclass(frozen=True, slots=True)
class Naming:
    """How a rendering calls the objects of its base."""

    prefix: str
    """Before every name: the claim's in what the operator renders, nothing in a base by itself."""
    content_named: frozenset[str]
    """Names of generated ConfigMaps, as the base says them."""

    @classmethod
    def of_claim(cls, claim: str, artifact: Artifact) -> Naming:
        """As the operator names the objects of this claim."""
        return cls(f"{claim}-", generated_config_maps(artifact.files))

    @property
    def bare(self) -> Naming:
        """As the base names them."""
        return replace(self, prefix="")

    def stem(self, ref: ObjectRef) -> Stem:
        """The object's stem."""
        name = ref.name.removeprefix(self.prefix)
        if ref.kind == JOB.kind:
            name = stem_of_job(name)
        elif self.is_generated(ref):
            name = _HASH.sub("", name)
        return Stem(ref.group, ref.kind, name)

    def is_generated(self, ref: ObjectRef) -> bool:
        """Whether the object's name ends with a hash of its content."""
        if is_named_by_content(ref):
            return True
        plain = _HASH.sub("", ref.name.removeprefix(self.prefix))
        return ref.kind == CONFIG_MAP.kind and plain in self.content_named


def over(before: Traces, manifests: Iterable[Manifest], naming: Naming, layer_at: LayerAt) -> Traces:
    """The objects of the next rendering; leaves that it changes are of the layer that ``layer_at`` names."""
    return {
        stem: _over(before.get(stem), manifest, stem, layer_at)
        for manifest in manifests
        for stem in (naming.stem(manifest.ref),)
    }


def _over(before: Traced[Layer] | None, manifest: Manifest, stem: Stem, layer_at: LayerAt) -> Traced[Layer]:
    undecided: Layer = _UNDECIDED
    node = traced(looked_into(manifest), undecided, before)

    def decided(pointer: str, leaf: Leaf[Layer]) -> Leaf[Layer]:
        return Leaf(leaf.value, layer_at(stem, pointer)) if leaf.layer is undecided else leaf

    return rewritten(node, decided)


_UNDECIDED: Final = GeneratedLayer("undecided")


def always(layer: Layer) -> LayerAt:
    """One layer for whatever changes."""
    return lambda _stem, _pointer: layer
