"""Databases of the embedded PostgreSQL: a migrated catalog of its own for each test that asks for one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ocdp_operator.adapters.catalog.schema import grant_read, migrate
from ocdp_operator.dev.postgres import EmbeddedPostgres

_TEMPLATE = "catalog_template"


@dataclass(frozen=True)
class CatalogDatabase:
    """A migrated, empty catalog."""

    dsn: str = field(repr=False)
    """Of a superuser, who owns it."""
    reader_dsn: str = field(repr=False)
    """Of a role that may log in and read, and nothing more."""
    name: str


async def new_catalog(server: EmbeddedPostgres) -> CatalogDatabase:
    """A migrated catalog with a reader, on any server."""
    name = f"catalog_{secrets.token_hex(4)}"
    await _execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    await migrate(server.dsn(name))
    return await _with_reader(server, name)


@pytest.fixture(scope="session")
async def _catalog_template(postgres_server: EmbeddedPostgres) -> str:
    """A migrated database to copy: 30 ms instead of a migration."""
    await _execute(postgres_server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    await migrate(postgres_server.dsn(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
async def catalog_database(
    postgres_server: EmbeddedPostgres, _catalog_template: str
) -> AsyncIterator[CatalogDatabase]:
    """A catalog of this test alone."""
    name = f"catalog_{secrets.token_hex(4)}"
    copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    await _execute(postgres_server, copied.format(sql.Identifier(name), sql.Identifier(_catalog_template)))
    yield await _with_reader(postgres_server, name)
    await _execute(postgres_server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def catalog_dsn(catalog_database: CatalogDatabase) -> str:
    """The owner's DSN of this test's catalog."""
    return catalog_database.dsn


@pytest.fixture
def reader_dsn(catalog_database: CatalogDatabase) -> str:
    """The read-only role's DSN of this test's catalog."""
    return catalog_database.reader_dsn


async def _with_reader(server: EmbeddedPostgres, name: str) -> CatalogDatabase:
    role, password = f"reader_of_{name}", secrets.token_hex(8)
    made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    await _execute(server, made.format(sql.Identifier(role), sql.Literal(password)))
    await grant_read(server.dsn(name), role)
    return CatalogDatabase(
        server.dsn(name), make_conninfo(server.dsn(name), user=role, password=password), name
    )


async def _execute(server: EmbeddedPostgres, query: sql.Composable) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as connection:
        await connection.execute(query)
