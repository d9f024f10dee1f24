"""Which kwok stages Pods and Nodes go through: kwok's own, and ours for Pods that ask to fail."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError

SIMULATE: Final = "ocdp.io/simulate"
"""The Pod annotation that chooses: ``crashloop``, ``imagepull``, ``notready``, ``slow``, or ``recovered``.

In a Pod template it chooses how Pods start; on a Pod that runs, what becomes of it.
"""

FAILURES: Final = ("crashloop", "imagepull", "notready")
SLOW: Final = "slow"
RECOVERED: Final = "recovered"
"""Ends a failure that was simulated on a Pod."""

_OURS: Final = "stages"
_MINIMUM: Final = {"pod-ready", "pod-complete", "pod-delete", "node-initialize", "node-heartbeat-with-lease"}


def write_stages(kwok_stages: Path, target: Path) -> tuple[Path, ...]:
    """Writes every stage into ``target``; returns the files, for kwok's ``--config``.

    kwok's own Pod stages leave Pods alone that ask for a simulation. Jobs that are slow complete in the end.

    Raises:
        LocalEnvironmentError: kwok's own stages are not in ``kwok_stages``.
    """
    target.mkdir()
    files = []
    documents = _documents(kwok_stages)
    missing = _MINIMUM - {document["metadata"]["name"] for document in documents}
    if missing:
        raise LocalEnvironmentError(
            f"kwok's own stages {', '.join(sorted(missing))} are missing beside kwok: remove it from the cache."
        )
    for document in documents:
        _leave_alone_what_asks(document)
        file = target / f"{document['metadata']['name']}.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        files.append(file)
    for entry in sorted(resources.files("ocdp_operator.dev").joinpath(_OURS).iterdir(), key=lambda e: e.name):
        file = target / entry.name
        file.write_bytes(entry.read_bytes())
        files.append(file)
    return tuple(files)


def _documents(directory: Path) -> list[dict[str, Any]]:
    return [
        document
        for file in sorted(directory.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]


def _leave_alone_what_asks(stage: dict[str, Any]) -> None:
    asked = {"pod-ready": (*FAILURES, SLOW, RECOVERED), "pod-complete": FAILURES}.get(
        stage["metadata"]["name"]
    )
    if asked is not None:
        stage["spec"]["selector"]["matchExpressions"].append(
            {"key": f'.metadata.annotations["{SIMULATE}"]', "operator": "NotIn", "values": list(asked)}
        )
