"""Programs of others: limits are never above our own, and who gives up leaves nothing behind, however early."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.processes import processes_in

from ocdp_operator.adapters.confined import Command, run

_PROGRAM = """
import asyncio, os, resource
from pathlib import Path
from ocdp_operator.adapters.confined import Command, run
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
if os.geteuid() == 0:
    os.setuid(65534)
command = Command(("/bin/sh", "-c", "read line; ulimit -n"), {}, Path("/"), 20, 99, {resource.RLIMIT_NOFILE: 256}, b"go\\n")
print(asyncio.run(run(command)).output.decode().strip())
"""


def test_a_limit_above_our_own_is_our_own():
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert ended.stdout == "64\n", ended.stderr


_FORKS = "/bin/sleep 60 & echo > forked; wait"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("steps", range(12))
async def test_a_run_that_is_cancelled_as_it_starts_leaves_no_child(tmp_path: Path, steps: int, times: int):
    """After each of the event loop's first steps; the program's own child would hold the pipes for a minute."""
    running = asyncio.create_task(run(Command(("/bin/sh", "-c", _FORKS), {}, tmp_path, 60, 99)))
    for _ in range(steps):
        await asyncio.sleep(0)
    while processes_in(tmp_path) and not (tmp_path / "forked").exists():
        pass  # the loop stands still meanwhile
    for _ in range(times):
        running.cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError):
            await running
        while processes_in(tmp_path):  # noqa: ASYNC110 - killed already; the kernel may take a moment
            await asyncio.sleep(0)
