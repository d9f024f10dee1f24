"""Everything local at once: control plane, PostgreSQL and Git server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.postgres import EmbeddedPostgres
from ocdp_operator.dev.snapshot import APPS, publish_apps


@dataclass(frozen=True, slots=True)
class LocalEnvironment:
    """The running parts."""

    cluster: ControlPlane
    postgres: EmbeddedPostgres
    git: GitServer

    @classmethod
    @asynccontextmanager
    async def start(cls, root: Path) -> AsyncIterator[Self]:
        """Starts all three for the block; the Git server serves ``apps/`` of the checkout at ``root``, if it has one.

        Raises:
            LocalEnvironmentError: a part is missing or did not start.
        """
        async with AsyncExitStack() as stack:
            git = await stack.enter_async_context(GitServer.start())
            repository = await git.repository(APPS)
            if (root / APPS).is_dir():
                await publish_apps(repository, root)
            postgres = await stack.enter_async_context(EmbeddedPostgres.start())
            cluster = await stack.enter_async_context(ControlPlane.start())
            yield cls(cluster, postgres, git)

    @property
    def repository_url(self) -> str:
        """The URL of the repository with the example applications."""
        return self.git.url(APPS)
