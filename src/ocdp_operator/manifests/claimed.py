"""What the operator's own policy says: each set is judged as a claim on it would be (``plan/policy.py``).

A set is wrapped in the overlay that the operator would generate for a claim, built again, and judged. An overlay that
carries the label of a claim says that it is such an overlay already, and is judged as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ocdp_operator.errors import Stalled
from ocdp_operator.manifests.problems import Problem, of_violation
from ocdp_operator.manifests.references import seam
from ocdp_operator.manifests.rendering import SET, Builder, set_files
from ocdp_operator.manifests.repository import Target
from ocdp_operator.model.kinds import INGRESS, SECRET
from ocdp_operator.model.names import CLAIM_NAME, MAX_CLAIM_NAME
from ocdp_operator.model.objects import Manifest
from ocdp_operator.model.source import PinnedSource, Rendering
from ocdp_operator.model.template import ResolvedWorkload, RevisionBody, TemplateRevision
from ocdp_operator.plan import policy
from ocdp_operator.plan.overlay import build_overlay

_CLAIM: Final = "the-claim"
_LONG_CLAIM: Final = _CLAIM.ljust(MAX_CLAIM_NAME, "m")
"""Names of a base leave room for it: a user should not meet a limit that the base's author could have kept."""
_LENT: Final = re.compile(rf"{_CLAIM}m*-")
"""The prefix of such a claim: problems name objects as the set does."""
_NAMESPACE: Final = "the-namespace"


async def denials(target: Target, manifests: tuple[Manifest, ...], builder: Builder) -> list[Problem]:
    """What the operator would refuse, each with object and field, named as the set names them."""
    where, claim = target.where, claim_name(manifests)
    if claim:
        workload = _workload(target.app, claim, _namespace_of(manifests), seam(manifests))
        return list(_judged(where, Rendering(manifests), workload))
    # Secrets of an overlay are the site's: the operator renders none, and brings its own empty one.
    own = tuple(manifest for manifest in manifests if manifest.ref.kind != SECRET.kind)
    # The prefix of an overlay's own takes the room of a claim's name.
    name = _CLAIM if target.is_overlay else _LONG_CLAIM
    workload = _workload(target.app, name, _NAMESPACE, seam(manifests))
    try:
        wrapped = await builder.build_upon(own, build_overlay(workload, set_files(own)))
    except Stalled as refused:
        return [Problem(where, f"cannot be built as the operator builds it: {refused.message}")]
    return list(_judged(where, wrapped, workload))


def claim_name(manifests: Iterable[Manifest]) -> str:
    """The claim that every object says it belongs to; empty when they don't."""
    names = {_metadata(manifest, "labels").get(CLAIM_NAME) for manifest in manifests}
    name = names.pop() if len(names) == 1 else None
    return name if isinstance(name, str) else ""


def _judged(where: str, rendering: Rendering, workload: ResolvedWorkload) -> Iterator[Problem]:
    limits = policy.Limits(ingress_domains=tuple(sorted(_domains(rendering.manifests))))
    told = False
    for violation in policy.violations(rendering, workload, limits):
        told = True
        problem = of_violation(where, _LENT.sub("", violation))
        yield replace(problem, what=f"{problem.what} (the operator's policy)")
    if told:
        return
    try:
        policy.check(rendering, workload, limits)
    except Stalled as refused:  # nothing is rendered, or only names are too long
        yield Problem(where, f"{refused.message} (the operator's policy)")


def _workload(app: str, claim: str, namespace: str, secret: str) -> ResolvedWorkload:
    source = PinnedSource("", "", SET, "")
    revision = TemplateRevision(app, 1, source, RevisionBody(credentials_secret=secret))
    return ResolvedWorkload(
        claim_name=claim, namespace=namespace, workspace_id="", customer="", revision=revision
    )


def _namespace_of(manifests: Iterable[Manifest]) -> str:
    return next((str(manifest.body["metadata"].get("namespace", "")) for manifest in manifests), "")


def _domains(manifests: Iterable[Manifest]) -> Iterator[str]:
    """Parents of the hosts that are there: which domain a site has is for its own settings to say."""
    for manifest in manifests:
        spec = manifest.body.get("spec")
        rules = spec.get("rules") if manifest.ref.kind == INGRESS.kind and isinstance(spec, Mapping) else None
        for rule in rules if isinstance(rules, list) else ():
            host = rule.get("host") if isinstance(rule, Mapping) else None
            if isinstance(host, str) and "." in host:
                yield host.partition(".")[2]


def _metadata(manifest: Manifest, part: str) -> Mapping[str, Any]:
    found = manifest.body["metadata"].get(part)
    return found if isinstance(found, Mapping) else {}
