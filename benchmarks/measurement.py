"""What one run cost, as a row of the table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measurement:
    """CPU in milliseconds for each claim, memory in MiB, mutating requests for each claim."""

    name: str
    claims: int
    per_second: float
    own_ms: float
    children_ms: float
    servers_ms: dict[str, float]
    peak_mib: float
    writes: dict[str, float]
    missing: list[str]
    """Objects that an independent list did not hold; anything here makes the rest worthless."""
    more: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """One that was kept."""
        return cls(**document)

    def document(self) -> dict[str, Any]:
        """As JSON, rounded."""

        def rounded(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: rounded(one) for key, one in value.items()}
            return round(value, 2) if isinstance(value, float) else value

        found: dict[str, Any] = rounded(asdict(self))
        return found


def table(measurements: Sequence[Measurement]) -> Table:
    """Side by side; the ratio is to the first."""
    found = Table(title=f"{measurements[0].claims} claims of five objects", title_justify="left")
    found.add_column("for each claim")
    for measurement in measurements:
        found.add_column(measurement.name, justify="right")
    floor = measurements[0]
    rows: list[tuple[str, list[str]]] = [
        ("claims a second", [f"{one.per_second:.1f}" for one in measurements]),
        ("of the floor", [f"{one.per_second / floor.per_second:.0%}" for one in measurements]),
        ("CPU ms: Python", [f"{one.own_ms:.1f}" for one in measurements]),
        ("CPU ms: its children", [f"{one.children_ms:.1f}" for one in measurements]),
        *(
            (f"CPU ms: {server}", [f"{one.servers_ms[server]:.1f}" for one in measurements])
            for server in floor.servers_ms
        ),
        ("mutating requests", [f"{sum(one.writes.values()):.2f}" for one in measurements]),
        ("peak memory MiB", [f"{one.peak_mib:.0f}" for one in measurements]),
        ("objects not found", [str(len(one.missing)) for one in measurements]),
    ]
    for name, cells in rows:
        found.add_row(name, *cells)
    return found


def show(measurements: Sequence[Measurement]) -> None:
    """Prints the table, and what each claim's writes are."""
    console = Console(width=120)
    console.print(table(measurements))
    for measurement in measurements[1:]:
        writes = ", ".join(f"{name} {count:g}" for name, count in measurement.writes.items())
        console.print(f"{measurement.name} writes: {writes}")
