"""One structured file of a ConfigMap with values set inside of it: YAML, JSON or an env file, by its name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import isfinite
from typing import Any, Final

import orjson

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.documents import load_documents
from ocdp_operator.plan.wording import shown

Setting = tuple[str, Any]
"""A JSON pointer (RFC 6901) and the value that is set there."""

_INTEGERS: Final = range(-(2**63), 2**64)
_BREAKS: Final = re.compile("\u2028|\u2029".encode())
"""Line breaks to YAML 1.1, and plain characters to JSON: escaped, they are characters to both."""
_YAML: Final = (".yaml", ".yml")
_JSON: Final = (".json",)
_ENV: Final = (".env", ".properties")


def with_settings(name: str, content: bytes, settings: Sequence[Setting]) -> bytes:
    """The file with every value set in turn; ``name`` is its key in the ConfigMap.

    YAML comes back as JSON, which is YAML that every parser reads alike; mappings on the way to a value are made.
    Raises Stalled(BuildFailed) when the file cannot hold the value at that place, and Stalled(UnsafeBuild) for a file
    that cannot be read.
    """
    suffix = posixpath.splitext(name)[1].lower()
    if suffix in _ENV or name == ".env":
        return _env_file(name, content, settings)
    if suffix not in (*_YAML, *_JSON):
        raise _failed(name, "values can be set in YAML (.yaml, .yml), JSON (.json) and env files (.env) only")
    document = _document(name, content, as_json=suffix in _JSON)
    for pointer, value in settings:
        _set(name, document, pointer, deepcopy(value))
    if suffix in _YAML:
        document = _with_yaml_numbers(document)
    written = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return _BREAKS.sub(lambda found: b"\\u202" + (b"8" if found[0][-1] == 0xA8 else b"9"), written)


def as_text(name: str, pointer: str, value: Any) -> str:
    """A value as the text of an environment variable; JSON for what is no text. Raises Stalled(BuildFailed)."""
    if isinstance(value, Mapping | list):
        raise _failed(name, f"{shown(pointer)} takes text, a number or a boolean")
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def variable(name: str, pointer: str) -> str:
    """The variable that a pointer names in an env file. Raises Stalled(BuildFailed) when it names none."""
    step, *deeper = _steps(pointer)
    if deeper or not step or "=" in step or not step.isprintable() or step[0] in "# ":
        raise _failed(name, f"{shown(pointer)} names no variable: write /NAME")
    return step


def _failed(name: str, what: str) -> Stalled:
    return Stalled(Reason.BUILD_FAILED, f"A mapping cannot set a value in {shown(name)}: {what}.")


def _document(name: str, content: bytes, *, as_json: bool) -> Any:
    if not as_json:
        documents = load_documents(content, name=name)
        if len(documents) > 1:
            raise _failed(name, "it holds more than one document")
        return documents[0] if documents and documents[0] is not None else {}
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise _failed(name, "it is no JSON") from None


def _with_yaml_numbers(value: Any) -> Any:
    """Numbers as YAML 1.1 and 1.2 both read them: with an exponent it takes a point and a sign; JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _with_yaml_numbers(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_with_yaml_numbers(below) for below in value]
    if type(value) is int and value not in _INTEGERS:
        return orjson.Fragment(str(value))
    if not isinstance(value, float):
        return value
    mantissa, exponent, digits = repr(value).partition("e")
    if exponent:
        return orjson.Fragment(f"{mantissa}{'' if '.' in mantissa else '.0'}e{digits}")
    return (
        value if isfinite(value) else orjson.Fragment(mantissa.replace("inf", ".inf").replace("nan", ".nan"))
    )


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _set(name: str, document: Any, pointer: str, value: Any) -> None:
    *way, last = _steps(pointer)
    place = document
    for step in way:
        place = _entered(name, place, step, pointer)
    if isinstance(place, dict):
        place[last] = value
    elif isinstance(place, list) and last == "-":
        place.append(value)
    else:
        place[_index(name, place, last, pointer)] = value


def _entered(name: str, place: Any, step: str, pointer: str) -> Any:
    if isinstance(place, dict):
        if place.get(step) is None:
            place[step] = {}
        return place[step]
    return place[_index(name, place, step, pointer)]


def _index(name: str, place: Any, step: str, pointer: str) -> int:
    if not isinstance(place, list) or not (step.isascii() and step.isdigit()) or int(step) >= len(place):
        raise _failed(name, f"there is no place for {shown(pointer)}")
    return int(step)


def _env_file(name: str, content: bytes, settings: Sequence[Setting]) -> bytes:
    """The line that sets a variable is replaced where it stands, a new one is added; all others stay as they are."""
    try:
        lines = content.decode().removesuffix("\n").split("\n") if content else []
    except UnicodeDecodeError:
        raise _failed(name, "it is not UTF-8") from None
    for pointer, value in settings:
        key, text = variable(name, pointer), as_text(name, pointer, value)
        if "\n" in text or "\r" in text:
            raise _failed(name, f"{shown(pointer)} takes one line")
        others = [line for line in lines if line.partition("=")[0].strip() != key]
        place = next((i for i, line in enumerate(lines) if line not in others), len(others))
        lines = [*others[:place], f"{key}={text}", *others[place:]]
    return "".join(f"{line}\n" for line in lines).encode()
