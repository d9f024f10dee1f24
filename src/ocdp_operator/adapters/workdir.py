"""Directories that belong to one process at a time, and may be lost at any time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocdp_operator.errors import SettingsError

_SLOTS: Final = 32


@dataclass(frozen=True, slots=True)
class WorkDirectory:
    """A directory of our own until ``release``, or until this process ends in any way."""

    path: Path
    _lock: int

    @classmethod
    def take(cls, base: Path, name: str) -> WorkDirectory:
        """``base/name``, or ``base/name-1`` and so on while other processes hold those; mode 0700.

        What a process left there is found again by the next one that takes the directory: it may sweep it. Raises
        SettingsError when the base cannot be used.
        """
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_owner(base, os.getuid(), 0)
            for path in _candidates(base, name):
                path.mkdir(mode=0o700, exist_ok=True)
                _check_owner(path, os.getuid())
                lock = os.open(path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                else:
                    return cls(path.resolve(), lock)
        except OSError as error:
            raise SettingsError(f"The work directory {base} cannot be used: {error.strerror}.") from None
        raise SettingsError(f"The work directory {base} is in use by {_SLOTS} other processes.")

    def release(self) -> None:
        """Lets another process take it. Call it once."""
        os.close(self._lock)


def _candidates(base: Path, name: str) -> Iterator[Path]:
    yield base / name
    for number in range(1, _SLOTS):
        yield base / f"{name}-{number}"


def _check_owner(path: Path, *allowed: int) -> None:
    """A directory that another user made could be exchanged under our feet."""
    if path.is_symlink() or path.stat().st_uid not in allowed:
        raise SettingsError(f"The work directory {path} belongs to another user, or is a symbolic link.")
