"""What an operator may leave behind outside the cluster: files in its work directory, and processes (I7)."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_KEPT: Final = re.compile(
    r"git/(\.lock|home|artifacts|mirrors"
    r"|artifacts/[0-9a-f]{32}(/.+)?"
    r"|mirrors/[0-9a-f]{32}\.git"
    r"(/(HEAD|config|shallow|refs(/heads|/tags)?|objects(/info|/pack)?"
    r"|refs/commits(/[0-9a-f]{40})?|objects/pack/pack-[0-9a-f]{40}\.(pack|idx|rev)))?)"
    r"|git|renders|renders/\.lock"
)
"""Everything that a work directory at rest may hold; a lock, a temporary file and a half-made directory are not in it."""


def strays(work: Path) -> list[str]:
    """Files and directories below an operator's work directory that are no part of it at rest."""
    below = sorted(str(path.relative_to(work)) for path in work.rglob("*"))
    return [path for path in below if not _KEPT.fullmatch(path)]


def artifacts(work: Path) -> set[str]:
    """The names of the artifacts: they belong to one process, and none outlives it."""
    directory = work / "git" / "artifacts"
    return {path.name for path in directory.iterdir()} if directory.is_dir() else set()


def children(pid: int, work: Path) -> set[int]:
    """The processes that a process has started, and theirs, and whoever else is at work in its work directory."""
    assert pid > 1, "the process is named: everything descends from the first ones"
    parents = dict(_processes())
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found | {other for other in parents if _is_in(other, work)}


def kill(pids: set[int]) -> None:
    """SIGKILL: what a node does with every process of a container whose first one has ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, int]]:
    """Every process that has not ended, and its parent."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                yield int(entry.name), int(parent)


def _is_in(pid: int, directory: Path) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(directory)
    return False
