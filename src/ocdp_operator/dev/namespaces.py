"""Namespaces as a platform makes them for a workspace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

POD_SECURITY: Final[Mapping[str, str]] = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}


def restricted_namespace(name: str, labels: Mapping[str, str]) -> str:
    """The manifest, as JSON, of a namespace that admits only Pods of the Pod Security level ``restricted``."""
    metadata = {"name": name, "labels": {**POD_SECURITY, **labels}}
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
