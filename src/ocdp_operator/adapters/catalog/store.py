"""The operator's read-only view of the catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from time import monotonic
from typing import Any, Final, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool
from pydantic import ValidationError

from ocdp_operator.adapters.catalog.connection import CatalogConnection, reading
from ocdp_operator.adapters.catalog.failures import not_migrated, unavailable, unreadable
from ocdp_operator.adapters.catalog.schema import HEAD
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.source import PinnedSource
from ocdp_operator.model.template import (
    CatalogAnswer,
    CatalogQuestion,
    Placement,
    RevisionBody,
    TemplateRevision,
)

MAX_CONNECTIONS: Final = 8
_MAX_WAITING: Final = 256
"""As many as the settings allow workers: above it a question fails at once."""
_SECONDS: Final = 5.0

_ASK: Final = """
SELECT (SELECT max(version_num) FROM ocdp.schema_version)  AS version,
       counter.writes                                       AS counter,
       template.id IS NOT NULL                              AS template_exists,
       template.disabled_at IS NOT NULL                     AS disabled,
       (SELECT max(revision) FROM ocdp.workload_template_revisions
         WHERE template_id = template.id)                   AS newest,
       revision.revision, revision.repository_url, revision.ref, revision.path, revision.commit, revision.body,
       coalesce((SELECT true FROM ocdp.access_bindings AS binding
                  WHERE binding.template_id = template.id AND binding.workspace_id = workspace.id
                    AND binding.disabled_at IS NULL LIMIT 1), false) AS granted,
       ARRAY(SELECT username FROM ocdp.access_bindings AS binding
              WHERE binding.template_id = template.id AND username IS NOT NULL AND username = ANY(%(users)s::text[])
                AND binding.disabled_at IS NULL)            AS granted_users,
       ARRAY(SELECT group_name FROM ocdp.access_bindings AS binding
              WHERE binding.template_id = template.id AND group_name IS NOT NULL AND group_name = ANY(%(groups)s::text[])
                AND binding.disabled_at IS NULL)            AS granted_groups,
       newest_profiles.ids AS newest_profile_ids, newest_profiles.revisions AS newest_profile_revisions,
       (SELECT jsonb_agg(jsonb_build_object(
                   'id', profile.id, 'layer', profile.layer, 'revision', said.revision, 'body', said.body)
                         ORDER BY profile.layer)
          FROM unnest(coalesce(%(profile_ids)s::text[], newest_profiles.ids),
                      coalesce(%(profile_revisions)s::bigint[], newest_profiles.revisions)) AS asked(id, revision)
          JOIN ocdp.environment_profiles AS profile ON profile.id = asked.id
          JOIN ocdp.environment_profile_revisions AS said
            ON said.profile_id = profile.id AND said.revision = asked.revision)  AS profiles,
       workspace.id AS workspace_id, workspace.customer, placement.namespace,
       (SELECT workspace_id FROM ocdp.workspace_placements
         WHERE cluster_id = %(cluster_id)s AND namespace = %(namespace)s) AS namespace_workspace
  FROM ocdp.counter AS counter
  LEFT JOIN ocdp.workload_templates AS template ON template.id = %(template_id)s
  LEFT JOIN LATERAL (
       SELECT * FROM ocdp.workload_template_revisions
        WHERE template_id = template.id AND (%(revision)s::bigint IS NULL OR revision = %(revision)s::bigint)
        ORDER BY revision DESC LIMIT 1) AS revision ON true
  LEFT JOIN ocdp.workspaces AS workspace ON workspace.id = %(workspace_id)s AND workspace.disabled_at IS NULL
  LEFT JOIN ocdp.clusters AS cluster ON cluster.id = %(cluster_id)s AND cluster.disabled_at IS NULL
  LEFT JOIN ocdp.workspace_placements AS placement
         ON placement.workspace_id = workspace.id AND placement.cluster_id = cluster.id
        AND placement.disabled_at IS NULL
 CROSS JOIN LATERAL (
       SELECT array_agg(profile.id::text ORDER BY profile.layer)         AS ids,
              array_agg(newest.revision::bigint ORDER BY profile.layer)  AS revisions
         FROM (SELECT id, layer FROM ocdp.environment_profiles
                WHERE cluster_id = cluster.id AND disabled_at IS NULL
               UNION ALL
               SELECT id, layer FROM ocdp.environment_profiles
                WHERE customer = workspace.customer AND disabled_at IS NULL
               UNION ALL
               SELECT id, layer FROM ocdp.environment_profiles
                WHERE workspace_id = workspace.id AND disabled_at IS NULL) AS profile
         JOIN LATERAL (
              SELECT revision FROM ocdp.environment_profile_revisions
               WHERE profile_id = profile.id ORDER BY revision DESC LIMIT 1) AS newest ON true) AS newest_profiles
"""
"""One statement, so one snapshot and one round trip. The counter's one row makes the answer exactly one row.

The names of the layers sort as the layers do: cluster, customer, workspace.
"""

_COUNTER: Final = """
SELECT (SELECT max(version_num) FROM ocdp.schema_version) AS version, writes AS counter FROM ocdp.counter
"""


class PostgresCatalog:
    """The ``Catalog`` port over PostgreSQL 14 or newer. Every failure is Waiting(CatalogUnavailable).

    Never writes: its connections are read-only, whatever the role may do. Safe to share between tasks.
    """

    def __init__(
        self,
        dsn: str,
        *,
        max_connections: int = MAX_CONNECTIONS,
        seconds: float = _SECONDS,
        asked: Callable[[bool, float], None] = lambda answered, seconds: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        """Connects to nothing yet. A question takes at most ``seconds``, the wait for a connection included.

        ``asked(answered, seconds)`` is told of every question. ``answered`` is whether the catalog can be used.
        Raises SettingsError when ``dsn`` is no connection string.
        """
        self._seconds = seconds
        self._asked = asked
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            kwargs=reading(dsn),
            connection_class=CatalogConnection,
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=seconds,
            max_waiting=_MAX_WAITING,
            max_lifetime=1800.0,
            # Short: a question after that makes a new attempt at once, where one long backoff would sleep through
            # the server's return.
            reconnect_timeout=seconds,
            name="catalog",
        )
        # Each connection may have been ended by the server since its last question, and one more be made meanwhile.
        self._most_tries = max_connections + 1
        self._running: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Starts to connect in the background; a catalog that is away fails no start."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Ends every idle connection, and each other one after its question."""
        await self._pool.close(timeout=_SECONDS)

    async def ask(self, question: CatalogQuestion) -> CatalogAnswer:
        """See the port."""
        profiles = question.profiles
        row = await self._one(
            _ASK,
            {
                "cluster_id": question.cluster_id,
                "template_id": question.template_id,
                "workspace_id": question.workspace_id,
                "namespace": question.namespace,
                "revision": question.revision,
                "users": list(question.users),
                "groups": list(question.groups),
                "profile_ids": None if profiles is None else [ref.id for ref in profiles],
                "profile_revisions": None if profiles is None else [ref.revision for ref in profiles],
            },
        )
        return CatalogAnswer(
            template_exists=row.template_exists,
            disabled=row.disabled,
            granted=row.granted,
            granted_users=frozenset(row.granted_users),
            granted_groups=frozenset(row.granted_groups),
            profiles=tuple(_profile(each) for each in row.profiles or ()),
            newest_profiles=tuple(
                ProfileRef(id=id_, revision=revision)
                for id_, revision in zip(
                    row.newest_profile_ids or (), row.newest_profile_revisions or (), strict=True
                )
            ),
            placement=None
            if row.namespace is None
            else Placement(row.workspace_id, row.customer, row.namespace),
            namespace_workspace=row.namespace_workspace,
            revision=None if row.revision is None else _revision(question.template_id, row),
            newest=row.newest,
            counter=row.counter,
        )

    async def counter(self) -> int:
        """See the port."""
        return int((await self._one(_COUNTER, {})).counter)

    async def _one(self, query: LiteralString, parameters: dict[str, Any]) -> Any:
        started, answered = monotonic(), False
        try:
            row = await self._within(self._fetch(query, parameters))
            if row is None or row.version is None or row.version < HEAD:
                raise not_migrated(None if row is None else row.version)
            answered = True
        except (psycopg.Error, TimeoutError) as error:
            failure = unavailable(error)
            answered = failure.dependency is None
            raise failure from None
        finally:
            self._asked(answered, monotonic() - started)
        return row

    async def _fetch(self, query: LiteralString, parameters: dict[str, Any]) -> Any:
        """The one row. A connection that turns out to be dead costs another try, not each question a check of its own."""
        for tries_left in reversed(range(self._most_tries)):
            async with self._pool.connection() as connection:
                try:
                    async with connection.cursor(row_factory=namedtuple_row) as cursor:
                        await cursor.execute(query, parameters)
                        return await cursor.fetchone()
                except psycopg.OperationalError:
                    if not (connection.closed and tries_left):
                        raise
        raise AssertionError("the last try returns or raises")

    async def _within(self, query: Coroutine[Any, Any, Any]) -> Any:
        """Like ``asyncio.timeout``, but leaves on time: psycopg takes up to 10 s more to cancel on a dead connection."""
        task = asyncio.create_task(query)
        self._running.add(task)
        task.add_done_callback(self._forget)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: nobody waits for it any more.


def _profile(row: Mapping[str, Any]) -> ProfileRevision:
    return ProfileRevision(
        ProfileRef(id=row["id"], revision=row["revision"]), Layer(row["layer"]), row["body"]
    )


def _revision(template_id: str, row: Any) -> TemplateRevision:
    try:
        body = RevisionBody.model_validate(row.body)
    except ValidationError:
        raise unreadable(template_id, row.revision) from None
    return TemplateRevision(
        template_id, row.revision, PinnedSource(row.repository_url, row.ref, row.path, row.commit), body
    )
