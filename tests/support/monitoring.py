"""What config/monitoring asks Prometheus for, and whether an operator serves it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.promql import Use, parse

MONITORING: Final = Path(__file__).parents[2] / "config" / "monitoring"
_OF_THE_SCRAPE: Final = frozenset({"job", "instance"})
"""Labels that Prometheus itself puts on what it scrapes."""
_OF_A_HISTOGRAM: Final = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True)
class Query:
    """An expression, and where it stands."""

    where: str
    text: str


def alerts() -> list[dict[str, Any]]:
    """Every rule."""
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    found: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """What shows something; rows left out."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every expression of rules, panels and variables."""
    for rule in alerts():
        yield Query(f"alert {rule['alert']}", rule["expr"])
    for panel in panels():
        for target in panel["targets"]:
            yield Query(f"panel {panel['title']} {target['refId']}", target["expr"])


def unserved(query: Query, served: Mapping[str, set[str]]) -> list[str]:
    """What an expression reads and nobody serves; ``served``: metric -> its labels, a histogram by its base name."""
    return [
        f"{query.where}: {problem}" for use in parse(query.text).uses for problem in _problems(use, served)
    ]


def _problems(use: Use, served: Mapping[str, set[str]]) -> Iterator[str]:
    base = _OF_A_HISTOGRAM.sub("", use.metric)
    name = use.metric if use.metric in served else base
    if name not in served:
        yield f"{use.metric} is not served"
        return
    own = served[name] | ({"le"} if use.metric.endswith("_bucket") else set())
    for label in sorted(use.labels - own - _OF_THE_SCRAPE):
        yield f"{use.metric} has no label {label}"
