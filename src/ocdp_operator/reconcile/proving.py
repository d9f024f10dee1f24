"""Publishing proves a revision by doing it: claims are resolved, bound and rendered as the operator would (design 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.effort import TooMuchWork
from ocdp_operator.model.mapping import Mapping_
from ocdp_operator.model.profile import ProfileRevision
from ocdp_operator.model.publication import TemplateEntry
from ocdp_operator.model.template import Bound, ResolvedWorkload
from ocdp_operator.model.wire import digest
from ocdp_operator.plan.environment import with_environment
from ocdp_operator.plan.ignoring import missed
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.plan.policy import Limits, check
from ocdp_operator.plan.proof import Case, answer_of, bare_profile, cases, claim_of, example_profile
from ocdp_operator.plan.resolve import resolve
from ocdp_operator.plan.subschemas import TooDeep
from ocdp_operator.plan.targets import Targets
from ocdp_operator.plan.values import suggestion_faults
from ocdp_operator.reconcile.rendering import Rendered, RenderingPorts, render_bound, with_mappings

MAX_RENDERINGS: Final = 60
"""Of one revision: what would bring nothing new is not rendered, and what is left then neither."""
_MAX_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of it."""

    faults: tuple[str, ...]
    """Why the template cannot be published, each with its place."""
    claims: int
    """Claims that were resolved and bound."""
    renderings: int
    unproven: int
    """Claims that would have brought something new, but were too many to render, and those that were too many to try."""


async def prove(
    ports: RenderingPorts,
    entry: TemplateEntry,
    commit: str,
    *,
    limits: Limits,
    profiles: Sequence[ProfileRevision] = (),
) -> Proof:
    """Tries the template at this commit, in the environment of these profiles, else in one that has everything.

    Raises Waiting when a source does not answer, and Stalled when it cannot be had at all; what is wrong with the template is in the proof.
    """
    proving = _Proving(ports, entry, commit, limits)
    faults = [f"schema.{fault}" for fault in suggestion_faults(entry.values_schema)]
    faults += [f"mappings[{index}].{each}" for index, each in _syntax_faults(ports, entry.mappings)]
    if not faults:
        await proving.run(profiles)
        faults = list(proving.faults)
    return Proof(tuple(faults[:_MAX_FAULTS]), proving.claims, proving.renderings, proving.unproven)


def _syntax_faults(ports: RenderingPorts, mappings: Sequence[Mapping_]) -> Iterator[tuple[int, str]]:
    for index, mapping in enumerate(mappings):
        for place, expression in (("value", mapping.value), ("when", mapping.when)):
            why = ports.expressions.check(expression) if expression is not None else None
            if why is not None:
                yield index, f"{place}: {why}"


@dataclass(slots=True)
class _Proving:
    ports: RenderingPorts
    entry: TemplateEntry
    commit: str
    limits: Limits
    found: dict[str, list[str]] = field(default_factory=dict)
    """What is wrong -> the cases that met it."""
    claims: int = 0
    renderings: int = 0
    unproven: int = 0
    reached: set[int] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """What was rendered already: values by their mapping, and sets of components."""
    bases: dict[tuple[str, ...], Rendered | None] = field(default_factory=dict)
    """The base with these components and no mapping; None: it cannot be rendered."""
    ignored: frozenset[str] | None = None
    """What of the ``ignore`` list meant nothing in any rendering so far; None: there was none."""
    files: set[tuple[int, tuple[str, ...]]] = field(default_factory=set)
    """Mappings to files of ConfigMaps that were tried alone, with the components."""

    async def run(self, profiles: Sequence[ProfileRevision]) -> None:
        """Tries everything, and tells what was never reached."""
        try:
            found = cases(self.entry.body)
        except (TooDeep, TooMuchWork):
            self.found["schema: the schema of the template goes round, or takes too long to look at"] = []
            return
        self.unproven = found.left
        for case in found.tried:
            await self._try(case, profiles or (example_profile(self.entry.body),))
            if len(self.found) >= _MAX_FAULTS:
                return
        if not profiles:
            for case in found.tried:
                if case.required:
                    await self._try(case, (bare_profile(),), bare=True)
        if not self.found:
            self.found |= {each: [] for each in self._unreached()}

    @property
    def faults(self) -> tuple[str, ...]:
        """Each fault once, with the first case that met it."""
        return tuple(f"{what}{_with_cases(met)}" for what, met in self.found.items())

    def _fault(self, case: Case, what: str) -> None:
        met = self.found.setdefault(what.rstrip("."), [])
        met += [case.name] if case.name not in met else []

    def _unreached(self) -> Iterator[str]:
        remedy = "no example and no value that was tried reaches it: add an example that does"
        for index, mapping in enumerate(self.entry.mappings):
            if index not in self.reached:
                yield f"mappings[{index}], from {mapping.source}: {remedy}"
            for choice, component in (mapping.components or {}).items():
                if component is not None and not any(component in chosen for chosen in self.bases):
                    yield f"mappings[{index}].components.{choice}, {component}: {remedy}"
        yield from sorted(self.ignored or ())

    async def _try(self, case: Case, profiles: Sequence[ProfileRevision], *, bare: bool = False) -> None:
        answer = answer_of(self.entry, self.commit, profiles)
        try:
            workload = resolve(claim_of(self.entry, case), answer, succeeded_before=False)
        except Stalled as error:
            self._refused(case, error, bare=bare)
            return
        self.claims += 1
        try:
            bound = await with_mappings(self.ports.expressions, workload)
        except Stalled as error:
            self._refused(case, error, bare=bare)
            return
        features = set(_features(bound))
        if features <= self.seen:
            return
        if self.renderings >= MAX_RENDERINGS and not case.required:
            self.unproven += 1
            return
        if await self._rendered(case, bound):
            self.seen |= features
            self.reached |= _reached(bound)

    def _refused(self, case: Case, error: Stalled, *, bare: bool = False) -> None:
        incomplete = bare and error.reason is Reason.PROFILE_INCOMPLETE
        users = (
            error.actor is Actor.USER and not case.required
        )  # of values that were made up: a user can do better
        if not incomplete and not users:
            self._fault(case, error.message)

    async def _rendered(self, case: Case, bound: ResolvedWorkload) -> bool:
        try:
            base = await self._base(bound)
        except Stalled as error:
            self.bases[bound.components] = None
            self._refused(case, error)
            return False
        if base is None or self._misses(case, bound, base):
            return False
        try:
            rendered = await render_bound(self.ports, bound)
            self.renderings += 1
            self._look_for_ignored(rendered, bound)
            check(with_environment(rendered.rendering, bound), bound, self.limits)
        except Stalled as error:
            self._refused(case, error)
            return False
        return True

    def _look_for_ignored(self, rendered: Rendered, bound: ResolvedWorkload) -> None:
        manifests, prefix = rendered.rendering.manifests, f"{bound.claim_name}-"
        misses = frozenset(missed(self.entry.ignore, manifests, prefix))
        self.ignored = misses if self.ignored is None else self.ignored & misses

    async def _base(self, bound: ResolvedWorkload) -> Rendered | None:
        if bound.components not in self.bases:
            self.bases[bound.components] = await render_bound(self.ports, replace(bound, bound=()))
            self.renderings += 1
        return self.bases[bound.components]

    def _misses(self, case: Case, bound: ResolvedWorkload, base: Rendered) -> bool:
        targets = Targets(base.rendering.manifests, f"{bound.claim_name}-")
        missed = False
        for each in bound.bound:
            why = targets.fault(each) or self._file_fault(each, bound, base)
            if why is not None:
                missed = True
                self._fault(case, f"mappings[{each.index}], from {each.mapping.source}: {why}")
        return missed

    def _file_fault(self, each: Bound, bound: ResolvedWorkload, base: Rendered) -> str | None:
        """What is wrong with a file of a ConfigMap that the mapping would set something in; tried alone, to be named."""
        tried = (each.index, bound.components)
        if each.mapping.config_file is None or tried in self.files:
            return None
        try:
            build_overlay(replace(bound, bound=(each,)), base.artifact.files)
        except Stalled as error:
            return error.message.rstrip(".")
        self.files.add(tried)
        return None


def _with_cases(met: Sequence[str]) -> str:
    more = f" and {len(met) - 1} more" if len(met) > 1 else ""
    return f" (with {met[0]}{more})" if met else ""


def _features(bound: ResolvedWorkload) -> Iterator[str]:
    yield digest(["components", bound.components])
    yield from (digest([each.index, each.value]) for each in bound.bound)
    yield from (digest([use.mapping, use.key]) for use in bound.secrets)


def _reached(bound: ResolvedWorkload) -> set[int]:
    """Mappings that did something; one to components did when one of its table is there."""
    chosen = {
        index
        for index, mapping in enumerate(bound.revision.body.mappings)
        if mapping.components is not None and set(mapping.components.values()) & {*bound.components}
    }
    return {each.index for each in bound.bound} | {use.mapping for use in bound.secrets} | chosen
