"""A commit's files, read with GitPython from a bare mirror: objects only. No work tree, no ref, no option of a user.

GitPython starts ``git cat-file`` for it, with this process's environment; what we set on top shuts out every configuration
and every object but the mirror's own. Importing GitPython asks git for its version, so this module is imported when
sources are opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from git import Repo, refresh
from git.objects import Commit, Submodule, Tree

from ocdp_operator.adapters.git.closure import Entry, EntryKind, closure
from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.errors import Reason, Stalled

_ENVIRONMENT: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_COUNT": "0",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
_MAX_COMMIT: Final = 1024 * 1024
_MAX_TREE: Final = 1024 * 1024
"""Bytes of one directory, which is read as a whole: some 30,000 names."""
_MAX_TREES: Final = 16 * 1024 * 1024
"""Bytes of all directories that one export looks into; the same one counts at each place where it is."""


def use_git(executable: Path) -> None:
    """Makes GitPython start this git, whatever PATH holds."""
    refresh(executable)


def export(mirror: Path, commit: str, roots: tuple[str, ...], limits: SourceLimits) -> Mapping[str, bytes]:
    """The closure of the roots at a commit that the mirror has. Blocks: call it in a thread.

    Raises Stalled, see ``closure``; anything else means that the mirror is broken.
    """
    with _commit_tree(mirror, commit) as tree:
        return closure(tree, roots, limits)


@contextmanager
def _commit_tree(mirror: Path, commit: str) -> Iterator[CommitTree]:
    with Repo(mirror, expand_vars=False) as repo:
        place = {"GIT_DIR": str(mirror), "GIT_OBJECT_DIRECTORY": str(mirror / "objects")}
        repo.git.update_environment(**_ENVIRONMENT, **place)
        binary = bytes.fromhex(commit)
        if repo.odb.info(binary).type != b"commit":
            raise Stalled(Reason.REF_NOT_FOUND, f"{commit[:12]} names no commit.")
        _check_size(repo, binary, _MAX_COMMIT)
        yield CommitTree(repo, Commit(repo, binary).tree)


def _check_size(repo: Repo, binary: bytes, limit: int) -> int:
    size = int(repo.odb.info(binary).size)
    if size > limit:
        raise Stalled(
            Reason.SOURCE_TOO_LARGE, "A commit or directory of the repository is too large to be read."
        )
    return size


class CommitTree:
    """The files of one commit; see ``closure.FileTree``."""

    def __init__(self, repo: Repo, root: Tree) -> None:
        self._repo = repo
        self._room = _MAX_TREES
        self._trees = {"": self._checked(root)}

    def find(self, path: str) -> Entry | None:
        """What the path leads to, or the symbolic link or submodule on the way there."""
        found: Entry | None = Entry(EntryKind.DIRECTORY, "")
        walked = ""
        for step in path.split("/") if path else ():
            if found is None or found.kind is not EntryKind.DIRECTORY:
                return found if found is not None and found.kind is not EntryKind.FILE else None
            found, walked = self._child(walked, step), f"{walked}/{step}".removeprefix("/")
        return found

    def read(self, path: str) -> bytes:
        """The content of a file that ``find`` found."""
        directory, _, name = path.rpartition("/")
        return bytes(self._trees[directory].join(name).data_stream.read())

    def _child(self, directory: str, name: str) -> Entry | None:
        path = f"{directory}/{name}".removeprefix("/")
        if path in self._trees:
            return Entry(EntryKind.DIRECTORY, path)
        try:
            child = self._trees[directory].join(name)
        except KeyError:
            return None
        if isinstance(child, Tree):
            self._trees[path] = self._checked(child)
            return Entry(EntryKind.DIRECTORY, path)
        if isinstance(child, Submodule):
            return Entry(EntryKind.SUBMODULE, path)
        if stat.S_ISLNK(child.mode):
            return Entry(EntryKind.SYMLINK, path)
        return Entry(EntryKind.FILE, path, child.size)

    def _checked(self, tree: Tree) -> Tree:
        self._room -= _check_size(self._repo, tree.binsha, min(_MAX_TREE, self._room))
        return tree
