"""docs/errors.md says what the code says: each failure with its condition, who must act and the remedy, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocdp_operator.errors import ADVICE, FAILURES, Actor, Reason, Stage

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
_FAILURE = re.compile(
    r"^### (\w+)\n\nActs: (\w+)\. (.+?)\n\nDo: (.+?)(?=\n\n##|\n*\Z)", re.MULTILINE | re.DOTALL
)


def documented() -> dict[str, tuple[str, str, str]]:
    """Reason -> condition, actor and remedy."""
    found = {}
    for chapter in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        stage = re.search(r"^The condition is `(\w+)`\.$", chapter, re.MULTILINE)
        for reason, actor, _, remedy in _FAILURE.findall(chapter):
            found[reason] = (stage[1] if stage else "", actor, " ".join(remedy.split()))
    return found


DOCUMENTED = documented()
OTHERS = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)


def test_every_failure_is_documented_and_every_documented_failure_exists():
    assert sorted(DOCUMENTED) == sorted(FAILURES)


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_is_documented_as_the_claim_reports_it(reason: Reason):
    stage, actor, remedy = DOCUMENTED[reason]
    assert Stage(stage) is FAILURES[reason].stage
    assert Actor(actor) is FAILURES[reason].actor
    assert remedy.startswith(FAILURES[reason].remedy)


def test_every_other_reason_is_in_the_table_and_only_there():
    assert sorted(OTHERS) == sorted(set(Reason) - set(FAILURES))


def test_every_heading_has_a_meaning_an_actor_and_a_remedy():
    assert sorted(re.findall(r"^### (.+)$", PAGE, re.MULTILINE)) == sorted(DOCUMENTED)


@pytest.mark.parametrize("reason", ADVICE)
def test_what_is_advised_is_on_the_page(reason: Reason):
    advice = ADVICE[reason]
    line = rf"^- .*`{reason}`.* \({advice.actor}\): {re.escape(advice.remedy)}$"
    assert re.search(line, PAGE, re.MULTILINE)
