"""JSON that is nested deeper than a parser can follow: what lies too deep is left out, and the rest can be read.

The API server takes ten thousand levels of a claim's values; the parsers of Python give up at about a thousand. Without this,
one such claim would end every watch and every list that it is part of.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

MAX_LEVELS: Final = 120
"""Deeper than anything that is allowed: a claim's values have at most 50 levels, and managedFields about as many."""
_SAFE: Final = 500
"""So many levels every parser follows."""
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', re.DOTALL)
"""A text in runs: a group for each character would keep a hundred bytes of state for each."""


def readable(document: bytes) -> bytes:
    """The document, with ``null`` in place of everything below ``MAX_LEVELS`` where it is deep at all.

    Only a document with many brackets is looked at in full: all others come back as they are.
    """
    if document.count(b"{") + document.count(b"[") <= _SAFE or _depth(document) <= _SAFE:
        return document
    return _cut(document)


def parse(document: bytes) -> Any:
    """What the document says, with ``null`` for what lies too deep. Raises orjson.JSONDecodeError for what is no JSON."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        shallow = readable(document)
        if shallow is document:
            raise
    return orjson.loads(shallow)


def _depth(document: bytes) -> int:
    """The most brackets open at once; those in texts don't count."""
    level = deepest = 0
    for token in _TOKEN.finditer(document):
        mark = document[token.start()]
        if mark in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif mark in b"}]":
            level -= 1
    return deepest


def _cut(document: bytes) -> bytes:
    kept: list[bytes] = []
    level = since = 0
    for token in _TOKEN.finditer(document):
        mark = document[token.start()]
        if mark in b"{[":
            level += 1
            if level == MAX_LEVELS + 1:
                kept += (document[since : token.start()], b"null")
        elif mark in b"}]":
            if level == MAX_LEVELS + 1:
                since = token.end()
            level -= 1
    kept.append(document[since:])
    return b"".join(kept)
