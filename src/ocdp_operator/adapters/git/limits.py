"""What a source may cost."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Starting values of security-reliability 2.2. Sizes in bytes, times in seconds."""

    files: int = 2_000
    file_bytes: int = MIB
    total_bytes: int = 20 * MIB
    """Of one artifact."""
    depth: int = 20
    """Directories above a file."""
    pack_bytes: int = 512 * MIB
    """What one fetch may bring."""
    mirror_bytes: int = 1024 * MIB
    """A mirror that is larger is made anew before the next fetch."""
    cache_bytes: int = 256 * MIB
    """All artifacts, in memory and again on disk; those used least recently go first."""
    fetch_seconds: float = 55.0
    """With the grace that a process gets to end by itself, less than a minute."""
    list_seconds: float = 20.0
    probe_seconds: float = 10.0
    processes: int = 4
    """git processes at once; at most one for each repository; half of them for all that did not answer in time."""
