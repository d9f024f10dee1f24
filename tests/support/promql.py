"""The part of PromQL that our rules and panels use, read strictly: what it cannot read is a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

AGGREGATIONS: Final = frozenset({"sum", "max", "min", "avg", "count", "topk"})
FUNCTIONS: Final = frozenset(
    {
        "rate",
        "increase",
        "histogram_quantile",
        "absent",
        "vector",
        "sort_desc",
        "time",
        "max_over_time",
        "min_over_time",
    }
)
OPERATORS: Final = frozenset({"+", "-", "*", "/", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"})
_MATCHERS: Final = frozenset({"=", "!=", "=~", "!~"})
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*") | (?P<range>\[[0-9]+[smhdw]\]) | (?P<subquery>\[[0-9]+[smhdw]:[0-9]+[smhdw]\]) | (?P<number>[0-9]+(?:\.[0-9]+)?(?![\w]))
    | (?P<word>[a-zA-Z_:][\w:]*) | (?P<sign>=~|!~|==|!=|>=|<=|[-+*/<>=(){},])
    )""",
    re.VERBOSE,
)


@dataclass
class Use:
    """A metric that an expression reads, with every label that it asks of it."""

    metric: str
    labels: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Expression:
    """What an expression reads, and the labels that its result has; None: all that are there."""

    uses: tuple[Use, ...]
    labels: frozenset[str] | None


def parse(text: str) -> Expression:
    """Reads an expression, with Grafana's variables. Raises ValueError where it is none."""
    parser = _Parser(text.replace("$__rate_interval", "5m"))
    found = parser.expression()
    if parser.left:
        raise ValueError(f"'{parser.left[0][1]}' is left over in: {text}")
    return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"cannot read at '{text[at:]}'")
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


class _Parser:
    def __init__(self, text: str) -> None:
        self.left = list(_tokens(text))

    def expression(self) -> Expression:
        found = self._operand()
        while self._next in OPERATORS:
            self._take()
            on = set(self._labels()) if self._next == "on" and self._take() else set()
            other = self._operand()
            for use in (*found.uses, *other.uses):
                use.labels |= on
            found = Expression((*found.uses, *other.uses), found.labels)
        return found

    @property
    def _next(self) -> str:
        return self.left[0][1] if self.left else ""

    def _take(self, wanted: str = "", kind: str = "") -> str:
        if not self.left or (wanted and self._next != wanted) or (kind and self.left[0][0] != kind):
            raise ValueError(f"{wanted or kind or 'more'} is wanted, not '{self._next}'")
        return self.left.pop(0)[1]

    def _operand(self) -> Expression:
        found = self._instant()
        if self.left and self.left[0][0] == "subquery":
            self._take()
        return found

    def _instant(self) -> Expression:
        if self._next == "(":
            return self._arguments()[0]
        if self.left and self.left[0][0] in {"number", "string"}:
            self._take()
            return Expression((), frozenset())
        word = self._take(kind="word")
        if word in AGGREGATIONS:
            return self._aggregation()
        if self._next == "(":
            if word not in FUNCTIONS:
                raise ValueError(f"{word} is no function")
            arguments = self._arguments()
            uses = tuple(use for one in arguments for use in one.uses)
            return Expression(uses, arguments[-1].labels if arguments else frozenset())
        return self._selector(word)

    def _aggregation(self) -> Expression:
        by = self._labels() if self._next == "by" and self._take() else []
        uses = tuple(use for one in self._arguments() for use in one.uses)
        for use in uses:
            use.labels |= set(by)
        return Expression(uses, frozenset(by))

    def _selector(self, metric: str) -> Expression:
        use = Use(metric)
        if self._next == "{":
            self._take()
            while self._next != "}":
                use.labels.add(self._take(kind="word"))
                if self._take(kind="sign") not in _MATCHERS:
                    raise ValueError(f"{metric} has no matcher")
                self._take(kind="string")
                if self._next != "}":
                    self._take(",")
            self._take("}")
        if self.left and self.left[0][0] == "range":
            self._take()
        return Expression((use,), None)

    def _labels(self) -> list[str]:
        self._take("(")
        found = []
        while self._next != ")":
            found.append(self._take(kind="word"))
            if self._next != ")":
                self._take(",")
        self._take(")")
        return found

    def _arguments(self) -> list[Expression]:
        self._take("(")
        found = []
        while self._next != ")":
            found.append(self.expression())
            if self._next != ")":
                self._take(",")
        self._take(")")
        return found
