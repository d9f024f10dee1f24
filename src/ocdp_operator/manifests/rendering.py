"""Target -> objects, built by kubectl and by the standalone kustomize, which must agree.

Both run as the operator runs kustomize: confined, with nothing on PATH and no way out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from ocdp_operator.adapters.kustomize import KustomizeRenderer, RenderLimits
from ocdp_operator.errors import SettingsError
from ocdp_operator.manifests.problems import Problem, subject
from ocdp_operator.manifests.repository import Target
from ocdp_operator.manifests.schema import field_path
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.source import Artifact, Overlay, Rendering
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.wording import shown

_API: Final = "kustomize.config.k8s.io/v1beta1"
_OBJECTS: Final = "objects.yaml"
SET: Final = "set"
"""Where ``build_upon`` puts the objects, from the root of their repository."""
_MAX_DIFFERENCES: Final = 5
"""For each target: more say nothing new."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What builds."""

    kustomize: Path
    kustomize_version: str
    """The pinned one, as ``v5.8.1``."""
    kubectl: Path


class Builder:
    """Builds targets of one repository, as many at once as there are processors."""

    def __init__(
        self, root: Path, kustomize: KustomizeRenderer, kubectl: KustomizeRenderer, versions: tuple[str, str]
    ) -> None:
        self._artifact = Artifact("", root, {})
        self._kustomize = kustomize
        self._kubectl = kubectl
        self.version, self.kubectl_version = versions
        """Of kustomize: the standalone one, and the one inside kubectl."""

    @classmethod
    @asynccontextmanager
    async def opened(cls, root: Path, programs: Programs) -> AsyncIterator[Self]:
        """Raises SettingsError when a program is missing, or kustomize is not the pinned version."""
        limits = RenderLimits(processes=os.cpu_count() or 1)
        async with AsyncExitStack() as stack:
            work = Path(stack.enter_context(TemporaryDirectory(prefix="ocdp-manifests-")))
            renderers = [
                await stack.enter_async_context(KustomizeRenderer(work, kustomize=program, limits=limits))
                for program in (programs.kustomize, programs.kubectl)
            ]
            standalone, inside = await asyncio.gather(*(renderer.version() for renderer in renderers))
            if standalone != programs.kustomize_version:
                raise SettingsError(
                    f"{programs.kustomize} is kustomize {standalone}, and {programs.kustomize_version} is needed."
                )
            yield cls(root, renderers[0], renderers[1], (standalone, inside))

    async def build(self, target: Target) -> tuple[Rendering, Rendering]:
        """The target by the standalone kustomize, and by kubectl. Raises Stalled or Waiting when one refuses it."""
        said: dict[str, Any] = {
            "apiVersion": _API,
            "kind": "Kustomization",
            "resources": [f"../source/{target.base}"],
            "components": [f"../source/{component}" for component in target.components],
        }
        overlay = Overlay({"kustomization.yaml": canonical_json(said)})
        first, second = await asyncio.gather(
            self._kustomize.render(self._artifact, overlay), self._kubectl.render(self._artifact, overlay)
        )
        return first, second

    async def build_upon(self, manifests: tuple[Manifest, ...], overlay: Overlay) -> Rendering:
        """An overlay on objects that were built before, which it names as ``../source/<SET>``."""
        with TemporaryDirectory(prefix="ocdp-set-") as directory:
            root = Path(directory)
            files = set_files(manifests)
            (root / SET).mkdir()
            for path, content in files.items():
                (root / path).write_bytes(content)
            return await self._kustomize.render(Artifact("", root, files), overlay)


def set_files(manifests: tuple[Manifest, ...]) -> dict[str, bytes]:
    """Built objects as a base of their own: path -> content."""
    said = {"apiVersion": _API, "kind": "Kustomization", "resources": [_OBJECTS] if manifests else []}
    objects = b"\n---\n".join(canonical_json(manifest.body) for manifest in manifests)
    return {f"{SET}/kustomization.yaml": canonical_json(said), f"{SET}/{_OBJECTS}": objects}


def differences(
    where: str, ours: Rendering, theirs: Rendering, versions: tuple[str, str]
) -> Iterator[Problem]:
    """How what kubectl built differs from what kustomize built, by object and field; nothing where they agree."""
    own, other = ({manifest.ref: manifest for manifest in each.manifests} for each in (ours, theirs))
    by = f"kustomize {versions[0]} and kubectl's kustomize {versions[1]} differ"
    told = 0
    for ref in sorted({*own, *other}):
        if ref not in own or ref not in other:
            builder = "kustomize" if ref in own else "kubectl"
            found = [("", f"{by}: only {builder} renders it")]
        else:
            found = [
                (field_path(own[ref].body, steps), f"{by}: {_shown(mine)} and {_shown(yours)}")
                for steps, mine, yours in _unequal(own[ref].body, other[ref].body, ())
            ]
        for field, what in found[: _MAX_DIFFERENCES - told]:
            told += 1
            yield Problem(where, what, subject(own.get(ref) or other[ref]), field)


def _unequal(
    mine: Any, yours: Any, steps: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    if isinstance(mine, Mapping) and isinstance(yours, Mapping):
        for key in sorted({*mine, *yours}):
            yield from _unequal(mine.get(key), yours.get(key), (*steps, key))
    elif isinstance(mine, list) and isinstance(yours, list) and len(mine) == len(yours):
        for index, (one, other) in enumerate(zip(mine, yours, strict=True)):
            yield from _unequal(one, other, (*steps, index))
    elif type(mine) is not type(yours) or mine != yours:
        yield steps, mine, yours


def _shown(value: Any) -> str:
    return "nothing" if value is None else shown(value if isinstance(value, str) else str(value), 60)
