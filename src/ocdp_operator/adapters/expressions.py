"""CEL, behind the port ``Expressions``: evaluated in a few threads of its own, since it is not asynchronous (design 5).

The library's messages quote what an expression was given. None of them leaves this module.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from math import isfinite
from typing import Any, Final, Self

import cel

from ocdp_operator.model.expression import MAX_WORK, Analysis, BadExpression, Evaluated, absent, analyse, work
from ocdp_operator.model.expression_functions import BadArgument, env_name, quantity, slug
from ocdp_operator.model.wire import canonical_json

MAX_RESULT_BYTES: Final = 256 * 1024
"""Of canonical JSON, for each expression."""
_THREADS: Final = 2
_PLACE: Final = re.compile(r"ERROR: <input>:([0-9]+):([0-9]+): (?:Syntax error: )?([^\n]*)")
_FAILURES: Final = (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError)
_WORDED: Final[Mapping[type[BaseException], str]] = {
    IndexError: "it asks for an item beyond the end of a list",
    OverflowError: "a number is too large",
    ZeroDivisionError: "it divides by zero",
    TypeError: "it puts together what is not of the same type, or selects from what has no fields",
}
_TOO_MUCH: Final = (
    f"it would copy more than {MAX_WORK} bytes of the values: bound the texts and lists that it reads in the schema, "
    "read less for each item of a list, or write fewer +"
)
_FUNCTIONS: Final[Mapping[str, Callable[..., str]]] = {
    "quantity": quantity,
    "slug": slug,
    "envName": env_name,
}

logging.getLogger("cel").setLevel(logging.CRITICAL + 1)  # it logs what a function raised, with the values


class _NoJson(Exception):
    """A value that no manifest can hold; the message says why."""


class CelExpressions:
    """The expressions of mappings. Use it as a context manager: the threads end with the block."""

    def __init__(self, *, threads: int = _THREADS) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="cel")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def check(self, expression: str) -> str | None:
        """See the port."""
        return syntax_fault(expression)

    async def evaluate(self, expressions: Sequence[str], roots: Mapping[str, Any]) -> tuple[Evaluated, ...]:
        """See the port."""
        if not expressions:
            return ()
        if self._pool is None:
            raise RuntimeError("expressions are evaluated before they are opened, or after they are closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, evaluated, tuple(expressions), roots)


def syntax_fault(expression: str) -> str | None:
    """What CEL has against the expression, with its line and column; None: nothing."""
    try:
        with _without_panics():
            cel.compile(expression)
    except _FAILURES as error:
        found = _PLACE.search(str(error))
        return f"line {found[1]}, column {found[2]}: {found[3]}"[:200] if found else "it is no CEL"
    return None


def evaluated(expressions: Sequence[str], roots: Mapping[str, Any]) -> tuple[Evaluated, ...]:
    """The values of all expressions, in this thread."""
    complaints = _Complaints()
    try:
        context = cel.Context(variables=dict(roots), functions=complaints.functions)
    except _FAILURES:
        return (Evaluated(failure="the values hold what CEL cannot carry"),) * len(expressions)
    return tuple(_evaluated(each, context, roots, complaints) for each in expressions)


class _Complaints:
    """Our functions, and what the last one that failed had to say: the library would quote the value beside it."""

    def __init__(self) -> None:
        self.last = ""
        self.functions = {name: self._told(function) for name, function in _FUNCTIONS.items()}

    def _told(self, function: Callable[..., str]) -> Callable[..., str]:
        def told(*arguments: Any) -> str:
            try:
                return function(*arguments)
            except BadArgument as error:
                self.last = str(error)
                raise ValueError from None

        return told


def _evaluated(expression: str, context: Any, roots: Mapping[str, Any], complaints: _Complaints) -> Evaluated:
    complaints.last = ""
    try:
        analysis = analyse(expression)
        if work(analysis, roots) > MAX_WORK:
            return Evaluated(failure=_TOO_MUCH)
        with _without_panics():
            return Evaluated(_plain(_program(analysis.text).execute(context)))
    except BadExpression as error:
        return Evaluated(failure=str(error))
    except _NoJson as error:
        return Evaluated(failure=f"its value {error}")
    except KeyError as error:
        missing = _missing(analysis, error, roots)
        return Evaluated(failure=f"{missing or 'a field that it reads'} is absent", missing=missing)
    except _FAILURES as error:
        return Evaluated(failure=complaints.last or _worded(error))


@lru_cache(maxsize=2048)
def _program(text: str) -> Any:
    return cel.compile(text)


def _worded(error: Exception) -> str:
    known = (worded for kind, worded in _WORDED.items() if isinstance(error, kind))
    return next(known, "CEL cannot evaluate it")


def _missing(analysis: Analysis, error: KeyError, roots: Mapping[str, Any]) -> str:
    """The path that ends at the missing key, as the expression writes it; a key that it does not write is never told."""
    key = error.args[0] if error.args else None
    reading = [each for each in analysis.references if key in each.steps]
    gone = [each for each in reading if absent(each, roots)]
    return next((str(each) for each in (*gone, *reading)), "")


@contextmanager
def _without_panics() -> Iterator[None]:
    """A panic of the library is a failure of one expression, though it is no Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError from None


def _plain(value: Any) -> Any:
    """The value as JSON, its fields in order: the library's maps have none."""
    plain = _json(value)
    try:
        size = len(canonical_json(plain))
    except TypeError:
        raise _NoJson("is a text or a number that JSON cannot hold") from None
    if size > MAX_RESULT_BYTES:
        raise _NoJson(f"has more than {MAX_RESULT_BYTES} bytes")
    return plain


def _json(value: Any) -> Any:
    if value is None or type(value) in {bool, int, str}:
        return value
    if type(value) is float:
        if isfinite(value):
            return value
        raise _NoJson("is no finite number")
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise _NoJson("is a map whose keys are no text")
        return {key: _json(value[key]) for key in sorted(value)}
    raise _NoJson("is no JSON")
