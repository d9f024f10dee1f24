"""A revision that may be published, and a claim as it would be once it took it (design 4.11).

A claim takes the newest profiles with another revision of its template, and the other way round by its policy or its pin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.profile import Layer, ProfileRevision
from ocdp_operator.model.rollout import follows
from ocdp_operator.model.template import CatalogAnswer, TemplateRevision

_SUSPENDED: Final = "suspended"
_MANUAL: Final = "Manual"
_OLD: Final = "a newer revision is published"


@dataclass(frozen=True, slots=True)
class TemplateCandidate:
    """A revision of a template, published or not."""

    revision: TemplateRevision
    newest: bool = True
    """It is the newest revision, or will be: what moves by itself takes it."""
    disabled: bool | None = None
    """Whether the template would be disabled; None: as it is."""

    def concerns(self, template_id: str) -> bool:
        """Whether claims of that template are claims of this one."""
        return template_id == self.revision.template_id

    def moved(self, claim: WorkloadClaim) -> WorkloadClaim:
        """The claim on this revision; what else it says of itself stays."""
        pinned = claim.spec.model_copy(update={"template_revision": self.revision.revision})
        return replace(claim, spec=pinned)

    def taken(self, answer: CatalogAnswer, cluster_id: str) -> CatalogAnswer | None:  # noqa: ARG002 - see the other one
        """The catalog's answer as it would be."""
        disabled = answer.disabled if self.disabled is None else self.disabled
        return replace(answer, template_exists=True, revision=self.revision, disabled=disabled)

    def waits(self, claim: WorkloadClaim) -> str:
        """What keeps the claim from taking it by itself; empty: nothing."""
        if claim.spec.suspend:
            return _SUSPENDED
        if claim.spec.template_revision is not None:
            return f"pinned to {claim.spec.template_revision}"
        if not follows(claim):
            return _MANUAL
        if claim.status.template and claim.status.template.failed == self.revision.revision:
            return "it went back from this revision"
        return "" if self.newest else _OLD


@dataclass(frozen=True, slots=True)
class ProfileCandidate:
    """A revision of a profile, published or not."""

    revision: ProfileRevision
    subject: str
    """The cluster, the customer or the workspace that it is of."""
    newest: bool = True
    disabled: bool = False
    """It would be taken out of use."""

    def concerns(self, template_id: str) -> bool:  # noqa: ARG002 - the catalog knows the claim's customer
        """Any claim may be concerned: ``taken`` tells."""
        return True

    def moved(self, claim: WorkloadClaim) -> WorkloadClaim:
        """The claim as it takes the newest profiles: with a changed pin, on the revision that it runs on."""
        in_force = claim.status.template
        if in_force is None:
            return claim
        pinned = claim.spec.model_copy(update={"template_revision": in_force.revision})
        before = in_force.model_copy(update={"pinned": None})
        return replace(claim, spec=pinned, status=claim.status.model_copy(update={"template": before}))

    def taken(self, answer: CatalogAnswer, cluster_id: str) -> CatalogAnswer | None:
        """The catalog's answer as it would be; None: the profile is none of this claim's."""
        customer = answer.placement.customer if answer.placement else ""
        workspace = answer.placement.workspace_id if answer.placement else ""
        subjects = {Layer.CLUSTER: cluster_id, Layer.CUSTOMER: customer, Layer.WORKSPACE: workspace}
        layer = self.revision.layer
        if subjects[layer] != self.subject:
            return None
        layers = {each.layer: each for each in answer.profiles} | {layer: self.revision}
        if self.disabled:
            del layers[layer]
        profiles = tuple(layers[each] for each in Layer if each in layers)
        return replace(answer, profiles=profiles, newest_profiles=tuple(each.ref for each in profiles))

    def waits(self, claim: WorkloadClaim) -> str:
        """What keeps the claim from taking it by itself; empty: nothing. A pin holds no profile."""
        if claim.spec.suspend:
            return _SUSPENDED
        if not follows(claim):
            return _MANUAL
        return "" if self.newest else _OLD


Candidate: TypeAlias = TemplateCandidate | ProfileCandidate
