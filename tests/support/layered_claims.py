"""A claim in three profiles on an application of ``apps/``, and the same with one layer taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ocdp_operator.adapters.expressions import CelExpressions
from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.model.kinds import RUNTIME_KINDS
from ocdp_operator.model.mapping import Mapping_
from ocdp_operator.model.profile import Layer as ProfileOf
from ocdp_operator.model.profile import ProfileRef, ProfileRevision
from ocdp_operator.model.provenance import (
    BaseLayer,
    ComponentLayer,
    FieldOrigin,
    GeneratedLayer,
    Layer,
    MappingLayer,
    ProfileLayer,
)
from ocdp_operator.model.source import Artifact, PinnedSource
from ocdp_operator.model.template import CatalogAnswer, CatalogQuestion, TemplateRevision
from ocdp_operator.plan.base_layers import annotated_overlay
from ocdp_operator.plan.inner_files import looked_into
from ocdp_operator.plan.layers import Stem
from ocdp_operator.plan.policy import Limits
from ocdp_operator.plan.tracing import leaves, traced
from ocdp_operator.reconcile.preview import Preview, PreviewQuestion, explain, preview
from tests.support.app_renderings import DOMAIN, app_files, example_template
from tests.support.builders import COMMIT, answer, claim

Fields = dict[str, FieldOrigin]
"""``Kind/name-in-the-base pointer`` -> where it is from."""


@dataclass(frozen=True)
class Layered:
    """The application, what its claim says, and its environment: everything that a field can come from."""

    app: str
    values: Mapping[str, Any]
    profiles: Mapping[ProfileOf, Mapping[str, Any]]
    mappings: tuple[Mapping_, ...]
    files: Mapping[str, bytes] = field(default_factory=app_files)

    @classmethod
    def of(cls, app: str, values: Mapping[str, Any], *more: Mapping[str, Any], **profiles: Any) -> Layered:
        """The example template with ``more`` mappings; ``profiles`` by their layers."""
        own = example_template(app).mappings
        added = tuple(Mapping_.model_validate(each) for each in more)
        return cls(app, values, {ProfileOf(name): body for name, body in profiles.items()}, (*own, *added))

    def without(self, layer: Layer) -> Layered:
        """The same without this layer: its mapping, its component, its profile's field, or its line of the base."""
        if isinstance(layer, MappingLayer):
            return replace(self, mappings=_all_but(self.mappings, layer.index))
        if isinstance(layer, GeneratedLayer) and layer.what.startswith("credentials"):
            index = int(layer.what.rpartition("[")[2].removesuffix("]"))
            return replace(self, mappings=_all_but(self.mappings, index))
        if isinstance(layer, ComponentLayer):
            return replace(
                self, mappings=tuple(_without_component(each, layer.path) for each in self.mappings)
            )
        if isinstance(layer, ProfileLayer):
            of = ProfileOf(layer.profile.id)
            return replace(self, profiles={**self.profiles, of: _without(self.profiles[of], layer.field)})
        raise AssertionError(f"nothing to take away: {layer}")

    def with_other(self, layer: BaseLayer, old: str, new: str) -> Layered:
        """The same with one line of a base's file changed."""
        text = self.files[layer.file].decode()
        assert old in text
        return replace(self, files={**self.files, layer.file: text.replace(old, new, 1).encode()})


def _all_but(mappings: tuple[Mapping_, ...], index: int) -> tuple[Mapping_, ...]:
    """With one that does nothing in its place, so that the others keep their numbers."""
    idle = Mapping_.model_validate({"from": "values.no-such-value", "replicas": {"name": "nothing"}})
    return tuple(idle if at == index else each for at, each in enumerate(mappings))


def _without_component(mapping: Mapping_, path: str) -> Mapping_:
    table = mapping.components
    if table is None:
        return mapping
    return mapping.model_copy(
        update={"components": {value: None if said == path else said for value, said in table.items()}}
    )


def _without(body: Any, dotted: str) -> Any:
    """The profile without a field; names of labels and annotations hold dots themselves."""
    if isinstance(body, list):
        at, _, rest = dotted.partition(".")
        assert not rest
        return [each for index, each in enumerate(body) if str(index) != at]
    for key in body:
        if dotted == key:
            return {name: value for name, value in body.items() if name != key}
        if dotted.startswith(f"{key}."):
            return {**body, key: _without(body[key], dotted[len(key) + 1 :])}
    raise AssertionError(f"no field {dotted}")


class Lab:
    """Previews such claims with the real kustomize and the real CEL."""

    def __init__(self, renderer: KustomizeRenderer, expressions: CelExpressions, directory: Path) -> None:
        self.renderer, self.expressions = renderer, expressions
        self._directory = directory
        self._made = 0
        self._asked: Layered | None = None

    @property
    def catalog(self) -> Lab:
        return self

    @property
    def sources(self) -> Lab:
        return self

    async def ask(self, question: CatalogQuestion) -> CatalogAnswer:
        assert self._asked is not None
        entry = example_template(self._asked.app)
        body = entry.body.model_copy(update={"mappings": self._asked.mappings})
        revision = TemplateRevision(entry.id, 1, entry.pinned(COMMIT), body)
        profiles = tuple(
            ProfileRevision(ProfileRef(id=of, revision=1), of, said)
            for of, said in self._asked.profiles.items()
        )
        return answer(revision, profiles=profiles)

    async def counter(self) -> int:
        return 1

    async def fetch(self, source: PinnedSource, components: Any) -> Artifact:
        assert self._asked is not None
        self._made += 1
        root = self._directory / f"source-{self._made}"
        for path, content in self._asked.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        return Artifact(source.commit, root, self._asked.files)

    async def probe(self, repository_url: str) -> None:
        return None

    async def preview(self, layered: Layered) -> Preview:
        self._asked = layered
        asked = claim("ide", template_id=layered.app, values=dict(layered.values))
        limits = Limits(tuple(kind.kind for kind in RUNTIME_KINDS), (DOMAIN,))
        return await preview(self, PreviewQuestion(asked, "local"), limits, {})

    async def explain(self, layered: Layered) -> Fields:
        seen = await self.preview(layered)
        provenance = await explain(self.renderer, seen)
        return {
            f"{_called(seen.naming.stem(ref))} {each.pointer}": each
            for ref, fields in provenance.objects.items()
            for each in fields
        }

    async def values(self, layered: Layered) -> dict[str, Any]:
        """The leaves of every object as they would be sent, by their places."""
        seen = await self.preview(layered)
        return {
            f"{_called(seen.naming.stem(each.ref))} {pointer}": leaf.value
            for each in seen.desired.manifests
            for pointer, leaf in leaves(traced(looked_into(each), None))
        }

    async def changed(self, layered: Layered, other: Layered) -> set[str]:
        """The places of the leaves that are not in the other, or not the same there; wherever they stand in a list."""
        seen, without = await self.preview(layered), await self.preview(other)
        left = {without.naming.stem(each.ref): looked_into(each) for each in without.desired.manifests}
        found = set()
        for each in seen.desired.manifests:
            stem = seen.naming.stem(each.ref)
            same = traced(left[stem], "same") if stem in left else None
            node = traced(looked_into(each), "changed", same)
            found |= {f"{_called(stem)} {at}" for at, leaf in leaves(node) if leaf.layer == "changed"}
        return found

    async def bare(self, layered: Layered) -> dict[str, Any]:
        """The base with its components, as it lies in the repository: by ``Kind/name``."""
        seen = await self.preview(layered)
        path = seen.workload.revision.source.path
        overlay = annotated_overlay(path, seen.workload.components)
        rendering = await self.renderer.render(seen.rendered.artifact, overlay)
        return {_called(seen.naming.bare.stem(each.ref)): each.body for each in rendering.manifests}


def _called(stem: Stem) -> str:
    return f"{stem.kind}/{stem.name}"


def value_at(body: Any, pointer: str) -> Any:
    """The value at a JSON pointer, of a file of a ConfigMap too; None where there is none."""
    outside, _, inside = pointer.partition("#")
    for step in (each.replace("~1", "/").replace("~0", "~") for each in outside.split("/")[1:]):
        if isinstance(body, list):
            body = body[int(step)] if int(step) < len(body) else None
        else:
            body = body.get(step) if isinstance(body, Mapping) else None
    return value_at(yaml.safe_load(body), inside) if inside and isinstance(body, str) else body
