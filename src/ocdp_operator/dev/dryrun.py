"""Rendered objects put to the API server of the local control plane, without being stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.dev.api import ApiError, ApiServer
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.namespaces import POD_SECURITY
from ocdp_operator.manifests.problems import Problem, subject
from ocdp_operator.manifests.validation import Verdict
from ocdp_operator.model.kinds import RUNTIME_KINDS, find_kind
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.wire import canonical_json

WARNS: Final = {key.replace("/enforce", "/warn"): level for key, level in POD_SECURITY.items()}
"""Labels of the namespace: the server enforces Pod Security on Pods alone, and warns of what makes Pods where it is asked to."""
_POD_SECURITY: Final = "violate PodSecurity"
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Answers:
    """What the server said."""

    asked: int
    """Different objects: those of a base come again in each of its sets."""
    problems: tuple[Problem, ...]
    """What it refuses, and pods that it would refuse."""
    warnings: tuple[Problem, ...]


async def dry_run(plane: ControlPlane, verdicts: Iterable[Verdict], namespace: str) -> Answers:
    """Applies every object as a dry run, strictly, in this namespace, which has the labels ``WARNS``."""
    places: dict[bytes, tuple[Manifest, list[str]]] = {}
    rendered = [(verdict.target.where, manifest) for verdict in verdicts for manifest in verdict.manifests]
    for where, manifest in rendered:
        if find_kind(manifest.ref.group, manifest.ref.kind) in RUNTIME_KINDS:  # others were refused before
            body = _placed(manifest, namespace)
            places.setdefault(canonical_json(body), (Manifest.of(body), []))[1].append(where)
    slots = asyncio.Semaphore(_AT_ONCE)
    async with plane.api() as api:

        async def ask(manifest: Manifest, where: list[str]) -> tuple[list[Problem], ...]:
            async with slots:
                refused, warned = await _said(api, manifest)
            return tuple(
                [Problem(each, what, subject(manifest)) for what in said for each in where]
                for said in (refused, warned)
            )

        answers = await asyncio.gather(*(ask(*each) for each in places.values()))
    refused, warned = (tuple(problem for answer in answers for problem in answer[part]) for part in (0, 1))
    return Answers(len(places), refused, warned)


async def _said(api: ApiServer, manifest: Manifest) -> tuple[list[str], list[str]]:
    """What it refuses, and what it warns of."""
    try:
        headers = await api.dry_run(_path(manifest), manifest.body)
    except ApiError as error:
        return [f"the API server refuses it: {error}"], []
    said = [header.partition(" - ")[2].strip('"') for header in headers]
    refused = [f"the API server would refuse its pods: {each}" for each in said if _POD_SECURITY in each]
    return refused, [f"the API server warns: {each}" for each in said if _POD_SECURITY not in each]


def _path(manifest: Manifest) -> str:
    kind = manifest.ref.known_kind
    root = "apis" if kind.group else "api"
    namespace = manifest.body["metadata"]["namespace"]
    return f"/{root}/{kind.api_version}/namespaces/{namespace}/{kind.plural}/{manifest.ref.name}"


def _placed(manifest: Manifest, namespace: str) -> Mapping[str, Any]:
    return {**manifest.body, "metadata": {**manifest.body["metadata"], "namespace": namespace}}
