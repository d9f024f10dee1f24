"""A container of a Pod as a process: started, probed and ended as its Pod says."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.podspec import ContainerRun, HttpProbe
from ocdp_operator.dev.process import Command, Process
from ocdp_operator.dev.waiting import until


class PodProcess:
    """One container's process on this machine."""

    def __init__(self, run: ContainerRun, process: Process) -> None:
        self._run = run
        self._process = process

    @classmethod
    async def start(
        cls, run: ContainerRun, image: tuple[str, ...], directory: Path, surroundings: Mapping[str, str]
    ) -> PodProcess:
        """Starts it and returns at once.

        ``image`` is the image's entry point. ``surroundings`` are variables that stand for what else a container has: the
        image's PATH, a login in place of the account's mounted token. The Pod's own go before them.
        """
        command = Command(
            name="pod",
            argv=((*run.command,) or image) + run.arguments,
            cwd=directory,
            log=directory / "pod.log",
            env={**surroundings, **run.environment},
            death_signal=signal.SIGTERM,
        )
        return cls(run, await Process.start(command))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def ended(self) -> int:
        """The exit code, once it has ended by itself or by somebody's signal."""
        return await self._process.wait()

    async def ready(self) -> None:
        """Returns when its startup and then its readiness probe succeeded.

        Raises:
            LocalEnvironmentError: it ended, or a kubelet would have ended it; with the last lines it wrote.
        """
        patience = 0
        for name in ("startup", "readiness"):
            probe = self._run.probes.get(name)
            if probe is None:
                continue

            async def passes(probe: HttpProbe = probe) -> bool:
                return await self.answers(probe)

            # A Pod may be unready for ever; it is given once more what its start was given.
            patience = max(patience, probe.patience)
            await self._process.ready(passes, seconds=patience)

    async def answers(self, probe: HttpProbe) -> bool:
        """Whether the probe succeeds now: a kubelet takes 200 to 399."""
        timeout = aiohttp.ClientTimeout(total=probe.timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://127.0.0.1:{probe.port}{probe.path}") as answer,
            ):
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def terminate(self) -> int:
        """SIGTERM to the process alone, as a kubelet does; its exit code.

        Raises:
            LocalEnvironmentError: it was still there when its grace period was over; it is then killed.
        """
        os.kill(self._process.pid, signal.SIGTERM)

        async def ended() -> bool:
            return not self._process.running

        try:
            await until(ended, what="the process to end", seconds=self._run.grace_seconds)
        except LocalEnvironmentError as error:
            raise LocalEnvironmentError(f"{error} It wrote last:\n{self.tail()}") from error
        finally:
            await self.kill()
        return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL to whatever is left of it; idempotent."""
        await self._process.stop(seconds=0, sign=signal.SIGKILL)

    def log(self) -> str:
        """All that it wrote."""
        return self._process.command.log.read_text(errors="replace")

    def tail(self) -> str:
        """The last lines it wrote."""
        return self._process.tail()
