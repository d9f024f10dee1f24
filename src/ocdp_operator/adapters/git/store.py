"""What sources keep on disk, in a directory of one process: mirrors, which outlive it, and artifacts, which do not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from ocdp_operator.adapters.git.artifacts import ArtifactKey, Artifacts
from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.adapters.git.mirror import Mirror
from ocdp_operator.adapters.git.process import Git
from ocdp_operator.adapters.workdir import WorkDirectory
from ocdp_operator.errors import SettingsError
from ocdp_operator.model.source import Artifact

_T = TypeVar("_T")
_Export = Callable[[Path, str, tuple[str, ...], SourceLimits], Mapping[str, bytes]]


class Store:
    """Opened once; blocking work runs in a few threads of its own."""

    def __init__(self, work: WorkDirectory, executable: Path, limits: SourceLimits) -> None:
        """Sweeps what an earlier process left. Raises SettingsError when git is missing."""
        self._work = work
        self._limits = limits
        home, self._mirrors, self._tree = (work.path / name for name in ("home", "mirrors", "artifacts"))
        shutil.rmtree(self._tree, ignore_errors=True)
        for left in self._mirrors.glob("new-*"):
            shutil.rmtree(left, ignore_errors=True)
        for directory in (home, self._mirrors, self._tree):
            directory.mkdir(exist_ok=True)
        self.git = Git.locate(executable, home)
        self._export = _load_export(self.git)
        for path in self._mirrors.glob("*.git"):
            Mirror(path, self.git, limits).sweep()
        self.artifacts = Artifacts(self._tree, limits.cache_bytes)
        self._threads = ThreadPoolExecutor(limits.processes, "git")

    @classmethod
    def open(cls, work_dir: Path, executable: Path, limits: SourceLimits) -> Store:
        """A store below the work directory. Raises SettingsError when it cannot be used, or git is missing."""
        work = WorkDirectory.take(work_dir, "git")
        try:
            return cls(work, executable, limits)
        except BaseException:
            work.release()
            raise

    def mirror(self, url: str) -> Mirror:
        """The mirror of a URL; its name tells nothing of the URL."""
        name = sha256(url.encode()).hexdigest()[:32]
        return Mirror(self._mirrors / f"{name}.git", self.git, self._limits)

    async def export(self, mirror: Mirror, key: ArtifactKey) -> Mapping[str, bytes]:
        """The artifact's files; see ``objects.export``."""
        return await self._in_thread(partial(self._export, mirror.path, key.commit, key.roots, self._limits))

    async def keep(self, key: ArtifactKey, files: Mapping[str, bytes]) -> Artifact:
        """The files as an artifact, which ``artifacts`` then has. Raises OSError."""
        root = await self._in_thread(partial(self.artifacts.write, files))
        return self.artifacts.add(key, root, files)

    def close(self) -> None:
        """Waits for the threads, removes the artifacts, and leaves the mirrors to the next process."""
        self._threads.shutdown(cancel_futures=True)
        shutil.rmtree(self._tree, ignore_errors=True)
        self._work.release()

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _load_export(git: Git) -> _Export:
    """Imports GitPython only now: its import starts git, and fails where PATH has none."""
    try:
        from ocdp_operator.adapters.git.objects import export, use_git  # noqa: PLC0415
    except ImportError:
        raise SettingsError("git is needed on PATH, beside the one that the settings name.") from None
    use_git(git.executable)
    return export
