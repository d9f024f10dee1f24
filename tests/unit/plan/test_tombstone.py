"""What is written on data that a claim left, and what is read back from it whatever somebody wrote there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.names import INSTANCE, RETAINED
from ocdp_operator.plan.tombstone import Tombstone, is_of_set, is_retained, tombstone, volume_series
from tests.support import builders

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLAIM = builders.claim(status=builders.in_force(3))
SAID = Tombstone.of(CLAIM, NOW)


def test_a_tombstone_says_whose_the_object_was():
    assert (
        Tombstone(
            ClaimKey("ns-a", "ide"), builders.CLAIM_UID, "code-server", 3, "team-a", "2026-01-02T03:04:05Z"
        )
        == SAID
    )
    assert Tombstone.parse(str(SAID)) == SAID


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "no JSON", "[" * 5000, str(SAID)[:-1], str(SAID) + " " * 5000, str(SAID).replace("3,", '"3",')],
    ids=["empty", "object", "list", "null", "text", "deep", "cut", "long", "another type"],
)  # fmt: skip
def test_what_is_no_tombstone_says_nothing(text: str):
    assert Tombstone.parse(text) is None


@given(st.text())
def test_any_text_is_read_without_a_fault(text: str):
    Tombstone.parse(text)


def test_nothing_is_written_twice():
    volume = builders.observed(
        "PersistentVolumeClaim", "ide-data", annotations={RETAINED: str(SAID)}, labels={RETAINED: "true"}
    )
    assert tombstone(volume) == SAID
    assert is_retained(volume, SAID)
    assert is_retained(volume, replace(SAID, since="later"))
    bare = builders.observed("PersistentVolumeClaim", "ide-data", annotations={RETAINED: str(SAID)})
    assert not is_retained(bare, SAID)


@pytest.mark.parametrize(
    "change",
    [{"claim_uid": "other"}, {"claim": ClaimKey("ns-a", "other")}, {"workspace": "team-b"}, {"revision": 9}],
    ids=["UID", "claim", "workspace", "revision"],
)
def test_a_tombstone_that_says_anything_else_does_not_stay(change: dict[str, Any]):
    volume = builders.observed(
        "PersistentVolumeClaim", "ide-data", annotations={RETAINED: str(SAID)}, labels={RETAINED: "true"}
    )
    assert not is_retained(volume, replace(SAID, **change))


TEMPLATES = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "log"}}]}


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (TEMPLATES, ["data-ide-db-0", "log-ide-db-0"]),
        ({**TEMPLATES, "replicas": 2}, ["data-ide-db-0", "data-ide-db-1", "log-ide-db-0", "log-ide-db-1"]),
        ({**TEMPLATES, "replicas": 0}, ["data-ide-db-0", "log-ide-db-0"]),
        ({**TEMPLATES, "ordinals": {"start": 5}}, ["data-ide-db-5", "log-ide-db-5"]),
        ({**TEMPLATES, "replicas": "many", "ordinals": {"start": "first"}}, ["data-ide-db-0", "log-ide-db-0"]),
        ({"replicas": 2}, []),
    ],
    ids=["one pod", "two pods", "stopped", "counted from five", "no numbers", "no templates"],
)  # fmt: skip
def test_the_volumes_of_a_stateful_set_are_known_by_name(spec: dict, names: list[str]):
    found = [
        series.name(series.first + number)
        for series in volume_series("ide-db", spec)
        for number in range(series.least)
    ]
    assert found == names


def test_so_many_replicas_are_not_looked_for_one_by_one():
    assert [series.least for series in volume_series("ide-db", {**TEMPLATES, "replicas": 10**9})] == [64, 64]


@pytest.mark.parametrize(
    ("name", "labels", "is_its"),
    [
        ("data-ide-db-0", {INSTANCE: "ide"}, True),
        ("my-data-ide-db-12", {INSTANCE: "ide", "app": "db"}, True),
        ("data-ide-db-0", {}, False),
        ("data-ide-db-0", {INSTANCE: "other"}, False),
        ("data-ide-db-x", {INSTANCE: "ide"}, False),
        ("data-ide-db", {INSTANCE: "ide"}, False),
        ("ide-db-0", {INSTANCE: "ide"}, False),
        ("data-ide-dbx0-0", {INSTANCE: "ide"}, False),
    ],
    ids=["its", "a later pod's", "no label", "another claim's", "no number", "cut off", "no template", "another set's"],
)  # fmt: skip
def test_a_volume_is_of_a_set_by_its_name_and_its_label(name: str, labels: dict[str, str], is_its: bool):
    volume = builders.observed("PersistentVolumeClaim", name, labels=labels, mark=None)
    assert is_of_set(volume, "ide-db", "ide") is is_its
