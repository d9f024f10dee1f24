"""The newest known version of every object that carries a claim's label, found by claim."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import POD, SECRET, Kind
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID
from ocdp_operator.model.objects import ObjectRef, Observed

_MOST_REMOVED: Final = 8192
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})

_Place = tuple[str, str]
"""Namespace and name, within one kind."""


class ObservationStore:
    """Objects as last seen, by a watch or in the answer to a write: whichever is newer.

    Versions compare as integers (KEP-5504). What was removed is remembered for a while, so that an answer which comes
    late does not bring it back.
    """

    def __init__(self) -> None:
        self._objects: defaultdict[str, dict[_Place, Observed]] = defaultdict(dict)
        self._by_claim: dict[tuple[str, str], dict[ObjectRef, Observed]] = {}
        self._pods: dict[ClaimKey, dict[str, Observed]] = {}
        self._removed: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def is_news(self, kind: Kind, metadata: Mapping[str, Any]) -> bool:
        """Whether an object with this metadata is newer than what is known: a look before it is read in full."""
        version = int(metadata["resourceVersion"])
        known = self._objects[kind.kind].get((metadata["namespace"], metadata["name"]))
        if known is not None and int(known.resource_version) >= version:
            return False
        return self._removed.get(metadata["uid"], 0) < version

    def known(self, kind: Kind, namespace: str, name: str) -> Observed | None:
        """The object of this name as it was last seen."""
        return self._objects[kind.kind].get((namespace, name))

    def put(self, observed: Observed) -> bool:
        """Takes in a trimmed object; True when it is newer and differs in more than its version.

        Secrets and objects without a claim's label are not taken in.
        """
        ref = observed.ref
        if ref.kind == SECRET.kind:
            return False
        version, place = int(observed.resource_version), (observed.namespace, ref.name)
        of_kind = self._objects[ref.kind]
        known = of_kind.get(place)
        if known is not None and int(known.resource_version) >= version:
            return False
        if self._removed.get(observed.uid, 0) >= version:
            return False
        if known is not None and replace(known, resource_version=observed.resource_version) == observed:
            observed = replace(known, resource_version=observed.resource_version)
            changed = False
        else:
            changed = True
        if known is not None:
            self._unindex(known)
        if self._index(observed):
            of_kind[place] = observed
        else:
            of_kind.pop(place, None)
        return changed

    def remove(self, kind: Kind, metadata: Mapping[str, Any]) -> Observed | None:
        """Forgets the object with this UID, as of this version; returns it if it was known."""
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        known = self._objects[kind.kind].get((metadata["namespace"], metadata["name"]))
        if known is not None and known.uid == uid and int(known.resource_version) > version:
            return None  # its label is back by now
        self._bury(uid, version)
        if known is None or known.uid != uid:
            return None
        self._forget(known)
        return known

    def prune(self, kind: Kind, listed: Collection[str], version: int) -> tuple[Observed, ...]:
        """Forgets what a complete list of a kind, as of this version, did not hold; returns it."""
        gone = tuple(
            observed
            for observed in self._objects[kind.kind].values()
            if observed.uid not in listed and int(observed.resource_version) <= version
        )
        for observed in gone:
            self._bury(observed.uid, version)
            self._forget(observed)
        return gone

    def of_claim(self, namespace: str, claim_uid: str) -> Mapping[ObjectRef, Observed]:
        """The objects with this claim's UID as their label, in its namespace, as of now."""
        return dict(self._by_claim.get((namespace, claim_uid), _NOTHING))

    def all_of(self, kind: Kind) -> tuple[Observed, ...]:
        """The objects of a kind, of every claim, as of now."""
        return tuple(self._objects[kind.kind].values())

    def owners(self) -> Collection[tuple[str, str]]:
        """Namespace and claim UID of every object with such a label, as of now."""
        return tuple(self._by_claim)

    def pods_of_claim(self, key: ClaimKey) -> tuple[Observed, ...]:
        """The pods with this claim's name as their label, in its namespace."""
        return tuple(self._pods.get(key, _NOTHING).values())

    def _index(self, observed: Observed) -> bool:
        ref = observed.ref
        if ref.kind == POD.kind:
            claim = observed.labels.get(CLAIM_NAME)
            if claim:
                self._pods.setdefault(ClaimKey(observed.namespace, claim), {})[ref.name] = observed
            return bool(claim)
        uid = observed.labels.get(CLAIM_UID)
        if uid:
            self._by_claim.setdefault((observed.namespace, uid), {})[ref] = observed
        return bool(uid)

    def _unindex(self, observed: Observed) -> None:
        if observed.ref.kind == POD.kind:
            key = ClaimKey(observed.namespace, observed.labels[CLAIM_NAME])
            _drop(self._pods, key, observed.ref.name)
        else:
            _drop(self._by_claim, (observed.namespace, observed.labels[CLAIM_UID]), observed.ref)

    def _forget(self, observed: Observed) -> None:
        self._unindex(observed)
        del self._objects[observed.ref.kind][observed.namespace, observed.ref.name]

    def _bury(self, uid: str, version: int) -> None:
        self._removed[uid] = max(version, self._removed.get(uid, 0))
        self._removed.move_to_end(uid)
        if len(self._removed) > _MOST_REMOVED:
            self._removed.popitem(last=False)


def _drop(index: dict[Any, dict[Any, Observed]], key: Any, member: Any) -> None:
    members = index[key]
    del members[member]
    if not members:
        del index[key]
