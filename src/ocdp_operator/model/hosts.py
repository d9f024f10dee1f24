"""The hosts that an Ingress takes for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def hosts_of(ingress: Mapping[str, Any]) -> frozenset[str]:
    """The hosts that the rules of its body name in full.

    A rule for every host, or for every one under a domain, takes none: the rule that names a host goes before it.
    """
    rules = (ingress.get("spec") or {}).get("rules") or ()
    named = (rule.get("host") or "" for rule in rules)
    return frozenset(host for host in named if host and not host.startswith("*"))
