r"""Regular expressions of templates, matched by RE2: in time that grows with the text and never explodes.

Python's own ``re`` goes back and forth, so that a pattern such as ``^(a+)+$`` holds a process for ever. RE2 is also what
Kubernetes matches ``pattern`` by. It knows no look-around and no backreference; ``$`` is the end of the text, as in JSON
Schema (ECMA 262), and ``\d`` and ``\w`` are ASCII.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

MAX_PATTERN: Final = 512
"""Characters of a pattern."""
_MAX_PROGRAM: Final = 4_000
"""Instructions that RE2 makes of a pattern. ``^\\S{1,253}$`` makes 2,800."""
_MAX_MEMORY: Final = 512 * 1024
_WORK_OF_A_STEP: Final = 256
"""Characters times instructions that cost what one step of an ``Effort`` does."""


class BadPattern(ValueError):
    """RE2 takes no such pattern; the message says why."""


class Pattern:
    """One regular expression. Raises BadPattern where RE2 cannot take it, or it would make too large a program."""

    __slots__ = ("_compiled",)

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN:
            raise BadPattern(f"a pattern has at most {MAX_PATTERN} characters")
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MAX_MEMORY
        try:
            compiled = re2.compile(text, options)
        except (re2.error, UnicodeEncodeError) as error:
            raise BadPattern(_why(error)) from None
        if compiled.programsize > _MAX_PROGRAM:
            raise BadPattern("it is too large: let it repeat less")
        self._compiled: Any = compiled

    def found_in(self, text: str) -> bool:
        """Whether it matches anywhere in the text, as ``pattern`` of JSON Schema asks."""
        return self._compiled.search(text) is not None

    def steps_for(self, text: str) -> int:
        """What ``found_in`` costs at most, in steps of an ``Effort``."""
        return 1 + len(text) * int(self._compiled.programsize) // _WORK_OF_A_STEP


@lru_cache(maxsize=128)
def pattern(text: str) -> Pattern:
    """The pattern; the same text gives the same one. Raises BadPattern."""
    return Pattern(text)


def _why(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else "it is no text"
    return "".join(char if char.isprintable() else "?" for char in text)
