"""One bare repository of ours for each URL: commits in, objects out. Nothing is checked out, no ref is tracked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from ocdp_operator.adapters.git.failures import failure, is_recognised
from ocdp_operator.adapters.git.limits import SourceLimits
from ocdp_operator.adapters.git.origins import shown
from ocdp_operator.adapters.git.process import Git, Remote
from ocdp_operator.errors import Reason, Stalled

COMMIT: Final = re.compile(r"[0-9a-f]{40}")

_REFS: Final = "refs/commits"
_LEFT_BEHIND: Final = (
    "*.lock",
    f"{_REFS}/*.lock",
    "objects/pack/tmp_*",
    "objects/pack/*.keep",
    "objects/*/tmp_obj_*",
)


class Mirror:
    """One mirror. At most one call at a time: the caller holds a lock for its URL."""

    def __init__(self, path: Path, git: Git, limits: SourceLimits) -> None:
        self.path = path
        self._git = git
        self._limits = limits

    def has(self, commit: str) -> bool:
        """Whether the commit was fetched completely: git writes the ref last."""
        return (self.path / _REFS / commit).is_file()

    async def fetch(self, remote: Remote, commit: str) -> None:
        """Makes the commit and all that it holds present; its history stays away.

        Raises Waiting or Stalled, see ``failures``. A mirror that is broken, or has grown too large, is made anew.
        """
        self.sweep()
        if self._size() > self._limits.mirror_bytes:
            self.discard()
        if not (self.path / "HEAD").is_file():
            await self._create()
        ended = await self._git.fetch(
            remote,
            self.path,
            # Kept as a ref, so that the next commit arrives as the difference to this one.
            f"{commit}:{_REFS}/{commit}",
            seconds=self._limits.fetch_seconds,
            pack_limit=self._limits.pack_bytes,
        )
        if not ended.succeeded:
            if is_recognised(ended, remote.url):
                self.sweep()  # what arrived before the end serves nobody, and may be as large as the limit
            else:
                self.discard()
            raise failure(ended, remote.url, shown(remote.url))
        if not self.has(commit):
            self.discard()
            what = f"The repository {shown(remote.url)} handed out another commit than the one asked for."
            raise Stalled(Reason.REF_NOT_FOUND, what)

    def sweep(self) -> None:
        """Removes locks and temporary files that a git left which was killed."""
        for pattern in _LEFT_BEHIND:
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Removes the mirror; the next fetch makes it anew."""
        shutil.rmtree(self.path, ignore_errors=True)

    async def _create(self) -> None:
        self.discard()
        new = self.path.with_name(f"new-{uuid4().hex}")
        try:
            ended = await self._git.local("init", "--quiet", "--bare", "--template=", "--", str(new))
            if not ended.succeeded:
                raise failure(ended, "", "of the operator itself")
            new.rename(self.path)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _size(self) -> int:
        with suppress(FileNotFoundError):
            return sum(file.stat().st_size for file in self._packs())
        return 0

    def _packs(self) -> Iterator[Path]:
        return (self.path / "objects" / "pack").glob("*")
