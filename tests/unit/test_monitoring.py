"""Dashboard and alert rules ask for what is served, and lead to a runbook that is there."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.monitoring import Query, alerts, dashboard, panels, queries, unserved
from tests.support.observed import documented
from tests.support.promql import parse

DOCS = Path(__file__).parents[2] / "docs"
SEVERITIES = {"critical", "warning", "info"}
PROCESS = {"process_resident_memory_bytes": set(), "process_cpu_seconds_total": set()}
QUERIES = list(queries())
RULES = {rule["alert"]: rule for rule in alerts()}
PANELS = {panel["title"]: panel for panel in panels()}


@pytest.mark.parametrize("query", QUERIES, ids=[query.where for query in QUERIES])
def test_what_is_asked_for_is_served(query: Query):
    assert unserved(query, documented() | PROCESS) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sum(ocdp_no_such)", "ocdp_no_such is not served"),
        ('ocdp_claims{redy="True"}', "ocdp_claims has no label redy"),
        ("sum by (claim) (ocdp_claims)", "ocdp_claims has no label claim"),
        ("sum by (le) (rate(ocdp_reconcile_total[5m]))", "ocdp_reconcile_total has no label le"),
        ("ocdp_leader and on (pod) ocdp_claims", "ocdp_leader has no label pod"),
    ],
)
def test_what_nobody_serves_is_found(text: str, problem: str):
    assert f"here: {problem}" in unserved(Query("here", text), documented())


@pytest.mark.parametrize(
    "text",
    ["sum(ocdp_claims", "sum(ocdp_claims))", 'ocdp_claims{ready="True"', "rat(ocdp_claims[5m])", "ocdp_claims >", "a b", "min_over_time(max(ocdp_claims)[7d:])", "max(ocdp_claims)[7d:10m][5m]"],
)  # fmt: skip
def test_what_is_no_expression_is_found(text: str):
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_every_number_has_a_place_on_the_dashboard():
    asked = {
        use.metric for query in QUERIES if query.where.startswith("panel") for use in parse(query.text).uses
    }
    shown = {re.sub(r"_bucket$", "", name) for name in asked}
    for_joins = {"ocdp_claim_info"}
    assert documented().keys() - shown == for_joins


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_is_the_matter_and_where_the_steps_are(name: str):
    rule = RULES[name]
    labels, annotations = rule["labels"], rule["annotations"]
    assert re.fullmatch(r"[0-9]+[mh]", rule["for"])
    assert labels["severity"] in SEVERITIES
    assert annotations["summary"].endswith(".")
    assert annotations["description"].endswith(".")
    page, _, anchor = annotations["runbook_url"].rpartition("#")
    assert page.endswith("/docs/operations.md")
    assert anchor == name.lower()
    assert re.search(rf"^### {name}$", (DOCS / "operations.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_names_only_labels_that_its_result_has(name: str):
    rule = RULES[name]
    named = set(re.findall(r"\$labels\.(\w+)", "".join(rule["annotations"].values())))
    labels = parse(rule["expr"]).labels
    assert labels is None or named <= labels


def test_a_week_of_suspension_survives_a_restart_of_who_counts():
    """With ``for: 168h`` one scrape that is missed, or a new pod of the operator's, begins the week anew."""
    rule = RULES["OcdpSuspendedLong"]
    assert rule["for"] == "10m"
    assert re.search(r"min_over_time\(.*\[7d:10m\]\)", rule["expr"])


def test_every_runbook_belongs_to_a_rule():
    section = (DOCS / "operations.md").read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == list(RULES)


def test_the_dashboard_can_be_imported_anywhere():
    found = dashboard()
    assert found["id"] is None
    assert found["schemaVersion"] >= 42
    assert found["uid"] == "ocdp-operator"
    variables = {each["name"]: each for each in found["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    sources = [each["datasource"] for panel in panels() for each in (panel, *panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables["template"]["definition"])
    assert label
    assert label[2] in documented()[label[1]]


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_says_what_it_shows(title: str):
    panel = PANELS[title]
    assert panel["type"] in {"timeseries", "stat", "table"}
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_no_two_panels_are_in_one_place():
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len(PANELS) == len(panels())
    for one, other in itertools.combinations((panel["gridPos"] for panel in every), 2):
        assert not _overlap(one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in every)


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in ("xw", "yh")
    )
