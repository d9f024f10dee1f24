"""What a kustomization file of a base may say: an allow list of keys, at every level that can name a file.

kustomize reads keys in any case, and takes any path for a URL that looks like one. So nothing is looked for: what is not
listed here is refused, and the file is built from our own copy of what was understood (``canonical``), never from its text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.wire import canonical_json

FILE_NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""By one of these names kustomize finds the file of a directory."""

_MAX_PATH: Final = 512
_MAX_SHOWN: Final = 120
_KEY: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")
"""What Kubernetes allows as a key of a ConfigMap."""
_GIT_HOSTS: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org", "dev.azure.com"})
"""kustomize clones ``github.com/owner/repository`` without any scheme; the others are what people mean by it."""

_PLUGIN: Final = "no program but kustomize itself is run"
_CHART: Final = "charts are not rendered: commit what they render"
_RULES: Final = "the rules of the build are the same for every base"
_NAMES: Final = "objects are named <claim>-<name>: write the whole name in the manifest"
_WHY_REFUSED: Final[Mapping[str, str]] = {
    "secretGenerator": "a base may hold no Secret: map the value as `secret`",
    "bases": "list it under `resources`",
    "commonLabels": "write `labels`, without selectors: selectors cannot change",
    "namePrefix": _NAMES,
    "nameSuffix": _NAMES,
    "patchesStrategicMerge": "write `patches`",
    "patchesJson6902": "write `patches`",
    "vars": "write `replacements`",
    "buildMetadata": "it would write changing values into the objects",
    **dict.fromkeys(("generators", "transformers", "validators"), _PLUGIN),
    **dict.fromkeys(("helmCharts", "helmGlobals", "helmChartInflationGenerator"), _CHART),
    **dict.fromkeys(("openapi", "crds", "configurations"), _RULES),
}


class ReferenceKind(Enum):
    """What a kustomization file may refer to in one place."""

    FILE = "a file"
    DIRECTORY = "a directory with a kustomization file"
    EITHER = "a file, or a directory with a kustomization file"


@dataclass(frozen=True, slots=True)
class Reference:
    """A file or directory that the build reads."""

    path: str
    """Relative to the repository's root, normalised; empty for the root itself."""
    field: str
    """Where it is said: ``resources[0]``."""
    kind: ReferenceKind


@dataclass(frozen=True, slots=True)
class GeneratedConfigMap:
    """One entry of ``configMapGenerator``."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Key of the ConfigMap -> path from the repository's root."""
    env_files: tuple[str, ...] = ()
    """Paths of files whose every line becomes a key."""
    content_named: bool = True
    """Its name ends with a hash of its content."""


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A kustomization file that was understood."""

    path: str
    canonical: bytes = field(repr=False)
    """The same file as canonical JSON, which is YAML that can be read in one way only."""
    references: tuple[Reference, ...]
    config_maps: tuple[GeneratedConfigMap, ...]

    @classmethod
    def parse(cls, path: str, data: bytes) -> Kustomization:
        """Reads the file at ``path`` (from the repository's root).

        Raises Stalled(UnsafeBuild), with file, field and reason, for a key that is not allowed, a path that leaves the
        repository or could be taken for a URL, and for YAML that ``load_documents`` refuses.
        """
        return _parsed(path, data)

    @property
    def directories(self) -> tuple[str, ...]:
        """Directories that it may build on, those applied last first: components, then resources."""
        said = [ref for ref in self.references if ref.kind is not ReferenceKind.FILE]
        components = [ref.path for ref in said if ref.kind is ReferenceKind.DIRECTORY]
        resources = [ref.path for ref in said if ref.kind is ReferenceKind.EITHER]
        return (*reversed(components), *reversed(resources))


def is_kustomization(path: str) -> bool:
    """Whether kustomize would read the file at this path as a kustomization."""
    return posixpath.basename(path) in FILE_NAMES


def find_kustomization(files: Mapping[str, bytes], directory: str) -> Kustomization | None:
    """The kustomization of a directory (from the repository's root); None when it has none."""
    for name in FILE_NAMES:
        path = posixpath.join(directory, name)
        if path in files:
            return Kustomization.parse(path, files[path])
    return None


def generated_config_maps(files: Mapping[str, bytes]) -> frozenset[str]:
    """Names, as the base says them, of the ConfigMaps whose rendered names end with a hash of their content."""
    return frozenset(
        config_map.name
        for path, data in files.items()
        if is_kustomization(path)
        for config_map in Kustomization.parse(path, data).config_maps
        if config_map.content_named
    )


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class _Patch(_Part):
    path: str | None = None
    patch: str | None = None
    target: dict[str, Any] | None = None
    options: dict[str, Any] | None = None


class _Replacement(_Part):
    path: str | None = None
    source: dict[str, Any] | None = None
    targets: list[Any] | None = None


class _GeneratorOptions(_Part):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    disable_name_suffix_hash: bool | None = None
    immutable: bool | None = None


class _ConfigMapGenerator(_Part):
    name: str
    behavior: Literal["create", "replace", "merge"] | None = None
    files: list[str] | None = None
    envs: list[str] | None = None
    env: str | None = None
    literals: list[str] | None = None
    options: _GeneratorOptions | None = None


class _File(_Part):
    """Fields typed loosely hold neither paths nor anything that is run; kustomize itself checks them."""

    api_version: str | None = None
    kind: Literal["Kustomization", "Component"] | None = None
    metadata: dict[str, Any] | None = None
    namespace: str | None = None
    """For a base that is also built by itself; the claim's namespace replaces it."""
    resources: list[str] | None = None
    components: list[str] | None = None
    patches: list[_Patch] | None = None
    replacements: list[_Replacement] | None = None
    config_map_generator: list[_ConfigMapGenerator] | None = None
    generator_options: _GeneratorOptions | None = None
    labels: list[Any] | None = None
    common_annotations: dict[str, str] | None = None
    images: list[Any] | None = None
    replicas: list[Any] | None = None
    sort_options: dict[str, Any] | None = None


@lru_cache(maxsize=256)
def _parsed(path: str, data: bytes) -> Kustomization:
    documents = load_documents(data, name=path)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise _refusal(path, "it must hold exactly one document, a mapping")
    try:
        file = _File.model_validate(documents[0], by_alias=True, by_name=False)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise _refusal(path, _complaint(fault["loc"], fault["type"], fault["msg"])) from None
    references = tuple(_references(path, file))
    content = file.model_dump(by_alias=True, exclude_none=True)
    return Kustomization(path, canonical_json(content), references, tuple(_config_maps(path, file)))


def _refusal(path: str, what: str) -> Stalled:
    return Stalled(Reason.UNSAFE_BUILD, f"{shown(path)}: {what}.")


def _complaint(location: Sequence[str | int], type_: str, message: str) -> str:
    place = ""
    for step in location:
        place += f"[{step}]" if isinstance(step, int) else f".{shown(step)}"
    place = place.removeprefix(".")
    if type_ != "extra_forbidden":
        return f"{place}: {message}"
    why = _WHY_REFUSED.get(str(location[0])) if len(location) == 1 else None
    return f"{place} is not allowed" + (f": {why}" if why else "")


def _references(path: str, file: _File) -> Iterator[Reference]:
    def all_of(name: str, paths: Iterable[str | None] | None, kind: ReferenceKind) -> Iterator[Reference]:
        for index, said in enumerate(paths or ()):
            if said is not None:
                place = name.format(index)
                yield Reference(_resolved(path, place, said), place, kind)

    yield from all_of("resources[{}]", file.resources, ReferenceKind.EITHER)
    yield from all_of("components[{}]", file.components, ReferenceKind.DIRECTORY)
    yield from all_of("patches[{}].path", (p.path for p in file.patches or ()), ReferenceKind.FILE)
    replaced = (replacement.path for replacement in file.replacements or ())
    yield from all_of("replacements[{}].path", replaced, ReferenceKind.FILE)
    for index, generator in enumerate(file.config_map_generator or ()):
        place = f"configMapGenerator[{index}]"
        files = (_key_and_path(path, place, said)[1] for said in generator.files or ())
        yield from all_of(place + ".files[{}]", files, ReferenceKind.FILE)
        yield from all_of(place + ".envs[{}]", _env_files(generator), ReferenceKind.FILE)


def _config_maps(path: str, file: _File) -> Iterator[GeneratedConfigMap]:
    for index, generator in enumerate(file.config_map_generator or ()):
        place = f"configMapGenerator[{index}]"
        pairs = [_key_and_path(path, place, said) for said in generator.files or ()]
        plain = any(
            options is not None and options.disable_name_suffix_hash
            for options in (generator.options, file.generator_options)
        )
        yield GeneratedConfigMap(
            generator.name,
            {key: _resolved(path, place, said) for key, said in pairs},
            tuple(_resolved(path, place, said) for said in _env_files(generator)),
            content_named=not plain,
        )


def _env_files(generator: _ConfigMapGenerator) -> list[str]:
    return [*(generator.envs or ()), *([generator.env] if generator.env is not None else ())]


def _key_and_path(path: str, place: str, said: str) -> tuple[str, str]:
    """``key=path``, or a path whose last part is the key."""
    key, equals, file = said.partition("=")
    if not equals:
        return posixpath.basename(said), said
    if not _KEY.fullmatch(key) or not file or "=" in file:
        raise _refusal(path, f"{place}.files: {shown(said)} must be a path, or a key and a path: key=path")
    return key, file


def _resolved(path: str, place: str, said: str) -> str:
    """The path from the repository's root. Lexical, which is exact: symbolic links are never exported."""
    if why := _not_local(said):
        raise _refusal(path, f"{place}: {shown(said)} {why}")
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), said))
    if resolved == ".." or resolved.startswith("../"):
        raise _refusal(path, f"{place}: {shown(said)} leads out of the repository")
    return "" if resolved == "." else resolved


def _not_local(said: str) -> str:
    """Why this is no plain relative path; empty when it is one."""
    if not said or len(said) > _MAX_PATH or said != said.strip() or not said.isprintable():
        return "must be a relative path of printable characters"
    # A colon is in every scheme, in `git::` and in `host:path`; a question mark brings options (`?ref=`).
    if set(said) & set(":?*$%\\") or said.partition("/")[0].lower() in _GIT_HOSTS:
        return "must be a path inside the repository: nothing is fetched from elsewhere"
    if said[0] in "/-~":
        return "must be a relative path inside the repository"
    return ""


def shown(text: str) -> str:
    """Text from outside, fit for one line of a message."""
    clean = "".join(char if char.isprintable() else "?" for char in text[:_MAX_SHOWN])
    return clean if len(text) <= _MAX_SHOWN else f"{clean}…"
