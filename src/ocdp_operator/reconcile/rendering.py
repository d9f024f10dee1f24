"""From a resolved workload to manifests: mappings bound, source fetched, overlay built, kustomize run (design 3).

The reconcile, the proof at publishing and the previews render by this one way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from ocdp_operator.errors import Dependency, Reason, Waiting
from ocdp_operator.model.source import Artifact, Overlay, Rendering
from ocdp_operator.model.telemetry import Step
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan.bind import bind, expression_roots, expressions_of
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.reconcile.ports import Expressions, Renderer, Sources
from ocdp_operator.reconcile.progress import Progress


class RenderingPorts(Protocol):
    """The outside worlds that a rendering needs; ``Ports`` has them."""

    @property
    def expressions(self) -> Expressions:
        """CEL."""
        ...

    @property
    def sources(self) -> Sources:
        """Git."""
        ...

    @property
    def renderer(self) -> Renderer:
        """Kustomize."""
        ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """A workload as it was rendered, and what it was rendered from."""

    workload: ResolvedWorkload
    """With its mappings bound."""
    artifact: Artifact
    overlay: Overlay
    rendering: Rendering


@dataclass(frozen=True, slots=True)
class Pace:
    """How a rendering is waited for and measured."""

    fetch_seconds: float | None = None
    """After so long it is given up; the fetch itself goes on. None: it is waited for."""
    progress: Progress = field(default_factory=Progress)


async def render(ports: RenderingPorts, workload: ResolvedWorkload, pace: Pace | None = None) -> Rendered:
    """The manifests of the workload, as kustomize builds them; nothing is judged yet, and no secret is in it.

    Raises Stalled and Waiting: what ``bind``, ``build_overlay`` and the ports raise.
    """
    return await render_bound(ports, await with_mappings(ports.expressions, workload), pace)


async def render_bound(ports: RenderingPorts, bound: ResolvedWorkload, pace: Pace | None = None) -> Rendered:
    """The same for a workload whose mappings are bound already."""
    pace = pace or Pace()
    with pace.progress.of(Step.FETCH):
        artifact = await _fetched(ports.sources, bound, pace.fetch_seconds)
    with pace.progress.of(Step.BUILD):
        overlay = build_overlay(bound, artifact.files)
        rendering = await ports.renderer.render(artifact, overlay)
    return Rendered(bound, artifact, overlay, rendering)


async def with_mappings(expressions: Expressions, workload: ResolvedWorkload) -> ResolvedWorkload:
    """The workload with its mappings bound; every expression of it is evaluated in one go. Raises like ``bind``."""
    asked = expressions_of(workload)
    found = await expressions.evaluate(asked, expression_roots(workload)) if asked else ()
    return bind(workload, dict(zip(asked, found, strict=True)))


async def _fetched(sources: Sources, workload: ResolvedWorkload, seconds: float | None) -> Artifact:
    source = workload.revision.source
    try:
        async with asyncio.timeout(seconds):
            return await sources.fetch(source, workload.components)
    except TimeoutError:
        raise Waiting(
            Reason.GIT_OPERATION_FAILED,
            f"{source.repository_url} is still being fetched.",
            dependency=Dependency("source", source.repository_url),
        ) from None
