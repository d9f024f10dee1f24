"""What each entry writes. Every function runs inside the registry's transaction, which holds the counter's lock."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncCursor, sql
from psycopg.types.json import Jsonb

from ocdp_operator.model.profile import Layer
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import (
    Action,
    BindingEntry,
    Change,
    ClusterEntry,
    PinnedTemplate,
    PlacementEntry,
    PublicationError,
    WorkspaceEntry,
)
from ocdp_operator.model.template import RevisionBody
from ocdp_operator.model.wire import canonical_json

_TEMPLATE = """
INSERT INTO ocdp.workload_templates AS stored (id, title, description, disabled_at)
VALUES (%(id)s, %(title)s, %(description)s, CASE WHEN %(disabled)s THEN now() END)
ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title, description = EXCLUDED.description,
       disabled_at = CASE WHEN %(disabled)s THEN coalesce(stored.disabled_at, now()) END
 WHERE (stored.title, stored.description, stored.disabled_at IS NOT NULL)
       IS DISTINCT FROM (EXCLUDED.title, EXCLUDED.description, %(disabled)s)
RETURNING xmax = 0 AS created
"""
_NEWEST = """
SELECT revision, repository_url, ref, path, commit, body FROM ocdp.workload_template_revisions
 WHERE template_id = %(id)s ORDER BY revision DESC LIMIT 1
"""
_REVISION = """
INSERT INTO ocdp.workload_template_revisions
       (template_id, revision, template_type, source_type, repository_url, ref, path, commit, body, kustomize_version)
VALUES (%(id)s, %(revision)s, %(template_type)s, %(source_type)s, %(repository_url)s, %(ref)s, %(path)s, %(commit)s,
        %(body)s, %(kustomize_version)s)
"""
_CLUSTER = """
INSERT INTO ocdp.clusters AS stored (id, disabled_at) VALUES (%(id)s, CASE WHEN %(disabled)s THEN now() END)
ON CONFLICT (id) DO UPDATE SET disabled_at = EXCLUDED.disabled_at
 WHERE (stored.disabled_at IS NOT NULL) <> %(disabled)s
RETURNING xmax = 0 AS created
"""
_WORKSPACE = """
INSERT INTO ocdp.workspaces AS stored (id, customer, disabled_at)
VALUES (%(id)s, %(customer)s, CASE WHEN %(disabled)s THEN now() END)
ON CONFLICT (id) DO UPDATE SET customer = EXCLUDED.customer,
       disabled_at = CASE WHEN %(disabled)s THEN coalesce(stored.disabled_at, now()) END
 WHERE (stored.customer, stored.disabled_at IS NOT NULL) IS DISTINCT FROM (EXCLUDED.customer, %(disabled)s)
RETURNING xmax = 0 AS created
"""
_IN_THE_WAY = """
SELECT workspace_id, namespace FROM ocdp.workspace_placements
 WHERE cluster_id = %(cluster)s
   AND (namespace = %(namespace)s AND workspace_id <> %(workspace)s
        OR namespace <> %(namespace)s AND workspace_id = %(workspace)s AND disabled_at IS NULL AND NOT %(disabled)s)
"""
_PLACEMENT = """
INSERT INTO ocdp.workspace_placements AS stored (cluster_id, namespace, workspace_id, disabled_at)
VALUES (%(cluster)s, %(namespace)s, %(workspace)s, CASE WHEN %(disabled)s THEN now() END)
ON CONFLICT (cluster_id, namespace) DO UPDATE SET disabled_at = EXCLUDED.disabled_at
 WHERE (stored.disabled_at IS NOT NULL) <> %(disabled)s
RETURNING xmax = 0 AS created
"""
_BINDING = """
INSERT INTO ocdp.access_bindings AS stored (template_id, {subject}, disabled_at)
VALUES (%(template)s, %(subject)s, CASE WHEN %(disabled)s THEN now() END)
ON CONFLICT (template_id, {subject}) WHERE {subject} IS NOT NULL DO UPDATE SET disabled_at = EXCLUDED.disabled_at
 WHERE (stored.disabled_at IS NOT NULL) <> %(disabled)s
RETURNING xmax = 0 AS created
"""
_PROFILES = """
SELECT id, layer, coalesce(cluster_id, customer, workspace_id) AS subject, disabled_at IS NOT NULL AS disabled
  FROM ocdp.environment_profiles
 WHERE id = %(id)s OR (layer = %(layer)s AND coalesce(cluster_id, customer, workspace_id) = %(subject)s)
"""
_PROFILE = """
INSERT INTO ocdp.environment_profiles AS stored (id, {subject}, disabled_at)
VALUES (%(id)s, %(subject)s, CASE WHEN %(disabled)s THEN now() END)
ON CONFLICT (id) DO UPDATE SET disabled_at = EXCLUDED.disabled_at
 WHERE (stored.disabled_at IS NOT NULL) <> %(disabled)s
RETURNING xmax = 0 AS created
"""
_NEWEST_PROFILE = """
SELECT revision, body FROM ocdp.environment_profile_revisions WHERE profile_id = %(id)s ORDER BY revision DESC LIMIT 1
"""
_PROFILE_REVISION = """
INSERT INTO ocdp.environment_profile_revisions (profile_id, revision, body) VALUES (%(id)s, %(revision)s, %(body)s)
"""
_LAYERS: Final = {Layer.CLUSTER: "cluster_id", Layer.CUSTOMER: "customer", Layer.WORKSPACE: "workspace_id"}
_SUBJECTS: Final = {"workspace": "workspace_id", "user": "username", "group": "group_name"}
_NEEDED: Final[dict[str, tuple[LiteralString, str]]] = {
    "template": ("SELECT 1 FROM ocdp.workload_templates WHERE id = %(id)s", "ocdp template apply"),
    "workspace": ("SELECT 1 FROM ocdp.workspaces WHERE id = %(id)s", "ocdp workspace apply"),
    "cluster": ("SELECT 1 FROM ocdp.clusters WHERE id = %(id)s", "ocdp cluster apply"),
}


async def write_template(cursor: AsyncCursor[Any], item: PinnedTemplate) -> tuple[Change, ...]:
    """Publishes the next revision, unless the newest one is the same."""
    entry, source = item.entry, item.entry.pinned(item.commit)
    listed = await _upserted(
        cursor,
        _TEMPLATE,
        {"id": entry.id, "title": entry.title, "description": entry.description, "disabled": entry.disabled},
    )
    await cursor.execute(_NEWEST, {"id": entry.id})
    newest = await cursor.fetchone()
    body = entry.body.model_dump(mode="json", by_alias=True)
    said = (source.repository_url, source.ref, source.path, source.commit)
    if newest and said == (newest.repository_url, newest.ref, newest.path, newest.commit):
        stored = RevisionBody.model_validate(newest.body).model_dump(mode="json", by_alias=True)
        if canonical_json(stored) == canonical_json(body):
            detail = f"revision {newest.revision} already says this"
            return (Change(f"template {entry.id}", listed, detail),)
    revision = newest.revision + 1 if newest else 1
    await cursor.execute(
        _REVISION,
        {
            "id": entry.id,
            "revision": revision,
            "template_type": entry.template_type,
            "source_type": entry.source.type,
            "repository_url": source.repository_url,
            "ref": source.ref,
            "path": source.path,
            "commit": source.commit,
            "body": Jsonb(body),
            "kustomize_version": item.kustomize_version,
        },
    )
    return (
        Change(
            f"template {entry.id}",
            Action.PUBLISHED,
            f"revision {revision}, {source.ref} at commit {source.commit[:12]}",
        ),
    )


async def write_cluster(cursor: AsyncCursor[Any], entry: ClusterEntry) -> tuple[Change, ...]:
    """Adds a cluster, or enables or disables it."""
    action = await _upserted(cursor, _CLUSTER, {"id": entry.id, "disabled": entry.disabled})
    return (Change(f"cluster {entry.id}", action),)


async def write_workspace(cursor: AsyncCursor[Any], entry: WorkspaceEntry) -> tuple[Change, ...]:
    """Adds or changes a workspace and its placements; a placement that the entry leaves out stays as it is."""
    action = await _upserted(
        cursor, _WORKSPACE, {"id": entry.id, "customer": entry.customer, "disabled": entry.disabled}
    )
    # Disabled ones first: they make room for others.
    placements = sorted(entry.placements, key=lambda each: not each.disabled)
    moves = [await _write_placement(cursor, entry.id, placement) for placement in placements]
    return (Change(f"workspace {entry.id}", action), *moves)


async def _write_placement(cursor: AsyncCursor[Any], workspace: str, entry: PlacementEntry) -> Change:
    await _need(cursor, "cluster", entry.cluster)
    parameters = {
        "cluster": entry.cluster,
        "namespace": entry.namespace,
        "workspace": workspace,
        "disabled": entry.disabled,
    }
    await cursor.execute(_IN_THE_WAY, parameters)
    if other := await cursor.fetchone():
        if other.workspace_id != workspace:
            raise PublicationError(
                f"Namespace {entry.namespace} of cluster {entry.cluster} was given to workspace {other.workspace_id},"
                " for good.",
                remedy=f"Place workspace {workspace} in another namespace.",
            )
        raise PublicationError(
            f"Workspace {workspace} is placed in namespace {other.namespace} of cluster {entry.cluster}; a placement"
            " does not move, since its claims would be left behind.",
            remedy=f"To give it up, list {{cluster: {entry.cluster}, namespace: {other.namespace}, disabled: true}}.",
        )
    action = await _upserted(cursor, _PLACEMENT, parameters)
    return Change(f"placement of {workspace} in {entry.cluster}/{entry.namespace}", action)


async def write_binding(cursor: AsyncCursor[Any], entry: BindingEntry) -> tuple[Change, ...]:
    """Adds a binding, or enables or disables it."""
    await _need(cursor, "template", entry.template)
    if entry.workspace is not None:
        await _need(cursor, "workspace", entry.workspace)
    kind, subject = entry.subject
    query = sql.SQL(_BINDING).format(subject=sql.Identifier(_SUBJECTS[kind]))
    parameters = {"template": entry.template, "subject": subject, "disabled": entry.disabled}
    return (Change(f"binding of {entry}", await _upserted(cursor, query, parameters)),)


async def write_profile(cursor: AsyncCursor[Any], entry: EnvironmentProfileEntry) -> tuple[Change, ...]:
    """Publishes the next revision, unless the newest one is the same; enables or disables the profile."""
    layer, subject = entry.subject
    if layer is not Layer.CUSTOMER:
        await _need(cursor, layer, subject)
    await _check_profile_place(cursor, entry)
    query = sql.SQL(_PROFILE).format(subject=sql.Identifier(_LAYERS[layer]))
    parameters = {"id": entry.id, "subject": subject, "disabled": entry.disabled}
    listed = await _upserted(cursor, query, parameters)
    await cursor.execute(_NEWEST_PROFILE, {"id": entry.id})
    newest = await cursor.fetchone()
    if newest and canonical_json(newest.body) == canonical_json(entry.body):
        detail = f"revision {newest.revision} already says this"
        return (Change(f"profile {entry.id}", listed, detail),)
    revision = newest.revision + 1 if newest else 1
    await cursor.execute(_PROFILE_REVISION, {"id": entry.id, "revision": revision, "body": Jsonb(entry.body)})
    detail = f"revision {revision}, of {layer} {subject}"
    return (Change(f"profile {entry.id}", Action.PUBLISHED, detail),)


async def _check_profile_place(cursor: AsyncCursor[Any], entry: EnvironmentProfileEntry) -> None:
    """A profile keeps its subject, and a subject has one enabled profile."""
    layer, subject = entry.subject
    await cursor.execute(_PROFILES, {"id": entry.id, "layer": layer, "subject": subject})
    for other in await cursor.fetchall():
        if other.id == entry.id and (other.layer, other.subject) != (layer, subject):
            raise PublicationError(
                f"Profile {entry.id} is of {other.layer} {other.subject}, for good.",
                remedy=f"Give the profile of {layer} {subject} another id.",
            )
        if other.id != entry.id and not (other.disabled or entry.disabled):
            raise PublicationError(
                f"{layer.capitalize()} {subject} has the profile {other.id} already.",
                remedy=f"Change that one, or disable it first: `ocdp profile disable {other.id}`.",
            )


async def _need(cursor: AsyncCursor[Any], what: str, name: str) -> None:
    query, command = _NEEDED[what]
    await cursor.execute(query, {"id": name})
    if await cursor.fetchone() is None:
        raise PublicationError(
            f"There is no {what} {name} in the catalog.", remedy=f"Run `{command}` for it first."
        )


async def _upserted(
    cursor: AsyncCursor[Any], query: LiteralString | sql.Composed, parameters: dict[str, Any]
) -> Action:
    await cursor.execute(query, parameters)
    row = await cursor.fetchone()
    if row is None:
        return Action.UNCHANGED
    return Action.CREATED if row.created else Action.CHANGED
