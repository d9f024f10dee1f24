"""The rendering of a base by itself -> the file of the base that says each leaf (kustomize's origin annotations)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.kustomization import GeneratedConfigMap, find_kustomization
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.provenance import BaseLayer, ComponentLayer, Layer
from ocdp_operator.model.source import Artifact, Overlay, PinnedSource, Rendering
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.inner_files import document_in, looked_into, variables
from ocdp_operator.plan.layers import LayerAt, Naming, Stem, Traces
from ocdp_operator.plan.tracing import Leaf, Traced, traced

_ORIGIN: Final = "config.kubernetes.io/origin"
_TRANSFORMATIONS: Final = "alpha.config.kubernetes.io/transformations"
_SOURCE: Final = "../source/"


def annotated_overlay(path: str, components: Iterable[str]) -> Overlay:
    """The base as it is, with these components, and with kustomize's account of where each object is from."""
    said = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{_SOURCE}{path}"],
        "components": [f"{_SOURCE}{component}" for component in components],
        "buildMetadata": ["originAnnotations", "transformerAnnotations"],
    }
    return Overlay({"kustomization.yaml": canonical_json(said)})


def base_traces(bare: Rendering, source: PinnedSource, artifact: Artifact, naming: Naming) -> Traces:
    """The base's own objects: what a file says is that file's, what its kustomization changed is the kustomization's.

    ``bare`` is the rendering of ``annotated_overlay`` without components.
    """
    return {
        naming.bare.stem(manifest.ref): _base_trace(manifest, source, artifact, naming)
        for manifest in bare.manifests
    }


def component_layer(path: str, workload: ResolvedWorkload, annotated: Rendering, naming: Naming) -> LayerAt:
    """The component at ``path``; of an object that is new with it, also the file, as ``annotated`` says."""
    files = {naming.bare.stem(each.ref): file_of(each) for each in annotated.manifests}
    mappings = workload.revision.body.mappings
    chosen_by = (each.source for each in mappings if path in (each.components or {}).values())
    source = next(chosen_by, "")

    def layer_at(stem: Stem, _pointer: str) -> Layer:
        file = files.get(stem, "")
        inside = file if file.startswith(f"{path}/") else ""
        return ComponentLayer(path, workload.revision.source.commit, inside, source)

    return layer_at


def _base_trace(
    manifest: Manifest, source: PinnedSource, artifact: Artifact, naming: Naming
) -> Traced[Layer]:
    found = find_kustomization(artifact.files, source.path)
    kustomization = found.path if found is not None else source.path

    def layer(file: str) -> Layer:
        return BaseLayer(file, source.commit)

    changed_in = _changed_in(manifest) or kustomization
    said = _said_by_files(manifest, artifact, naming, layer)
    return traced(looked_into(_plain(manifest)), layer(changed_in), said)


def _said_by_files(
    manifest: Manifest, artifact: Artifact, naming: Naming, layer: Callable[[str], Layer]
) -> Traced[Layer] | None:
    """The object as the file has it that it is from; a generated ConfigMap as the files it is made of."""
    file = file_of(manifest)
    if file:
        for document in _documents(file, artifact):
            if _is(document, manifest):
                return traced(looked_into(Manifest.of(document)), layer(file))
        return None
    stem = naming.bare.stem(manifest.ref)
    data: dict[str, Traced[Layer]] = {}
    for generator in _generators(artifact, workload_path=_configured_in(manifest)):
        if generator.name != stem.name:
            continue
        for key, path in generator.files.items():
            text = artifact.files.get(path, b"").decode(errors="replace")
            data[key] = traced(document_in(key, text), layer(path))
        for path in generator.env_files:
            lines = variables(artifact.files.get(path, b"").decode(errors="replace"))
            data.update({key: Leaf(value, layer(path)) for key, value in lines.items()})
    return {"data": data} if data else None


def _generators(artifact: Artifact, workload_path: str) -> Iterator[GeneratedConfigMap]:
    directory = workload_path.rpartition("/")[0]
    found = find_kustomization(artifact.files, directory)
    if found is not None:
        yield from found.config_maps


def _documents(file: str, artifact: Artifact) -> tuple[Any, ...]:
    try:
        return load_documents(artifact.files.get(file, b""), name=file)
    except ReconcileError:
        return ()


def _is(document: Any, manifest: Manifest) -> bool:
    return (
        isinstance(document, Mapping)
        and document.get("kind") == manifest.ref.kind
        and (document.get("metadata") or {}).get("name") == manifest.ref.name
    )


def _annotation(manifest: Manifest, name: str) -> Any:
    text = (manifest.body["metadata"].get("annotations") or {}).get(name, "")
    documents = load_documents(text.encode(), name=name) if text else ()
    return documents[0] if documents else None


def _local(path: Any) -> str:
    """A path of kustomize's account, from the repository's root."""
    return str(path or "").removeprefix(_SOURCE)


def file_of(manifest: Manifest) -> str:
    """The file that the object is from, from the repository's root; empty when it is generated."""
    said = _annotation(manifest, _ORIGIN)
    return _local(said.get("path")) if isinstance(said, Mapping) else ""


def _configured_in(manifest: Manifest) -> str:
    said = _annotation(manifest, _ORIGIN)
    return _local(said.get("configuredIn")) if isinstance(said, Mapping) else ""


def _changed_in(manifest: Manifest) -> str:
    """The kustomization that had the last word on the object."""
    said = _annotation(manifest, _TRANSFORMATIONS)
    named = [_local(each.get("configuredIn")) for each in said or () if isinstance(each, Mapping)]
    return next((path for path in reversed(named) if path), "")


def without_origin(rendering: Rendering) -> Rendering:
    """The rendering without kustomize's account of where its objects are from."""
    return Rendering(tuple(_plain(manifest) for manifest in rendering.manifests))


def _plain(manifest: Manifest) -> Manifest:
    """The object without kustomize's account of it."""
    metadata = dict(manifest.body["metadata"])
    kept = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if key not in {_ORIGIN, _TRANSFORMATIONS}
    }
    if kept:
        metadata["annotations"] = kept
    return replace(manifest, body={**manifest.body, "metadata": metadata})
