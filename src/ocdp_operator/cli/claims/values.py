r"""``--values``, ``--set`` and ``--set-string`` -> ``spec.values``.

Files are merged in their order, maps key by key; then ``--set``, then ``--set-string``. A value of ``--set`` is JSON where
it is JSON (``20``, ``true``, ``null``, ``[1, 2]``, ``{"a": 1}``, ``"20"``), else text. A path has dots between its names
(``\.`` for a dot in a name) and ``[0]`` for an item of a list; one past the end appends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

import typer

from ocdp_operator.errors import Stalled
from ocdp_operator.model.documents import load_documents
from ocdp_operator.model.faults import unstorable

_STEP: Final = re.compile(r"((?:\\.|[^.\[\]\\])+)((?:\[\d{1,3}\])*)(?:\.|$)")
_Step = str | int


def read_values(
    files: Iterable[typer.FileBinaryRead],
    sets: Sequence[str],
    texts: Sequence[str],
    *,
    under: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The values that the options make together, over those ``under`` them. Raises typer.BadParameter, which names the option at fault."""
    values: dict[str, Any] = deepcopy(dict(under or {}))
    for file in files:
        values = _merged(values, _read(file))
    for option, items, parse in (("--set", sets, _parsed), ("--set-string", texts, str)):
        for item in items:
            path, equals, text = item.partition("=")
            if not equals:
                raise typer.BadParameter(f"{item!r} has no =: write path=value", param_hint=option)
            try:
                _put(values, _steps(path), parse(text))
            except ValueError as error:
                raise typer.BadParameter(f"{path}: {error}", param_hint=option) from None
    for fault in unstorable(values):
        raise typer.BadParameter(str(fault), param_hint="the values")
    return values


def _read(file: typer.FileBinaryRead) -> dict[str, Any]:
    name = getattr(file, "name", "-")
    try:
        documents = [each for each in load_documents(file.read(), name=name) if each is not None]
    except Stalled as error:
        raise typer.BadParameter(error.message, param_hint="--values") from None
    if len(documents) > 1 or not all(isinstance(each, dict) for each in documents):
        raise typer.BadParameter(f"{name} must hold one mapping of values", param_hint="--values")
    return documents[0] if documents else {}


def _merged(under: Any, over: Any) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return {
        **under,
        **{key: _merged(under[key], value) if key in under else value for key, value in over.items()},
    }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: text)
    except ValueError:
        return text
    except RecursionError:
        raise ValueError("the value is nested too deep") from None


def _steps(path: str) -> list[_Step]:
    steps: list[_Step] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if not found:
            raise ValueError("is no path: write a.b or a[0].b")
        steps.append(re.sub(r"\\(.)", r"\1", found[1]))
        steps += [int(index) for index in re.findall(r"\d+", found[2])]
        position = found.end()
    if not steps or (path.endswith(".") and not path.endswith("\\.")):
        raise ValueError("is no path: write a.b or a[0].b")
    return steps


def _put(values: Any, steps: Sequence[_Step], value: Any) -> None:
    *way, last = steps
    for step, following in zip(way, steps[1:], strict=True):
        empty: Any = [] if isinstance(following, int) else {}
        values = _child(values, step, empty)
    _child(values, last, value)
    values[last] = value


def _child(parent: Any, step: _Step, new: Any) -> Any:
    """What the parent has there, or ``new``, put there."""
    if isinstance(step, int):
        if not isinstance(parent, list) or step > len(parent):
            raise ValueError(f"[{step}] is not the next item of a list")
        if step == len(parent):
            parent.append(new)
        return parent[step]
    if not isinstance(parent, dict):
        raise ValueError(f"{step} is a part of something that is no map")  # noqa: TRY004 - of the user's text
    return parent.setdefault(step, new)
