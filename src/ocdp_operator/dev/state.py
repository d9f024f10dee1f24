"""Directories for the state of a run: private, removed at its end, swept later if the run was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from ocdp_operator.dev.errors import LocalEnvironmentError

_OWNED: Final = "owned.lock"
_ROOT: Final = "root.lock"


def state_root() -> Path:
    """The directory, this user's alone to write, that holds every run's state.

    Raises:
        LocalEnvironmentError: somebody else made a directory of that name.
    """
    root = Path(tempfile.gettempdir()).resolve() / f"ocdp-dev-{os.getuid()}"
    # Others may pass through (PostgreSQL runs as another user under root) but not list it.
    root.mkdir(mode=0o711, exist_ok=True)
    found = root.lstat()
    if root.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LocalEnvironmentError(
            f"The directory {root.name} in the temp directory is not ours alone: remove it, or set TMPDIR."
        )
    return root


@contextmanager
def state_directory(kind: str, *, mode: int = 0o700) -> Iterator[Path]:
    """A new directory that ends with the block; first the ones of killed runs are swept."""
    root = state_root()
    with _locked(root / _ROOT):
        _sweep(root)
        path = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=root))
        path.chmod(mode)
        owned = (path / _OWNED).open("wb")
        fcntl.flock(owned, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        owned.close()


def _sweep(root: Path) -> None:
    """Removes what killed runs left: a run's lock is free exactly when its process is gone."""
    for path in sorted(root.iterdir()):
        if not path.is_dir() or path.is_symlink() or not _abandoned(path):
            continue
        _end_processes_of(path)
        shutil.rmtree(path, ignore_errors=True)


def _abandoned(path: Path) -> bool:
    try:
        with (path / _OWNED).open("rb") as owned:
            fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _end_processes_of(path: Path) -> None:
    """Kills processes that name ``path`` in their command line, where the kernel did not (it does on Linux)."""
    with suppress(OSError, subprocess.CalledProcessError):
        listing = subprocess.run(
            ["ps", "-axww", "-o", "pid=,command="], check=True, capture_output=True, text=True
        ).stdout
        for line in listing.splitlines():
            pid, _, command = line.strip().partition(" ")
            if f"{path}/" in command and int(pid) != os.getpid():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(int(pid), signal.SIGKILL)


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
