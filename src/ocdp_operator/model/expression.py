"""CEL expressions of mappings: what one refers to, told without evaluating it, and what an evaluation gave (design 3).

The syntax is CEL's own to judge. What is judged here is what a template can be checked by before any claim is there:
names, the paths that are read, and that no expression can cost more than its length and one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final

from ocdp_operator.model.mapping import MAPPING_FACTS, MAX_EXPRESSION
from ocdp_operator.model.wire import canonical_json

ROOTS: Final = ("values", "profile", "workspace", "claim")
MACROS: Final = ("map", "filter", "all", "exists", "exists_one")
FUNCTIONS: Final = (
    "contains",
    "double",
    "endsWith",
    "envName",
    "has",
    "int",
    "matches",
    "quantity",
    "size",
    "slug",
    "startsWith",
    "string",
)
"""Everything else that CEL knows makes values that no manifest holds."""
MAX_WORK: Final = 1024 * 1024
"""Bytes, as ``work`` counts them: some 100 ms on a busy machine in which nothing else runs."""
ITEM: Final = "[]"
"""The step of a path that stands for any item of a list."""

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<raw>[bB]?[rR][bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"[^"\n]*"|'[^'\n]*'))
    |(?P<text>[bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_TEXTS: Final = ("text", "raw")
_WORDS: Final = ("true", "false", "null", "in")
_VALUE_ENDS: Final = (")", "]", "}")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value of one expression as JSON, or why it has none; ``failure`` quotes no value."""

    value: Any = None
    failure: str = ""
    missing: str = ""
    """The path that the expression reads and that is not there, where that is why."""


class BadExpression(ValueError):
    """An expression that no template may hold; the message says why, in words for its author."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A path that an expression reads; the variable of a macro is read as an item of its list."""

    steps: tuple[str, ...]
    """``("values", "models", "[]", "name")``."""
    guarded: bool = False
    """Asked for by ``has(...)``: it may be absent."""

    @property
    def whole(self) -> tuple[str, ...]:
        """The path as far as it is one of names: to the list, where it goes on into an item."""
        return tuple(takewhile(lambda each: each != ITEM, self.steps))

    def __str__(self) -> str:
        return "".join(step if step == ITEM else f".{step}" for step in self.steps).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Analysis:
    """One expression, taken apart."""

    text: str
    """What is evaluated: ``has(a.b.c)`` asks for ``a.b`` first, since CEL fails where that is absent."""
    references: tuple[Reference, ...]
    ranges: tuple[Reference, ...]
    """The lists that macros go over."""
    repeated: tuple[tuple[Reference, Reference], ...] = ()
    """The list of a macro, and what its body reads anew for each item of it, as often as it stands there."""
    sums: int = 0
    """How often ``+`` is written. Each copies what is on its left."""


@lru_cache(maxsize=4096)
def analyse(expression: str) -> Analysis:
    """What the expression refers to. Raises BadExpression."""
    if len(expression) > MAX_EXPRESSION:
        raise BadExpression(f"an expression has at most {MAX_EXPRESSION} characters")
    scan = _Scan(expression)
    scan.until(None)
    pieces, end = [], 0
    for (start, stop), text in scan.rewritten:
        pieces += [expression[end:start], text]
        end = stop
    text = "".join((*pieces, expression[end:]))
    return Analysis(
        text,
        tuple(dict.fromkeys(scan.references)),
        tuple(dict.fromkeys(scan.ranges)),
        tuple(scan.repeated),
        scan.sums,
    )


def work(analysis: Analysis, roots: Mapping[str, Any]) -> int:
    """Bytes that an evaluation may copy, at most and roughly: nothing else can run while it does."""
    read = {each.whole for each in (*analysis.references, *analysis.ranges)}
    once = sum(_size(found(steps, roots)) for steps in read)
    again = 0
    for each, reference in analysis.repeated:
        items = found(each.whole, roots)
        again += len(items) * _size(found(reference.whole, roots)) if isinstance(items, list) else 0
    return (1 + analysis.sums) * (once + again)


def found(steps: Sequence[str], roots: Mapping[str, Any]) -> Any:
    """What is at a path of names; None: nothing."""
    below: Any = roots
    for step in steps:
        below = below.get(step) if isinstance(below, Mapping) else None
    return below


def _size(value: Any) -> int:
    try:
        return 0 if value is None else len(canonical_json(value))
    except TypeError:
        return 0  # CEL takes it as little as JSON does


def absent(reference: Reference, roots: Mapping[str, Any]) -> bool:
    """Whether nothing is at the path, as far as it can be told: what is below an item of a list is not looked at."""
    below: Any = roots
    for step in reference.whole:
        if not isinstance(below, Mapping) or step not in below:
            return True
        below = below[step]
    return False


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    span: tuple[int, int]


def _tokens(expression: str) -> Iterator[_Token]:
    for found in _TOKEN.finditer(expression):
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token(kind, found[0], found.span())


_END: Final = _Token("end", "", (0, 0))


@dataclass(slots=True)
class _Chain:
    """A name with the selectors behind it, as far as they were read."""

    steps: list[str]
    start: int
    fields: list[int] = field(default_factory=list)
    """Where each ``.name`` ends."""


class _Scan:
    """Goes over the tokens once; a macro's body is gone over with its variable known."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = tuple(_tokens(expression))
        self._at = 0
        self._variables: dict[str, tuple[str, ...]] = {}
        self.references: list[Reference] = []
        self.ranges: list[Reference] = []
        self.rewritten: list[tuple[tuple[int, int], str]] = []
        self.repeated: list[tuple[Reference, Reference]] = []
        self.sums = 0

    def until(self, closing: str | None) -> None:
        """Takes tokens up to this closing bracket, and it too."""
        depth = 0
        while self._at < len(self._tokens):
            token = self._token()
            if token.kind == "name":
                self._name()
                continue
            self._at += 1
            self.sums += token.text == "+"
            if token.text == closing and not depth:
                return
            depth += (token.text in {"(", "[", "{"}) - (token.text in _VALUE_ENDS)
        if closing is not None:
            raise BadExpression(f"a {closing} is missing")

    def _token(self, ahead: int = 0) -> _Token:
        at = self._at + ahead
        return self._tokens[at] if 0 <= at < len(self._tokens) else _END

    def _name(self) -> None:
        name = self._token().text
        if self._token(-1).text == ".":
            self._of_computed(name)
        elif name in _WORDS:
            self._at += 1
        elif self._token(1).text == "(":
            self._function(name)
        else:
            self._reference(guarded=False)

    def _of_computed(self, name: str) -> None:
        """A selector or a method of what is no plain path."""
        before = self._token(-2)
        if before.text not in _VALUE_ENDS and before.kind not in _TEXTS:
            raise BadExpression(f"write {name} without a point before it")
        self._at += 1
        if self._token().text != "(":
            return
        if name in MACROS:
            raise BadExpression(f"{name} goes over a list of the values: write values.<path>.{name}(...)")
        self._method(name)

    def _method(self, name: str) -> None:
        """Whether a method may be called here; its bracket comes next."""
        _check_function(name)
        if name != "matches":
            return
        # The library makes the pattern anew each time: 100 ms for one that a user wrote, for each item of a list.
        if self._token(1).kind not in _TEXTS or self._token(2).text != ")":
            raise BadExpression(
                "matches takes a pattern that is written there in quotes, not one of the values"
            )
        if self._variables:
            raise BadExpression(
                "matches inside of a macro is not allowed: let the schema judge each item by a pattern"
            )

    def _function(self, name: str) -> None:
        _check_function(name)
        if name == "matches":
            raise BadExpression("write matches behind the text: values.<path>.matches('...')")
        if name != "has":
            self._at += 1
            return
        start = self._token().span[0]
        self._at += 2
        if self._token().kind != "name" or self._token(1).text == "(":
            raise BadExpression("has takes a path: write has(values.<path>)")
        chain = self._reference(guarded=True)
        if self._token().text != ")":
            raise BadExpression("has takes a path: write has(values.<path>)")
        self._at += 1
        if len(chain.fields) > 1:
            span = start, self._tokens[self._at - 1].span[1]
            self.rewritten.append((span, self._stepwise(chain)))

    def _stepwise(self, chain: _Chain) -> str:
        paths = [self._expression[chain.start : end] for end in chain.fields]
        asked = [f"has({path}) && {path} != null" for path in paths[:-1]]
        return f"({' && '.join((*asked, f'has({paths[-1]})'))})"

    def _reference(self, *, guarded: bool) -> _Chain:
        chain = self._chain()
        while self._token().text == "." and self._token(1).kind == "name":
            method = self._token(1).text
            self._at += 2
            if method not in MACROS:
                self._method(method)
                break
            self._macro(method, chain.steps)
            if method != "filter":  # what it keeps are items of the same list
                return chain
            self._selectors(chain)
        if not guarded and len(chain.steps) == 1 and chain.steps[0] in ROOTS:
            raise BadExpression(f"{chain.steps[0]} alone is no value: name what is in it")
        self._refer(chain.steps, guarded=guarded)
        return chain

    def _chain(self) -> _Chain:
        token = self._token()
        steps = self._variables.get(token.text) or ((token.text,) if token.text in ROOTS else None)
        if steps is None:
            known = ", ".join((*ROOTS, *self._variables))
            raise BadExpression(f"{token.text} is not known here; there are {known}")
        self._at += 1
        chain = _Chain(list(steps), token.span[0])
        self._selectors(chain)
        return chain

    def _selectors(self, chain: _Chain) -> None:
        while True:
            if self._token().text == "." and self._token(1).kind == "name" and self._token(2).text != "(":
                chain.steps.append(self._token(1).text)
                chain.fields.append(self._token(1).span[1])
                self._at += 2
            elif self._token().text == "[":
                chain.steps.append(self._index())
            else:
                return

    def _index(self) -> str:
        literal, closing = self._token(1), self._token(2)
        if literal.kind not in {"text", "number"} or closing.text != "]":
            raise BadExpression(
                "what stands in [] is a number or a quoted name: which one it is must be known"
            )
        self._at += 3
        if literal.kind == "number":
            return ITEM
        name = literal.text.strip("\"'")
        if "\\" in name or not name:
            raise BadExpression("a name in [] is written plainly")
        return name

    def _macro(self, name: str, steps: list[str]) -> None:
        if self._variables:
            raise BadExpression(f"{name} inside of another macro is not allowed")
        if steps[0] != "values" or len(steps) == 1:
            raise BadExpression(f"{name} goes over a list of the values: write values.<path>.{name}(...)")
        self.ranges.append(Reference(tuple(steps)))
        variable, comma = self._token(1), self._token(2)
        if variable.kind != "name" or variable.text in (*ROOTS, *_WORDS) or comma.text != ",":
            raise BadExpression(f"write {name}(item, ...) with a name of its own for the item")
        self._at += 3
        self._variables = {variable.text: (*steps, ITEM)}
        self.until(")")
        self._variables = {}

    def _refer(self, steps: list[str], *, guarded: bool) -> None:
        path = Reference(tuple(steps), guarded)
        if steps[0] in {"workspace", "claim"} and str(path) not in MAPPING_FACTS:
            raise BadExpression(f"{path} is unknown; there are {', '.join(MAPPING_FACTS)}")
        if any(tuple(steps) == over[:-1][: len(steps)] for over in self._variables.values()):
            raise BadExpression(f"a macro cannot take {path} as a whole for every item of it")
        self.references.append(path)
        for over in self._variables.values():
            if tuple(steps[: len(over)]) != over:
                self.repeated.append((Reference(over[:-1]), path))


def _check_function(name: str) -> None:
    if name not in FUNCTIONS:
        raise BadExpression(f"there is no function {name}; there are {', '.join((*FUNCTIONS, *MACROS))}")
