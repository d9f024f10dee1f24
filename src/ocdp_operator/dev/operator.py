"""The operator as its own process, under its own ServiceAccount's token: for the demo and the tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import yaml

from ocdp_operator.dev.ports import free_port
from ocdp_operator.dev.process import Command, Process

_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 20.0
_MODULE: Final = "ocdp_operator"
_CHECKOUT: Final = Path(__file__).resolve().parents[3]


class OperatorProcess:
    """``ocdp run`` with a settings file of its own. It can be stopped, killed and started again.

    ``module`` is what ``python -m`` runs: another one is an operator that a test has changed.
    """

    def __init__(
        self, workdir: Path, settings: Mapping[str, Any], dsn: str, *, module: str = _MODULE
    ) -> None:
        self._workdir = workdir
        self._module = module
        self._settings = {
            # Whichever process was started last works: nobody waits for the Lease of one that was killed.
            "identity": "local",
            **settings,
            "workDir": str(self.work),
            "healthPort": free_port(),
        }
        self._dsn = dsn
        self._process: Process | None = None
        workdir.mkdir(parents=True, exist_ok=True)
        self._settings_file = workdir / "settings.yaml"
        self.log = workdir / "operator.log"
        self.changed = False
        """Whether it runs with other settings than it was made with."""

    @classmethod
    @asynccontextmanager
    async def started(
        cls, workdir: Path, settings: Mapping[str, Any], dsn: str, *, module: str = _MODULE
    ) -> AsyncIterator[Self]:
        """A running operator, ended with the block."""
        operator = cls(workdir, settings, dsn, module=module)
        try:
            await operator.start()
            yield operator
        finally:
            await operator.stop()

    async def start(self, **changes: Any) -> None:
        """Starts it, with changed settings if any; returns when it answers ``/healthz``."""
        self._settings_file.write_text(yaml.safe_dump({**self._settings, **changes}))
        self.changed = bool(changes)
        command = Command(
            name="operator",
            argv=(sys.executable, "-m", self._module, "run", "--settings", str(self._settings_file)),
            cwd=self._workdir,
            log=self.log,
            env={
                "OCDP_CATALOG_DSN": self._dsn,
                "HOME": str(self._workdir),
                "PYTHONUNBUFFERED": "1",
                **({} if self._module == _MODULE else {"PYTHONPATH": str(_CHECKOUT)}),
            },
            death_signal=signal.SIGTERM,
        )
        self._process = await Process.start(command)
        await self._process.ready(self.healthy, seconds=_START_SECONDS)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after a while."""
        if self._process is not None:
            await self._process.stop(seconds=_STOP_SECONDS)

    async def kill(self) -> None:
        """SIGKILL: no last words."""
        if self._process is not None:
            await self._process.stop(seconds=5, sign=signal.SIGKILL)

    async def restart(self, **changes: Any) -> None:
        """Stops and starts it, with changed settings if any."""
        await self.stop()
        await self.start(**changes)

    async def ended(self) -> int:
        """The exit code, once it has ended by itself or by somebody's signal."""
        assert self._process is not None
        return await self._process.wait()

    def send(self, sign: signal.Signals) -> None:
        """Sends a signal to the process itself and to nothing that it started."""
        assert self._process is not None
        assert self._process.running
        os.kill(self._process.pid, sign)

    @property
    def kubeconfig(self) -> Path:
        """Its login."""
        return Path(self._settings["kubeconfig"])

    @property
    def work(self) -> Path:
        """Its work directory."""
        return self._workdir / "work"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Where its probes and metrics are."""
        return f"http://127.0.0.1:{self._settings['healthPort']}"

    async def healthy(self) -> bool:
        """Whether ``/healthz`` answers 200."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/healthz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def tail(self) -> str:
        """The last lines it logged."""
        return self._process.tail() if self._process is not None else ""
