"""Every live claim rendered against a candidate, and compared with what was sent for it last. Nothing is written anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from ocdp_operator.errors import Reason, ReconcileError
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.impact import ClaimImpact
from ocdp_operator.model.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    PVC,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    WORKLOAD,
)
from ocdp_operator.model.names import RENDERING
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.model.source import Artifact, Overlay, Rendering
from ocdp_operator.plan import policy
from ocdp_operator.plan.candidate import Candidate
from ocdp_operator.plan.impact import (
    After,
    Before,
    claim_impact,
    is_fixed,
    object_impacts,
    refused_impact,
    same_texts,
    written,
)
from ocdp_operator.plan.keeping import trusted, unpack
from ocdp_operator.plan.resolve import question, resolve
from ocdp_operator.plan.running import desired_in_state, in_state
from ocdp_operator.plan.secrets import with_own_keys
from ocdp_operator.plan.updating import Update
from ocdp_operator.reconcile.ports import Catalog, Expressions, Renderer, Sources
from ocdp_operator.reconcile.preview import Preview, PreviewPorts, as_sent, stamped
from ocdp_operator.reconcile.rendering import Rendered, render, with_mappings
from ocdp_operator.reconcile.updating import planned

_AT_ONCE: Final = 4
"""Claims in work at the same time; how many builds run at once is the renderer's."""
_WITH_FIXED_FIELDS: Final = frozenset(
    kind.kind for kind in (PVC, STATEFUL_SET, DEPLOYMENT, JOB, SERVICE, CONFIG_MAP)
)
_NEVER_KEPT: Final = (SECRET.kind, WORKLOAD.kind)
_REMEMBERED: Final = 2 * _AT_ONCE
"""Renderings that are kept for the other side of a comparison: of one claim alone two can be the same."""
_ABORTS: Final = frozenset(
    {
        Reason.CATALOG_UNAVAILABLE,
        Reason.CLUSTER_UNAVAILABLE,
        Reason.GIT_OPERATION_FAILED,
        Reason.AUTHENTICATION_FAILED,
    }
)
"""What every other claim would meet too: no answer is better than one that calls them all refused."""


class Lives(Protocol):
    """Live objects, with the rights of whoever asks."""

    async def live(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        """The object as it lives, of a Secret the metadata; None when it is absent."""
        ...

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        """Whether volumes of this StorageClass may grow; None when there is no telling."""
        ...


@dataclass(frozen=True, slots=True)
class ImpactQuestion:
    """What is asked of every claim."""

    candidate: Candidate
    cluster_id: str
    limits: policy.Limits


@dataclass(frozen=True, slots=True)
class _Once:
    """The same worlds, where a build of the same files for the same overlay runs once."""

    catalog: Catalog
    sources: Sources
    expressions: Expressions
    renderer: Renderer


async def impacts(
    ports: PreviewPorts,
    lives: Lives,
    asked: ImpactQuestion,
    claims: Iterable[WorkloadClaim],
    *,
    done: Callable[[], None] = lambda: None,
) -> list[ClaimImpact]:
    """What the candidate would do to each claim that it concerns, the gravest first; ``done`` is told of each claim.

    Raises Waiting when the catalog, Git or the cluster does not answer: then nothing is known of the others.
    """
    once = _Once(ports.catalog, ports.sources, ports.expressions, _Remembering(ports.renderer))
    judging, found, queue = _Judging(once, lives, asked), list[ClaimImpact](), iter(claims)

    async def work() -> None:
        for claim in queue:  # shared: each claim is taken by one of them
            impact = await judging.of(claim)
            found.extend([impact] if impact is not None else [])
            done()

    workers = [asyncio.create_task(work()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return sorted(found, key=lambda each: (each.gravity.rank, each.claim))


class _Remembering:
    """A renderer that hands out its last renderings again. A build sees its files and its overlay alone, and no network."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._known: dict[tuple[str, str, str], Rendering] = {}

    async def render(self, artifact: Artifact, overlay: Overlay) -> Rendering:
        """See the port. An artifact's root is written once, and never changes."""
        key = (artifact.commit, str(artifact.root), overlay.digest)
        if key not in self._known:
            rendering = await self._renderer.render(artifact, overlay)
            while len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = rendering
        return self._known[key]


class _Reading:
    """What planning an update reads."""

    def __init__(self, lives: Lives) -> None:
        self.read = lives.live
        self.lets_volumes_grow = lives.lets_volumes_grow


@dataclass(frozen=True, slots=True)
class _Judging:
    ports: PreviewPorts
    lives: Lives
    asked: ImpactQuestion

    async def of(self, claim: WorkloadClaim) -> ClaimImpact | None:
        """None: the candidate does not concern the claim."""
        candidate = self.asked.candidate
        waits = candidate.waits(claim)
        try:
            rendered = await self._rendered(claim)
            if rendered is None:
                return None
            seen = await self._as_sent(claim, rendered)
        except ReconcileError as error:
            if error.reason in _ABORTS:
                raise
            return refused_impact(claim.key, waits, error)
        desired = desired_in_state(seen.desired, running=claim.spec.running)
        changed = written(desired, claim.status.recorded)
        before = await self._before(claim, seen, changed)
        updates = await self._updates(claim, changed)
        objects = object_impacts(before, After(desired, seen.naming), updates)
        return claim_impact(claim.key, waits, objects)

    async def _rendered(self, claim: WorkloadClaim) -> Rendered | None:
        """The claim with the candidate. Raises what the operator would say, and Waiting when nobody knows."""
        moved, asked = self.asked.candidate.moved(claim), self.asked
        answer = asked.candidate.taken(
            await self.ports.catalog.ask(question(moved, asked.cluster_id)), asked.cluster_id
        )
        if answer is None:
            return None
        resolved = resolve(
            moved,
            answer,
            succeeded_before=bool(claim.status.history),
            stamps_count=_stamps_count(claim),
        )
        return await render(self.ports, resolved)

    async def _as_sent(self, claim: WorkloadClaim, rendered: Rendered) -> Preview:
        live = await self._fixed(claim, rendered.rendering)
        seen = as_sent(claim, rendered, self.asked.limits, live)
        if await self._are_texts_renewed(claim, seen):
            return replace(seen, desired=stamped(claim, rendered, seen.allotment, live, renewed=True))
        return seen

    async def _fixed(self, claim: WorkloadClaim, rendering: Rendering) -> dict[ObjectRef, Observed]:
        """The claim's own objects with a class, of storage or of a load balancer, that can never change."""
        live = {}
        for manifest in rendering.manifests:
            entry = claim.status.recorded.get(manifest.ref)
            if entry is None or not entry.uid or not _has_class(manifest):
                continue
            raw = await self.lives.live(claim.key.namespace, manifest.ref)
            if raw is not None and raw["metadata"]["uid"] == entry.uid:
                live[manifest.ref] = Observed.of(manifest.ref.known_kind, raw)
        return live

    async def _are_texts_renewed(self, claim: WorkloadClaim, seen: Preview) -> bool:
        """Whether the credentials Secret would hold another text, or a copy of another Secret, under a key that it has."""
        known = claim.status.credentials_secret_ref
        held = [
            use
            for use in with_own_keys(seen.allotment.held)
            if known is not None and use.key in known.keys and not is_fixed(use)
        ]
        if not held:
            return False
        try:
            present = await self._present(claim)
        except ReconcileError as error:
            if error.reason in _ABORTS:
                raise
            return False
        bound = await with_mappings(self.ports.expressions, present)
        return not same_texts(with_own_keys(bound.secrets), held)

    async def _updates(self, claim: WorkloadClaim, changed: Sequence[Manifest]) -> dict[ObjectRef, Update]:
        """The ways from what lives to what would be sent, of the objects that have fields which can never change."""
        found = {}
        for manifest in changed:
            entry = claim.status.recorded.get(manifest.ref)
            if entry is None or not entry.uid or manifest.ref.kind not in _WITH_FIXED_FIELDS:
                continue
            live = await self.lives.live(claim.key.namespace, manifest.ref)
            if live is not None and live["metadata"]["uid"] == entry.uid:
                found[manifest.ref] = await planned(_Reading(self.lives), claim.key.namespace, manifest, live)
        return found

    async def _before(self, claim: WorkloadClaim, seen: Preview, changed: Sequence[Manifest]) -> Before:
        """The objects as they were sent last: from the rendering that the cluster keeps, else rendered anew."""
        known, recorded = claim.status.credentials_secret_ref, claim.status.recorded
        keys = known.keys if known is not None else ()
        if not changed:
            return Before(recorded, keys=keys)
        kept = await self._kept(claim)
        wanted = {entry.ref for entry in recorded.desired if entry.uid and entry.ref.kind not in _NEVER_KEPT}
        rendered: dict[ObjectRef, Manifest] = {}
        if wanted - kept.keys():
            rendered = {each.ref: each for each in await self._rendered_before(claim, seen)}
        manifests = in_state((rendered | kept).values(), running=claim.spec.running)
        return Before(recorded, {each.ref: each for each in manifests if each.ref.kind != SECRET.kind}, keys)

    async def _kept(self, claim: WorkloadClaim) -> dict[ObjectRef, Manifest]:
        """What the Workload keeps, as far as the claim's record vouches for it."""
        ref = ObjectRef(WORKLOAD.group, WORKLOAD.kind, claim.key.name)
        entry = claim.status.recorded.get(ref)
        live = await self.lives.live(claim.key.namespace, ref) if entry is not None and entry.uid else None
        if live is None or entry is None or live["metadata"]["uid"] != entry.uid:
            return {}
        annotations = live["metadata"].get("annotations") or {}
        return trusted(unpack(annotations.get(RENDERING, "")), claim.status.recorded)

    async def _rendered_before(self, claim: WorkloadClaim, seen: Preview) -> Sequence[Manifest]:
        """What the claim's present revision renders to; nothing where it cannot be rendered any more."""
        try:
            present = await self._present(claim)
            rendered = await render(self.ports, present)
            return as_sent(claim, rendered, self.asked.limits, seen.live).desired.manifests
        except ReconcileError as error:
            if error.reason in _ABORTS:
                raise
            return ()

    async def _present(self, claim: WorkloadClaim) -> Any:
        answer = await self.ports.catalog.ask(question(claim, self.asked.cluster_id))
        return resolve(claim, replace(answer, granted=True), succeeded_before=bool(claim.status.history))


def _has_class(manifest: Manifest) -> bool:
    if manifest.ref.kind == SERVICE.kind:
        return bool((manifest.body.get("spec") or {}).get("type") == "LoadBalancer")
    return manifest.ref.kind in (PVC.kind, STATEFUL_SET.kind)


def _stamps_count(claim: WorkloadClaim) -> bool:
    """Whether who asks is proven, by the operator's last word on this claim: it alone can know what the cluster's policy was."""
    resolved = claim.status.condition_set.get("TemplateResolved")
    return resolved is None or resolved.reason is not Reason.IDENTITY_UNVERIFIED
