"""Messages: one line, at most 1 KiB, and honest about what did not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.plan.wording import listed, sentence, shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", "plain"),
        ("a\nb\tc\x00", "a?b?c?"),
        ("\ud800", "?"),
        ("x" * 9, "xxxxx…"),
        (7, "?"),
        (None, "?"),
    ],
)
def test_a_name_from_outside_is_made_fit(name, expected):
    assert shown(name, 5 if name == "x" * 9 else 80) == expected


def test_what_fits_is_listed_whole():
    assert listed("Bad", ["a", "b"]) == "Bad: a; b"


def test_what_does_not_fit_is_counted():
    message = listed("Bad", ["x" * 30] * 10, limit=100)

    assert message == f"Bad: {'x' * 30}; {'x' * 30}; and 8 more"


@given(
    items=st.lists(st.text(min_size=1, alphabet="abcä€😀"), min_size=1, max_size=200),
    size=st.integers(1, 900),
)
def test_a_list_fits_and_accounts_for_every_item(items, size):
    message = listed("Bad", [item * size for item in items])

    assert len(message.encode()) <= 1024
    rest = int(message.rpartition(" and ")[2].removesuffix(" more")) if message.endswith(" more") else 0
    assert message.count("; ") + 1 == len(items) - rest + bool(rest)


@pytest.mark.parametrize(
    ("text", "ended"), [("at most 50", "at most 50."), ("Gone.", "Gone."), ("cut…", "cut…"), ("why?", "why?")]
)
def test_a_sentence_ends(text: str, ended: str):
    assert sentence(text) == ended
