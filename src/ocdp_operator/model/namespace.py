"""What reconcile must know of a claim's namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace that exists."""

    terminating: bool
    labels: Mapping[str, str]
