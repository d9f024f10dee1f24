"""Nothing is left running, however a parent ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import pytest

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.process import Command, Process
from ocdp_operator.dev.waiting import until

PARENTS = {
    "control plane": """
        from ocdp_operator.dev.controlplane import ControlPlane

        async def main():
            async with ControlPlane.start() as plane:
                print("up", plane.workdir, flush=True)
                await asyncio.Event().wait()
    """,
    "PostgreSQL": """
        from ocdp_operator.dev.postgres import EmbeddedPostgres

        async def main():
            async with EmbeddedPostgres.start() as server:
                print("up", server._directory, flush=True)
                await asyncio.Event().wait()
    """,
}


async def naming(text: str) -> list[str]:
    """The processes, zombies aside, that name ``text`` in their command line."""
    return await asyncio.to_thread(_naming, text)


def _naming(text: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in command:  # a zombie has none
                found.append(command)
    return found


@pytest.mark.parametrize("part", PARENTS)
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
async def test_a_killed_parent_leaves_no_process(binaries: Binaries, part: str, sign: signal.Signals) -> None:
    script = f"import asyncio\n{textwrap.dedent(PARENTS[part])}\nasyncio.run(main())\n"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE)
    assert parent.stdout is not None
    try:
        word, directory = (await asyncio.wait_for(parent.stdout.readline(), 120)).decode().split()
        assert word == "up"
        assert await naming(f"{directory}/")
    finally:
        parent.send_signal(sign)
        await parent.wait()

    async def nothing_left() -> bool:
        return not await naming(f"{directory}/")

    await until(nothing_left, what=f"the processes of {part} to end", seconds=40)


async def test_a_process_that_ignores_sigterm_is_killed_at_the_deadline(tmp_path: Path) -> None:
    stubborn = ("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    process = await Process.start(Command("stubborn", stubborn, cwd=tmp_path, log=tmp_path / "log"))

    async def told() -> bool:
        return "ready" in process.tail()

    await process.ready(told, seconds=60)
    await process.stop(seconds=0.2)

    assert not process.running
    assert await process.wait() == -signal.SIGKILL


async def test_stopping_ends_the_children_too(tmp_path: Path) -> None:
    argv = ("/bin/sh", "-c", f"(exec sleep 1000.{os.getpid()}) & echo ready; wait")
    process = await Process.start(Command("family", argv, cwd=tmp_path, log=tmp_path / "log"))

    async def child_runs() -> bool:
        return bool(await naming(f"sleep 1000.{os.getpid()}"))

    await process.ready(child_runs, seconds=60)
    await process.stop(seconds=1)

    async def gone() -> bool:
        return not await naming(f"sleep 1000.{os.getpid()}")

    await until(gone, what="the child to end", seconds=40)


async def test_a_process_starts_with_the_signals_a_program_expects(tmp_path: Path) -> None:
    status = Command("status", ("/bin/cat", "/proc/self/status"), cwd=tmp_path, log=tmp_path / "log")
    process = await Process.start(status)
    assert await process.wait() == 0

    ignored = next(line for line in status.log.read_text().splitlines() if line.startswith("SigIgn"))
    mask = int(ignored.split()[1], 16)
    assert [number for number in signal.valid_signals() if mask >> (number - 1) & 1] == []
