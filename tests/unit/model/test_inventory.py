"""The inventory remembers every object until it is known to be gone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.inventory import Entry, Inventory
from tests.support.builders import entry, ref

ENTRIES = st.builds(
    lambda kind, name, texts, flags, wave: Entry(
        ref(kind, name), wave=wave, uid=texts[0], sent=texts[1], applied=texts[2],
        desired=flags[0], content_named=flags[1], last_healthy=flags[2],
    ),
    st.sampled_from(["ConfigMap", "Deployment", "Secret", "PersistentVolumeClaim", "Ingress", "Workload"]),
    st.sampled_from(["ide", "ide-web", "ide-web.x", "ide-a-b"]),
    st.tuples(*[st.sampled_from(["", "a", "b"])] * 3),
    st.tuples(*[st.booleans()] * 3),
    st.integers(0, 9),
)  # fmt: skip
INVENTORIES = st.lists(ENTRIES, max_size=8).map(Inventory.of)
FRESH = st.lists(
    ENTRIES.map(lambda e: replace(e, uid="", applied="", desired=True, last_healthy=False)), max_size=8
).map(Inventory.of)


@given(inventory=INVENTORIES)
def test_what_is_written_is_read_back(inventory):
    assert Inventory.from_wire(json.loads(json.dumps(inventory.to_wire()))) == inventory


@given(entries=st.lists(ENTRIES, unique_by=lambda e: e.ref), random=st.randoms())
def test_the_same_set_is_written_the_same_way(entries, random):
    shuffled = list(entries)
    random.shuffle(shuffled)

    assert Inventory.of(entries).to_wire() == Inventory.of(shuffled).to_wire()


def test_the_wire_form_is_compact():
    assert entry("Service", "ide-web", uid="", sent="", applied="").to_wire() == {
        "id": "ide-web__Service",
        "wave": 2,
    }


def test_two_hundred_entries_fit_well_into_64_kib():
    inventory = Inventory.of(
        entry("HorizontalPodAutoscaler", f"{'x' * 48}-{n:03}", uid="u" * 36, sent="s" * 16, applied="a" * 16)
        for n in range(200)
    )

    assert len(json.dumps(inventory.to_wire())) < 56 * 1024


@given(old=INVENTORIES, new=FRESH)
def test_a_union_forgets_nothing_and_desires_what_is_new(old, new):
    union = old.union(new)

    assert {e.ref for e in union} == {e.ref for e in old} | {e.ref for e in new}
    assert {e.ref for e in union.desired} == {e.ref for e in new}
    for before in old:
        after = union.get(before.ref)
        assert after is not None
        assert (after.uid, after.sent, after.applied) == (before.uid, before.sent, before.applied)
        assert after.last_healthy == before.last_healthy


@given(old=INVENTORIES, new=FRESH)
def test_a_union_with_the_same_again_changes_nothing(old, new):
    union = old.union(new)

    assert union.union(new) == union


def test_a_new_entry_in_a_union_has_everything_still_to_be_learnt():
    fresh = entry("Service", "ide-web", uid="", applied="")

    assert Inventory().union(Inventory.of([fresh])) == Inventory.of([fresh])


def test_an_object_that_comes_back_is_desired_again_with_its_uid():
    old = Inventory.of([entry("Service", "ide-web", uid="u", desired=False)])

    union = old.union(Inventory.of([entry("Service", "ide-web", uid="", wave=5)]))

    assert [(e.desired, e.uid, e.wave) for e in union] == [(True, "u", 5)]


def test_put_replaces_the_entry_of_the_same_object():
    inventory = Inventory.of([entry("Service", "ide-web", uid="a"), entry("Service", "ide-x", uid="b")])

    changed = inventory.put(entry("Service", "ide-web", uid="c"))

    assert [e.uid for e in changed] == ["c", "b"]
    assert [e.uid for e in inventory] == ["a", "b"]


def test_without_drops_objects_and_ignores_others():
    inventory = Inventory.of([entry("Service", "ide-web"), entry("Service", "ide-x")])

    left = inventory.without([ref("Service", "ide-web"), ref("Ingress", "ide-web")])

    assert [e.ref.name for e in left] == ["ide-x"]
    assert ref("Service", "ide-web") not in left
    assert ref("Service", "ide-x") in left
    assert (len(inventory), len(left)) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "is_data"),
    [("PersistentVolumeClaim", True), ("Secret", True), ("ConfigMap", False), ("StatefulSet", False)],
)
def test_volumes_and_secrets_are_data(kind, is_data):
    assert entry(kind, "ide-x").is_data is is_data
