"""What an operator tells of itself, read as Prometheus reads it, and what docs/observability.md says of that."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
_ROW = re.compile(r"^\| `(ocdp_\w+)` \|([^|]*)\|", re.MULTILINE)


@dataclass(frozen=True)
class Series:
    """The samples of one scrape."""

    families: tuple[Metric, ...]

    def labels(self) -> dict[str, set[str]]:
        """The label names of each metric, by the name that the page uses; a histogram's own parts left out."""
        found: dict[str, set[str]] = {}
        for family in self.families:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
        return found

    def all(self, name: str) -> list[dict[str, str]]:
        """The labels of each series of this name."""
        return [sample.labels for sample in self._named(name)]

    def of(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The value of each series, by the values of these labels."""
        return {tuple(s.labels[label] for label in labels): s.value for s in self._named(name)}

    def value(self, name: str, /, **labels: str) -> float:
        """The sum of the series with these labels; a name that is not served is an error."""
        found = self._named(name)
        assert found or name in self.labels(), f"{name} is not served"
        return sum(s.value for s in found if labels.items() <= s.labels.items())

    def _named(self, name: str) -> list[Sample]:
        return [sample for family in self.families for sample in family.samples if sample.name == name]


def series(text: str) -> Series:
    """One scrape."""
    return Series(tuple(text_string_to_metric_families(text)))


def documented() -> dict[str, set[str]]:
    """The metrics of the page's table, each with its labels."""
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in _ROW.findall(_PAGE.read_text())}


class Telling:
    """The port of a running operator."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def text(self, path: str) -> str:
        return (await self._get(path))[1]

    async def status(self, path: str) -> int:
        return (await self._get(path))[0]

    async def checks(self, path: str) -> dict[str, dict[str, Any]]:
        """The checks of a probe, by name."""
        found: dict[str, dict[str, Any]] = json.loads(await self.text(path))["checks"]
        return found

    async def healthy(self) -> bool:
        return await self.status("/healthz") == 200

    async def ready(self) -> bool:
        return await self.status("/readyz") == 200

    async def answers(self) -> bool:
        """Whether anybody answers, whatever that is."""
        try:
            return await self.status("/healthz") > 0
        except aiohttp.ClientError:
            return False

    async def metrics(self) -> Series:
        return series(await self.text("/metrics"))

    async def _get(self, path: str) -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url + path) as answer:
            return answer.status, await answer.text()
