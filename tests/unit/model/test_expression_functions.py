from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocdp_operator.model.expression_functions import BadArgument, env_name, quantity, slug

AMOUNTS: dict[Any, str] = {
    0: "0", 3: "3", 1000: "1k", 1.5: "1500m", 0.1: "100m", "500m": "500m", "1.5Gi": "1536Mi", "1024Mi": "1Gi", "0.5Gi": "512Mi",
    "1023Ki": "1023Ki", "1e3": "1k", "1E-3": "1m", "0.1Gi": "107374182400m", "2Ei": "2Ei", "1.0": "1", ".5": "500m", "1e-12": "1n",
    "16Gi": "16Gi", "100Ki": "100Ki", "1n": "1n", "007": "7",
}  # fmt: skip


@pytest.mark.parametrize(("amount", "written"), AMOUNTS.items(), ids=repr)
def test_a_quantity_is_written_as_the_api_server_writes_it(amount: Any, written: str):
    assert quantity(amount) == written
    assert quantity(written) == written


@pytest.mark.parametrize(
    "amount",
    [True, None, [], "", "Gi", "1 Gi", "1GiB", "-1", -1, "+1", "1e", "1e999", "0x10", "9Ei", "9" * 40, float("nan"), float("inf"), 1e300, "1\n", "\x020\x03", "\u0661"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_amount_is_refused_and_not_quoted(amount: Any):
    with pytest.raises(BadArgument, match="quantity takes"):
        quantity(amount)


SHARES: dict[tuple[Any, Any], str] = {
    ("2", 0.25): "500m", ("500m", 0.125): "63m", ("1.5", 0.5): "750m", ("4Gi", 0.25): "1Gi", ("2Gi", 0.375): "768Mi",
    ("1Gi", 0.375): "384Mi", ("1.1Gi", 0.25): "295279002", ("3", 1): "3", (8, 0.5): "4",
}  # fmt: skip


@pytest.mark.parametrize(("given_", "written"), SHARES.items(), ids=repr)
def test_a_share_of_an_amount_is_rounded_up(given_: tuple[Any, Any], written: str):
    assert quantity(*given_) == written


@pytest.mark.parametrize("share", [0, -0.5, 1.5, "0.5", None, True, float("nan"), float("inf")], ids=repr)
def test_what_is_no_share_is_refused(share: Any):
    with pytest.raises(BadArgument, match="a share above 0"):
        quantity("1Gi", share)


def test_a_label_stays_as_it_is_and_anything_else_gets_a_hash():
    assert slug("team-a") == "team-a"
    assert slug("a" * 63) == "a" * 63
    assert re.fullmatch("team-a-[0-9a-f]{8}", slug("Team A!"))
    assert len(slug("a" * 64)) == 63
    assert re.fullmatch("[0-9a-f]{8}", slug("é"))


def test_a_variables_name_stays_as_it_is_and_anything_else_gets_a_hash():
    assert env_name("GPT_4") == "GPT_4"
    assert re.fullmatch("GPT_4_[0-9A-F]{8}", env_name("gpt-4"))
    assert len({env_name(name) for name in ("gpt-4", "gpt_4", "GPT_4", "Gpt.4", "gpt/4")}) == 5


@pytest.mark.parametrize("function", [slug, env_name])
@pytest.mark.parametrize("given_", [3, None, ["a"], "\x020\x03", "a\x02"], ids=repr)
def test_a_name_is_made_of_text_that_is_no_secret(function: Any, given_: Any):
    with pytest.raises(BadArgument):
        function(given_)


PLAIN = st.text(st.characters(exclude_characters="\x02\x03", exclude_categories=["Cs"]), max_size=200)


@given(PLAIN)
def test_every_text_has_a_label(text: str):
    assert re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", slug(text))


@given(PLAIN)
def test_every_text_has_a_variables_name(text: str):
    assert re.fullmatch("[A-Z0-9_]{1,48}", env_name(text))
