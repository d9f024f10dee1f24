"""``$(NAME)`` in containers: the kubelet expands it, so values that mean themselves must say ``$$(NAME)``."""

from __future__ import annotations

import re
from typing import Any, Final

_EXPANDED: Final = re.compile(
    r"/(?:containers|initContainers)/[^/]+/"
    r"(?:(?:args|command)/[^/]+|env/[^/]+/value|volumeMounts/[^/]+/subPathExpr"
    r"|(?:liveness|readiness|startup)Probe/exec/command/[^/]+)$"
)
"""Where the kubelet expands (pkg/kubelet/container/helpers.go); ConfigMaps and Secrets are taken as they are."""


def with_literal_dollars(pointer: str, value: Any) -> Any:
    """The value as it must stand at this pointer of a manifest for every ``$`` in it to mean itself."""
    if isinstance(value, str):
        return value.replace("$", "$$") if _EXPANDED.search(pointer) else value
    if isinstance(value, dict):
        return {key: with_literal_dollars(f"{pointer}/{key}", below) for key, below in value.items()}
    if isinstance(value, list):
        return [with_literal_dollars(f"{pointer}/{index}", below) for index, below in enumerate(value)]
    return value
