"""A read-only copy of a PostgreSQL server, as a failover leaves one: in recovery, and for ever behind."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ocdp_operator.dev.postgres import EmbeddedPostgres


@asynccontextmanager
async def replica_of(primary: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """A hot standby with what the primary holds now. The primary is stopped for the copy, and runs again after it."""
    async with EmbeddedPostgres.start() as replica:
        await replica.stop()
        await primary.stop()
        try:
            await asyncio.to_thread(_copy, primary, replica)
        finally:
            await primary.restart()
        replica._password = primary._password
        await replica.restart()
        yield replica


def _copy(primary: EmbeddedPostgres, replica: EmbeddedPostgres) -> None:
    owner = replica._data.stat()
    shutil.rmtree(replica._data)
    shutil.copytree(primary._data, replica._data)
    (replica._data / "standby.signal").touch()
    for path in (replica._data, *replica._data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    replica._data.chmod(0o700)
