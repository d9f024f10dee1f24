"""What the catalog keeps of when an entry was made and taken out of use."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from ocdp_operator.model.publication import BindingEntry, ClusterEntry, WorkspaceEntry

_CLUSTER: Final = """
SELECT created_at AS at, 'registered' AS what FROM ocdp.clusters WHERE id = %(id)s
UNION ALL SELECT disabled_at, 'disabled' FROM ocdp.clusters WHERE id = %(id)s AND disabled_at IS NOT NULL
 ORDER BY at, what DESC
"""
_WORKSPACE: Final = """
SELECT created_at AS at, 'registered for customer ' || customer AS what FROM ocdp.workspaces WHERE id = %(id)s
UNION ALL SELECT disabled_at, 'disabled' FROM ocdp.workspaces WHERE id = %(id)s AND disabled_at IS NOT NULL
UNION ALL SELECT created_at, 'placed in cluster ' || cluster_id || ', namespace ' || namespace
            FROM ocdp.workspace_placements WHERE workspace_id = %(id)s
UNION ALL SELECT disabled_at, 'placement disabled in cluster ' || cluster_id || ', namespace ' || namespace
            FROM ocdp.workspace_placements WHERE workspace_id = %(id)s AND disabled_at IS NOT NULL
 ORDER BY at, what DESC
"""
_BINDING: Final = """
WITH binding AS (SELECT * FROM ocdp.access_bindings WHERE template_id = %(id)s
    AND coalesce(workspace_id, username, group_name) = %(subject)s
    AND CASE %(kind)s WHEN 'workspace' THEN workspace_id WHEN 'user' THEN username ELSE group_name END IS NOT NULL)
SELECT created_at AS at, 'offered' AS what FROM binding
UNION ALL SELECT disabled_at, 'disabled' FROM binding WHERE disabled_at IS NOT NULL
 ORDER BY at, what DESC
"""


def history_of(
    entry: ClusterEntry | WorkspaceEntry | BindingEntry,
) -> tuple[LiteralString, dict[str, Any]]:
    """The query for an entry's history, oldest first: ``at`` and ``what``; with its parameters."""
    if isinstance(entry, BindingEntry):
        kind, subject = entry.subject
        return _BINDING, {"id": entry.template, "kind": kind, "subject": subject}
    return _CLUSTER if isinstance(entry, ClusterEntry) else _WORKSPACE, {"id": entry.id}
