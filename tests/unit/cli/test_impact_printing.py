"""What an impact prints: the gravest first, a summary, and no contents."""

from __future__ import annotations

import json

import pytest
import yaml

from ocdp_operator.cli.impact_printing import progress, show_impact, summary
from ocdp_operator.cli.output import Format
from ocdp_operator.errors import Actor, Reason
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.impact import ClaimImpact, Complaint, Gravity, Impact, ObjectImpact, Turn
from tests.support.builders import ref

SHRUNK = ObjectImpact(
    ref("PersistentVolumeClaim", "ide-data"),
    Gravity.DATA_RISK,
    Turn.REFUSED,
    ("/spec/resources/requests/storage",),
    "Ask for at least the size that the volume has.",
)
ROLLED = ObjectImpact(
    ref("Deployment", "ide-web"), Gravity.RESTART, Turn.CONFIGURED, ("/spec/a", "/spec/b", "/spec/c")
)
REFUSED = Complaint(
    Reason.INVALID_VALUES,
    "spec.values does not fit: /spec/values/a must be at most 3",
    "/spec/values/a",
    Actor.USER,
    "Correct the value.",
)
IMPACT = Impact(
    "template web, not published, v2 at commit c0ffee00c0ff",
    (
        ClaimImpact(ClaimKey("ns-a", "one"), Gravity.DATA_RISK, "Manual", (SHRUNK, ROLLED)),
        ClaimImpact(ClaimKey("ns-a", "two"), Gravity.INVALID_VALUES, "pinned to 3", complaint=REFUSED),
        ClaimImpact(ClaimKey("ns-a", "three"), Gravity.RESTART, "", (ROLLED,)),
        ClaimImpact(ClaimKey("ns-a", "four"), Gravity.UNCHANGED),
    ),
    others=2,
)


def test_a_table_has_a_row_for_each_claim_that_would_not_stay_as_it_is(capsys: pytest.CaptureFixture[str]):
    show_impact(IMPACT, Format.TABLE)
    header, one, two, three, candidate, said = capsys.readouterr().out.splitlines()
    assert header.split() == ["IMPACT", "CLAIM", "MOVES", "WHAT"]
    assert one.split("  ")[0] == "data risk"
    assert "waits: Manual" in one
    assert "PersistentVolumeClaim/ide-data refused: /spec/resources/requests/storage" in one
    assert one.endswith("1 more object")
    assert "pinned to 3" in two
    assert "InvalidValues: spec.values does not fit: /spec/values/a must be at most 3" in two
    assert "by itself" in three
    assert "/spec/a, /spec/b, 1 more" in three
    assert candidate == IMPACT.candidate
    assert (
        said == "4 claims: 1 unchanged, 1 restart, 1 invalid values, 1 data risk; 2 others are not concerned"
    )


def test_nothing_to_tell_is_a_summary_alone(capsys: pytest.CaptureFixture[str]):
    show_impact(Impact("template web revision 2", ()), Format.TABLE)
    assert capsys.readouterr().out.splitlines() == ["template web revision 2", "0 claims"]
    assert summary(Impact("", IMPACT.claims[3:])) == "1 claim: 1 unchanged"


@pytest.mark.parametrize(
    ("output", "load"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)], ids=["json", "yaml"]
)
def test_a_document_has_every_claim_and_every_object(
    output: Format, load: object, capsys: pytest.CaptureFixture[str]
):
    show_impact(IMPACT, output)
    assert callable(load)
    found = load(capsys.readouterr().out)
    assert found["summary"] == {
        "claims": 4,
        "data risk": 1,
        "invalid values": 1,
        "refused": 0,
        "recreate": 0,
        "restart": 1,
        "change": 0,
        "unchanged": 1,
        "notConcerned": 2,
    }
    one, two, three, four = found["claims"]
    assert (one["impact"], one["movesByItself"], one["waits"]) == ("data risk", False, "Manual")
    assert one["objects"][0] == {
        "object": "PersistentVolumeClaim/ide-data",
        "impact": "data risk",
        "change": "refused",
        "fields": ["/spec/resources/requests/storage"],
        "note": "Ask for at least the size that the volume has.",
    }
    assert two["failure"]["valuePath"] == "/spec/values/a"
    assert three["movesByItself"] is True
    assert four == {"namespace": "ns-a", "name": "four", "impact": "unchanged", "movesByItself": True}


def test_grave_is_what_is_more_than_a_restart():
    assert IMPACT.grave
    assert not Impact("", IMPACT.claims[2:]).grave


def test_progress_says_nothing_where_nobody_looks(capsys: pytest.CaptureFixture[str]):
    with progress(3) as done:
        done()
    assert capsys.readouterr() == ("", "")
