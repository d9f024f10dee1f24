"""The Kubernetes API and the watches in memory, for tests of the pipeline; held to the same contract as the real ones."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any
from uuid import uuid4

from ocdp_operator.adapters.cluster.patches import disowning_patch, merge_patch
from ocdp_operator.adapters.cluster.store import ObservationStore
from ocdp_operator.adapters.cluster.trimming import observe, trimmed
from ocdp_operator.errors import Conflict, Reason, ReconcileError, Waiting
from ocdp_operator.model.claim import ClaimKey, ClaimStatus, WorkloadClaim
from ocdp_operator.model.events import ClaimEvent, ObjectEvent
from ocdp_operator.model.kinds import AUTOSCALER, CLAIM, INGRESS, PVC, SECRET, Kind
from ocdp_operator.model.names import CLAIM_UID, FIELD_MANAGER, INSTANCE
from ocdp_operator.model.namespace import NamespaceState
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed, target_of
from tests.support.field_ownership import Raw, applied, json_merged, merged, remove_at, updated

_Place = tuple[str, ObjectRef]


class FakeObservations:
    """Watches that see everything at once, unless ``lagging``; then only what is recorded gets in."""

    def __init__(self) -> None:
        self._store = ObservationStore()
        self.unlisted: set[str] = set()
        """Names of kinds that were not listed yet."""
        self.lagging = False

    def is_listed(self, kind: Kind) -> bool:
        return kind.kind not in self.unlisted

    def of_claim(self, namespace: str, claim_uid: str) -> Mapping[ObjectRef, Observed]:
        return self._store.of_claim(namespace, claim_uid)

    def all_of(self, kind: Kind) -> tuple[Observed, ...]:
        return self._store.all_of(kind)

    def owners(self) -> Collection[tuple[str, str]]:
        return self._store.owners()

    def pods_of_claim(self, key: ClaimKey) -> tuple[Observed, ...]:
        return self._store.pods_of_claim(key)

    def record(self, observed: Observed) -> bool:
        return self._store.put(trimmed(observed))

    def see(self, kind: Kind, raw: Raw) -> None:
        """The watch tells of an object that came or changed."""
        if not self.lagging:
            self._store.put(observe(kind, raw))

    def see_gone(self, kind: Kind, metadata: Mapping[str, Any]) -> None:
        """The watch tells of an object that went."""
        if not self.lagging:
            self._store.remove(kind, metadata)


class FakeCluster:
    """An API server with one store of JSON objects.

    ``writes`` counts mutating requests, refused ones too. ``down`` makes it unreachable. ``refuse`` holds an error for
    each object whose apply is refused. What other people do goes through ``put_claim``, ``edit``, ``strip_managers``,
    ``set_status``, ``remove`` and their like; none of these counts.
    """

    def __init__(self, *namespaces: str, observations: FakeObservations | None = None) -> None:
        self.observations = observations or FakeObservations()
        self.claims: dict[ClaimKey, Raw] = {}
        self.objects: dict[_Place, Raw] = {}
        self.namespaces: dict[str, Raw] = {name: {"labels": {}} for name in namespaces}
        self.events: list[ClaimEvent] = []
        self.told: dict[str, list[ObjectEvent]] = {}
        """What controllers told, by the UID of what it is about."""
        self.refuse: dict[ObjectRef, ReconcileError] = {}
        self.storage_classes: dict[str, bool] = {}
        """Whether each lets volumes grow."""
        self.writes = 0
        self.down = False
        self._version = 100

    # The port.

    async def get_claim(self, key: ClaimKey) -> WorkloadClaim | None:
        self._answer()
        raw = self.claims.get(key)
        return WorkloadClaim.parse(deepcopy(raw)) if raw else None

    async def list_claims(self) -> tuple[WorkloadClaim, ...]:
        self._answer()
        return tuple(WorkloadClaim.parse(deepcopy(raw)) for raw in self.claims.values())

    async def patch_claim(
        self, claim: WorkloadClaim, *, finalizers: Sequence[str], annotations: Mapping[str, str | None]
    ) -> WorkloadClaim:
        raw = self._claim_as_read(claim)
        changed = merged(raw, {"metadata": {"annotations": dict(annotations)}})
        changed["metadata"]["finalizers"] = list(finalizers)
        return self._store_claim(raw, changed)

    async def patch_claim_status(self, claim: WorkloadClaim, status: ClaimStatus) -> WorkloadClaim:
        patch = merge_patch(claim.status.to_wire(), status.to_wire())
        if not patch:
            return claim
        raw = self._claim_as_read(claim)
        changed = deepcopy(raw)
        changed["status"] = json_merged(raw.get("status") or {}, patch)
        return self._store_claim(raw, changed)

    async def apply(self, namespace: str, manifest: Manifest, *, uid: str) -> Observed:
        self._write()
        place, kind = (namespace, manifest.ref), manifest.ref.known_kind
        live = self.objects.get(place)
        if manifest.ref in self.refuse:
            raise self.refuse[manifest.ref]
        if live is None:
            self._admit(namespace, manifest.ref, uid)
        elif live["metadata"]["uid"] != uid:
            raise Conflict(f"{manifest.ref} is another object by now.")
        body = deepcopy(dict(manifest.body))
        if manifest.ref.kind == SECRET.kind:
            body["data"] = dict(body.get("data") or {}) | _encoded(body.pop("stringData", {}))
        after = applied(live, body)
        if live is None:
            after["metadata"] |= {"uid": str(uuid4()), "namespace": namespace}
        self._store_object(place, live, after)
        return Observed.of(kind, _visible(kind, self.objects[place]))

    async def apply_status(self, namespace: str, ref: ObjectRef, status: Mapping[str, Any]) -> None:
        self._write()
        live = self.objects.get((namespace, ref))
        if live is not None:
            after = deepcopy(live)
            after["status"] = json_merged(live.get("status") or {}, dict(status))
            self._store_object((namespace, ref), live, after)

    async def get(self, namespace: str, ref: ObjectRef) -> Observed | None:
        self._answer()
        live = self.objects.get((namespace, ref))
        return None if live is None else Observed.of(ref.known_kind, _visible(ref.known_kind, live))

    async def read(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        if ref.kind == SECRET.kind:
            raise ValueError("A Secret is read by get_secret alone.")
        self._answer()
        return deepcopy(self.objects.get((namespace, ref)))

    async def get_secret(self, namespace: str, name: str) -> tuple[Observed, Mapping[str, str]] | None:
        self._answer()
        live = self.objects.get((namespace, ObjectRef(SECRET.group, SECRET.kind, name)))
        return None if live is None else (Observed.of(SECRET, live), dict(live.get("data") or {}))

    async def delete(self, namespace: str, ref: ObjectRef, *, uid: str) -> None:
        self._write()
        live = self.objects.get((namespace, ref))
        if live is not None and live["metadata"]["uid"] == uid:
            self.remove(namespace, ref)

    async def delete_alone(self, namespace: str, ref: ObjectRef, *, uid: str) -> None:
        await self.delete(namespace, ref, uid=uid)

    async def try_new(self, namespace: str, manifest: Manifest) -> None:
        self._answer()
        if manifest.ref in self.refuse:
            raise self.refuse[manifest.ref]

    async def grow_volume(self, namespace: str, ref: ObjectRef, *, uid: str, storage: str) -> None:
        self._write()
        live = self.objects.get((namespace, ref))
        if live is None or live["metadata"]["uid"] != uid:
            raise Conflict(f"{ref} is another object by now.")
        change = {"spec": {"resources": {"requests": {"storage": storage}}}}
        self.edit(namespace, ref, change, manager=FIELD_MANAGER)

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        self._answer()
        return self.storage_classes.get(storage_class)

    async def retain_volumes(self, namespace: str, observed: Observed, *, deleted: str) -> None:
        self._write()
        live = self.objects.get((namespace, observed.ref))
        if live is None or live["metadata"]["uid"] != observed.uid:
            raise Conflict(f"{observed.ref} is another object by now.")
        retention = {"whenDeleted": deleted, "whenScaled": "Retain"}
        change = {"spec": {"persistentVolumeClaimRetentionPolicy": retention}}
        self.edit(namespace, observed.ref, change, manager=FIELD_MANAGER)

    async def annotate(
        self,
        namespace: str,
        observed: Observed,
        *,
        annotations: Mapping[str, str | None],
        labels: Mapping[str, str | None],
        disowned: Collection[str] = (),
    ) -> Observed:
        self._write()
        live = self.objects.get((namespace, observed.ref))
        if live is None or live["metadata"]["uid"] != observed.uid:
            raise Conflict(f"{observed.ref} is another object by now.")
        change = {"metadata": {"annotations": dict(annotations), "labels": dict(labels)}}
        self.edit(namespace, observed.ref, change, manager=FIELD_MANAGER)
        kind, after = observed.ref.known_kind, self.objects[namespace, observed.ref]
        if disowned:
            owners = after["metadata"].get("ownerReferences") or ()
            after["metadata"]["ownerReferences"] = [each for each in owners if each["uid"] not in disowned]
        return Observed.of(kind, _visible(kind, after))

    async def disown(self, namespace: str, observed: Observed) -> Observed:
        live = self.objects.get((namespace, observed.ref))
        if live is None or live["metadata"]["uid"] != observed.uid:
            raise Conflict(f"{observed.ref} came or went while it was put right.")
        kind = observed.ref.known_kind
        patch = disowning_patch(live, Observed.of(kind, live))
        if patch:
            self._write()
            after = deepcopy(live)
            for operation in patch[1:]:
                remove_at(after, operation["path"])
            self._store_object((namespace, observed.ref), live, after)
        return Observed.of(kind, _visible(kind, self.objects[namespace, observed.ref]))

    async def foreign_ingresses(self) -> tuple[Observed, ...]:
        self._answer()
        return tuple(
            Observed.of(INGRESS, {**raw, "metadata": {"namespace": namespace, **raw["metadata"]}})
            for (namespace, ref), raw in self.objects.items()
            if ref.kind == INGRESS.kind and CLAIM_UID not in raw["metadata"].get("labels", {})
        )

    async def list_labelled(self, namespace: str, kind: Kind, claim_uid: str) -> tuple[Observed, ...]:
        if kind == SECRET:
            raise ValueError("Secrets are never listed.")
        self._answer()
        return tuple(self._labelled(namespace, kind, CLAIM_UID, claim_uid))

    def _labelled(self, namespace: str, kind: Kind, label: str, value: str) -> Iterator[Observed]:
        for (where, ref), raw in self.objects.items():
            of_kind = (where, ref.group, ref.kind) == (namespace, kind.group, kind.kind)
            if of_kind and raw["metadata"].get("labels", {}).get(label) == value:
                yield Observed.of(kind, {"metadata": raw["metadata"]})

    async def autoscaled_objects(self, namespace: str) -> frozenset[ObjectRef]:
        self._answer()
        found = ((where, raw) for (where, ref), raw in self.objects.items() if ref.kind == AUTOSCALER.kind)
        return frozenset(target_of(raw) for where, raw in found if where == namespace)

    async def list_volumes(self, namespace: str, instance: str) -> tuple[Observed, ...]:
        self._answer()
        return tuple(self._labelled(namespace, PVC, INSTANCE, instance))

    async def events_about(self, namespace: str, uid: str) -> tuple[ObjectEvent, ...]:
        self._answer()
        told = self.told.get(uid, ())
        return tuple(sorted(told, key=lambda event: (event.at, event.warning), reverse=True))

    async def namespace(self, name: str) -> NamespaceState | None:
        self._answer()
        known = self.namespaces.get(name)
        return NamespaceState(bool(known.get("terminating")), known["labels"]) if known else None

    async def emit(self, event: ClaimEvent) -> None:
        if not self.down:
            self.writes += 1
            self.events.append(event)

    # What users and other controllers do.

    def put_claim(self, key: ClaimKey, **spec: Any) -> WorkloadClaim:
        """Creates a claim, or replaces the spec of one that exists."""
        known = self.claims.get(key)
        raw: Raw = deepcopy(known) if known else _new_claim(key)
        if raw.get("spec") != spec:
            raw["spec"] = deepcopy(spec)
            raw["metadata"]["generation"] += 1
        return self._store_claim(known, raw)

    def annotate_claim(self, key: ClaimKey, **annotations: str | None) -> WorkloadClaim:
        """Changes a claim's annotations; keys are given with their prefix, as ``**{"ocdp.io/x": "y"}``."""
        raw = self.claims[key]
        return self._store_claim(raw, merged(raw, {"metadata": {"annotations": annotations}}))

    def delete_claim(self, key: ClaimKey) -> None:
        """Asks for a claim's deletion; it goes when no finalizer holds it."""
        raw = deepcopy(self.claims[key])
        raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        raw["metadata"]["generation"] += 1
        self._store_claim(self.claims[key], raw)

    def put(self, namespace: str, body: Raw, *, manager: str = "kubectl") -> Raw:
        """Creates or replaces an object as somebody else."""
        ref = Manifest.of(body).ref
        live = self.objects.get((namespace, ref))
        known = live or {"apiVersion": body["apiVersion"], "metadata": {}}
        after = updated(
            known, merged({"metadata": {"uid": str(uuid4()), "namespace": namespace}}, body), manager
        )
        self._store_object((namespace, ref), live, after)
        return self.objects[namespace, ref]

    def edit(self, namespace: str, ref: ObjectRef, change: Raw, *, manager: str = "kubectl") -> None:
        """Changes an object as somebody else, by a strategic merge."""
        live = self.objects[namespace, ref]
        self._store_object((namespace, ref), live, updated(live, merged(live, change), manager))

    def scale(self, namespace: str, ref: ObjectRef, count: int, *, manager: str) -> None:
        """Scales by the subresource: an autoscaler does so as ``kube-controller-manager``, a person as ``kubectl``."""
        live = self.objects[namespace, ref]
        after = updated(live, merged(live, {"spec": {"replicas": count}}), manager, "scale")
        self._store_object((namespace, ref), live, after)

    def strip_managers(self, namespace: str, ref: ObjectRef) -> None:
        """Empties ``managedFields``, as some tools do: the next apply makes ``before-first-apply`` of what is there."""
        live = self.objects[namespace, ref]
        after = deepcopy(live)
        after["metadata"]["managedFields"] = []
        self._store_object((namespace, ref), live, after)

    def set_status(self, namespace: str, ref: ObjectRef, **status: Any) -> None:
        """Does what the kind's controller does."""
        live = self.objects[namespace, ref]
        self._store_object((namespace, ref), live, {**deepcopy(live), "status": status})

    def remove(self, namespace: str, ref: ObjectRef) -> None:
        """Deletes an object; one with a finalizer stays, marked."""
        live = self.objects[namespace, ref]
        after = deepcopy(live)
        after["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._store_object((namespace, ref), live, after)

    # The rest of the API server.

    def _answer(self) -> None:
        if self.down:
            raise Waiting(Reason.CLUSTER_UNAVAILABLE, "The API server does not answer.")

    def _write(self) -> None:
        self.writes += 1
        self._answer()

    def _admit(self, namespace: str, ref: ObjectRef, uid: str) -> None:
        known = self.namespaces.get(namespace)
        if known is None or known.get("terminating"):
            raise Waiting(Reason.NAMESPACE_TERMINATING, f"The namespace {namespace} is being deleted.")
        if uid:
            raise Conflict(f"{ref} is gone.")

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _claim_as_read(self, claim: WorkloadClaim) -> Raw:
        self._write()
        raw = self.claims.get(claim.key)
        if raw is None or raw["metadata"]["resourceVersion"] != claim.resource_version:
            raise Conflict(f"{CLAIM.kind}/{claim.key.name} changed since it was read.")
        return raw

    def _store_claim(self, before: Raw | None, after: Raw) -> WorkloadClaim:
        key = ClaimKey(after["metadata"]["namespace"], after["metadata"]["name"])
        if after != before:
            after["metadata"]["resourceVersion"] = self._next_version()
        self.claims[key] = after
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            del self.claims[key]
        return WorkloadClaim.parse(deepcopy(after))

    def _store_object(self, place: _Place, before: Raw | None, after: Raw) -> None:
        kind, metadata = place[1].known_kind, after["metadata"]
        if after == before:
            return
        metadata["resourceVersion"] = self._next_version()
        if before is None or before.get("spec") != after.get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        self.objects[place] = after
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self.objects[place]
            self.observations.see_gone(kind, metadata)
        elif kind != SECRET:
            self.observations.see(kind, _visible(kind, after))


def _new_claim(key: ClaimKey) -> Raw:
    metadata = {"namespace": key.namespace, "name": key.name, "uid": str(uuid4()), "generation": 0}
    metadata["creationTimestamp"] = "2025-06-01T12:00:00Z"
    return {"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, "metadata": metadata}


def _visible(kind: Kind, raw: Raw) -> Raw:
    return raw if kind.observes_status else {"metadata": raw["metadata"]}


def _encoded(text: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
