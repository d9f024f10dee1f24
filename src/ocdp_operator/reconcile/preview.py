"""What the next reconcile of a claim would send, and which layer sets each field of it. Nothing is written anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.kinds import SECRET
from ocdp_operator.model.kustomization import generated_config_maps
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.model.profile import Environment
from ocdp_operator.model.provenance import Provenance
from ocdp_operator.model.secrets import Credentials, GenerateRule, SecretUse
from ocdp_operator.model.source import Rendering
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.plan import policy
from ocdp_operator.plan.base_layers import annotated_overlay, base_traces, component_layer, without_origin
from ocdp_operator.plan.environment import with_environment
from ocdp_operator.plan.grown_volumes import goes_back, with_grown_volumes
from ocdp_operator.plan.layers import Naming, Traces, always, over
from ocdp_operator.plan.mapping_layers import mapping_layer, with_target
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.plan.profile_layers import with_environment_layers
from ocdp_operator.plan.provenance import MASK, finished, platform_layer, reference_layer, stamp_layer
from ocdp_operator.plan.resolve import question, resolve
from ocdp_operator.plan.running import desired_in_state
from ocdp_operator.plan.secrets import Allotment, allot, with_own_keys
from ocdp_operator.plan.stamp import Desired, stamp, without_idle_secret
from ocdp_operator.plan.upgrading import next_move
from ocdp_operator.reconcile.ports import Catalog, Renderer
from ocdp_operator.reconcile.rendering import Rendered, RenderingPorts, render


class PreviewPorts(RenderingPorts, Protocol):
    """The outside worlds that a preview reads."""

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        ...


@dataclass(frozen=True, slots=True)
class PreviewQuestion:
    """Whose preview is wanted, and for which cluster of the catalog."""

    claim: WorkloadClaim
    cluster_id: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent for a claim."""

    claim: WorkloadClaim
    rendered: Rendered
    """As kustomize built it."""
    live: Mapping[ObjectRef, Observed]
    """The claim's objects as they are: some of their fields can never change."""
    allotment: Allotment
    """With direct references to users' Secrets."""
    desired: Desired
    """As the operator would send it, Secrets masked."""

    @property
    def workload(self) -> ResolvedWorkload:
        """The claim with everything decided, and its mappings bound."""
        return self.rendered.workload

    @property
    def naming(self) -> Naming:
        """How its objects are called in the base."""
        return Naming.of_claim(self.workload.claim_name, self.rendered.artifact)


async def preview(
    ports: PreviewPorts, asked: PreviewQuestion, limits: policy.Limits, live: Mapping[ObjectRef, Observed]
) -> Preview:
    """Resolves and renders the claim as the next reconcile would; ``live`` are its objects as they are, if there are any.

    Raises Waiting or Stalled: what the operator would say. Access is not asked for: who may read the whole catalog may
    see what a template would give to anybody.
    """
    claim = asked.claim
    answer = await ports.catalog.ask(question(claim, asked.cluster_id))
    move = next_move(claim, answer)  # a preview waits for no other claim's
    if move is not None:
        answer = await ports.catalog.ask(question(claim, asked.cluster_id, move))
    offered, succeeded = replace(answer, granted=True), bool(claim.status.history)
    resolved = resolve(claim, offered, succeeded_before=succeeded, move=move)
    return as_sent(claim, await render(ports, resolved), limits, live)


def as_sent(
    claim: WorkloadClaim, rendered: Rendered, limits: policy.Limits, live: Mapping[ObjectRef, Observed]
) -> Preview:
    """What was rendered for the claim, as the operator would send it. Raises Stalled: what the policy refuses."""
    placed = with_environment(rendered.rendering, rendered.workload, live)
    policy.check(placed, rendered.workload, limits)
    allotment = allot(placed, claim.key.name, rendered.workload.secrets)
    return Preview(claim, rendered, live, allotment, stamped(claim, rendered, allotment, live))


def stamped(
    claim: WorkloadClaim,
    rendered: Rendered,
    allotment: Allotment,
    live: Mapping[ObjectRef, Observed],
    *,
    renewed: bool = False,
) -> Desired:
    """The stamps of the next apply; of a credential that is yet to be made as little as of one that is there.

    ``renewed``: the Secret would hold other values than now. Other keys tell that by themselves.
    """
    recorded = any(entry.ref.kind == SECRET.kind for entry in claim.status.recorded)
    held = with_own_keys(allotment.held)
    generated = (
        use.key for use in held if use.plain is not None and isinstance(use.plain.origin, GenerateRule)
    )
    credentials = Credentials(
        data={use.key: MASK for use in held},
        version=max(1 if held else 0, claim.status.credentials_version)
        + (renewed or _has_other_keys(claim, held)),
        generated=tuple(sorted(generated)),
        rotation=claim.status.last_handled_rotation,
    )
    desired = stamp(
        without_idle_secret(allotment.rendering, rendered.workload, held=bool(held), recorded=recorded),
        rendered.workload,
        claim_uid=claim.uid,
        credentials=credentials,
        content_named=generated_config_maps(rendered.artifact.files),
    )
    back = goes_back(claim, rendered.workload.revision.revision)
    desired = with_grown_volumes(desired, live, back=back)
    return desired_in_state(desired, running=claim.spec.running)


def _has_other_keys(claim: WorkloadClaim, held: Sequence[SecretUse]) -> bool:
    """Whether the Secret that lives has other keys than it would have: then its version rises, and pods restart."""
    known = claim.status.credentials_secret_ref
    lives = any(entry.ref.kind == SECRET.kind and entry.uid for entry in claim.status.recorded)
    return lives and {use.key for use in held} != set(known.keys if known is not None else ())


# -- explain --------------------------------------------------------------------------------------------------------


async def explain(renderer: Renderer, seen: Preview) -> Provenance:
    """The layer that set each field of each object: one rendering for each layer (16 ms of kustomize)."""
    workload, artifact, naming = seen.workload, seen.rendered.artifact, seen.naming
    components, bound, given = workload.components, workload.bound, seen.claim.spec.values
    source = workload.revision.source
    bases = [annotated_overlay(source.path, components[:count]) for count in range(len(components) + 1)]
    stages = [replace(workload, bound=bound[:count]) for count in range(max(1, len(bound)))]
    overlays = [*bases, *(build_overlay(stage, artifact.files) for stage in stages)]
    rendered = await asyncio.gather(*(renderer.render(artifact, overlay) for overlay in overlays))
    bare, named, *mapped = rendered[: len(bases)], *rendered[len(bases) :], seen.rendered.rendering
    traces: Traces = base_traces(bare[0], source, artifact, naming)
    for component, rendering in zip(components, bare[1:], strict=True):
        layer_at = component_layer(component, workload, rendering, naming)
        traces = over(traces, without_origin(rendering).manifests, naming.bare, layer_at)
    traces = over(traces, named.manifests, naming, platform_layer)
    for each, rendering in zip(bound, mapped, strict=False):
        layer = mapping_layer(each.index, workload, given)
        traces = with_target(over(traces, rendering.manifests, naming, always(layer)), each, layer)
    traces = with_environment_layers(traces, partial(_in, seen), workload.environment, naming)
    referred = seen.allotment.rendering.manifests
    traces = over(traces, referred, naming, reference_layer(referred, workload, naming, given))
    traces = over(traces, seen.desired.manifests, naming, stamp_layer(workload, given))
    return finished(traces, seen.desired.manifests, naming)


def _in(seen: Preview, environment: Environment) -> Rendering:
    workload = replace(seen.workload, environment=environment)
    return with_environment(seen.rendered.rendering, workload, seen.live)
