from __future__ import annotations

import psycopg
import pytest

from ocdp_operator.dev import postgres as postgres_module
from ocdp_operator.dev.postgres import EmbeddedPostgres


async def run(dsn: str, statement: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []


async def test_the_login_is_a_superuser_of_a_server_on_the_loopback_address(
    postgres_server: EmbeddedPostgres,
) -> None:
    rows = await run(postgres_server.dsn(), "SELECT usesuper, host(inet_server_addr()) FROM pg_user")

    assert (True, "127.0.0.1") in rows


async def test_a_wrong_password_is_refused(postgres_server: EmbeddedPostgres) -> None:
    before, _, after = postgres_server.dsn().partition("@")
    wrong = f"{before}x@{after}"

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await run(wrong, "SELECT 1")


async def test_data_and_address_outlive_a_stop(postgres: str) -> None:
    async with EmbeddedPostgres.start() as server:
        dsn = server.dsn()
        await run(dsn, "CREATE TABLE kept (n int)")

        await server.stop()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            await run(dsn, "SELECT 1")
        await server.restart()

        assert server.dsn() == dsn
        assert await run(dsn, "SELECT * FROM kept") == []


async def test_each_test_has_a_database_of_its_own(postgres: str, postgres_server: EmbeddedPostgres) -> None:
    assert await run(postgres, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert postgres != postgres_server.dsn()


async def test_programs_that_another_user_cannot_reach_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "_others_reach", lambda _: False)

    async with EmbeddedPostgres.start() as server:
        assert await run(server.dsn(), "SELECT 1") == [(1,)]
