"""The catalog's tables: what PostgreSQL itself refuses, whoever asks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from ocdp_operator.adapters.catalog.registry import CatalogRegistry
from ocdp_operator.adapters.catalog.schema import DEFAULT_READER, HEAD, grant_read, migrate
from ocdp_operator.dev.postgres import EmbeddedPostgres
from ocdp_operator.errors import SettingsError, Waiting
from ocdp_operator.model.publication import ClusterEntry, PublicationError
from tests.support.catalog_entries import binding, pinned, workspace
from tests.support.fix_postgres import CatalogDatabase, new_catalog

TABLES = {
    "workload_templates",
    "workload_template_revisions",
    "clusters",
    "workspaces",
    "workspace_placements",
    "environment_profiles",
    "environment_profile_revisions",
    "access_bindings",
}


async def rows(dsn: str, query: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(query, parameters or None)
        return await cursor.fetchall() if cursor.description else ()


async def fill(database: CatalogDatabase) -> CatalogDatabase:
    """A row in every table."""
    async with CatalogRegistry.connect(database.dsn) as registry:
        await registry.apply([ClusterEntry(id="local"), pinned(), workspace("team-a", "team-a"), binding()])
    await rows(database.dsn, "INSERT INTO ocdp.environment_profiles (id, cluster_id) VALUES ('p', 'local')")
    await rows(
        database.dsn,
        "INSERT INTO ocdp.environment_profile_revisions (profile_id, revision, body) VALUES ('p', 1, '{}')",
    )
    return database


@pytest.fixture
async def filled(catalog_database: CatalogDatabase) -> CatalogDatabase:
    """A catalog with a row in every table, for a test that changes it."""
    return await fill(catalog_database)


@pytest.fixture(scope="module")
async def shared(postgres_server: EmbeddedPostgres) -> CatalogDatabase:
    """The same for tests in which every write is refused."""
    return await fill(await new_catalog(postgres_server))


@pytest.fixture
async def plain_role(postgres: str) -> AsyncIterator[str]:
    """The DSN of a role that owns nothing and may make nothing, on an empty database."""
    role = f"plain_{secrets.token_hex(4)}"
    await rows(postgres, f"CREATE ROLE {role} LOGIN PASSWORD 'plain'")
    yield make_conninfo(postgres, user=role, password="plain")
    await rows(postgres, f"DROP OWNED BY {role}")
    await rows(postgres, f"DROP ROLE {role}")


async def test_a_migration_is_idempotent(postgres: str):
    first = await migrate(postgres)
    assert (first.before, first.after, first.reader) == (None, HEAD, DEFAULT_READER)
    before = await rows(postgres, "SELECT writes FROM ocdp.counter")
    second = await migrate(postgres)
    assert (second.before, second.after) == (HEAD, HEAD)
    assert await rows(postgres, "SELECT writes FROM ocdp.counter") == before
    assert {
        name for (name,) in await rows(postgres, "SELECT tablename FROM pg_tables WHERE schemaname = 'ocdp'")
    } == (TABLES | {"counter", "schema_version"})


async def test_migrations_at_once_take_turns(postgres: str):
    done = await asyncio.gather(*(migrate(postgres) for _ in range(4)))
    assert {each.after for each in done} == {HEAD}


async def test_a_catalog_of_a_newer_ocdp_is_left_alone(catalog_dsn: str):
    await rows(catalog_dsn, "UPDATE ocdp.schema_version SET version_num = '9999'")
    with pytest.raises(PublicationError, match="9999"):
        await migrate(catalog_dsn)


async def test_a_migration_without_the_right_to_make_schemas_says_so(plain_role: str):
    with pytest.raises(PublicationError) as caught:
        await migrate(plain_role)
    assert "CREATE on the database" in caught.value.remedy


async def test_who_may_not_make_roles_still_migrates(postgres: str, plain_role: str):
    await rows(postgres, f"GRANT CREATE ON DATABASE {await _database(postgres)} TO {await _user(plain_role)}")
    reader = f"absent_{secrets.token_hex(4)}"
    assert (await migrate(plain_role, reader=reader)).reader is None
    assert await rows(plain_role, "SELECT writes FROM ocdp.counter") == [(0,)]


async def test_a_server_that_is_away_is_a_dependency_and_no_word_of_the_dsn_is_told():
    with pytest.raises(Waiting) as caught:
        await migrate("postgresql://me:hunter2@127.0.0.1:1/catalog")
    assert "refused" in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("dsn", ["postgresql:/me:hunter2@host", "hunter2", "host=x hunter2=y"])
async def test_a_dsn_that_is_none_is_not_repeated(dsn: str):
    with pytest.raises(SettingsError) as caught:
        await migrate(dsn)
    assert "hunter2" not in str(caught.value)


async def test_a_password_with_an_at_sign_is_not_told_as_a_host_name():
    with pytest.raises(Waiting) as caught:
        await migrate("postgresql://me:hun@ter2@127.0.0.1:1/catalog")
    assert "ter2" not in caught.value.message


@pytest.mark.parametrize("table", sorted(TABLES | {"counter", "schema_version"}))
async def test_a_reader_reads_every_table_and_writes_none(shared: CatalogDatabase, table: str):
    assert await rows(shared.reader_dsn, f"SELECT count(*) FROM ocdp.{table}") != []
    for statement in (
        f"DELETE FROM ocdp.{table}",
        f"TRUNCATE ocdp.{table}",
        f"INSERT INTO ocdp.{table} DEFAULT VALUES",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await rows(shared.reader_dsn, statement)


async def test_a_reader_cannot_make_tables(shared: CatalogDatabase):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(shared.reader_dsn, "CREATE TABLE ocdp.mine ()")


async def test_a_reader_reads_tables_that_come_later(filled: CatalogDatabase):
    await rows(filled.dsn, "CREATE TABLE ocdp.later (id int)")
    assert await rows(filled.reader_dsn, "SELECT * FROM ocdp.later") == []


async def test_a_member_of_the_reading_role_reads(shared: CatalogDatabase, plain_role: str):
    member = make_conninfo(plain_role, dbname=shared.name)
    await rows(shared.dsn, f"GRANT {DEFAULT_READER} TO {await _user(plain_role)}")
    assert await rows(member, "SELECT id FROM ocdp.clusters") == [("local",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(member, "INSERT INTO ocdp.clusters (id) VALUES ('x')")


async def test_nobody_reads_by_default(shared: CatalogDatabase, plain_role: str):
    stranger = make_conninfo(plain_role, dbname=shared.name)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(stranger, "SELECT * FROM ocdp.counter")


async def test_a_role_that_can_write_is_no_reader(shared: CatalogDatabase):
    with pytest.raises(PublicationError, match="could also write"):
        await grant_read(shared.dsn, "postgres")


async def test_an_absent_role_is_no_reader(shared: CatalogDatabase):
    with pytest.raises(PublicationError, match="no role nobody_at_all"):
        await grant_read(shared.dsn, "nobody_at_all")


async def test_only_the_owner_lets_others_read(shared: CatalogDatabase, plain_role: str):
    with pytest.raises(PublicationError):
        await grant_read(shared.reader_dsn, await _user(plain_role))


@pytest.mark.parametrize("verb", ["DELETE FROM", "TRUNCATE"])
@pytest.mark.parametrize("table", sorted(TABLES | {"counter"}))
async def test_nothing_is_ever_removed_not_even_by_the_owner(shared: CatalogDatabase, table: str, verb: str):
    with pytest.raises(psycopg.errors.RestrictViolation):
        await rows(shared.dsn, f"{verb} ocdp.{table}" + (" CASCADE" if verb == "TRUNCATE" else ""))


@pytest.mark.parametrize(
    "assignment",
    ["commit = repeat('f', 40)", "body = '{}'", "revision = 7", "published_at = now()", "ref = ref"],
)
async def test_a_template_revision_never_changes(shared: CatalogDatabase, assignment: str):
    with pytest.raises(psycopg.errors.RestrictViolation, match="publish another one"):
        await rows(shared.dsn, f"UPDATE ocdp.workload_template_revisions SET {assignment}")


async def test_a_profile_revision_never_changes(shared: CatalogDatabase):
    with pytest.raises(psycopg.errors.RestrictViolation):
        await rows(shared.dsn, "UPDATE ocdp.environment_profile_revisions SET body = '{}'")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ocdp.workspace_placements SET namespace = 'elsewhere'",
        "UPDATE ocdp.access_bindings SET workspace_id = NULL, username = 'ada'",
        "UPDATE ocdp.environment_profiles SET cluster_id = NULL, customer = 'acme'",
        "UPDATE ocdp.workload_templates SET id = 'other'",
        "UPDATE ocdp.workspaces SET id = 'other'",
        "UPDATE ocdp.clusters SET id = 'other'",
    ],
)
async def test_what_identifies_a_row_never_changes(shared: CatalogDatabase, statement: str):
    with pytest.raises(psycopg.errors.RestrictViolation):
        await rows(shared.dsn, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ocdp.clusters (id) VALUES ('next')",
        "UPDATE ocdp.clusters SET disabled_at = now()",
        "UPDATE ocdp.workload_templates SET title = 'Editor'",
        "INSERT INTO ocdp.environment_profiles (id, customer) VALUES ('q', 'acme')",
        "INSERT INTO ocdp.environment_profile_revisions (profile_id, revision, body) VALUES ('p', 2, '{}')",
        "UPDATE ocdp.access_bindings SET disabled_at = now()",
        "UPDATE ocdp.workspace_placements SET disabled_at = now()",
        "UPDATE ocdp.workspaces SET customer = 'other'",
    ],
)
async def test_the_counter_moves_in_the_transaction_of_the_write(filled: CatalogDatabase, statement: str):
    ((before,),) = await rows(filled.dsn, "SELECT writes FROM ocdp.counter")
    async with await AsyncConnection.connect(filled.dsn) as connection:
        await connection.execute(sql.SQL(statement))
        assert await rows(filled.dsn, "SELECT writes FROM ocdp.counter") == [(before,)]
        await connection.rollback()
        assert await rows(filled.dsn, "SELECT writes FROM ocdp.counter") == [(before,)]
        await connection.execute(sql.SQL(statement))
        await connection.commit()
    assert await rows(filled.dsn, "SELECT writes FROM ocdp.counter") == [(before + 1,)]


async def test_a_write_that_changes_nothing_moves_no_counter(filled: CatalogDatabase):
    before = await rows(filled.dsn, "SELECT writes FROM ocdp.counter")
    await rows(filled.dsn, "UPDATE ocdp.workload_templates SET title = title")
    await rows(filled.dsn, "INSERT INTO ocdp.clusters (id) VALUES ('local') ON CONFLICT DO NOTHING")
    assert await rows(filled.dsn, "SELECT writes FROM ocdp.counter") == before


REVISION = (
    "INSERT INTO ocdp.workload_template_revisions"
    " (template_id, revision, template_type, source_type, repository_url, ref, path, commit, body) VALUES"
)
NONSENSE = {
    "another template type": f"{REVISION} ('code-server', 9, 'helm', 'gitKustomize', 'https://h/r', 'v', 'p', repeat('a', 40), '{{}}')",
    "credentials in a URL": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'https://a:b@h/r', 'v', 'p', repeat('a', 40), '{{}}')",
    "another scheme": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'file:///r', 'v', 'p', repeat('a', 40), '{{}}')",
    "an option as ref": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'https://h/r', '-v', 'p', repeat('a', 40), '{{}}')",
    "a path upwards": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'https://h/r', 'v', 'a/../../b', repeat('a', 40), '{{}}')",
    "an absolute path": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'https://h/r', 'v', '/p', repeat('a', 40), '{{}}')",
    "a short commit": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'https://h/r', 'v', 'p', 'abc', '{{}}')",
    "a body that is a list": f"{REVISION} ('code-server', 9, 'kustomize', 'gitKustomize', 'https://h/r', 'v', 'p', repeat('a', 40), '[]')",
    "revision zero": f"{REVISION} ('code-server', 0, 'kustomize', 'gitKustomize', 'https://h/r', 'v', 'p', repeat('a', 40), '{{}}')",
    "an id with capitals": "INSERT INTO ocdp.clusters (id) VALUES ('Local')",
    "an id of 64 characters": "INSERT INTO ocdp.clusters (id) VALUES (repeat('a', 64))",
    "an id with a newline": "INSERT INTO ocdp.clusters (id) VALUES (E'local\\n')",
    "a binding of nobody": "INSERT INTO ocdp.access_bindings (template_id) VALUES ('code-server')",
    "a binding of two": "INSERT INTO ocdp.access_bindings (template_id, username, group_name) VALUES ('code-server', 'a', 'b')",
    "a binding twice": "INSERT INTO ocdp.access_bindings (template_id, workspace_id) VALUES ('code-server', 'team-a')",
    "a namespace twice": "INSERT INTO ocdp.workspace_placements (cluster_id, namespace, workspace_id) VALUES ('local', 'team-a', 'team-a')",
    "two namespaces in one cluster": "INSERT INTO ocdp.workspace_placements (cluster_id, namespace, workspace_id) VALUES ('local', 'other', 'team-a')",
    "a profile of two layers": "INSERT INTO ocdp.environment_profiles (id, cluster_id, customer) VALUES ('q', 'local', 'acme')",
    "two profiles of one cluster": "INSERT INTO ocdp.environment_profiles (id, cluster_id) VALUES ('q', 'local')",
    "a second counter": "INSERT INTO ocdp.counter (only_row) VALUES (false)",
}


@pytest.mark.parametrize("statement", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_is_refused_by_the_tables_themselves(shared: CatalogDatabase, statement: str):
    with pytest.raises(psycopg.IntegrityError):
        await rows(shared.dsn, statement)


async def _user(dsn: str) -> str:
    return str((await rows(dsn, "SELECT current_user"))[0][0])


async def _database(dsn: str) -> str:
    return str((await rows(dsn, "SELECT current_database()"))[0][0])
