"""Objects as we send them (Manifest), as they live (Observed), and the mark that says whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ocdp_operator.model.ignoring import REPLICAS, SCALABLE, ignored_paths, owned_at, without, without_owned
from ocdp_operator.model.kinds import PVC, SECRET, WORKLOAD, Kind, find_kind
from ocdp_operator.model.names import FIELD_MANAGER, GROWN_FROM, OWNER, credentials_name
from ocdp_operator.model.wire import digest

_OF_AN_APPLY = ("apiVersion", "fieldsV1", "time")
"""What the digest of an apply is made of."""
_GROWN_FROM = ("metadata", "annotations", GROWN_FROM)
_AUTOSCALER = ("kube-controller-manager", "scale")
"""Manager and subresource by which a HorizontalPodAutoscaler writes."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One object in the claim's own namespace. The version is no part of its identity."""

    group: str
    kind: str
    name: str

    @property
    def id(self) -> str:
        """``<name>_<group>_<kind>``: Flux's inventory form without the namespace."""
        return f"{self.name}_{self.group}_{self.kind}"

    @classmethod
    def parse(cls, id_: str) -> ObjectRef:
        """The reverse of ``id``; object names hold no underscore."""
        name, group, kind = id_.split("_")
        return cls(group, kind, name)

    @property
    def known_kind(self) -> Kind:
        """The kind; a KeyError here is our own fault, since policy admits known kinds only."""
        kind = find_kind(self.group, self.kind)
        if kind is None:
            raise KeyError(f"{self.group}/{self.kind}")
        return kind

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def is_object_name(claim: str, ref: ObjectRef) -> bool:
    """Whether an object of this claim can have this name: no record makes one of any other name the claim's."""
    if ref.kind == WORKLOAD.kind:
        return ref.name == claim
    if ref.kind == SECRET.kind:
        return ref.name == credentials_name(claim)
    return ref.name.startswith(f"{claim}-")


@dataclass(frozen=True, slots=True)
class Mark:
    """Who owns an object, written on the object itself; a copied mark names another object (design 2)."""

    claim_uid: str
    namespace: str
    claim: str
    ref: ObjectRef

    def __str__(self) -> str:
        group = self.ref.group or "core"
        return f"{self.claim_uid} {self.namespace}/{self.claim} {group}/{self.ref.kind}/{self.ref.name}"

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """The mark, or None when the text is not one."""
        parts = text.split(" ")
        if len(parts) != 3 or parts[1].count("/") != 1 or parts[2].count("/") != 2:
            return None
        namespace, claim = parts[1].split("/")
        group, kind, name = parts[2].split("/")
        return cls(parts[0], namespace, claim, ObjectRef("" if group == "core" else group, kind, name))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A desired object: plain JSON values. ``body`` is never changed in place."""

    ref: ObjectRef
    body: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Manifest:
        """Reads the identity from the body, which must have apiVersion, kind and metadata.name."""
        api_version = str(body["apiVersion"])
        group = api_version.rpartition("/")[0]
        return cls(ObjectRef(group, str(body["kind"]), str(body["metadata"]["name"])), body)

    def renamed(self, name: str) -> Manifest:
        """The same object under another name, which its mark names too."""
        metadata = {**self.body["metadata"], "name": name}
        ref, annotations = replace(self.ref, name=name), metadata.get("annotations") or {}
        mark = Mark.parse(annotations.get(OWNER, ""))
        if mark is not None:
            metadata["annotations"] = {**annotations, OWNER: str(replace(mark, ref=ref))}
        return Manifest(ref, {**self.body, "metadata": metadata})

    @property
    def sent_digest(self) -> str:
        """Tells whether the object must be sent again: not for a field that is left to others, nor a Secret's value."""
        if self.ref.kind != SECRET.kind:
            return digest(self._counted)
        keys = {part: sorted(self.body.get(part) or ()) for part in ("data", "stringData")}
        return digest({**self.body, **keys})

    @property
    def _counted(self) -> Mapping[str, Any]:
        body: Mapping[str, Any] = self.body
        for path in ignored_paths(self.body["metadata"]):
            body = without(body, path)
        return body


@dataclass(frozen=True, slots=True)
class Observed:
    """A live object, as much of it as was asked for; ``body`` is empty where metadata was enough."""

    ref: ObjectRef
    namespace: str
    uid: str
    resource_version: str
    mark: Mark | None
    applied_digest: str
    """Digest of our ``Apply`` entry in managedFields, with the second of our last change; empty when there is none.

    The fields alone would not tell that a process of ours, late and forgotten, changed the value of one that is still ours.
    An apply that changes nothing leaves the time as it is. Fields that are left to others do not count; the replicas that an
    autoscaler took from us count as ours.
    """
    generation: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict, repr=False)
    deletion_timestamp: str = ""
    finalizers: tuple[str, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    """UID -> ``Kind/name`` of each object that takes this one with it."""
    before_first_apply: bool = False
    """A ``before-first-apply`` manager holds fields (KEP-555): they would never be pruned."""
    foreign_parts: tuple[str, ...] = ()
    """JSON pointers of containers, initContainers and volumes in the pod template that we did not send."""
    autoscaled: bool = False
    """An autoscaler owns how many pods there are, and the object does not leave that to others by itself."""
    sends_class: bool = False
    """We sent a volume its StorageClass; otherwise the API server chose the one that it has."""
    sends_size: bool = False
    """The size of a volume's claim is ours; otherwise somebody else set the one that it has."""
    grown_from: str = ""
    """What our ``Apply`` says of how large its volumes were to be, where they are larger (``plan/grown_volumes.py``)."""
    plain_digest: str = ""
    """Of an autoscaled object the digest of our entry as it is."""
    frozen: bool = False
    """The content of a ConfigMap or Secret can never change; known only where more than its metadata was read."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, kind: Kind, raw: Mapping[str, Any]) -> Observed:
        """Reads what the API server sent; ``kind`` because list items carry none."""
        metadata = raw["metadata"]
        annotations = metadata.get("annotations") or {}
        managed = metadata.get("managedFields") or ()
        own = _own_apply_entry(managed)
        counted = _counted(own, metadata)
        autoscaled = is_autoscaled(kind.kind, metadata)
        plain = _digest(counted)
        return cls(
            ref=ObjectRef(kind.group, kind.kind, metadata["name"]),
            namespace=metadata.get("namespace", ""),
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            mark=Mark.parse(annotations.get(OWNER, "")),
            applied_digest=_digest(_with_replicas(counted)) if autoscaled else plain,
            generation=metadata.get("generation", 0),
            labels=metadata.get("labels") or {},
            annotations=annotations,
            deletion_timestamp=metadata.get("deletionTimestamp") or "",
            finalizers=tuple(metadata.get("finalizers") or ()),
            owners={
                owner["uid"]: f"{owner['kind']}/{owner['name']}"
                for owner in metadata.get("ownerReferences") or ()
            },
            before_first_apply=any(entry.get("manager") == "before-first-apply" for entry in managed),
            foreign_parts=_foreign_parts(raw, own),
            autoscaled=autoscaled,
            sends_class=kind == PVC and _owns(own, "spec", "storageClassName"),
            sends_size=kind == PVC and _owns(own, "spec", "resources", "requests", "storage"),
            grown_from=annotations.get(GROWN_FROM, "") if _owns(own, *_GROWN_FROM) else "",
            plain_digest=plain if autoscaled else "",
            frozen=raw.get("immutable") is True,
            body={part: raw[part] for part in ("spec", "status") if part in raw}
            if kind.observes_status
            else {},
        )


def _owns(own: Mapping[str, Any] | None, *path: str) -> bool:
    tree = (own or {}).get("fieldsV1") or {}
    return bool(tree) and owned_at(tree, path) is not None


def _own_apply_entry(managed: Any) -> Mapping[str, Any] | None:
    for entry in managed:
        if (
            entry.get("manager") == FIELD_MANAGER
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ):
            return dict(entry)
    return None


def _counted(own: Mapping[str, Any] | None, metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Our entry without the fields that are left to others."""
    if own is None:
        return None
    fields = own.get("fieldsV1") or {}
    for path in ignored_paths(metadata):
        fields = without_owned(fields, path)
    return {**own, "fieldsV1": fields}


def _with_replicas(own: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if own is None:
        return None
    fields = own["fieldsV1"]
    return {**own, "fieldsV1": {**fields, "f:spec": {**fields.get("f:spec", {}), "f:replicas": {}}}}


def _digest(own: Mapping[str, Any] | None) -> str:
    return digest([own.get(part) for part in _OF_AN_APPLY]) if own else ""


def is_autoscaled(kind: str, metadata: Mapping[str, Any]) -> bool:
    """Whether the controller manager set the replicas as an autoscaler does; ``kubectl scale`` is another manager."""
    if kind not in SCALABLE or REPLICAS in ignored_paths(metadata):
        return False
    return any(
        (entry.get("manager"), entry.get("subresource")) == _AUTOSCALER
        and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
        for entry in metadata.get("managedFields") or ()
    )


def target_of(autoscaler: Mapping[str, Any]) -> ObjectRef:
    """What a HorizontalPodAutoscaler scales."""
    target = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    group = str(target.get("apiVersion") or "").rpartition("/")[0]
    return ObjectRef(group, str(target.get("kind") or ""), str(target.get("name") or ""))


def _foreign_parts(raw: Mapping[str, Any], own: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Parts of a pod template whose keys are missing from our Apply entry: somebody else added them."""
    template = (raw.get("spec") or {}).get("template") or {}
    pod = template.get("spec") or {}
    if own is None or not pod:
        return ()
    fields = own.get("fieldsV1") or {}
    for step in ("f:spec", "f:template", "f:spec"):
        fields = fields.get(step) or {}
    foreign = []
    for part in ("containers", "initContainers", "volumes"):
        ours = fields.get(f"f:{part}") or {}
        foreign += [
            f"/spec/template/spec/{part}/{item['name']}"
            for item in pod.get(part) or ()
            if f'k:{{"name":"{item["name"]}"}}' not in ours
        ]
    return tuple(foreign)
