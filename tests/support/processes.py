"""Processes that live on this machine, by what they are called or where they work."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def processes(needle: str) -> list[str]:
    """Command lines of living processes that hold the text."""
    found = []
    for directory in Path("/proc").iterdir():
        with suppress(OSError):
            line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if directory.name.isdigit() and needle in line:
                found.append(line)
    return found


def processes_in(directory: Path) -> list[str]:
    """Command lines of living processes that work in this directory or below it."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(directory):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
