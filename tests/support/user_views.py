"""What a user sees of a claim, with everything that differs from run to run replaced by a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from tests.support.world import Team

_CHANGING: Final = (
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"\bsha256:[0-9a-f]{64}\b|\b[0-9a-f]{64}\b", "<digest>"),
    (r"\b[0-9a-f]{40}\b", "<commit>"),
    (r"\b(commit|at) [0-9a-f]{12}\b", r"\1 <commit>"),
    (r"^(  Resource Version: +)\d+$", r"\1<version>"),
    (r"\b(ide-web|[a-z-]+-web)-[0-9a-f]{8,10}-[a-z0-9]{5}\b", r"\1-<pod>"),
    (r"\b(web-config)-[a-z0-9]{10}(?![a-z0-9])", r"\1-<hash>"),
    (r"\b[0-9a-f]{16}\b", "<digest>"),
    (r"\bfor \d+(?:\.\d+)?(?:s|m\d*s?|h)\b", "for <age>"),
)  # fmt: skip
_GAP: Final = "   "


async def seen(team: Team, name: str) -> str:
    """``kubectl get``, the same wide, and ``describe`` with the events."""
    parts = []
    for command in (f"get wc {name}", f"get wc {name} -o wide", f"describe wc {name}"):
        shown = await team.platform.kubectl(*command.split(), "-n", team.namespace)
        parts.append(f"$ kubectl {command}\n{_normal(shown, team, is_table=command.startswith('get'))}")
    return "\n\n".join(parts) + "\n"


async def described(team: Team, what: str) -> str:
    """``kubectl describe`` of any object."""
    shown = await team.platform.kubectl("describe", *what.split(), "-n", team.namespace)
    return f"$ kubectl describe {what}\n{_normal(shown, team, is_table=False)}\n"


def _normal(text: str, team: Team, *, is_table: bool) -> str:
    def clean(cell: str) -> str:
        cell = cell.replace(f"-{team.namespace}", "").replace(team.namespace, "team-a")
        for pattern, word in _CHANGING:
            cell = re.sub(pattern, word, cell)
        return cell

    lines = text.splitlines()
    cleaned = _table(lines, clean) if is_table else _described(lines, clean)
    return "\n".join(line.rstrip() for line in cleaned)


def _table(lines: list[str], clean: Callable[[str], str], *, indent: int = 0) -> Iterator[str]:
    """Aligned anew, since what is replaced had another width; ages are a word."""
    head = lines[0]
    starts = [match.start() for match in re.finditer(r"\S+(?: \S+)*", head)]
    rows = [
        [clean(line[start:end].strip()) for start, end in zip(starts, [*starts[1:], None], strict=True)]
        for line in lines
    ]
    age = next(at for at, title in enumerate(rows[0]) if title.upper() == "AGE")
    for row in rows[1:]:
        row[age] = "<age>" if re.match(r"\d", row[age]) else row[age]
    widths = [max(len(row[at]) for row in rows) for at in range(len(starts))]
    for row in rows:
        yield " " * indent + _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))


def _described(lines: list[str], clean: Callable[[str], str]) -> Iterator[str]:
    """The events, a table, in a fixed order: those of one second come in any."""
    at = next((number for number, line in enumerate(lines) if line.startswith("Events:")), len(lines))
    yield from map(clean, lines[:at])
    events = lines[at:]
    if len(events) > 1:
        head, underline, *rows = events[1:]
        yield "Events:"
        yield from _table([head, underline, *sorted(rows, key=_without_age)], clean, indent=2)
    else:
        yield from (re.sub(r" +", "  ", line) for line in events)


def _without_age(row: str) -> str:
    """The column is as wide as its oldest age: how it is filled says nothing either."""
    return " ".join(re.sub(r"\d+[smh]\S*( \(x\d+ over \S+\))?", "", row).split())
