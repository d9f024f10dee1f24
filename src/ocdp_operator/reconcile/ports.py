"""The outside worlds as the reconcile sees them: one Protocol each, held to one contract suite each.

Every method raises ReconcileError (Waiting or Stalled) or Conflict from ``errors``, and nothing of its library.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ocdp_operator.model.claim import ClaimKey, ClaimStatus, WorkloadClaim
from ocdp_operator.model.events import ClaimEvent, ObjectEvent
from ocdp_operator.model.expression import Evaluated
from ocdp_operator.model.kinds import Kind
from ocdp_operator.model.namespace import NamespaceState
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.model.source import Artifact, Overlay, PinnedSource, Rendering
from ocdp_operator.model.telemetry import Result, Step, Tally
from ocdp_operator.model.template import CatalogAnswer, CatalogQuestion


class Catalog(Protocol):
    """The catalog in PostgreSQL, read-only."""

    async def ask(self, question: CatalogQuestion) -> CatalogAnswer:
        """Everything one resolve needs, from one REPEATABLE READ, READ ONLY transaction.

        Raises Waiting(CatalogUnavailable, dependency=CATALOG) on any failure: a failed query is never "no rows".
        """
        ...

    async def counter(self) -> int:
        """The number of catalog writes so far; also the probe. Raises like ``ask``."""
        ...


class Sources(Protocol):
    """Git repositories, by commit."""

    async def fetch(self, source: PinnedSource, components: Sequence[str]) -> Artifact:
        """The closure of ``source.path`` and the components at the commit; cached, shared, single flight.

        Raises Waiting(GitOperationFailed or AuthenticationFailed, dependency=the repository), or Stalled
        (URLNotAllowed, RefNotFound, InvalidPath, SourceTooLarge, UnsafeBuild).
        """
        ...

    async def probe(self, repository_url: str) -> None:
        """Returns when the repository answers; raises like ``fetch``."""
        ...


class Expressions(Protocol):
    """CEL, with the functions ``quantity``, ``slug`` and ``envName``."""

    def check(self, expression: str) -> str | None:
        """What CEL has against the syntax of the expression, and where; None: nothing."""
        ...

    async def evaluate(self, expressions: Sequence[str], roots: Mapping[str, Any]) -> tuple[Evaluated, ...]:
        """The value of each as JSON, fields in order; one that fails says why, quotes no value, and ends no other.

        ``roots`` are ``values``, ``profile``, ``workspace`` and ``claim``. Raises nothing.
        """
        ...


class Renderer(Protocol):
    """kustomize, confined."""

    async def render(self, artifact: Artifact, overlay: Overlay) -> Rendering:
        """The manifests of the overlay on top of the artifact. Raises Stalled(BuildFailed)."""
        ...


class Cluster(Protocol):
    """The Kubernetes API: claims, the objects of a claim, events. Every write is counted (design 7)."""

    async def list_claims(self) -> tuple[WorkloadClaim, ...]:
        """Every claim of the cluster, from one consistent list. One that cannot be read is left out and logged."""
        ...

    async def get_claim(self, key: ClaimKey) -> WorkloadClaim | None:
        """A fresh read; None when it is gone."""
        ...

    async def patch_claim(
        self, claim: WorkloadClaim, *, finalizers: Sequence[str], annotations: Mapping[str, str | None]
    ) -> WorkloadClaim:
        """Sets the finalizers and merges annotations. Raises Conflict when the claim changed since it was read."""
        ...

    async def patch_claim_status(self, claim: WorkloadClaim, status: ClaimStatus) -> WorkloadClaim:
        """Makes ``/status`` equal to ``status`` by a merge patch. Raises Conflict when the claim changed."""
        ...

    async def apply(self, namespace: str, manifest: Manifest, *, uid: str) -> Observed:
        """Server-side applies one object with force, as the object of this UID.

        With an empty ``uid`` it creates: Conflict when an object of that name exists. With a UID: Conflict when the
        object is gone or is another one. Raises Waiting or Stalled for every other refusal.
        """
        ...

    async def apply_status(self, namespace: str, ref: ObjectRef, status: Mapping[str, Any]) -> None:
        """Merge-patches ``/status`` of one of our own objects (the Workload). An absent object is no error."""
        ...

    async def get(self, namespace: str, ref: ObjectRef) -> Observed | None:
        """One fresh read: the whole object where health reads the kind, else metadata (always, for Secrets)."""
        ...

    async def read(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """One fresh read of the whole object as the API server has it, managedFields and all; None when it is absent.

        Never of a Secret: ValueError.
        """
        ...

    async def get_secret(self, namespace: str, name: str) -> tuple[Observed, Mapping[str, str]] | None:
        """A Secret with its values (base64, as on the wire): the claim's own, or a user's that was seen to be claimable.

        None when it is absent.
        """
        ...

    async def delete(self, namespace: str, ref: ObjectRef, *, uid: str) -> None:
        """Deletes in the background with a UID precondition; an absent object or another UID is no error."""
        ...

    async def delete_alone(self, namespace: str, ref: ObjectRef, *, uid: str) -> None:
        """Deletes an object and nothing that it owns, with a UID precondition; an absent object is no error.

        It may still be there for a moment, marked as deleted.
        """
        ...

    async def try_new(self, namespace: str, manifest: Manifest) -> None:
        """A dry run of creating such an object, under a name that nobody has. Raises Waiting or Stalled when refused."""
        ...

    async def grow_volume(self, namespace: str, ref: ObjectRef, *, uid: str, storage: str) -> None:
        """Asks for a larger volume, for a claim that a StatefulSet made. Raises Conflict when it is gone or another one."""
        ...

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        """Whether volumes of this StorageClass may grow; None when there is no telling."""
        ...

    async def retain_volumes(self, namespace: str, observed: Observed, *, deleted: str) -> None:
        """Sets ``whenDeleted`` (Retain or Delete) of a StatefulSet's volume claims, with a UID precondition.

        Raises Conflict when it is gone or another one.
        """
        ...

    async def annotate(
        self,
        namespace: str,
        observed: Observed,
        *,
        annotations: Mapping[str, str | None],
        labels: Mapping[str, str | None],
        disowned: Collection[str] = (),
    ) -> Observed:
        """Merges annotations and labels, of which None removes one, into this very object's; with the object as it is then.

        Owners of the UIDs in ``disowned`` no longer take it with them; other owners still do. Raises Conflict when it is gone or another one.
        """
        ...

    async def disown(self, namespace: str, observed: Observed) -> Observed:
        """Removes ``before-first-apply`` managers and foreign parts from an object of ours, in one patch."""
        ...

    async def list_labelled(self, namespace: str, kind: Kind, claim_uid: str) -> tuple[Observed, ...]:
        """A fresh list of one kind by our claim-uid label: release without an inventory."""
        ...

    async def list_volumes(self, namespace: str, instance: str) -> tuple[Observed, ...]:
        """A fresh list of the PersistentVolumeClaims with this ``app.kubernetes.io/instance`` label: their metadata."""
        ...

    async def foreign_ingresses(self) -> tuple[Observed, ...]:
        """Every Ingress of the cluster that does not have our claim-uid label, whole, from a fresh list."""
        ...

    async def autoscaled_objects(self, namespace: str) -> frozenset[ObjectRef]:
        """What the namespace's HorizontalPodAutoscalers scale, anybody's, from a fresh list."""
        ...

    async def events_about(self, namespace: str, uid: str) -> tuple[ObjectEvent, ...]:
        """A fresh list of the events about the object of this UID, at most 500, the newest first."""
        ...

    async def namespace(self, name: str) -> NamespaceState | None:
        """The namespace; None when it is gone."""
        ...

    async def emit(self, event: ClaimEvent) -> None:
        """Posts an event; a failure is logged and dropped, since events are best effort."""
        ...


class Observations(Protocol):
    """The reflector's store: what the watches saw last."""

    def is_listed(self, kind: Kind) -> bool:
        """Whether the kind was listed completely since the start; before that, absence means nothing."""
        ...

    def of_claim(self, namespace: str, claim_uid: str) -> Mapping[ObjectRef, Observed]:
        """Live objects with the claim's uid label in its namespace; Pods and Secrets are never among them.

        A label proves nothing: in another namespace it is somebody else's, and here the mark decides.
        """
        ...

    def all_of(self, kind: Kind) -> tuple[Observed, ...]:
        """Live objects of this kind with such a label, of every claim."""
        ...

    def owners(self) -> Collection[tuple[str, str]]:
        """Namespace and claim UID of every object with such a label."""
        ...

    def pods_of_claim(self, key: ClaimKey) -> tuple[Observed, ...]:
        """Live pods with the claim's name label in its namespace."""
        ...

    def record(self, observed: Observed) -> bool:
        """Takes in what a write returned; False when the watch already saw something as new."""
        ...


class Telemetry(Protocol):
    """Where reconciles are measured. It never fails, and takes microseconds."""

    def observed(self, step: Step, seconds: float) -> None:
        """A step of a reconcile took so long."""
        ...

    def finished(self, result: Result, seconds: float) -> None:
        """A whole reconcile took so long and ended so."""
        ...

    def counted(self, tally: Tally, label: str = "", amount: int = 1) -> None:
        """Something happened, so many times; ``label`` says how, in one of a few words."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Every outside world a reconcile may touch."""

    catalog: Catalog
    sources: Sources
    renderer: Renderer
    cluster: Cluster
    observations: Observations
    expressions: Expressions
