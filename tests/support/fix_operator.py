"""The operator on the session's control plane, and a workspace with a template for each test."""

from __future__ import annotations

import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import Platform
from ocdp_operator.dev.postgres import EmbeddedPostgres
from tests.support.world import Team, eventually

QUICK = {
    "resyncSeconds": 30,
    "probeSeconds": 1,
    "catalogPollSeconds": 1,
    "leaseSeconds": 120,
    "logLevel": "info",
}
"""Settings under which a test need not wait long for what takes minutes in a real cluster; the Lease alone is patient, as
machines that run tests may be busy: it is the operator's own again at once when it is started anew."""

TeamFactory = Callable[..., Awaitable[Team]]
OperatorFactory = Callable[..., Awaitable[OperatorProcess]]


@pytest.fixture(scope="session")
async def platform(
    control_plane: Cluster,
    postgres_server: EmbeddedPostgres,
    git_server: GitServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Platform]:
    """The session's cluster with CRDs and rights, and a migrated catalog; the operator's token is renewed all the time."""
    made = Platform(control_plane, postgres_server, git_server, tmp_path_factory.mktemp("platform"))
    await made.prepare()
    async with made.renewing_token():
        yield made


@pytest.fixture(scope="session")
async def session_operator(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OperatorProcess]:
    """One operator for the session, under its own ServiceAccount."""
    settings = await platform.operator_settings(**QUICK)
    async with OperatorProcess.started(
        tmp_path_factory.mktemp("operator"), settings, platform.reader_dsn
    ) as operator:
        yield operator


@pytest.fixture
async def operator(session_operator: OperatorProcess) -> AsyncIterator[OperatorProcess]:
    """The running operator. A test may stop it or change its settings: the next one finds it as it was."""
    if not session_operator.running:
        await session_operator.start()
    yield session_operator
    if not session_operator.running or session_operator.changed:
        await session_operator.restart()


@pytest.fixture
async def another_operator(platform: Platform, tmp_path: Path) -> AsyncIterator[OperatorFactory]:
    """Makes further operators, each with an identity of its own; they end with the test."""
    settings = await platform.operator_settings(**QUICK)
    made: list[OperatorProcess] = []

    async def make(identity: str, **changes: Any) -> OperatorProcess:
        further = {**settings, "identity": identity, **changes}
        operator = OperatorProcess(tmp_path / identity, further, platform.reader_dsn)
        made.append(operator)
        await operator.start()
        return operator

    yield make
    for operator in made:
        if operator.running:
            operator.send(signal.SIGCONT)
        await operator.stop()


@pytest.fixture
async def new_team(platform: Platform, operator: OperatorProcess) -> AsyncIterator[TeamFactory]:
    """Makes workspaces, each with a namespace, a repository and a template of its own."""
    made: list[Team] = []

    async def make(name: str = "team", *, publish: bool = True) -> Team:
        unique = f"{name}-{secrets.token_hex(3)}"
        repository = await platform.git.repository(unique)
        team = Team(platform, unique, unique, f"web-{unique}", repository, platform.git.url(unique))
        await team.settle()
        if publish:
            await team.record()
            await team.may_use_it()
        made.append(team)
        return team

    yield make
    for team in made:
        await _no_orphan(team)
        await platform.kubectl(
            "delete", "wc", "--all", "-n", team.namespace, "--wait=false", "--ignore-not-found"
        )
        await platform.kubectl("delete", "namespace", team.namespace, "--wait=false", "--ignore-not-found")


async def _no_orphan(team: Team) -> None:
    """After every test, whatever it did: an independent list against what the claims have on record."""
    if await team.find("namespace", team.namespace) is None:
        return

    async def none() -> bool:
        return not await team.orphans()

    await eventually(none, f"no object in {team.namespace} is an orphan")


@pytest.fixture
async def team(new_team: TeamFactory) -> Team:
    """One workspace with a published template that it may use."""
    return await new_team()


@pytest.fixture
def audit_log(platform: Platform) -> Path:
    """The API server's audit log; a named cluster has none to read, and the test fails there."""
    return platform.cluster.audit_log  # type: ignore[attr-defined,no-any-return]
