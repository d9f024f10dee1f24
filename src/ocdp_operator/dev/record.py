"""The record of the one local environment that a user has up: where it is, and whether it still runs."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocdp_operator.dev.environment import LocalEnvironment
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.kubeconfig import write_private
from ocdp_operator.dev.waiting import until

_DOWN_SECONDS: Final = 30.0
_TAIL_LINES: Final = 15


class Running(BaseModel):
    """Where everything is."""

    model_config = ConfigDict(frozen=True)

    pid: int
    kubeconfig: Path
    server: str
    audit_log: Path
    dsn: str = Field(repr=False)
    """The superuser's, with its password: good on this machine's loopback address only."""
    repository_url: str

    @classmethod
    def of(cls, environment: LocalEnvironment) -> Self:
        """Describes ``environment``, which runs in this process."""
        cluster = environment.cluster
        return cls(
            pid=os.getpid(),
            kubeconfig=cluster.kubeconfig,
            server=cluster.server,
            audit_log=cluster.audit_log,
            dsn=environment.postgres.dsn(),
            repository_url=environment.repository_url,
        )


class Record:
    """A file in ``$XDG_STATE_HOME/ocdp/dev``, with a lock that its process holds as long as it lives."""

    def __init__(self, directory: Path | None = None) -> None:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        self.directory = directory or Path(base) / "ocdp" / "dev"
        self.log = self.directory / "up.log"
        self._file = self.directory / "environment.json"
        self._lock = self.directory / "environment.lock"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes this process the one whose environment is up.

        Raises:
            LocalEnvironmentError: another process has one up.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LocalEnvironmentError(
                    "A local environment is up already: see `ocdp dev status`, end it with `ocdp dev down`."
                ) from error
            self._file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._file.unlink(missing_ok=True)

    def write(self, running: Running) -> None:
        """Tells where everything is; to the owner alone."""
        write_private(self._file, running.model_dump_json())

    def read(self) -> Running | None:
        """What is up, or None."""
        if not self._held():
            return None
        try:
            return Running.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None

    def tail(self) -> str:
        """The last lines of the log of an environment that was started detached."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        except OSError:
            return "(no log)"

    async def end(self) -> bool:
        """Ends what is up and waits until nothing of it runs; False when nothing was up.

        Raises:
            LocalEnvironmentError: it does not end.
        """
        running = self.read()
        if running is None:
            return False

        async def gone() -> bool:
            return not self._held()

        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(running.pid, sign)
            with suppress(LocalEnvironmentError):
                await until(gone, what="the local environment to end", seconds=_DOWN_SECONDS)
                return True
        raise LocalEnvironmentError(f"The process {running.pid} does not end.")

    def _held(self) -> bool:
        """Whether the process that claimed the record still lives."""
        try:
            with self._lock.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False
