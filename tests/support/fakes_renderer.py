"""kustomize in memory: as much of it as the thin application needs, held to the contract of the real one."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any

import orjson

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.source import Artifact, Overlay, Rendering
from ocdp_operator.model.wire import canonical_json

Object = dict[str, Any]

_HASH_LETTERS = "24567892456789bc"
_PODS = ("Deployment", "StatefulSet", "Job")
_REFERRED = {"Secret", "ConfigMap", "PersistentVolumeClaim", "ServiceAccount"}


class FakeRenderer:
    """See the Renderer port. Counts its builds."""

    def __init__(self) -> None:
        self.renders = 0

    async def render(self, artifact: Artifact, overlay: Overlay) -> Rendering:
        self.renders += 1
        files = {f"source/{path}": content for path, content in artifact.files.items()}
        files |= {f"overlay/{path}": content for path, content in overlay.files.items()}
        return Rendering(tuple(Manifest.of(each) for each in _built(files, "overlay", [])))


def _failed(what: str) -> Stalled:
    return Stalled(Reason.BUILD_FAILED, f"kustomize refuses the build: {what}.")


def _built(files: Mapping[str, bytes], directory: str, objects: list[Object]) -> list[Object]:
    """What a directory makes of the objects that are there before it, which a component changes."""
    (said,) = load_documents(files[f"{directory}/kustomization.yaml"], name=directory)
    for path in said.get("resources", ()):
        place = posixpath.normpath(posixpath.join(directory, path))
        found = (
            [_complete(each) for each in load_documents(files[place], name=place)] if place in files else None
        )
        objects += _built(files, place, []) if found is None else found
    for generator in said.get("configMapGenerator", ()):
        _generate(files, directory, generator, objects)
    for path in said.get("components", ()):
        objects = _built(files, posixpath.normpath(posixpath.join(directory, path)), objects)
    for patch in said.get("patches", ()):
        for each in objects:
            if (each["kind"], each["metadata"]["name"]) == tuple(patch["target"].values()):
                _apply(each, orjson.loads(patch["patch"]))
    if "namePrefix" in said:
        _name(objects, said)
    return objects


def _generate(files: Mapping[str, bytes], directory: str, generator: Object, objects: list[Object]) -> None:
    data = {}
    for entry in generator.get("files", ()):
        key, _, path = entry.rpartition("=")
        content = files[posixpath.normpath(posixpath.join(directory, path))]
        data[key or posixpath.basename(path)] = content.decode()
    same = [
        each
        for each in objects
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == generator["name"]
    ]
    if generator.get("behavior") == "merge":
        if not same:
            raise _failed(f"ConfigMap {generator['name']} does not exist; cannot merge")
        same[0]["data"] |= data
        return
    metadata = {"name": generator["name"], "annotations": {"hashed": "yes"}}
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _apply(target: Object, operations: list[Object]) -> None:
    for operation in operations:
        *way, last = operation["path"].split("/")[1:]
        place: Any = target
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.get(step)
            if not isinstance(place, dict | list):
                raise _failed(f"doc is missing path: {operation['path']}")
        if isinstance(place, list):
            place.insert(len(place) if last == "-" else int(last), operation["value"])
        else:
            place[last] = operation["value"]


def _name(objects: list[Object], said: Object) -> None:
    """Namespace, prefix, labels and content hashes; references follow the names."""
    names = {}
    for each in objects:
        metadata = each["metadata"]
        old, new = metadata["name"], f"{said['namePrefix']}{metadata['name']}"
        _label(each, said["labels"])
        if metadata.get("annotations", {}).pop("hashed", ""):
            new += f"-{_content_hash(each)}"
            metadata.pop("annotations")
        metadata.update(name=new, namespace=said["namespace"])
        names[each["kind"], old] = new
    for each in objects:
        for place, key, kind in _references(each.get("spec", {}).get("template", {})):
            place[key] = names.get((kind, place[key]), place[key])


def _label(target: Object, labels: list[Object]) -> None:
    for entry in labels:
        pairs, spec = entry["pairs"], target.get("spec", {})
        target["metadata"].setdefault("labels", {}).update(pairs)
        if target["kind"] in _PODS and "fields" not in entry:
            spec["template"]["metadata"].setdefault("labels", {}).update(pairs)
        if entry.get("includeSelectors") and target["kind"] == "Service":
            spec["selector"].update(pairs)
        elif entry.get("includeSelectors") and "selector" in spec:
            spec["selector"]["matchLabels"].update(pairs)
        if "fields" in entry and target["kind"] == "NetworkPolicy":
            spec["podSelector"].setdefault("matchLabels", {}).update(pairs)


def _references(value: Any) -> Iterator[tuple[Object, str, str]]:
    for key, below in value.items() if isinstance(value, dict) else ():
        if key in {"secretKeyRef", "secretRef"}:
            yield below, "name", "Secret"
        elif key in {"configMap", "configMapRef", "configMapKeyRef"}:
            yield below, "name", "ConfigMap"
        elif key == "claimName":
            yield value, key, "PersistentVolumeClaim"
        elif key == "serviceAccountName":
            yield value, key, "ServiceAccount"
        else:
            yield from _references(below)
    for below in value if isinstance(value, list) else ():
        yield from _references(below)


def _content_hash(target: Object) -> str:
    digest = sha256(canonical_json(target["data"])).hexdigest()[:10]
    return "".join(_HASH_LETTERS[int(letter, 16)] for letter in digest)


def _complete(target: Object) -> Object:
    if not all(isinstance(target.get(part), str) for part in ("apiVersion", "kind")):
        raise _failed("an object has no kind")
    return deepcopy(target)
