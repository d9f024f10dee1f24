"""Git in memory: the Sources port over commits that a test writes, held to the contract of the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path

from ocdp_operator.adapters.git.closure import Entry, EntryKind, closure
from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.errors import Dependency, Reason, Stalled, Waiting
from ocdp_operator.model.source import Artifact, PinnedSource


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Module:
    """A submodule."""

    commit: str


Content = bytes | Link | Module


class FakeTree:
    """The files of one commit; see ``closure.FileTree``."""

    def __init__(self, files: Mapping[str, Content]) -> None:
        self._files = files

    def find(self, path: str) -> Entry | None:
        steps = path.split("/") if path else []
        for end in range(1, len(steps) + 1):
            place = "/".join(steps[:end])
            match self._files.get(place):
                case Link():
                    return Entry(EntryKind.SYMLINK, place)
                case Module():
                    return Entry(EntryKind.SUBMODULE, place)
                case bytes() as content:
                    return Entry(EntryKind.FILE, place, len(content)) if place == path else None
        if not path or any(known.startswith(f"{path}/") for known in self._files):
            return Entry(EntryKind.DIRECTORY, path)
        return None

    def read(self, path: str) -> bytes:
        content = self._files[path]
        assert isinstance(content, bytes)
        return content


@dataclass
class FakeSources:
    """Repositories by URL. What was fetched once is served for ever."""

    directory: Path
    repositories: dict[str, dict[str, Mapping[str, Content]]] = field(default_factory=dict)
    """URL -> commit -> files. A URL that is not here is not allowed."""
    away: bool = False
    locked: bool = False
    """The server wants credentials that nobody has."""
    fetches: int = 0
    """How often the outside was asked for a commit."""
    _known: dict[tuple[str, str, tuple[str, ...]], Artifact] = field(default_factory=dict)
    _present: set[tuple[str, str]] = field(default_factory=set)

    def commit(self, url: str, files: Mapping[str, Content]) -> str:
        """A new commit with exactly these files."""
        commits = self.repositories.setdefault(url, {})
        commit = sha1(f"{url}{len(commits)}".encode()).hexdigest()
        commits[commit] = dict(files)
        return commit

    async def fetch(self, source: PinnedSource, components: Sequence[str]) -> Artifact:
        roots = tuple(sorted({source.path, *components}))
        key = (source.repository_url, source.commit, roots)
        if key not in self._known:
            files = closure(FakeTree(self._files_of(source)), roots, SourceLimits())
            root = self.directory / f"artifact-{len(self._known)}"
            for path, content in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
            self._known[key] = Artifact(source.commit, root, files)
        return self._known[key]

    async def probe(self, repository_url: str) -> None:
        self._check_allowed(repository_url)
        self._check_answers(repository_url)

    def _files_of(self, source: PinnedSource) -> Mapping[str, Content]:
        url = source.repository_url
        self._check_allowed(url)
        if (url, source.commit) not in self._present:
            self._check_answers(url)
            self.fetches += 1
            if source.commit not in self.repositories[url]:
                raise Stalled(Reason.REF_NOT_FOUND, f"The repository {url} has no such commit.")
            self._present.add((url, source.commit))
        return self.repositories[url][source.commit]

    def _check_allowed(self, url: str) -> None:
        if url not in self.repositories:
            raise Stalled(Reason.URL_NOT_ALLOWED, f"The repository {url} is under no allowed origin.")

    def _check_answers(self, url: str) -> None:
        dependency = Dependency("source", url)
        if self.away:
            raise Waiting(Reason.GIT_OPERATION_FAILED, f"{url} does not answer.", dependency=dependency)
        if self.locked:
            raise Waiting(Reason.AUTHENTICATION_FAILED, f"{url} wants credentials.", dependency=dependency)
