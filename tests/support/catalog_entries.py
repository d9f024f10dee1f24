"""Builders of catalog entries; each shows only what a test changes."""

from __future__ import annotations

from typing import Any

from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import BindingEntry, PinnedTemplate, TemplateEntry, WorkspaceEntry

COMMIT = "1" * 40
OTHER_COMMIT = "2" * 40


def declared(**rules: Any) -> dict[str, Any]:
    """A property of a schema, with what people see of it."""
    return {"title": "Title", "description": "Description."} | rules


def template_document(template_id: str = "code-server", **changes: Any) -> dict[str, Any]:
    """A template as a platform team writes it."""
    return {
        "kind": "WorkloadTemplate",
        "id": template_id,
        "source": {
            "type": "gitKustomize",
            "repositoryUrl": "https://git.example.test/apps.git",
            "ref": "code-server-v0.1.0",
            "path": "apps/code-server/base",
        },
        "schema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "exposure": declared(enum=["clusterip", "ingress"], default="clusterip"),
                "storageGi": declared(type="integer", minimum=1, default=10),
            },
        },
        "mappings": [
            {
                "from": "values.exposure",
                "components": {"clusterip": None, "ingress": "apps/code-server/components/ingress"},
            },
        ],
        "components": ["apps/code-server/components/ingress"],
        "examples": [{}, {"exposure": "ingress"}],
    } | changes


def template(template_id: str = "code-server", **changes: Any) -> TemplateEntry:
    """The same, parsed."""
    return TemplateEntry.model_validate(template_document(template_id, **changes))


def pinned(template_id: str = "code-server", *, commit: str = COMMIT, **changes: Any) -> PinnedTemplate:
    """The same, with its ref resolved."""
    return PinnedTemplate(template(template_id, **changes), commit)


def workspace(workspace_id: str, *namespaces: str, cluster: str = "local", **changes: Any) -> WorkspaceEntry:
    """A workspace placed in namespaces of one cluster; ``-name`` is a disabled placement."""
    return WorkspaceEntry.model_validate(
        {
            "id": workspace_id,
            "customer": "acme",
            "placements": [
                {"cluster": cluster, "namespace": name.lstrip("-"), "disabled": name.startswith("-")}
                for name in namespaces
            ],
        }
        | changes
    )


def binding(template_id: str = "code-server", workspace_id: str = "team-a", **changes: Any) -> BindingEntry:
    """A workspace's access to a template."""
    return BindingEntry.model_validate({"template": template_id, "workspace": workspace_id} | changes)


def profile(profile_id: str = "local", **body: Any) -> EnvironmentProfileEntry:
    """A profile; of the cluster ``local``, unless ``body`` names another subject."""
    subject = {} if body.keys() & {"cluster", "customer", "workspace"} else {"cluster": "local"}
    return EnvironmentProfileEntry.model_validate({"id": profile_id} | subject | body)
