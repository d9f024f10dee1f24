"""Runs the steps in one transaction, one migration at a time; alembic loads this file."""

from __future__ import annotations

from typing import Final

from alembic import context
from sqlalchemy import Connection, text

from ocdp_operator.adapters.catalog.schema import LOCK

SCHEMA: Final = "ocdp"


def run(connection: Connection) -> None:
    """Brings the schema to the revision that alembic's command asks for, or changes nothing at all."""
    with connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        # IF NOT EXISTS would ask for the right to create schemas even where there is nothing to create.
        if connection.scalar(text("SELECT to_regnamespace(:schema) IS NULL"), {"schema": SCHEMA}):
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        context.configure(connection=connection, version_table="schema_version", version_table_schema=SCHEMA)
        context.run_migrations()


run(context.config.attributes["connection"])
