"""Objects that deleted claims left: read from what the cluster holds of them, and chosen for a claim that takes them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ocdp_operator.adapters.cluster.kept import KeptObjects, RawObject
from ocdp_operator.errors import Refused
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import PVC, SECRET, Kind
from ocdp_operator.model.names import CLAIM_NAME, OWNER, RETAINED, credentials_name
from ocdp_operator.model.objects import Mark
from ocdp_operator.plan.tombstone import RETAINED_LABEL, Tombstone

UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Kept:
    """One object, and the claim that it was kept from."""

    namespace: str
    kind: str
    name: str
    size: str
    claim: ClaimKey
    claim_uid: str
    since: str = ""
    """Empty where only a mark tells: it was left by an older version, or by somebody who took the finalizer away."""
    template: str = ""
    workspace: str = ""
    revision: int = 0

    @classmethod
    def of(cls, kind: Kind, raw: RawObject) -> Kept | None:
        """None where neither a tombstone nor a mark tells whose it was. Where they differ the mark decides, as for the operator."""
        metadata = raw["metadata"]
        annotations = metadata.get("annotations") or {}
        namespace, name, size = metadata["namespace"], metadata["name"], _size(raw)
        said, mark = Tombstone.parse(annotations.get(RETAINED, "")), Mark.parse(annotations.get(OWNER, ""))
        if mark is not None and (mark.namespace, mark.ref.kind, mark.ref.name) == (
            namespace,
            kind.kind,
            name,
        ):
            claim, uid = ClaimKey(namespace, mark.claim), mark.claim_uid
        elif mark is None and said is not None and said.claim.namespace == namespace:
            claim, uid = said.claim, said.claim_uid
        else:
            return None
        if said is None or (said.claim, said.claim_uid) != (claim, uid):
            return cls(namespace, kind.kind, name, size, claim, uid)
        about = (said.since, said.template, said.workspace, said.revision)
        return cls(namespace, kind.kind, name, size, claim, uid, *about)

    def document(self) -> dict[str, Any]:
        """For ``-o yaml`` and ``-o json``."""
        return {
            "namespace": self.namespace,
            "claim": self.claim.name,
            "uid": self.claim_uid,
            "kind": self.kind,
            "name": self.name,
            "size": self.size,
            "template": self.template,
            "revision": self.revision,
            "workspace": self.workspace,
            "since": self.since,
        }


async def all_retained(objects: KeptObjects, living: Collection[str]) -> tuple[list[Kept], bool]:
    """Everything that is labelled as kept from a claim not among ``living`` (UIDs), and whether Secrets were looked for."""
    volumes = await objects.volumes(RETAINED, RETAINED_LABEL)
    secrets = await objects.secrets(RETAINED, RETAINED_LABEL)
    found = _read(PVC, volumes, SECRET, secrets or ())
    left = sorted((kept for kept in found if kept.claim_uid not in living), key=_order)
    return left, secrets is not None


async def kept_from(objects: KeptObjects, key: ClaimKey) -> list[Kept]:
    """What former claims of this name left, also without a tombstone."""
    volumes = {
        raw["metadata"]["name"]: raw
        for label, value in ((CLAIM_NAME, key.name), (RETAINED, RETAINED_LABEL))
        for raw in await objects.volumes(label, value)
    }
    secret = await objects.secret(credentials_name(key.name))
    found = _read(PVC, volumes.values(), SECRET, [secret] if secret is not None else [])
    return sorted((kept for kept in found if kept.claim == key), key=_order)


def chosen(kept: Sequence[Kept], uid: str | None, name: str) -> list[Kept]:
    """What is taken back: of the claim with this UID, or of the only one that left anything. Raises Refused."""
    if uid is None:
        uids = sorted({each.claim_uid for each in kept})
        if len(uids) > 1:
            raise Refused(
                f"Several claims of the name {name} left something: {', '.join(uids)}.",
                remedy="Choose one of them with --from; ocdp claim retained -o yaml tells what each of them left.",
            )
        uid = uids[0] if uids else None
    mine = [each for each in kept if each.claim_uid == uid]
    if not mine:
        whose = f"the claim {name} with the UID {uid}" if uid else f"an earlier claim {name}"
        raise Refused(f"Nothing of {whose} is there to be taken back.")
    return mine


def _read(first: Kind, some: Iterable[RawObject], second: Kind, more: Iterable[RawObject]) -> Iterator[Kept]:
    for kind, found in ((first, some), (second, more)):
        for raw in found:
            if (kept := Kept.of(kind, raw)) is not None:
                yield kept


def _size(raw: RawObject) -> str:
    status, spec = raw.get("status") or {}, raw.get("spec") or {}
    asked = (spec.get("resources") or {}).get("requests") or {}
    return str((status.get("capacity") or asked).get("storage", UNKNOWN))


def _order(kept: Kept) -> tuple[str, str, str, str, str]:
    return (kept.namespace, kept.claim.name, kept.claim_uid, kept.kind, kept.name)
