"""The catalog's schema: brings a database up to date, and lets a role read it and nothing more.

Runs in a thread of its own: alembic is synchronous, and SQLAlchemy serves it as the vehicle of plain SQL only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection, sql

from ocdp_operator.adapters.catalog.connection import connect
from ocdp_operator.adapters.catalog.failures import refused
from ocdp_operator.model.publication import PublicationError

HEAD: Final = "0001"
"""The newest step in ``migrations/versions``: what this version of ocdp reads and writes.

Steps are numbered, and each only adds: a catalog that is newer than its reader serves it as well.
"""
DEFAULT_READER: Final = "ocdp_operator"

LOCK: Final = 0x0CDB
"""The advisory lock by which migrations of one database take turns."""
_ONE_AT_A_TIME: Final = Lock()
"""alembic keeps the migration that runs in a global of the process."""
_SCHEMA: Final = sql.Identifier("ocdp")
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """What a migration did."""

    before: str | None
    """The version it found; None: no catalog was there."""
    after: str
    reader: str | None
    """The role that may now read; None when it is absent and the connected role may not make it."""


async def migrate(dsn: str, *, reader: str = DEFAULT_READER) -> Migration:
    """Brings the database to ``HEAD`` in one transaction and lets the role ``reader`` read it; idempotent.

    ``reader`` is made, as a role without login, where it is absent and the connected role may make roles.
    Raises PublicationError when PostgreSQL refuses, Waiting(CatalogUnavailable) when it does not answer.
    """
    return await asyncio.to_thread(_migrate, dsn, reader)


async def grant_read(dsn: str, role: str) -> None:
    """Lets an existing role read the catalog, its tables of today and of later, and nothing more.

    Raises PublicationError when the role is absent, or could also write, which no GRANT takes back.
    """
    await asyncio.to_thread(_grant_read, dsn, role)


def _migrate(dsn: str, reader: str) -> Migration:
    try:
        with connect(dsn) as connection:
            before = _version(connection)
        if before is not None and before > HEAD:
            raise PublicationError(
                f"The catalog is at version {before}; this ocdp knows none after {HEAD}.",
                remedy="Use the version of ocdp that migrated it, or a newer one.",
            )
        _upgrade(dsn)
        with connect(dsn) as connection:
            # Two GRANTs on one table at a time fail in PostgreSQL.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            may_read = _role_exists(connection, reader) or _create_role(connection, reader)
            if may_read:
                _grant(connection, reader)
    except psycopg.Error as error:
        raise refused(error) from None
    return Migration(before, HEAD, reader if may_read else None)


def _grant_read(dsn: str, role: str) -> None:
    try:
        with connect(dsn) as connection:
            if _version(connection) is None:
                raise PublicationError(
                    "There is no catalog in this database.", remedy="Run `ocdp catalog migrate`."
                )
            if not _role_exists(connection, role):
                raise PublicationError(
                    f"There is no role {role}.", remedy=f'CREATE ROLE "{role}" LOGIN PASSWORD ...'
                )
            if _can_write(connection, role):
                raise PublicationError(
                    f"The role {role} could also write the catalog: it is a superuser, owns it, or was granted more.",
                    remedy="Use a role of its own for the operator.",
                )
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            _grant(connection, role)
    except psycopg.Error as error:
        raise refused(error) from None


def _upgrade(dsn: str) -> None:
    # Imported here, since the operator loads this module and never migrates.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(dsn), poolclass=NullPool)
    try:
        with _ONE_AT_A_TIME, engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise (error.orig if isinstance(error.orig, psycopg.Error) else error) from None
    finally:
        engine.dispose()


def _version(connection: Connection[Any]) -> str | None:
    if _one(connection, "SELECT to_regclass('ocdp.schema_version')") is None:
        return None
    found = _one(connection, "SELECT max(version_num) FROM ocdp.schema_version")
    return None if found is None else str(found)


def _role_exists(connection: Connection[Any], role: str) -> bool:
    return _one(connection, "SELECT 1 FROM pg_roles WHERE rolname = %(role)s", role=role) is not None


def _create_role(connection: Connection[Any], role: str) -> bool:
    if not _one(connection, "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"):
        return False
    # Roles belong to the whole server: the migration of another database may make it first.
    with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation), connection.transaction():
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    return True


def _can_write(connection: Connection[Any], role: str) -> bool:
    return bool(
        _one(
            connection,
            "SELECT bool_or(has_table_privilege(%(role)s, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'))"
            " FROM pg_class c WHERE c.relnamespace = 'ocdp'::regnamespace AND c.relkind = 'r'",
            role=role,
        )
    )


def _grant(connection: Connection[Any], role: str) -> None:
    for statement in (
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}",
    ):
        connection.execute(sql.SQL(statement).format(schema=_SCHEMA, role=sql.Identifier(role)))

    if not _one(
        connection,
        "SELECT has_schema_privilege(%(role)s, 'ocdp', 'USAGE')"
        " AND bool_and(has_table_privilege(%(role)s, c.oid, 'SELECT'))"
        " FROM pg_class c WHERE c.relnamespace = 'ocdp'::regnamespace AND c.relkind = 'r'",
        role=role,
    ):
        raise PublicationError(
            f"The connected role cannot let {role} read the catalog.",
            remedy="Connect as the role that owns the catalog.",
        )


def _one(connection: Connection[Any], query: LiteralString, **parameters: Any) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]
