"""The store keeps the newest version of each claim, and says what is news."""

from __future__ import annotations

from dataclasses import replace

from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.reconcile.claims import ClaimStore


def version(number: int, uid: str = "uid-1") -> WorkloadClaim:
    return WorkloadClaim.parse(
        {
            "metadata": {"name": "ide", "namespace": "team-a", "uid": uid, "resourceVersion": str(number)},
            "spec": {"templateId": "web", "workspaceId": "team-a"},
        }
    )


def test_a_newer_version_is_news():
    store = ClaimStore()
    assert store.put(version(9))
    assert store.put(version(10))
    assert store.get(version(10).key) == version(10)


def test_the_echo_of_our_own_write_is_no_news():
    store = ClaimStore()
    store.put(version(10))
    assert not store.put(version(10))


def test_an_older_version_never_replaces_a_newer_one():
    store = ClaimStore()
    store.put(version(10))
    assert not store.put(version(9))
    assert store.get(version(9).key) == version(10)


def test_a_claim_made_anew_under_the_same_name_is_news():
    store = ClaimStore()
    store.put(version(10))
    assert store.put(version(11, uid="uid-2"))
    assert not store.put(version(9))  # a late word of the former one


def test_the_last_version_of_a_claim_that_is_gone_does_not_bring_it_back():
    store = ClaimStore()
    store.put(version(10))
    store.remove(version(10).key, "uid-1")
    assert not store.put(replace(version(11), deleting=True, finalizers=()))
    assert store.get(version(10).key) is None


def let_go(number: int, uid: str = "uid-1") -> WorkloadClaim:
    """The last version of a claim."""
    return replace(version(number, uid), deleting=True, finalizers=())


def test_an_earlier_version_that_is_told_after_the_end_does_not_bring_a_claim_back():
    store = ClaimStore()
    store.put(version(10))
    store.put(let_go(12))
    store.remove(version(10).key, "uid-1")
    for late in (version(9), version(10), version(11)):
        assert not store.put(replace(late, deleting=True, finalizers=("ocdp.io/release",)))
    assert store.put(version(13, uid="uid-2"))


def test_a_claim_that_one_list_missed_comes_back_with_the_next_one():
    store = ClaimStore()
    store.put(version(10))
    store.remove(version(10).key, "uid-1")
    assert store.put(version(10))


def test_of_claims_that_are_gone_only_the_last_ones_are_remembered():
    store = ClaimStore()
    for number in range(2000):
        store.put(let_go(1, uid=f"uid-{number}"))
    assert store.put(version(1, uid="uid-0"))
    assert not store.put(version(2, uid="uid-1999"))


def test_the_end_of_a_former_claim_does_not_remove_its_successor():
    store = ClaimStore()
    store.put(version(10, uid="uid-2"))
    assert not store.remove(version(9).key, "uid-1")
    assert store.get(version(9).key) is not None
    assert store.remove(version(9).key, "uid-2")
    assert store.get(version(9).key) is None
