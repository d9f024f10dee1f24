"""The store keeps the newest version of each object, whoever tells of it first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.adapters.cluster import store
from ocdp_operator.adapters.cluster.store import ObservationStore
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.kinds import CONFIG_MAP, POD, SECRET, Kind
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID
from ocdp_operator.model.objects import ObjectRef, Observed

CONFIG = ObjectRef("", "ConfigMap", "a")


def metadata(
    version: int, *, uid: str = "1", name: str = "a", namespace: str = "ns", **labels: str
) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {CLAIM_UID: "claim", CLAIM_NAME: "ide"} | labels,
    }


def seen(version: int, *, kind: Kind = CONFIG_MAP, **fields: str) -> Observed:
    return Observed.of(kind, {"metadata": metadata(version, **fields)})


def version_of(kept: ObservationStore, namespace: str = "ns") -> int:
    found = kept.of_claim(namespace, "claim").get(CONFIG)
    return int(found.resource_version) if found else 0


def test_newer_version_replaces_an_older_one_and_never_the_reverse() -> None:
    kept = ObservationStore()
    assert kept.put(seen(9, uid="1"))
    assert kept.put(seen(10, uid="1", more="x"))
    assert not kept.put(seen(9, uid="1"))
    assert version_of(kept) == 10


def test_versions_compare_as_numbers() -> None:
    kept = ObservationStore()
    kept.put(seen(9))
    assert kept.is_news(CONFIG_MAP, metadata(10))
    assert not kept.is_news(CONFIG_MAP, metadata(9))


def test_version_that_differs_in_nothing_else_is_kept_and_not_told() -> None:
    kept = ObservationStore()
    kept.put(seen(1))
    assert not kept.put(seen(2))
    assert version_of(kept) == 2


def test_object_of_the_same_name_replaces_one_that_went() -> None:
    kept = ObservationStore()
    kept.put(seen(1, uid="old"))
    assert kept.put(seen(5, uid="new"))
    assert kept.remove(CONFIG_MAP, metadata(4, uid="old")) is None
    assert version_of(kept) == 5


def test_removed_object_does_not_come_back_with_a_late_answer() -> None:
    kept = ObservationStore()
    kept.put(seen(1))
    assert kept.remove(CONFIG_MAP, metadata(2)) is not None
    assert not kept.put(seen(1))
    assert not kept.is_news(CONFIG_MAP, metadata(2))
    assert kept.put(seen(3))


def test_removal_that_is_older_than_what_is_known_is_ignored() -> None:
    kept = ObservationStore()
    kept.put(seen(5))
    assert kept.remove(CONFIG_MAP, metadata(4)) is None
    assert version_of(kept) == 5


def test_prune_forgets_what_a_list_did_not_hold_unless_it_is_newer_than_the_list() -> None:
    kept = ObservationStore()
    for uid, version in (("listed", 1), ("gone", 2), ("made since", 9)):
        kept.put(seen(version, uid=uid, name=uid.replace(" ", "-")))
    assert [each.uid for each in kept.prune(CONFIG_MAP, {"listed"}, 5)] == ["gone"]
    assert len(kept) == 2
    assert not kept.put(seen(2, uid="gone", name="gone"))


def test_objects_are_found_by_claim_and_namespace() -> None:
    kept = ObservationStore()
    kept.put(seen(1))
    kept.put(seen(2, namespace="elsewhere", uid="2"))
    assert version_of(kept) == 1
    assert version_of(kept, "elsewhere") == 2
    assert kept.of_claim("nowhere", "claim") == {}


def test_label_of_another_namespace_hides_nothing() -> None:
    kept = ObservationStore()
    kept.put(seen(1))
    kept.put(seen(2, namespace="elsewhere", uid="2"))
    kept.remove(CONFIG_MAP, metadata(3, namespace="elsewhere", uid="2"))
    assert version_of(kept) == 1


def test_object_that_lost_its_label_is_no_longer_found() -> None:
    kept = ObservationStore()
    kept.put(seen(1))
    unlabelled = metadata(2)
    unlabelled["labels"] = {}
    assert kept.put(Observed.of(CONFIG_MAP, {"metadata": unlabelled}))
    assert version_of(kept) == 0
    assert len(kept) == 0


def test_object_that_changes_its_claim_is_found_by_the_new_one() -> None:
    kept = ObservationStore()
    kept.put(seen(1))
    kept.put(seen(2, **{CLAIM_UID: "other"}))
    assert kept.of_claim("ns", "claim") == {}
    assert CONFIG in kept.of_claim("ns", "other")


def test_pods_are_found_by_the_claims_name_alone() -> None:
    kept = ObservationStore()
    kept.put(seen(1, kind=POD))
    assert [pod.ref.name for pod in kept.pods_of_claim(ClaimKey("ns", "ide"))] == ["a"]
    assert kept.pods_of_claim(ClaimKey("elsewhere", "ide")) == ()
    assert kept.of_claim("ns", "claim") == {}
    kept.remove(POD, metadata(2))
    assert kept.pods_of_claim(ClaimKey("ns", "ide")) == ()


def test_secrets_are_not_kept() -> None:
    kept = ObservationStore()
    assert not kept.put(seen(1, kind=SECRET))
    assert len(kept) == 0


def test_memory_of_what_went_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MOST_REMOVED", 10)
    kept = ObservationStore()
    for number in range(50):
        kept.put(seen(number + 1, uid=str(number), name=f"n{number}"))
        kept.remove(CONFIG_MAP, metadata(number + 1, uid=str(number), name=f"n{number}"))
    assert len(kept._removed) == 10


EVENTS = st.lists(
    st.tuples(st.sampled_from(["put", "remove"]), st.integers(1, 12), st.sampled_from(["1", "2"])),
    max_size=20,
)


@given(events=EVENTS)
def test_indexes_agree_whatever_comes(events: list[tuple[str, int, str]]) -> None:
    kept = ObservationStore()
    for what, version, uid in events:
        if what == "put":
            kept.put(seen(version, uid=uid, **{CLAIM_UID: f"claim{version % 3}"}))
        else:
            kept.remove(CONFIG_MAP, metadata(version, uid=uid))
        found = [each for claim in range(3) for each in kept.of_claim("ns", f"claim{claim}").values()]
        assert found == list(kept._objects["ConfigMap"].values())
