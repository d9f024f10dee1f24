"""Artifacts on disk and in memory: each written once, shared by all that ask for it, the least used dropped first."""

from __future__ import annotations

import shutil
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from ocdp_operator.model.source import Artifact

_IN_USE: Final = 60.0
"""Seconds after it was handed out in which an artifact is not dropped: a render may be reading it."""


@dataclass(frozen=True, slots=True)
class ArtifactKey:
    """What decides the content of an artifact."""

    repository_url: str
    commit: str
    roots: tuple[str, ...]
    """Sorted, each once."""


@dataclass(slots=True)
class _Held:
    artifact: Artifact
    size: int
    handed_out: float


class Artifacts:
    """The artifacts of this process, in a directory of its own. ``budget`` in bytes."""

    def __init__(self, directory: Path, budget: int) -> None:
        self._directory = directory
        self._budget = budget
        self._held: OrderedDict[ArtifactKey, _Held] = OrderedDict()
        self._total = 0

    def get(self, key: ArtifactKey) -> Artifact | None:
        """The artifact, when it is there."""
        held = self._held.get(key)
        if held is None:
            return None
        held.handed_out = time.monotonic()
        self._held.move_to_end(key)
        return held.artifact

    def write(self, files: Mapping[str, bytes]) -> Path:
        """Writes files into a new directory, which appears complete or not at all. Blocks."""
        name = uuid4().hex
        new, final = self._directory / f"new-{name}", self._directory / name
        try:
            for path, content in files.items():
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            new.rename(final)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return final

    def add(self, key: ArtifactKey, root: Path, files: Mapping[str, bytes]) -> Artifact:
        """Keeps what ``write`` wrote, and drops what has not been used for longest when that is too much."""
        artifact = Artifact(key.commit, root, MappingProxyType(dict(files)))
        size = sum(len(content) for content in files.values())
        self._held[key] = _Held(artifact, size, time.monotonic())
        self._total += size
        self._drop()
        return artifact

    def _drop(self) -> None:
        unused = time.monotonic() - _IN_USE
        while self._total > self._budget:
            key, held = next(iter(self._held.items()))
            if held.handed_out > unused:
                return
            del self._held[key]
            self._total -= held.size
            shutil.rmtree(held.artifact.root, ignore_errors=True)
