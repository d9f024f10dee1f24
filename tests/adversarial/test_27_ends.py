"""Row 27: told to stop while a program of others hangs; a render that is killed; what a killed process left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from tests.support.apps import claim
from tests.support.world import Team, condition, eventually

GRACE = 60
"""Seconds that a pod is given by config/."""


class Stubborn:
    """A program that starts children, says who they are, and ends for nobody but SIGKILL."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "stubborn"
        self._pids = directory / "pids"
        self.path.write_text(
            f"""#!/bin/sh
trap "" TERM INT HUP
/bin/sleep 600 &
echo $$ $! >> {self._pids}
wait
/bin/sleep 600
"""
        )
        self.path.chmod(0o755)

    @property
    def pids(self) -> list[int]:
        """Of every process that was started so far."""
        return [int(pid) for pid in self._pids.read_text().split()] if self._pids.exists() else []

    def alive(self) -> list[int]:
        """Those that have not ended."""
        return [pid for pid in self.pids if _lives(pid)]

    def end(self) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Stubborn]:
    program = Stubborn(tmp_path)
    yield program
    program.end()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


async def hangs(stubborn: Stubborn) -> None:
    async def started() -> bool:
        return bool(stubborn.alive())

    await eventually(started, "the program hangs")


async def ends_in_time(operator: OperatorProcess) -> None:
    operator.send(signal.SIGTERM)
    async with asyncio.timeout(GRACE):
        assert await operator.ended() == 0


async def test_27_a_hung_kustomize_ends_with_the_operator(
    team: Team, operator: OperatorProcess, stubborn: Stubborn
):
    await team.claim("steady")
    await team.ready("steady")
    await operator.restart(kustomize=str(stubborn.path))
    await team.claim("ide")
    await hangs(stubborn)
    await ends_in_time(operator)
    assert stubborn.alive() == []
    assert not list((operator.work / "renders").glob("render-*"))
    await operator.start()
    await team.ready("ide")


async def test_27_a_hung_git_ends_with_the_operator(
    team: Team, operator: OperatorProcess, stubborn: Stubborn, tmp_path: Path
):
    git = script(
        tmp_path / "git",
        f"""case " $* " in *" fetch "*|*" ls-remote "*) exec {stubborn.path};; esac
exec git "$@"
""",
    )
    await operator.restart(git=str(git))
    await team.publish({**team.files, "web/notes.txt": b"a commit that nobody has"})
    await team.claim("ide")
    await hangs(stubborn)
    await ends_in_time(operator)
    assert stubborn.alive() == []
    await operator.start()
    await team.ready("ide")


async def test_27_an_operator_in_the_middle_of_many_applies_ends_and_goes_on(
    new_team, operator: OperatorProcess, platform: Platform
):
    team: Team = await new_team()
    names = [f"ide-{number}" for number in range(8)]
    claims = [claim(name, team.namespace, team.template_id, team.workspace) for name in names]
    await platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(claims))
    await eventually(team.marked, "some objects are there")
    await ends_in_time(operator)
    lease = await platform.get("lease", "ocdp-operator", "-n", "ocdp-system")
    assert "holderIdentity" not in lease["spec"]
    await operator.start()
    for name in names:
        await team.ready(name)
    await team.assert_no_orphan()


async def test_27_a_render_that_is_killed_is_told_and_tried_again(
    team: Team, operator: OperatorProcess, platform: Platform, tmp_path: Path
):
    """The kernel kills what takes too much memory with the signal that this program sends itself."""
    real, often = platform.cluster.binaries.kustomize, tmp_path / "often"
    kustomize = script(
        tmp_path / "kustomize",
        f"""if [ "$1" != version ] && [ ! -e {tmp_path / "enough"} ]; then echo >> {often}; kill -KILL $$; fi
exec {real} "$@"
""",
    )
    await team.claim("steady")
    await team.ready("steady")
    await operator.restart(kustomize=str(kustomize), resyncSeconds=2)
    await team.claim("steady", values={"greeting": "too much"})
    told = await team.until("steady", "Applied", "False", "BuildFailed")
    assert "killed by signal 9" in condition(told, "Applied")["message"]
    assert condition(told, "Healthy")["status"] == "True"

    async def again() -> bool:
        return len(often.read_text().splitlines()) >= 3

    await eventually(again, "it is tried again")
    (tmp_path / "enough").touch()
    await team.ready("steady")


async def test_27_what_a_killed_operator_left_is_swept_at_the_next_start(
    team: Team, operator: OperatorProcess, stubborn: Stubborn
):
    await operator.restart(kustomize=str(stubborn.path))
    await team.claim("ide")
    await hangs(stubborn)
    await operator.kill()
    left = set((operator.work / "renders").glob("render-*"))
    assert left
    stubborn.end()  # in a pod it dies with the container
    await operator.start()
    assert not left & set((operator.work / "renders").glob("render-*"))
    await team.ready("ide")
    assert not list((operator.work / "renders").glob("render-*"))
