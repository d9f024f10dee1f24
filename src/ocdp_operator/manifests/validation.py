"""Validating a manifest repository: files, sets, schema, rules, the operator's policy, golden files.

Nothing is fetched, and nothing is asked of a cluster or a database. What ``validate`` finds is data; showing it is the command's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from ocdp_operator.errors import ReconcileError
from ocdp_operator.manifests import claimed, files, golden, readme, references, rules
from ocdp_operator.manifests.problems import Problem
from ocdp_operator.manifests.rendering import Builder, Programs, differences
from ocdp_operator.manifests.repository import Repository, Target
from ocdp_operator.manifests.schema import Schema
from ocdp_operator.model.objects import Manifest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one target."""

    target: Target
    manifests: tuple[Manifest, ...] = ()
    """What it renders to; empty when it could not be built."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    seconds: float = 0.0
    built: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all of them."""

    verdicts: tuple[Verdict, ...]
    elsewhere: tuple[Problem, ...]
    """What is wrong beside the targets: files and READMEs."""
    drifted: tuple[Problem, ...]
    """Golden files that say something else."""
    versions: tuple[str, str]
    """Of kustomize: the standalone one, and the one inside kubectl."""
    schema_version: str
    seconds: float
    renewed: tuple[str, ...] = ()
    """Golden files that were written or removed."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them: first what others may follow from."""
        judged = (problem for verdict in self.verdicts for problem in verdict.problems)
        return (*self.elsewhere, *judged, *self.drifted)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is worth knowing, and fails nothing."""
        return tuple(warning for verdict in self.verdicts for warning in verdict.warnings)

    @property
    def objects(self) -> int:
        """How many objects were rendered."""
        return sum(len(verdict.manifests) for verdict in self.verdicts)


async def validate(repository: Repository, programs: Programs, *, write_golden: bool = False) -> Report:
    """Validates every target side by side. ``write_golden`` renews the golden files instead of comparing them.

    Raises SettingsError when a program is missing or of another version.
    """
    begun = monotonic()
    read = files.read(repository)
    targets = repository.targets()
    async with Builder.opened(repository.root, programs) as builder:
        one = _One(builder, Schema.shipped(), read, asyncio.Semaphore(os.cpu_count() or 1))
        verdicts = tuple(await asyncio.gather(*(one.verdict(target) for target in targets)))
        versions = (builder.version, builder.kubectl_version)
    overlays = frozenset(target.name for target in targets if target.is_overlay)
    rendered = {v.target.name: v.manifests for v in verdicts if v.target.is_overlay and v.manifests}
    root = repository.root
    elsewhere = (*read.problems, *repository.misplaced(), *_readme_problems(repository, verdicts))
    renewed = golden.write(root, rendered, overlays) if write_golden else ()
    return Report(
        verdicts=verdicts,
        elsewhere=elsewhere,
        drifted=tuple(golden.problems(root, rendered, overlays)),
        versions=versions,
        schema_version=one.schema.version,
        seconds=monotonic() - begun,
        renewed=renewed,
    )


@dataclass(frozen=True, slots=True)
class _One:
    """What the targets have in common."""

    builder: Builder
    schema: Schema
    read: files.Files
    slots: asyncio.Semaphore

    async def verdict(self, target: Target) -> Verdict:
        """Builds one target and judges it; what it takes is told without what it waits for others."""
        if not self.read.allow(target):
            return Verdict(target, built=False)
        async with self.slots:
            return await self._verdict(target)

    async def _verdict(self, target: Target) -> Verdict:
        begun = monotonic()
        try:
            ours, theirs = await self.builder.build(target)
        except ReconcileError as refused:
            problem = Problem(target.where, refused.message)
            return Verdict(target, problems=(problem,), seconds=monotonic() - begun, built=False)
        versions = (self.builder.version, self.builder.kubectl_version)
        different = tuple(differences(target.where, ours, theirs, versions))
        agreed = versions[0] == versions[1]
        problems = [
            *(different if agreed else ()),
            *await self._judged(target, ours.manifests),
        ]
        warnings = () if agreed else different
        return Verdict(target, ours.manifests, tuple(problems), warnings, monotonic() - begun)

    async def _judged(self, target: Target, manifests: tuple[Manifest, ...]) -> list[Problem]:
        where = target.where
        problems = [problem for each in manifests for problem in self.schema.problems(where, each)]
        problems += rules.broken(where, manifests)
        problems += references.unresolved(where, manifests, without_seam=not target.is_overlay)
        problems += await claimed.denials(target, manifests, self.builder)
        return problems


def _readme_problems(repository: Repository, verdicts: tuple[Verdict, ...]) -> list[Problem]:
    bases: Mapping[str, tuple[Manifest, ...]] = {
        verdict.target.app: verdict.manifests
        for verdict in verdicts
        if verdict.target.is_alone and not verdict.target.is_overlay
    }
    return [
        problem
        for app in repository.apps()
        for problem in readme.problems(repository.root, app, bases.get(app, ()))
    ]
