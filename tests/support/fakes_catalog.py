"""A catalog in memory, held to the same contract as PostgreSQL's."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ocdp_operator.errors import CATALOG, Reason, Waiting
from ocdp_operator.model.profile import Layer, ProfileRef, ProfileRevision
from ocdp_operator.model.profile_body import EnvironmentProfileEntry
from ocdp_operator.model.publication import (
    Action,
    BindingEntry,
    Change,
    ClusterEntry,
    PinnedTemplate,
    PublicationError,
    Storable,
    TemplateEntry,
    WorkspaceEntry,
)
from ocdp_operator.model.source import PinnedSource
from ocdp_operator.model.template import CatalogAnswer, CatalogQuestion, Placement, TemplateRevision

COMMIT = "1" * 40


@dataclass
class _Template:
    entry: TemplateEntry
    revisions: list[TemplateRevision] = field(default_factory=list)


@dataclass
class _Profile:
    layer: Layer
    subject: str
    disabled: bool = False
    revisions: list[ProfileRevision] = field(default_factory=list)


@dataclass
class _State:
    templates: dict[str, _Template] = field(default_factory=dict)
    clusters: dict[str, ClusterEntry] = field(default_factory=dict)
    workspaces: dict[str, WorkspaceEntry] = field(default_factory=dict)
    placements: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    """(cluster, namespace) -> (workspace, disabled)."""
    bindings: dict[tuple[str, str | None, str | None, str | None], bool] = field(default_factory=dict)
    """(template, workspace, user, group) -> disabled."""
    profiles: dict[str, _Profile] = field(default_factory=dict)
    writes: int = 0


class FakeCatalog:
    """The ``Catalog`` port, and the registry's ``apply`` to fill it. ``away`` makes every question fail."""

    def __init__(self) -> None:
        self._state = _State()
        self.away = False
        self.questions: list[CatalogQuestion] = []

    async def ask(self, question: CatalogQuestion) -> CatalogAnswer:
        self.questions.append(question)
        self._answers_or_raises()
        state = self._state
        template = state.templates.get(question.template_id)
        workspace = state.workspaces.get(question.workspace_id)
        if workspace is not None and workspace.disabled:
            workspace = None
        revisions = template.revisions if template else []
        wanted = [each for each in revisions if question.revision in (None, each.revision)]
        profiles = self._newest_profiles(workspace, question.cluster_id)
        return CatalogAnswer(
            template_exists=template is not None,
            disabled=template is not None and template.entry.disabled,
            granted=workspace is not None
            and state.bindings.get((question.template_id, workspace.id, None, None)) is False,
            granted_users=frozenset(
                user
                for user in question.users
                if state.bindings.get((question.template_id, None, user, None)) is False
            ),
            granted_groups=frozenset(
                group
                for group in question.groups
                if state.bindings.get((question.template_id, None, None, group)) is False
            ),
            profiles=tuple(
                profiles if question.profiles is None else self._asked_profiles(question.profiles)
            ),
            newest_profiles=tuple(each.ref for each in profiles),
            placement=self._placement(workspace, question.cluster_id),
            namespace_workspace=state.placements.get((question.cluster_id, question.namespace), (None,))[0],
            revision=wanted[-1] if wanted else None,
            newest=revisions[-1].revision if revisions else None,
            counter=state.writes,
        )

    async def counter(self) -> int:
        self._answers_or_raises()
        return self._state.writes

    async def apply(self, items: Sequence[Storable]) -> tuple[Change, ...]:
        return self.store(*items)

    def store(self, *items: Storable) -> tuple[Change, ...]:
        """Stores all items or none."""
        before = deepcopy(self._state)
        try:
            return tuple(change for item in items for change in self._store(item))
        except PublicationError:
            self._state = before
            raise

    def place(
        self, workspace: str, namespace: str, *, cluster: str = "local", customer: str = "acme"
    ) -> None:
        """A workspace in a cluster, both made where they are absent."""
        self.store(
            ClusterEntry(id=cluster),
            WorkspaceEntry.model_validate(
                {
                    "id": workspace,
                    "customer": customer,
                    "placements": [{"cluster": cluster, "namespace": namespace}],
                }
            ),
        )

    def bind(self, template: str, workspace: str, *, disabled: bool = False) -> None:
        self.store(BindingEntry(template=template, workspace=workspace, disabled=disabled))

    def publish(self, entry: TemplateEntry, *, commit: str = COMMIT) -> None:
        self.store(PinnedTemplate(entry, commit))

    def _answers_or_raises(self) -> None:
        if self.away:
            raise Waiting(
                Reason.CATALOG_UNAVAILABLE, "The catalog's PostgreSQL does not answer.", dependency=CATALOG
            )

    def _placement(self, workspace: WorkspaceEntry | None, cluster: str) -> Placement | None:
        entry = self._state.clusters.get(cluster)
        if workspace is None or entry is None or entry.disabled:
            return None
        for (where, namespace), (who, disabled) in self._state.placements.items():
            if (where, who, disabled) == (cluster, workspace.id, False):
                return Placement(workspace.id, workspace.customer, namespace)
        return None

    def _newest_profiles(self, workspace: WorkspaceEntry | None, cluster: str) -> list[ProfileRevision]:
        known = self._state.clusters.get(cluster)
        subjects = {
            Layer.CLUSTER: None if known is None or known.disabled else cluster,
            Layer.CUSTOMER: workspace and workspace.customer,
            Layer.WORKSPACE: workspace and workspace.id,
        }
        profiles = self._state.profiles.values()
        return [
            profile.revisions[-1]
            for layer, subject in subjects.items()
            for profile in profiles
            if (profile.layer, profile.subject, profile.disabled) == (layer, subject, False)
        ]

    def _asked_profiles(self, asked: Sequence[ProfileRef]) -> list[ProfileRevision]:
        known = [each for profile in self._state.profiles.values() for each in profile.revisions]
        return sorted((each for each in known if each.ref in asked), key=lambda each: each.layer)

    def _store(self, item: Storable) -> list[Change]:
        match item:
            case PinnedTemplate():
                return [self._store_template(item)]
            case ClusterEntry():
                action = self._put(self._state.clusters, item.id, item)
                return [Change(f"cluster {item.id}", action)]
            case WorkspaceEntry():
                action = self._put(
                    self._state.workspaces, item.id, item.model_copy(update={"placements": ()})
                )
                placements = sorted(item.placements, key=lambda each: not each.disabled)
                return [
                    Change(f"workspace {item.id}", action),
                    *(self._store_placement(item.id, each) for each in placements),
                ]
            case BindingEntry():
                self._need("template", item.template, self._state.templates)
                if item.workspace is not None:
                    self._need("workspace", item.workspace, self._state.workspaces)
                key = (item.template, item.workspace, item.user, item.group)
                return [Change(f"binding of {item}", self._put(self._state.bindings, key, item.disabled))]

            case EnvironmentProfileEntry():
                return [self._store_profile(item)]

    def _store_profile(self, entry: EnvironmentProfileEntry) -> Change:
        layer, subject = entry.subject
        if layer is Layer.CLUSTER:
            self._need("cluster", subject, self._state.clusters)
        if layer is Layer.WORKSPACE:
            self._need("workspace", subject, self._state.workspaces)
        for id_, other in self._state.profiles.items():
            same = (other.layer, other.subject) == (layer, subject)
            if id_ == entry.id and not same:
                raise PublicationError(f"Profile {entry.id} is of {other.layer} {other.subject}, for good.")
            if id_ != entry.id and same and not (other.disabled or entry.disabled):
                raise PublicationError(f"{layer} {subject} has the profile {id_} already.")
        known = self._state.profiles.get(entry.id)
        profile = self._state.profiles.setdefault(entry.id, _Profile(layer, subject))
        was, profile.disabled = profile.disabled, entry.disabled
        if known is not None and known.revisions[-1].body == entry.body:
            self._state.writes += was != entry.disabled
            return Change(
                f"profile {entry.id}", Action.UNCHANGED if was == entry.disabled else Action.CHANGED
            )
        ref = ProfileRef(id=entry.id, revision=len(profile.revisions) + 1)
        profile.revisions.append(ProfileRevision(ref, layer, entry.body))
        self._state.writes += 1
        return Change(f"profile {entry.id}", Action.PUBLISHED, f"revision {ref.revision}")

    def _store_template(self, item: PinnedTemplate) -> Change:
        entry = item.entry
        template = self._state.templates.get(entry.id)
        if template is None:
            template = self._state.templates[entry.id] = _Template(entry)
        revision = TemplateRevision(
            entry.id,
            len(template.revisions) + 1,
            PinnedSource(entry.source.repository_url, entry.source.ref, entry.source.path, item.commit),
            entry.body,
        )
        newest = template.revisions[-1] if template.revisions else None
        if newest and (newest.source, newest.body) == (revision.source, revision.body):
            before, template.entry = template.entry, entry
            described = [(each.title, each.description, each.disabled) for each in (before, entry)]
            if described[0] == described[1]:
                return Change(f"template {entry.id}", Action.UNCHANGED)
            self._state.writes += 1
            return Change(f"template {entry.id}", Action.CHANGED)
        template.entry = entry
        template.revisions.append(revision)
        self._state.writes += 1
        return Change(f"template {entry.id}", Action.PUBLISHED, f"revision {revision.revision}")

    def _store_placement(self, workspace: str, entry: Any) -> Change:
        self._need("cluster", entry.cluster, self._state.clusters)
        key = (entry.cluster, entry.namespace)
        for (cluster, namespace), (who, disabled) in self._state.placements.items():
            taken = (cluster, namespace) == key and who != workspace
            moved = (
                (cluster, who) == (entry.cluster, workspace) and namespace != entry.namespace and not disabled
            )
            if taken or (moved and not entry.disabled):
                raise PublicationError(f"{workspace} cannot be placed in {cluster}/{entry.namespace}")
        action = self._put(self._state.placements, key, (workspace, entry.disabled))
        return Change(f"placement of {workspace} in {entry.cluster}/{entry.namespace}", action)

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> Action:
        if key in table and table[key] == value:
            return Action.UNCHANGED
        action = Action.CHANGED if key in table else Action.CREATED
        table[key] = value
        self._state.writes += 1
        return action

    def _need(self, what: str, name: str, table: dict[str, Any]) -> None:
        if name not in table:
            raise PublicationError(f"There is no {what} {name} in the catalog.")
