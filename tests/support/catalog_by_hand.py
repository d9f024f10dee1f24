"""The catalog's tables changed past its own triggers, as a hand in the database or a broken replica would; put back after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import LiteralString

from psycopg import AsyncConnection

from ocdp_operator.dev.platform import Platform

_TABLES = (
    "schema_version",
    "counter",
    "workload_templates",
    "workload_template_revisions",
    "access_bindings",
)
_SEEN = ("UPDATE ocdp.counter SET writes = writes + 1",)
"""As any write does: the operator looks again."""

WITHOUT_THE_TEMPLATE: tuple[LiteralString, ...] = (
    "DELETE FROM ocdp.access_bindings WHERE template_id = %(template)s",
    "DELETE FROM ocdp.workload_template_revisions WHERE template_id = %(template)s",
    "DELETE FROM ocdp.workload_templates WHERE id = %(template)s",
)


@asynccontextmanager
async def changed_by_hand(
    platform: Platform, *statements: LiteralString, undo: Sequence[LiteralString] = (), **parameters: str
) -> AsyncIterator[None]:
    """Within the block the statements are done, without triggers or foreign keys; afterwards every table is as it was.

    ``undo`` puts back what is not in the rows.
    """
    async with await AsyncConnection.connect(platform.dsn, autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        for table in _TABLES:
            await connection.execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM ocdp.{table}")
        try:
            for statement in (*statements, *_SEEN):
                await connection.execute(statement, parameters if "%(" in statement else None)
            yield
        finally:
            for statement in undo:
                await connection.execute(statement)
            async with connection.transaction():
                for table in _TABLES:
                    await connection.execute(f"DELETE FROM ocdp.{table}")
                    await connection.execute(
                        f"INSERT INTO ocdp.{table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}"
                    )
                await connection.execute("UPDATE ocdp.counter SET writes = writes + 1000")
