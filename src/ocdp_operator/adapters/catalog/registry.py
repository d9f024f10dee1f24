"""The catalog as the platform team sees it: writes entries in one transaction, lists and shows them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, LiteralString, Self

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import namedtuple_row
from pydantic import ValidationError

from ocdp_operator.adapters.catalog import writes
from ocdp_operator.adapters.catalog.connection import CatalogConnection, writing
from ocdp_operator.adapters.catalog.failures import MIGRATE, refused
from ocdp_operator.adapters.catalog.history import history_of
from ocdp_operator.adapters.catalog.schema import HEAD
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import (
    BindingEntry,
    Change,
    ClusterEntry,
    PinnedTemplate,
    PlacementEntry,
    PublicationError,
    Storable,
    TemplateEntry,
    WorkspaceEntry,
)
from ocdp_operator.model.template import Placement

_TEMPLATES: Final = """
SELECT template.id, template.title, template.description, template.disabled_at IS NOT NULL AS disabled, revision.*
  FROM ocdp.workload_templates AS template
  JOIN ocdp.workload_template_revisions AS revision ON revision.template_id = template.id
 WHERE (%(id)s::text IS NULL OR template.id = %(id)s::text)
   AND (%(revision)s::bigint IS NULL OR revision.revision = %(revision)s::bigint)
   AND (NOT %(newest)s OR revision.revision = (
        SELECT max(revision) FROM ocdp.workload_template_revisions WHERE template_id = template.id))
 ORDER BY template.id, revision.revision DESC
"""
_WORKSPACES: Final = """
SELECT id, customer, workspaces.disabled_at IS NOT NULL AS disabled,
       coalesce(jsonb_agg(jsonb_build_object('cluster', cluster_id, 'namespace', namespace,
                                             'disabled', placement.disabled_at IS NOT NULL)
                          ORDER BY cluster_id, namespace) FILTER (WHERE cluster_id IS NOT NULL), '[]') AS placements
  FROM ocdp.workspaces LEFT JOIN ocdp.workspace_placements AS placement ON workspace_id = id
 GROUP BY id ORDER BY id
"""
_CLUSTERS: Final = "SELECT id, disabled_at IS NOT NULL AS disabled FROM ocdp.clusters ORDER BY id"
_BINDINGS: Final = """
SELECT template_id, workspace_id, username, group_name, disabled_at IS NOT NULL AS disabled
  FROM ocdp.access_bindings ORDER BY template_id, workspace_id, username, group_name
"""
_PROFILES: Final = """
SELECT profile.id, profile.layer, coalesce(cluster_id, customer, workspace_id) AS subject,
       profile.disabled_at IS NOT NULL AS disabled, said.*
  FROM ocdp.environment_profiles AS profile
  JOIN ocdp.environment_profile_revisions AS said ON said.profile_id = profile.id
 WHERE (%(id)s::text IS NULL OR profile.id = %(id)s::text)
   AND (%(revision)s::bigint IS NULL OR said.revision = %(revision)s::bigint)
   AND (NOT %(newest)s OR said.revision = (
        SELECT max(revision) FROM ocdp.environment_profile_revisions WHERE profile_id = profile.id))
 ORDER BY profile.layer, profile.id, said.revision DESC
"""
_PLACEMENT: Final = """
SELECT workspace_id, customer, namespace FROM ocdp.workspaces JOIN ocdp.workspace_placements AS placement
    ON workspace_id = id AND placement.disabled_at IS NULL
 WHERE id = %(workspace)s AND cluster_id = %(cluster)s
"""


class CatalogRegistry:
    """One connection with the right to write. Every method raises PublicationError or Waiting(CatalogUnavailable)."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str) -> AsyncIterator[Self]:
        """A registry over the database of ``dsn``, for one block. Raises SettingsError when that is no DSN."""
        try:
            connection = await CatalogConnection.connect(**writing(dsn), autocommit=True)
        except psycopg.Error as error:
            raise refused(error) from None
        async with connection:
            registry = cls(connection)
            await registry._check_version()
            yield registry

    async def apply(self, items: Sequence[Storable]) -> tuple[Change, ...]:
        """Stores all items, in their order, or none. What is stored already is left alone and said so."""
        changes: list[Change] = []
        async with self._cursor() as cursor, self._connection.transaction():
            # Writers take turns: numbers have no gaps, and "the same as the newest" stays true until the commit.
            await cursor.execute("SELECT writes FROM ocdp.counter FOR UPDATE")
            for item in items:
                changes += await _write(cursor, item)
        return tuple(changes)

    async def templates(self) -> tuple[TemplateEntry, ...]:
        """The newest revision of every template, by id."""
        return await self._templates(newest=True)

    async def revisions(self, template_id: str) -> tuple[TemplateEntry, ...]:
        """Every revision of one template, newest first; never empty."""
        return await self._templates(template_id)

    async def template(self, template_id: str, revision: int | None = None) -> TemplateEntry:
        """One revision of a template; the newest, where none is named."""
        return (await self._templates(template_id, revision, newest=revision is None))[0]

    async def workspaces(self) -> tuple[WorkspaceEntry, ...]:
        """Every workspace with its placements, by id."""
        return tuple(
            WorkspaceEntry(
                id=row.id,
                customer=row.customer,
                disabled=row.disabled,
                placements=tuple(PlacementEntry.model_validate(each) for each in row.placements),
            )
            for row in await self._rows(_WORKSPACES)
        )

    async def placement(self, workspace: str, cluster: str) -> Placement:
        """Where the workspace lives in the cluster, disabled workspaces included."""
        rows = await self._rows(_PLACEMENT, {"workspace": workspace, "cluster": cluster})
        if not rows:
            raise PublicationError(
                f"Workspace {workspace} is not placed in cluster {cluster}.",
                remedy="See `ocdp workspace list`; place it with `ocdp workspace apply`.",
            )
        return Placement(rows[0].workspace_id, rows[0].customer, rows[0].namespace)

    async def clusters(self) -> tuple[ClusterEntry, ...]:
        """Every cluster, by id."""
        return tuple(ClusterEntry(id=row.id, disabled=row.disabled) for row in await self._rows(_CLUSTERS))

    async def bindings(self) -> tuple[BindingEntry, ...]:
        """Every binding, by template and subject."""
        return tuple(
            BindingEntry(
                template=row.template_id,
                workspace=row.workspace_id,
                user=row.username,
                group=row.group_name,
                disabled=row.disabled,
            )
            for row in await self._rows(_BINDINGS)
        )

    async def history(
        self, entry: ClusterEntry | WorkspaceEntry | BindingEntry
    ) -> tuple[tuple[datetime, str], ...]:
        """When the entry was made, changed and taken out of use, as far as the catalog keeps it; oldest first."""
        query, parameters = history_of(entry)
        return tuple((row.at, row.what) for row in await self._rows(query, parameters))

    async def profiles(self) -> tuple[EnvironmentProfileEntry, ...]:
        """The newest revision of every profile, by layer and id."""
        return await self._profiles(newest=True)

    async def profile(self, profile_id: str, revision: int | None = None) -> EnvironmentProfileEntry:
        """One revision of a profile; the newest, where none is named."""
        return (await self._profiles(profile_id, revision, newest=revision is None))[0]

    async def profile_revisions(self, profile_id: str) -> tuple[EnvironmentProfileEntry, ...]:
        """Every revision of one profile, newest first; never empty."""
        return await self._profiles(profile_id)

    async def environments(
        self, places: Sequence[tuple[str, str]]
    ) -> tuple[tuple[ProfileRevision, ...], ...]:
        """The newest profiles of each workspace in its cluster, in the order of the layers; disabled ones are left out."""
        customers = {workspace.id: workspace.customer for workspace in await self.workspaces()}
        clusters = {cluster.id for cluster in await self.clusters()}
        layers = {each.subject: _revision_of(each) for each in await self.profiles() if not each.disabled}
        found = []
        for workspace, cluster in places:
            for what, name, known in (("workspace", workspace, customers), ("cluster", cluster, clusters)):
                if name not in known:
                    raise PublicationError(f"There is no {what} {name}.", remedy=f"See `ocdp {what} list`.")
            subjects = (
                (Layer.CLUSTER, cluster),
                (Layer.CUSTOMER, customers[workspace]),
                (Layer.WORKSPACE, workspace),
            )
            found.append(tuple(layers[subject] for subject in subjects if subject in layers))
        return tuple(found)

    async def _profiles(
        self, profile_id: str | None = None, revision: int | None = None, *, newest: bool = False
    ) -> tuple[EnvironmentProfileEntry, ...]:
        rows = await self._rows(_PROFILES, {"id": profile_id, "revision": revision, "newest": newest})
        if profile_id is not None and not rows:
            which = f"revision {revision} of profile" if revision is not None else "profile"
            raise PublicationError(f"There is no {which} {profile_id}.", remedy="See `ocdp profile list`.")
        return tuple(_profile(row) for row in rows)

    async def _templates(
        self, template_id: str | None = None, revision: int | None = None, *, newest: bool = False
    ) -> tuple[TemplateEntry, ...]:
        rows = await self._rows(_TEMPLATES, {"id": template_id, "revision": revision, "newest": newest})
        if template_id is not None and not rows:
            which = f"revision {revision} of template" if revision is not None else "template"
            raise PublicationError(f"There is no {which} {template_id}.", remedy="See `ocdp template list`.")
        return tuple(_entry(row) for row in rows)

    async def _check_version(self) -> None:
        rows = await self._rows("SELECT max(version_num) AS version FROM ocdp.schema_version")
        if rows[0].version != HEAD:
            raise PublicationError(
                f"The catalog is at version {rows[0].version}, this ocdp writes version {HEAD}.",
                remedy=MIGRATE
                if (rows[0].version or "") < HEAD
                else "Use the version of ocdp that migrated it.",
            )

    async def _rows(self, query: LiteralString, parameters: dict[str, Any] | None = None) -> list[Any]:
        async with self._cursor() as cursor:
            await cursor.execute(query, parameters)
            return await cursor.fetchall()

    @asynccontextmanager
    async def _cursor(self) -> AsyncIterator[AsyncCursor[Any]]:
        try:
            async with self._connection.cursor(row_factory=namedtuple_row) as cursor:
                yield cursor
        except psycopg.Error as error:
            raise refused(error) from None


async def _write(cursor: AsyncCursor[Any], item: Storable) -> tuple[Change, ...]:
    match item:
        case PinnedTemplate():
            return await writes.write_template(cursor, item)
        case WorkspaceEntry():
            return await writes.write_workspace(cursor, item)
        case ClusterEntry():
            return await writes.write_cluster(cursor, item)
        case BindingEntry():
            return await writes.write_binding(cursor, item)
        case EnvironmentProfileEntry():
            return await writes.write_profile(cursor, item)


def _revision_of(entry: EnvironmentProfileEntry) -> ProfileRevision:
    revision = entry.published.revision if entry.published else 0
    return ProfileRevision(ProfileRef(id=entry.id, revision=revision), entry.subject[0], entry.body)


def _profile(row: Any) -> EnvironmentProfileEntry:
    try:
        return EnvironmentProfileEntry.model_validate(
            {
                **row.body,
                "id": row.id,
                row.layer: row.subject,
                **({"disabled": True} if row.disabled else {}),
                "published": {
                    "revision": row.revision,
                    "publishedAt": row.published_at,
                    "publishedBy": row.published_by,
                },
            }
        )
    except ValidationError:
        raise PublicationError(
            f"Revision {row.revision} of profile {row.id} cannot be read by this version of ocdp.",
            remedy="Use a newer ocdp.",
        ) from None


def _entry(row: Any) -> TemplateEntry:
    try:
        return TemplateEntry.model_validate(
            {
                **row.body,
                "id": row.id,
                "title": row.title,
                "description": row.description,
                "disabled": row.disabled,
                "templateType": row.template_type,
                "source": {
                    "type": row.source_type,
                    "repositoryUrl": row.repository_url,
                    "ref": row.ref,
                    "path": row.path,
                },
                "published": {
                    "revision": row.revision,
                    "commit": row.commit,
                    "publishedAt": row.published_at,
                    "publishedBy": row.published_by,
                    "kustomizeVersion": row.kustomize_version,
                },
            }
        )
    except ValidationError:
        raise PublicationError(
            f"Revision {row.revision} of template {row.id} cannot be read by this version of ocdp.",
            remedy="Use a newer ocdp.",
        ) from None
