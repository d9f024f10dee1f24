"""The machine under the operator runs out of something: a claim says so, nothing half done is applied, and it recovers."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from tests.adversarial.conftest import assert_truthful
from tests.support.fix_operator import QUICK
from tests.support.world import Team, condition, eventually

ROOM = "4m"


@pytest.fixture
async def confined(
    operator: OperatorProcess, platform: Platform, tmp_path: Path
) -> AsyncIterator[OperatorProcess]:
    """An operator, in place of the session's, whose work directory is a small file system of its own."""
    await operator.stop()
    work = tmp_path / "operator" / "work"
    work.mkdir(parents=True)
    _mount("mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "tmpfs", str(work))
    try:
        settings = await platform.operator_settings(**QUICK)
        async with OperatorProcess.started(tmp_path / "operator", settings, platform.reader_dsn) as own:
            yield own
    finally:
        _mount("umount", str(work))


def _mount(*arguments: str) -> None:
    subprocess.run(arguments, check=True)


@contextmanager
def full_disk(operator: OperatorProcess) -> Iterator[None]:
    filler = operator.log.parent / "work" / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only_disk(operator: OperatorProcess) -> Iterator[None]:
    work = str(operator.log.parent / "work")
    # The lock in it is open: the file system itself stays writable, what covers it is not.
    _mount("mount", "--bind", work, work)
    try:
        _mount("mount", "-o", "remount,bind,ro", work)
        yield
    finally:
        # A program may just look at it; who comes after sees the disk as it was.
        _mount("umount", "--lazy", work)


@contextmanager
def no_file_left(operator: OperatorProcess) -> Iterator[None]:
    """No file descriptor more than it has now: the lowest that is free is forbidden."""
    soft, hard = resource.prlimit(operator.pid, resource.RLIMIT_NOFILE)
    used = {int(path.name) for path in Path(f"/proc/{operator.pid}/fd").iterdir()}
    free = next(number for number in count() if number not in used)
    resource.prlimit(operator.pid, resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.prlimit(operator.pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_process_left(operator: OperatorProcess) -> Iterator[None]:
    """No process and no thread more than it has now. RLIMIT_NPROC does not bind root, a control group does."""
    pid = operator.pid
    if os.geteuid() != 0:
        limits = resource.prlimit(
            pid, resource.RLIMIT_NPROC, (1, resource.prlimit(pid, resource.RLIMIT_NPROC)[1])
        )
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NPROC, limits)
        return
    parent = Path("/sys/fs/cgroup/pids")
    if not parent.exists():  # version 2
        parent = Path("/sys/fs/cgroup")
        (parent / "cgroup.subtree_control").write_text("+pids")
    group = parent / f"ocdp-test-{pid}"
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text((group / "pids.current").read_text())
        yield
    finally:
        (parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()


FAULTS = {
    "a full disk": (full_disk, "No space left on device"),
    "a read-only disk": (read_only_disk, "Read-only file system"),
    "no open file left": (no_file_left, "Too many open files"),
    "no process left": (no_process_left, "Resource temporarily unavailable"),
}


async def test_41_what_runs_out_is_said_on_the_claim_and_nothing_is_half_applied(
    team: Team, confined: OperatorProcess
):
    pid = confined.pid
    await team.claim("ide")
    await team.ready("ide")
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "path": "web/base"}
    for number, (fault, (exhaust, words)) in enumerate(FAULTS.items(), start=2):
        files, tag = team.files | {"web/base/notes.txt": fault.encode()}, f"v{number}"
        await team.publish(files, tag=tag, source=source | {"ref": tag})
        before = await _versions(team)
        with exhaust(confined):
            await team.claim("ide", values={"greeting": fault})  # a render
            await team.claim(f"new-{number}", templateRevision=number)  # a fetch
            await _said(team, "ide", "BuildFailed", words)
            await _said(team, f"new-{number}", "GitOperationFailed", "")
            assert await _versions(team) == before, fault
            assert confined.running
        await team.ready("ide")
        await team.ready(f"new-{number}")
    assert (confined.pid, confined.running) == (pid, True)
    work = confined.log.parent / "work"
    assert not [path for path in work.rglob("*") if path.name.startswith(("render-", "new-"))]
    await assert_truthful(team)


async def _versions(team: Team) -> dict[str, str]:
    """Of everything but the projections, which tell what is going on."""
    live = await team.objects()
    return {n: o["metadata"]["resourceVersion"] for n, o in live.items() if not n.startswith("Workload/")}


async def _said(team: Team, name: str, code: str, words: str) -> None:
    async def said() -> bool:
        failure = (await team.get_claim(name)).get("status", {}).get("failure", {})
        known = (failure.get("code"), failure.get("actor"))
        return known == (code, "ClusterOperator") and words in failure["message"]

    try:
        await eventually(said, f"{name} says {code} {words}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {(await team.get_claim(name)).get('status')}") from None


async def test_41_with_64_open_files_twenty_claims_at_once_all_become_ready(
    team: Team, confined: OperatorProcess
):
    _, hard = resource.prlimit(confined.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(confined.pid, resource.RLIMIT_NOFILE, (64, hard))
    names = [f"c{number}" for number in range(20)]
    for name in names:
        await team.claim(name)
    for name in names:
        await team.ready(name, seconds=120)
    assert confined.running
    await assert_truthful(team)


async def test_41_an_operator_that_stood_still_goes_on_where_it_was(team: Team, confined: OperatorProcess):
    await team.claim("ide")
    await team.ready("ide")
    os.kill(confined.pid, signal.SIGSTOP)
    try:
        await team.claim("ide", values={"greeting": "meanwhile"})
        await team.claim("new")
        await asyncio.sleep(2)  # the fault itself
    finally:
        os.kill(confined.pid, signal.SIGCONT)
    found = await team.ready("ide")
    assert condition(found, "Ready")["observedGeneration"] == 2
    await team.ready("new")
    await eventually(confined.healthy, "it answers that it is healthy")
    await assert_truthful(team)
