"""What processes cost, as the kernel counted it (Linux)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME: Final = 11  # fields of /proc/PID/stat behind the command's name, proc(5)


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of one process, and of its children that have ended."""

    own: float
    children: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """What ``pid`` has used so far. Raises OSError when there is no such process."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own_user, own_system, user, system = (int(field) / _TICKS for field in fields[_UTIME : _UTIME + 4])
        return cls(own_user + own_system, user + system)

    def __sub__(self, earlier: Cpu) -> Cpu:
        return Cpu(self.own - earlier.own, self.children - earlier.children)


def resident_mib(pid: int, *, peak: bool = False) -> float:
    """Resident memory of a process, now or at its highest. Raises OSError when there is no such process."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) / 1024
    return 0.0
