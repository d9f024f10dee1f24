"""The ``Cluster`` port on a real API server: one request for each method, server-side apply for each object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog

from ocdp_operator.adapters.cluster import paths, storage
from ocdp_operator.adapters.cluster.client import Answer, KubeClient
from ocdp_operator.adapters.cluster.pages import list_pages
from ocdp_operator.adapters.cluster.patches import disowning_patch, merge_patch
from ocdp_operator.adapters.cluster.refusals import Request, refuse, require
from ocdp_operator.errors import Actor, Conflict, OcdpError, Reason, Stalled, Waiting
from ocdp_operator.model.claim import ClaimKey, ClaimStatus, WorkloadClaim
from ocdp_operator.model.events import ClaimEvent, ObjectEvent
from ocdp_operator.model.kinds import AUTOSCALER, CLAIM, INGRESS, PVC, SECRET, Kind
from ocdp_operator.model.names import CLAIM_UID, FIELD_MANAGER, INSTANCE
from ocdp_operator.model.namespace import NamespaceState
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed, target_of

_log = structlog.get_logger(__name__)

_LONGEST_EVENT: Final = 1024
_LONGEST_HEARD: Final = 2048
"""Anybody who may write events may write longer ones than Kubernetes' own, which have 1,024 characters at most."""
_SECONDS: Final = len("2026-01-01T00:00:00")
"""Times of events come with and without fractions of a second."""
_MOST_DISOWN_TRIES: Final = 5
_TRIAL: Final = "-trial"


def _now() -> datetime:
    return datetime.now(UTC)


class KubeCluster:
    """Claims, the objects of claims and events, through one client."""

    def __init__(self, client: KubeClient, *, now: Callable[[], datetime] = _now) -> None:
        self._client = client
        self._now = now

    async def get_claim(self, key: ClaimKey) -> WorkloadClaim | None:
        """As the port says; raises Stalled(InvalidClaim) when it is there and cannot be read."""
        answer = await self._client.send("GET", _claim_path(key))
        return None if answer.is_absent else WorkloadClaim.parse(require(answer, _on_claim("get", key)))

    async def list_claims(self) -> tuple[WorkloadClaim, ...]:
        """Every claim of the cluster. One that cannot be read is left out and logged."""
        return tuple([claim async for claim in self._each_claim()])

    async def patch_claim(
        self, claim: WorkloadClaim, *, finalizers: Sequence[str], annotations: Mapping[str, str | None]
    ) -> WorkloadClaim:
        """As the port says, in one merge patch."""
        metadata = {
            "resourceVersion": claim.resource_version,
            "finalizers": list(finalizers),
            "annotations": dict(annotations),
        }
        return await self._patch_claim(claim, "", {"metadata": metadata})

    async def patch_claim_status(self, claim: WorkloadClaim, status: ClaimStatus) -> WorkloadClaim:
        """As the port says, in one merge patch of what differs; without a request when nothing does."""
        patch = merge_patch(claim.status.to_wire(), status.to_wire())
        if not patch:
            return claim
        metadata = {"resourceVersion": claim.resource_version}
        return await self._patch_claim(claim, "/status", {"metadata": metadata, "status": patch})

    async def apply(self, namespace: str, manifest: Manifest, *, uid: str) -> Observed:
        """As the port says, in one request; of kinds whose health needs no more, only the metadata comes back."""
        kind = manifest.ref.known_kind
        # A resource version makes it a creation: no object that exists has this one.
        precondition = {"uid": uid} if uid else {"resourceVersion": "1"}
        body = {**manifest.body, "metadata": {**manifest.body["metadata"], **precondition}}
        answer = await self._client.send(
            "PATCH",
            paths.item(kind, namespace, manifest.ref.name) + paths.FORCED,
            orjson.dumps(body),
            content_type=paths.APPLY_PATCH,
            accept=_detail(kind),
        )
        return Observed.of(kind, require(answer, Request("apply", manifest.ref, namespace)))

    async def apply_status(self, namespace: str, ref: ObjectRef, status: Mapping[str, Any]) -> None:
        """As the port says."""
        path = f"{paths.item(ref.known_kind, namespace, ref.name)}/status{paths.MANAGED}"
        body = orjson.dumps({"status": status})
        answer = await self._client.send(
            "PATCH", path, body, content_type=paths.MERGE_PATCH, accept=paths.METADATA
        )
        if not answer.ok and not answer.is_absent:
            refuse(answer, Request("patch", ref, namespace))

    async def get(self, namespace: str, ref: ObjectRef) -> Observed | None:
        """As the port says."""
        raw = await self._get(namespace, ref)
        return None if raw is None else Observed.of(ref.known_kind, raw)

    async def read(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """As the port says."""
        if ref.kind == SECRET.kind:
            raise ValueError("A Secret is read by get_secret alone.")
        answer = await self._client.send("GET", paths.item(ref.known_kind, namespace, ref.name))
        return None if answer.is_absent else require(answer, Request("get", ref, namespace))

    async def get_secret(self, namespace: str, name: str) -> tuple[Observed, Mapping[str, str]] | None:
        """As the port says: the only place where values of a Secret are read."""
        ref = ObjectRef(SECRET.group, SECRET.kind, name)
        answer = await self._client.send("GET", paths.item(SECRET, namespace, name))
        if answer.is_absent:
            return None
        raw = require(answer, Request("get", ref, namespace))
        return Observed.of(SECRET, raw), raw.get("data") or {}

    async def delete(self, namespace: str, ref: ObjectRef, *, uid: str) -> None:
        """As the port says."""
        await self._delete(namespace, ref, uid, "Background")

    async def delete_alone(self, namespace: str, ref: ObjectRef, *, uid: str) -> None:
        """As the port says."""
        await self._delete(namespace, ref, uid, "Orphan")

    async def _delete(self, namespace: str, ref: ObjectRef, uid: str, propagation: str) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": propagation,
        }
        path = paths.item(ref.known_kind, namespace, ref.name)
        answer = await self._client.send("DELETE", path, orjson.dumps(options), accept=paths.METADATA)
        if not answer.ok and not answer.is_absent and answer.status != 409:
            refuse(answer, Request("delete", ref, namespace))

    async def try_new(self, namespace: str, manifest: Manifest) -> None:
        """As the port says: by server-side apply, as the object itself will be."""
        # Names end before 52 characters, so that there is room.
        trial = manifest.renamed(f"{manifest.ref.name}{_TRIAL}")
        answer = await self._client.send(
            "PATCH",
            f"{paths.item(trial.ref.known_kind, namespace, trial.ref.name)}{paths.FORCED}{paths.DRY_RUN}",
            orjson.dumps(trial.body),
            content_type=paths.APPLY_PATCH,
            accept=paths.METADATA,
        )
        require(answer, Request("apply", manifest.ref, namespace))

    async def grow_volume(self, namespace: str, ref: ObjectRef, *, uid: str, storage: str) -> None:
        """As the port says, by a merge patch: whatever else the claim says is not ours."""
        patch = {"metadata": {"uid": uid}, "spec": {"resources": {"requests": {"storage": storage}}}}
        path = paths.item(ref.known_kind, namespace, ref.name) + paths.MANAGED
        answer = await self._client.send(
            "PATCH", path, orjson.dumps(patch), content_type=paths.MERGE_PATCH, accept=paths.METADATA
        )
        require(answer, Request("patch", ref, namespace))

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        """As the port says; without the right to look there is no telling either, and the log says so."""
        return await storage.lets_volumes_grow(self._client, storage_class, _may_not_look)

    async def retain_volumes(self, namespace: str, observed: Observed, *, deleted: str) -> None:
        """As the port says, by a merge patch: a StatefulSet that goes is not applied anew."""
        patch = {
            "metadata": {"uid": observed.uid},
            "spec": {
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": "Retain"}
            },
        }
        path = paths.item(observed.ref.known_kind, namespace, observed.ref.name) + paths.MANAGED
        answer = await self._client.send(
            "PATCH", path, orjson.dumps(patch), content_type=paths.MERGE_PATCH, accept=paths.METADATA
        )
        require(answer, Request("patch", observed.ref, namespace))

    async def annotate(
        self,
        namespace: str,
        observed: Observed,
        *,
        annotations: Mapping[str, str | None],
        labels: Mapping[str, str | None],
        disowned: Collection[str] = (),
    ) -> Observed:
        """As the port says, by a merge patch; of what we own by our applies nothing is touched.

        One owner among others is taken off by a strategic merge patch, which only built-in kinds know.
        """
        kind = observed.ref.known_kind
        metadata: dict[str, Any] = {"uid": observed.uid, "annotations": annotations, "labels": labels}
        if disowned:
            metadata["ownerReferences"] = [{"uid": uid, "$patch": "delete"} for uid in disowned]
        answer = await self._client.send(
            "PATCH",
            paths.item(kind, namespace, observed.ref.name) + paths.MANAGED,
            orjson.dumps({"metadata": metadata}),
            content_type=paths.STRATEGIC_PATCH if disowned else paths.MERGE_PATCH,
            accept=_detail(kind),
        )
        return Observed.of(kind, require(answer, Request("patch", observed.ref, namespace)))

    async def disown(self, namespace: str, observed: Observed) -> Observed:
        """As the port says. Raises Stalled when what was removed is there again at once: something adds it."""
        ref, kind = observed.ref, observed.ref.known_kind
        for _ in range(_MOST_DISOWN_TRIES):
            raw = await self._get(namespace, ref)
            if raw is None or raw["metadata"]["uid"] != observed.uid:
                raise Conflict(f"{ref} came or went while it was put right.")
            seen = Observed.of(kind, raw)
            patch = disowning_patch(raw, seen)
            if not patch:
                return seen
            answer = await self._client.send(
                "PATCH",
                paths.item(kind, namespace, ref.name) + paths.MANAGED,
                orjson.dumps(patch),
                content_type=paths.JSON_PATCH,
                accept=_detail(kind),
            )
            if not _is_outdated(answer):
                return _without_foreign(Observed.of(kind, require(answer, Request("patch", ref, namespace))))
        raise Waiting(Reason.APPLY_FAILED, f"{ref} changed all the time while it was put right.")

    async def list_labelled(self, namespace: str, kind: Kind, claim_uid: str) -> tuple[Observed, ...]:
        """As the port says, with the metadata of each object. Secrets are never listed (design 4.9)."""
        if kind == SECRET:
            raise ValueError("Secrets are never listed.")
        return await self._list_metadata(namespace, kind, paths.of_claim(claim_uid))

    async def list_volumes(self, namespace: str, instance: str) -> tuple[Observed, ...]:
        """As the port says."""
        return await self._list_metadata(namespace, PVC, f"?{paths.having(INSTANCE, instance)}")

    async def _list_metadata(self, namespace: str, kind: Kind, query: str) -> tuple[Observed, ...]:
        path = paths.collection(kind, namespace) + query
        answer = await self._client.send("GET", path, accept=paths.METADATA_LIST)
        if answer.is_absent:
            return ()
        raw = require(answer, Request("list", ObjectRef(kind.group, kind.kind, "*"), namespace))
        return tuple(Observed.of(kind, item) for item in raw["items"] or ())

    async def foreign_ingresses(self) -> tuple[Observed, ...]:
        """As the port says."""
        everywhere = ObjectRef(INGRESS.group, INGRESS.kind, "*")
        query = f"&{paths.lacking(CLAIM_UID)}"
        pages = list_pages(self._client, INGRESS, Request("list", everywhere, ""), query=query)
        return tuple([Observed.of(INGRESS, item) async for page in pages for item in page.items])

    async def autoscaled_objects(self, namespace: str) -> frozenset[ObjectRef]:
        """As the port says."""
        every = ObjectRef(AUTOSCALER.group, AUTOSCALER.kind, "*")
        answer = await self._client.send("GET", paths.collection(AUTOSCALER, namespace))
        raw = require(answer, Request("list", every, namespace))
        return frozenset(target_of(item) for item in raw["items"] or ())

    async def events_about(self, namespace: str, uid: str) -> tuple[ObjectEvent, ...]:
        """As the port says: of one second a warning comes first."""
        path = f"{paths.collection(paths.EVENT, namespace)}?{paths.about(uid)}"
        answer = await self._client.send("GET", path)
        ref = ObjectRef(paths.EVENT.group, paths.EVENT.kind, "*")
        raw = require(answer, Request("list", ref, namespace))
        told = [_told(item) for item in raw["items"] or ()]
        return tuple(sorted(told, key=lambda event: (event.at, event.warning), reverse=True))

    async def namespace(self, name: str) -> NamespaceState | None:
        """As the port says."""
        path = paths.item(paths.NAMESPACE, "", name)
        answer = await self._client.send("GET", path, accept=paths.METADATA)
        if answer.is_absent:
            return None
        ref = ObjectRef(paths.NAMESPACE.group, paths.NAMESPACE.kind, name)
        metadata = require(answer, Request("get", ref, ""))["metadata"]
        return NamespaceState(bool(metadata.get("deletionTimestamp")), metadata.get("labels") or {})

    async def emit(self, event: ClaimEvent) -> None:
        """As the port says."""
        path = paths.collection(paths.EVENT, event.key.namespace)
        try:
            answer = await self._client.send(
                "POST",
                path,
                orjson.dumps(_event_body(event, self._now())),
                accept=paths.METADATA,
                repeatable=False,
            )
            require(answer, _on_claim("tell of", event.key))
        except OcdpError as error:
            _log.warning("event dropped", claim=str(event.key), reason=event.reason, error=str(error))

    async def _patch_claim(
        self, claim: WorkloadClaim, subresource: str, patch: Mapping[str, Any]
    ) -> WorkloadClaim:
        answer = await self._client.send(
            "PATCH",
            # A record that lost a field would be worse than none: what cannot be recorded is not done.
            f"{_claim_path(claim.key)}{subresource}{paths.STRICT}",
            orjson.dumps(patch),
            content_type=paths.MERGE_PATCH,
        )
        return WorkloadClaim.parse(require(answer, _on_claim("patch", claim.key)))

    async def _get(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        kind = ref.known_kind
        answer = await self._client.send("GET", paths.item(kind, namespace, ref.name), accept=_detail(kind))
        return None if answer.is_absent else require(answer, Request("get", ref, namespace))

    async def _each_claim(self) -> AsyncIterator[WorkloadClaim]:
        everywhere = ObjectRef(CLAIM.group, CLAIM.kind, "*")
        async for page in list_pages(self._client, CLAIM, Request("list", everywhere, "")):
            for item in page.items:
                try:
                    yield WorkloadClaim.parse(item)
                except Stalled as error:
                    metadata = item["metadata"]
                    _log.error(
                        "claim cannot be read",
                        claim=f"{metadata['namespace']}/{metadata['name']}",
                        error=error.message,
                    )


def _claim_path(key: ClaimKey) -> str:
    return paths.item(CLAIM, key.namespace, key.name)


def _on_claim(verb: str, key: ClaimKey) -> Request:
    return Request(verb, ObjectRef(CLAIM.group, CLAIM.kind, key.name), key.namespace)


def _detail(kind: Kind) -> str:
    """As much of the answer as anybody reads: no data of a ConfigMap, and no value of a Secret, ever comes back."""
    return paths.JSON if kind.observes_status else paths.METADATA


def _is_outdated(answer: Answer) -> bool:
    """The object changed since it was read: the patch's test failed, which is a 422 without any detail."""
    return answer.status == 409 or (answer.status == 422 and not answer.json().get("details"))


def _without_foreign(observed: Observed) -> Observed:
    if not observed.foreign_parts:
        return observed
    raise Stalled(
        Reason.APPLY_FAILED,
        f"{observed.ref}: something in the cluster adds {', '.join(observed.foreign_parts)} again as soon as it is removed.",
        actor=Actor.CLUSTER_OPERATOR,
        remedy="Exempt the workspaces' namespaces from the admission webhook that adds it.",
    )


def _told(raw: Mapping[str, Any]) -> ObjectEvent:
    series = raw.get("series") or {}
    times = (series.get("lastObservedTime"), raw.get("lastTimestamp"), raw.get("eventTime"))
    return ObjectEvent(
        reason=raw.get("reason") or "",
        message=(raw.get("message") or "")[:_LONGEST_HEARD],
        at=next((time[:_SECONDS] for time in times if time), ""),
        warning=raw.get("type") == "Warning",
    )


def _event_body(event: ClaimEvent, now: datetime) -> dict[str, Any]:
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{event.key.name}.", "namespace": event.key.namespace},
        "involvedObject": {
            "apiVersion": CLAIM.api_version,
            "kind": CLAIM.kind,
            "namespace": event.key.namespace,
            "name": event.key.name,
            "uid": event.uid,
        },
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "message": event.message[:_LONGEST_EVENT],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def _may_not_look(error: Waiting) -> None:
    _log.warning("not known whether volumes may grow", code=error.reason, error=error.message)
