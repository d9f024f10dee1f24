"""Rendered objects put to the API server of the local control plane, without being stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ocdp_operator.dev.api import ApiError, ApiServer
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.namespaces import POD_SECURITY, restricted_namespace
from ocdp_operator.manifests.problems import Problem, subject
from ocdp_operator.manifests.validation import Verdict
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.wire import canonical_json

_NAMESPACE: Final = "validate"
# The server enforces Pod Security on Pods alone; of what makes Pods it warns, where it is asked to.
_LABELS: Final = {key.replace("/enforce", "/warn"): level for key, level in POD_SECURITY.items()}
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


async def dry_run(plane: ControlPlane, verdicts: Iterable[Verdict]) -> Answers:
    """Applies every object as a dry run, strictly, in a namespace with Pod Security ``restricted``.

    Raises:
        LocalEnvironmentError: the namespace cannot be made.
    """
    await plane.kubectl("create", "-f", "-", stdin=restricted_namespace(_NAMESPACE, _LABELS))
    places: dict[bytes, tuple[Manifest, list[str]]] = {}
    for verdict in verdicts:
        for manifest in verdict.manifests:
            body = _placed(manifest)
            places.setdefault(canonical_json(body), (Manifest.of(body), []))[1].append(verdict.target.where)
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
    return f"/{root}/{kind.api_version}/namespaces/{_NAMESPACE}/{kind.plural}/{manifest.ref.name}"


def _placed(manifest: Manifest) -> Mapping[str, Any]:
    return {**manifest.body, "metadata": {**manifest.body["metadata"], "namespace": _NAMESPACE}}
