"""Where manifests come from, what was fetched, what we generate on top, and what kustomize gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from ocdp_operator.model.objects import Manifest


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A source as a template names it: not yet pinned."""

    repository_url: str
    ref: str
    path: str


@dataclass(frozen=True, slots=True)
class PinnedSource:
    """A source at the commit its ref resolved to when it was published; fetched by commit, never by ref."""

    repository_url: str
    ref: str
    path: str
    commit: str

    def __str__(self) -> str:
        return f"{self.repository_url} at {self.commit[:12]}, path {self.path}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A pinned source on disk: the closure that its roots reach, as plain files. Read-only, shared by commit."""

    commit: str
    root: Path = field(repr=False)
    """The directory that stands for the repository's root."""
    files: Mapping[str, bytes] = field(repr=False)
    """The same files in memory: POSIX path relative to ``root`` -> content."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The kustomization generated for one claim: relative POSIX path -> bytes. The same input, the same bytes.

    Written into a directory beside ``source``, which is the artifact's root: it refers to the base as ``../source/<path>``.
    """

    files: Mapping[str, bytes] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents, sorted."""
        total = sha256()
        for path in sorted(self.files):
            total.update(path.encode() + b"\0" + self.files[path] + b"\0")
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Rendering:
    """The manifests that kustomize gave back, in its order; not yet stamped with ownership."""

    manifests: tuple[Manifest, ...]
