"""Generated ConfigMaps of a base with values set in their files: the overlay's generators, and the files they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.kustomization import GeneratedConfigMap, find_kustomization
from ocdp_operator.plan.config_files import Setting, as_text, variable, with_settings
from ocdp_operator.plan.wording import shown


@dataclass(frozen=True, slots=True)
class Generated:
    """What the overlay says to kustomize, and the files that it says it of: relative path -> bytes."""

    generators: tuple[Mapping[str, Any], ...]
    files: Mapping[str, bytes] = field(repr=False)


def merged_config_maps(
    settings: Mapping[tuple[str, str], Sequence[Setting]],
    artifact_files: Mapping[str, bytes],
    directories: Sequence[str],
) -> Generated:
    """Merges into what the base generates, so that only the named files change and the content hash follows.

    ``settings`` are keyed by ConfigMap and file; ``directories`` are the base and its components, the last applied
    first. Raises Stalled(BuildFailed) for a file that the base does not generate, or that cannot hold a value.
    """
    sources: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for (config_map, file), wanted in settings.items():
        path, is_env = _find(config_map, file, artifact_files, directories)
        contents = (
            _variables(file, wanted) if is_env else {file: with_settings(file, artifact_files[path], wanted)}
        )
        for key, content in contents.items():
            place = f"config-{len(files)}"
            files[place] = content
            sources.setdefault(config_map, []).append(f"{key}={place}")
    generators = ({"name": name, "behavior": "merge", "files": listed} for name, listed in sources.items())
    return Generated(tuple(generators), files)


def _variables(file: str, settings: Sequence[Setting]) -> dict[str, bytes]:
    """Keys that an env file's lines would become. Files, since kustomize strips quotes from its literals."""
    return {variable(file, at): as_text(file, at, value).encode() for at, value in settings}


def _find(
    config_map: str, file: str, files: Mapping[str, bytes], directories: Sequence[str]
) -> tuple[str, bool]:
    """The path of the file that the base's generators take last, and whether its lines become keys."""
    for generated in _config_maps(files, directories, set()):
        if generated.name != config_map:
            continue
        if generated.files.get(file) in files:
            return generated.files[file], False
        for path in generated.env_files:
            if path.rpartition("/")[2] == file:
                return path, True
    what = f"ConfigMap {shown(config_map)}, file {shown(file)}"
    raise Stalled(Reason.BUILD_FAILED, f"A mapping sets a value in {what}, which the base does not generate.")


def _config_maps(
    files: Mapping[str, bytes], directories: Sequence[str], seen: set[str]
) -> Iterator[GeneratedConfigMap]:
    """Generated ConfigMaps, the outermost kustomization first: it has the last word."""
    for directory in directories:
        kustomization = None if directory in seen else find_kustomization(files, directory)
        seen.add(directory)
        if kustomization is not None:
            yield from kustomization.config_maps
            yield from _config_maps(files, kustomization.directories, seen)
