"""Fixtures for the real parts: one control plane, PostgreSQL server and Git server for a session.

A part that cannot start fails the tests that need it; nothing is skipped.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.guard import SEALED, chosen_cluster
from ocdp_operator.dev.namespaces import restricted_namespace
from ocdp_operator.dev.postgres import EmbeddedPostgres

Namespaces = Callable[..., Awaitable[str]]

_NEEDS_BINARIES = {"control_plane", "binaries"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig",
        type=Path,
        default=None,
        help="run against the cluster of this kubeconfig (exactly one context), not against our own",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds what is missing before the first test, so that no test's timeout counts it."""
    if session.config.option.collectonly:
        return
    if any(_NEEDS_BINARIES & set(getattr(item, "fixturenames", ())) for item in session.items):
        asyncio.run(Binaries.locate())


@pytest.fixture(scope="session", autouse=True)
def _sealed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SEALED.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
async def binaries() -> Binaries:
    return await Binaries.locate()


@pytest.fixture(scope="session")
async def control_plane(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    async with chosen_cluster(request.config.getoption("--kubeconfig")) as cluster:
        yield cluster


@pytest.fixture
async def namespace(control_plane: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Namespaces]:
    """Makes namespaces with Pod Security `restricted`; they are deleted after the test, without waiting.

    ``await namespace()`` or ``await namespace("b", labels={"ocdp.io/workspace": "team-b"})``.
    """
    made: list[str] = []
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:30].strip("-")

    async def make(suffix: str = "", *, labels: dict[str, str] | None = None) -> str:
        parts = (stem, suffix, secrets.token_hex(3))
        name = "-".join(part for part in parts if part)
        made.append(name)
        await control_plane.kubectl("create", "-f", "-", stdin=restricted_namespace(name, labels or {}))
        return name

    yield make
    if made:
        await control_plane.kubectl("delete", "namespace", "--ignore-not-found", "--wait=false", *made)


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres.start() as server:
        yield server


@pytest.fixture
async def postgres(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The superuser's DSN of an empty database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    admin = postgres_server.dsn()
    await _administer(admin, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield postgres_server.dsn(name)
    await _administer(admin, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
async def git_server() -> AsyncIterator[GitServer]:
    async with GitServer.start() as server:
        yield server


async def _administer(dsn: str, statement: sql.Composable) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(statement)
