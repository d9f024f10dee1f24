"""Which repositories may be fetched: an allow list of origins, and nothing else (security-reliability 2.2).

A listed origin may have any address, a loopback one too: whoever lists it knows. Everything that is not listed is refused,
so no address needs to be looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from ocdp_operator.errors import Reason, SettingsError, Stalled

_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~+-]|%20)+)*)/?",
    re.ASCII,
)
"""All that is spoken: no user, no query, no fragment, no escape but the blank. ssh would be one more scheme here."""
_PORTS: Final = {"https": 443, "http": 80}
_MAX_URL: Final = 2000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where repositories are fetched from: ``scheme://host[:port][/prefix]``."""

    scheme: Literal["https", "http"]
    host: str
    """In lower case; an IPv6 address in brackets."""
    port: int
    prefix: str = ""
    """A path without a trailing slash. It covers whole segments: ``/team`` does not cover ``/team-b``."""

    @classmethod
    def parse(cls, text: str, *, insecure: bool = False) -> Origin:
        """Reads an origin of the settings. Raises SettingsError when it is none, or is http without ``insecure``."""
        parts = _parts(text)
        if parts is None:
            raise SettingsError(f"{shown(text)!r} is no origin: write https://host[:port][/prefix].")
        if parts.scheme == "http" and not insecure:
            raise SettingsError(
                f"The origin {text} is plain http: set `insecure: true` beside it if that is meant."
            )
        return parts

    def covers(self, other: Origin) -> bool:
        """Whether the URL ``other``, read as an origin, lies under this one."""
        same = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same and f"{other.prefix}/".startswith(f"{self.prefix}/")

    def __str__(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.prefix}"


class AllowList:
    """The origins that templates may name."""

    def __init__(self, origins: Iterable[Origin]) -> None:
        self._origins = tuple(origins)

    def check(self, url: str) -> Origin:
        """The URL, read as an origin. Raises Stalled(URLNotAllowed); the message holds no credentials."""
        parts = _parts(url)
        if parts is None:
            what = "is no plain https URL: credentials, options, fragments and other schemes are refused"
        elif any(origin.covers(parts) for origin in self._origins):
            return parts
        else:
            what = "is under no allowed origin"
        raise Stalled(Reason.URL_NOT_ALLOWED, f"The repository {shown(url)} {what}.")


def _parts(text: str) -> Origin | None:
    match = _URL.fullmatch(text) if len(text) <= _MAX_URL else None
    if match is None or int(match["port"] or 0) > 65535:
        return None
    if any(segment in {".", ".."} for segment in match["path"].split("/")) or ".." in match["host"]:
        return None
    scheme: Literal["https", "http"] = "https" if match["scheme"] == "https" else "http"
    return Origin(scheme, match["host"].lower(), int(match["port"] or _PORTS[scheme]), match["path"])


def shown(url: str) -> str:
    """A URL as it may be shown: one line, at most 200 characters, and nothing before an ``@``."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    rest = rest.rpartition("@")[2].partition("?")[0]
    clean = "".join(char if char.isprintable() else "?" for char in f"{scheme}{separator}{rest}"[:201])
    return clean if len(clean) <= 200 else f"{clean[:199]}…"
