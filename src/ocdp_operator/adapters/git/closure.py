"""What an artifact holds: the files that its roots reach through their kustomization files, and not one more."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.kustomization import (
    FILE_NAMES,
    Kustomization,
    Reference,
    ReferenceKind,
    is_kustomization,
    shown,
)

_MAX_PATH: Final = 512
_MAX_NAME_BYTES: Final = 255


class EntryKind(Enum):
    """What a path of a commit leads to."""

    FILE = "a file"
    DIRECTORY = "a directory"
    SYMLINK = "a symbolic link"
    SUBMODULE = "a submodule"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a commit; ``path`` is that of the link where one is on the way."""

    kind: EntryKind
    path: str
    size: int = 0
    """Bytes, of a file."""


class FileTree(Protocol):
    """The files of one commit."""

    def find(self, path: str) -> Entry | None:
        """What the path (from the repository's root) leads to, or the symbolic link or submodule on the way there."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a file that ``find`` found."""
        ...


def check_root(path: str) -> None:
    """Raises Stalled(InvalidPath) unless the path is relative and names a directory below the repository's root."""
    steps = path.split("/")
    if len(path) > _MAX_PATH or "\\" in path or path.startswith("-") or not path.isprintable():
        fault = "is no path"
    elif any(step in {"", ".", ".."} for step in steps):
        fault = "is not relative to the repository's root, or has '.', '..' or empty parts"
    elif any(len(step.encode()) > _MAX_NAME_BYTES for step in steps):
        fault = "has a part that is too long"
    else:
        return
    raise Stalled(Reason.INVALID_PATH, f"The path '{shown(path)}' {fault}.")


def closure(tree: FileTree, roots: Sequence[str], limits: SourceLimits) -> Mapping[str, bytes]:
    """Path from the repository's root -> content, sorted. Kustomization files are in canonical form.

    Raises Stalled: InvalidPath (something is not there), UnsafeBuild (a link, a submodule, or what ``Kustomization``
    refuses), SourceTooLarge. Each names the path.
    """
    walk = _Walk(tree, limits)
    for root in roots:
        check_root(root)
        walk.enter(root, "the template")
    walk.finish()
    return {path: walk.files[path] for path in sorted(walk.files)}


class _Walk:
    def __init__(self, tree: FileTree, limits: SourceLimits) -> None:
        self.files: dict[str, bytes] = {}
        self._tree = tree
        self._limits = limits
        self._total = 0
        self._entered: set[str] = set()
        self._waiting: deque[tuple[str, str]] = deque()

    def enter(self, directory: str, said_by: str) -> None:
        """Puts a directory on the list; each is read once, so that a circle ends."""
        if directory not in self._entered:
            self._entered.add(directory)
            self._waiting.append((directory, said_by))

    def finish(self) -> None:
        """Follows everything on the list."""
        while self._waiting:
            directory, said_by = self._waiting.popleft()
            kustomization = self._kustomization(directory, said_by)
            self.files[kustomization.path] = kustomization.canonical
            for reference in kustomization.references:
                self._follow(kustomization.path, reference)

    def _kustomization(self, directory: str, said_by: str) -> Kustomization:
        self._find(directory, said_by, EntryKind.DIRECTORY)
        paths = [posixpath.join(directory, name) for name in FILE_NAMES]
        found = [path for path in paths if self._tree.find(path) is not None]
        if not found:
            place = shown(directory) or "the repository's root"
            raise Stalled(
                Reason.INVALID_PATH, f"{place}, which {said_by} names, holds no kustomization.yaml."
            )
        if len(found) > 1:
            raise Stalled(Reason.UNSAFE_BUILD, f"{shown(directory)} holds more than one kustomization file.")
        return Kustomization.parse(found[0], self._take(found[0], said_by))

    def _follow(self, path: str, reference: Reference) -> None:
        said_by = f"{shown(path)} ({reference.field})"
        entry = self._find(reference.path, said_by)
        wanted = EntryKind.DIRECTORY if reference.kind is ReferenceKind.DIRECTORY else EntryKind.FILE
        if entry.kind is not wanted and reference.kind is not ReferenceKind.EITHER:
            what = (
                f"{shown(reference.path)}, which {said_by} names, is {entry.kind.value}, not {wanted.value}."
            )
            raise Stalled(Reason.INVALID_PATH, what)
        if entry.kind is EntryKind.DIRECTORY:
            self.enter(reference.path, said_by)
        elif is_kustomization(reference.path):
            what = f"{said_by} names a kustomization file: name its directory."
            raise Stalled(Reason.UNSAFE_BUILD, what)
        elif reference.path not in self.files:
            self.files[reference.path] = self._take(reference.path, said_by)

    def _find(self, path: str, said_by: str, wanted: EntryKind | None = None) -> Entry:
        entry = self._tree.find(path)
        if entry is not None and entry.kind in {EntryKind.SYMLINK, EntryKind.SUBMODULE}:
            what = f"{shown(entry.path)}, which {said_by} names, is {entry.kind.value}: commit the files themselves."
            raise Stalled(Reason.UNSAFE_BUILD, what)
        if entry is None or (wanted is not None and entry.kind is not wanted):
            what = wanted.value if wanted is not None else "such path"
            missing = f"{shown(path)}, which {said_by} names, does not exist as {what} in the commit."
            raise Stalled(Reason.INVALID_PATH, missing.replace(" as such path", ""))
        return entry

    def _take(self, path: str, said_by: str) -> bytes:
        entry = self._find(path, said_by, EntryKind.FILE)
        limits = self._limits
        self._total += entry.size
        if path.count("/") > limits.depth:
            raise self._too_large(f"{shown(path)} lies more than {limits.depth} directories deep")
        if entry.size > limits.file_bytes:
            raise self._too_large(f"{shown(path)} has {entry.size} bytes, of at most {limits.file_bytes}")
        if self._total > limits.total_bytes:
            raise self._too_large(f"the files that are reached have more than {limits.total_bytes} bytes")
        if len(self.files) >= limits.files:
            raise self._too_large(f"more than {limits.files} files are reached")
        return self._tree.read(path)

    @staticmethod
    def _too_large(what: str) -> Stalled:
        return Stalled(Reason.SOURCE_TOO_LARGE, f"The source is too large: {what}.")
