"""Claim x catalog answer -> ResolvedWorkload: access, revision, values and policies decided (design 4.11).

Every check has its place in one order, so that a claim in the wrong place learns nothing of templates, and a template
that may not be used is told from one that does not exist by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.claim import DeletionPolicy, UpgradePolicy, WorkloadClaim
from ocdp_operator.model.effort import TooMuchWork
from ocdp_operator.model.names import IN_FORCE, MAX_CLAIM_NAME, WORKSPACE
from ocdp_operator.model.profile import ProfileRevision
from ocdp_operator.model.rollout import Move
from ocdp_operator.model.template import (
    CatalogAnswer,
    CatalogQuestion,
    Placement,
    ResolvedWorkload,
    RevisionBody,
    TemplateRevision,
)
from ocdp_operator.model.wire import digest
from ocdp_operator.plan.access import asking, check_access
from ocdp_operator.plan.filling import immutables
from ocdp_operator.plan.profiles import merge
from ocdp_operator.plan.subschemas import TooDeep
from ocdp_operator.plan.values import check_size, fill, pointer, template_fault
from ocdp_operator.plan.wording import listed, shown

_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def question(claim: WorkloadClaim, cluster_id: str, move: Move | None = None) -> CatalogQuestion:
    """What to ask the catalog for this claim: the revisions in force, unless the claim is new or its pin changed.

    A pin that was taken away counts as changed: the claim then says "the newest", and takes it once. ``move``: what its
    policy moves it to instead.
    Raises Stalled (ValuesTooLarge, InvalidValues, InvalidClaim): what no catalog answer could mend is not asked.
    """
    _check_claim(claim)
    users, groups = asking(claim)
    return CatalogQuestion(
        cluster_id=cluster_id,
        template_id=claim.spec.template_id,
        workspace_id=claim.spec.workspace_id,
        namespace=claim.key.namespace,
        revision=_asked(claim, move),
        users=users,
        groups=groups,
        profiles=move.profiles if move else claim.status.profiles if _stays(claim) else None,
    )


def _check_claim(claim: WorkloadClaim) -> None:
    check_size(claim.spec.values)
    name = claim.key.name
    if len(name) > MAX_CLAIM_NAME or _DNS_1035.fullmatch(name) is None:
        raise Stalled(
            Reason.INVALID_CLAIM,
            f"The claim's name must be a DNS-1035 label of at most {MAX_CLAIM_NAME} characters.",
            value_path="/metadata/name",
            remedy="Create the claim under another name.",
        )


def _is_in_force(claim: WorkloadClaim) -> bool:
    """Whether the revision in status was taken for what the spec says now: the pin is what it was then."""
    in_force = claim.status.template
    return in_force is not None and in_force.pinned == claim.spec.template_revision


def _stays(claim: WorkloadClaim) -> bool:
    """Whether the claim stays on the revisions in its status, of the template and of its profiles, until it is moved."""
    return _has_begun(claim) and _is_in_force(claim)


def _has_begun(claim: WorkloadClaim) -> bool:
    """Whether anything of it was applied, or is about to be: what was refused before that holds it on no revision."""
    return bool(claim.status.history or claim.status.inventory)


def _asked(claim: WorkloadClaim, move: Move | None = None) -> int | None:
    pin, in_force, hint = claim.spec.template_revision, claim.status.template, claim.in_force_hint
    if move is not None or pin is not None:
        return move.revision if move else pin
    if in_force is not None:
        return in_force.revision if _stays(claim) else None
    follows = claim.spec.upgrade_policy is UpgradePolicy.AUTO
    return None if hint is None or follows else hint[0]


def resolve(
    claim: WorkloadClaim,
    answer: CatalogAnswer,
    *,
    succeeded_before: bool,
    stamps_count: bool = False,
    move: Move | None = None,
) -> ResolvedWorkload:
    """The claim with everything decided; ``answer`` is that to ``question``, with the same ``move``.

    ``succeeded_before``: some generation of it was applied once. ``stamps_count``: the API server itself wrote who asks.

    Raises Stalled: what ``question`` raises, WorkspaceMismatch, what ``check_access`` raises, RevisionNotFound,
    InvalidValues, in this order.
    """
    _check_claim(claim)
    placement = _placement(claim, answer)
    check_access(claim, answer, succeeded_before=succeeded_before, stamps_count=stamps_count)
    revision = _revision(claim, answer, move)
    body = revision.body
    default_policy = _default_policy(claim, body)
    environment = merge(_profiles(claim, answer, move))
    facts = {
        "profile": environment.fields,
        "workspace": {"id": placement.workspace_id, "customer": placement.customer},
        "claim": {"name": claim.key.name, "namespace": claim.key.namespace},
    }
    values = fill(claim.spec.values, body.values_schema, facts)
    return ResolvedWorkload(
        claim_name=claim.key.name,
        namespace=claim.key.namespace,
        workspace_id=placement.workspace_id,
        customer=placement.customer,
        revision=revision,
        values=values,
        immutable=_immutable(claim, values, body),
        deletion_policy=claim.spec.deletion_policy or default_policy,
        default_policy=default_policy,
        newer=answer.newest if answer.newest is not None and answer.newest > revision.revision else None,
        environment=environment,
        newer_profiles=answer.newest_profiles if answer.newest_profiles != environment.profiles else (),
        upgrade_policy=claim.spec.upgrade_policy or _default_upgrade(claim, body),
        default_upgrade=_default_upgrade(claim, body),
    )


def _placement(claim: WorkloadClaim, answer: CatalogAnswer) -> Placement:
    """The row of the claim's workspace in the claim's namespace. Says nothing of other workspaces' places."""
    asked, placement = (claim.spec.workspace_id, claim.key.namespace), answer.placement
    if (
        placement is None
        or answer.namespace_workspace != claim.spec.workspace_id
        or (placement.workspace_id, placement.namespace) != asked
    ):
        raise _mismatch(claim)
    return placement


def check_namespace(claim: WorkloadClaim, labels: Mapping[str, str]) -> None:
    """Raises Stalled(WorkspaceMismatch) when the namespace's workspace label names another workspace, or none."""
    if labels.get(WORKSPACE) != claim.spec.workspace_id:
        raise Stalled(
            Reason.WORKSPACE_MISMATCH,
            f"The label {WORKSPACE} of namespace '{claim.key.namespace}' does not name the workspace "
            f"'{shown(claim.spec.workspace_id)}' that is placed there.",
            value_path="/spec/workspaceId",
            actor=Actor.PLATFORM,
            remedy="Apply the manifest of the workspace to this cluster again.",
        )


def _mismatch(claim: WorkloadClaim) -> Stalled:
    return Stalled(
        Reason.WORKSPACE_MISMATCH,
        f"Workspace '{shown(claim.spec.workspace_id)}' is not placed in namespace '{claim.key.namespace}' "
        "of this cluster.",
        value_path="/spec/workspaceId",
    )


def _revision(claim: WorkloadClaim, answer: CatalogAnswer, move: Move | None) -> TemplateRevision:
    asked, revision = _asked(claim, move), answer.revision
    template = shown(claim.spec.template_id)
    if (
        revision is None
        or revision.template_id != claim.spec.template_id
        or asked not in (None, revision.revision)
    ):
        what = f"Template '{template}' has no revision"
        raise Stalled(
            Reason.REVISION_NOT_FOUND,
            f"{what} yet." if asked is None else f"{what} {asked}.",
            value_path="/spec/templateRevision",
        )
    expected, where = ("", "") if move and move.revision != _asked(claim) else _recorded_commit(claim)
    if expected not in ("", revision.source.commit):
        raise Stalled(
            Reason.REVISION_NOT_FOUND,
            f"Revision {revision.revision} of template '{template}' is of commit {revision.source.commit[:12]}, "
            f"but {where} says {shown(expected, 12)}. Revisions never change, so this is another catalog's.",
            value_path="/spec/templateRevision",
            remedy="Set spec.templateRevision to the revision to take, or restore the catalog it came from.",
        )
    return revision


def _profiles(claim: WorkloadClaim, answer: CatalogAnswer, move: Move | None) -> tuple[ProfileRevision, ...]:
    """The answered profiles; those that the claim stays on are all among them."""
    wanted = claim.status.profiles if move is None and _stays(claim) else ()
    lost = set(wanted) - {each.ref for each in answer.profiles}
    if lost:
        names = ", ".join(sorted(shown(str(ref)) for ref in lost))
        raise Stalled(
            Reason.REVISION_NOT_FOUND,
            f"The claim runs with {names} of its environment profiles, which the catalog does not have. Revisions are "
            "never removed, so this is another catalog's.",
            value_path="/spec/templateRevision",
            remedy="Restore the catalog it came from, or set spec.templateRevision: that takes the newest profiles too.",
        )
    return answer.profiles


def _recorded_commit(claim: WorkloadClaim) -> tuple[str, str]:
    """The commit that the asked revision had when it was taken, and where that is written; empty: nowhere."""
    in_force, hint = claim.status.template, claim.in_force_hint
    if in_force is not None:
        same = _is_in_force(claim) and _asked(claim) == in_force.revision
        return (in_force.commit if same else ""), "status.template"
    if hint is not None and _asked(claim) == hint[0] and claim.spec.template_revision is None:
        return hint[1], f"the annotation {IN_FORCE}"
    return "", ""


def _immutable(claim: WorkloadClaim, values: Mapping[str, Any], body: RevisionBody) -> Mapping[str, str]:
    """The digests to record. Raises Stalled(InvalidValues) for a value that differs from what was applied once.

    So too, for the platform to mend, when the schema refers to itself on the way to such a value.
    """
    try:
        now = immutables(values, body.values_schema)
    except (TooDeep, TooMuchWork, ValueError, TypeError) as error:
        why = f"what is immutable in it cannot be told ({type(error).__name__})"
        raise template_fault(f"The schema of the template cannot be used: {why}.") from None
    recorded = claim.status.template.immutable if claim.status.template and claim.status.history else {}
    changed = [pointer(path.split(".")) for path, said in now.items() if recorded.get(path, said) != said]
    if changed:
        what = (
            "cannot be changed after the claim was made: set the earlier value again, or make another claim"
        )
        message = listed("spec.values does not fit", [f"{path} {what}" for path in changed])
        raise Stalled(Reason.INVALID_VALUES, message, value_path=changed[0])
    return now


def _default_policy(claim: WorkloadClaim, body: RevisionBody) -> DeletionPolicy:
    """The template's default; but a silent claim never moves from keeping data to deleting it."""
    recorded = claim.status.template.deletion_policy if claim.status.template else None
    deletes = body.defaults.deletion_policy is DeletionPolicy.DELETE and recorded in (
        None,
        DeletionPolicy.DELETE,
    )
    return DeletionPolicy.DELETE if deletes else DeletionPolicy.RETAIN_DATA


def _default_upgrade(claim: WorkloadClaim, body: RevisionBody) -> UpgradePolicy:
    """The template's default as it was when the claim first took one: a silent claim changes its policy by no revision."""
    recorded = claim.status.template.upgrade_policy if claim.status.template else None
    return recorded or body.defaults.upgrade_policy or UpgradePolicy.MANUAL


def input_digest(workload: ResolvedWorkload, *, credentials_version: int, render_version: str) -> str:
    """Tells whether the claim must be rendered again (design 4.6). Policies and stamps are no part of it.

    What mappings bring is determined by what is in it: nothing of that need be evaluated to know.
    """
    revision, environment = workload.revision, workload.environment
    return digest(
        {
            "claim": [workload.namespace, workload.claim_name],
            "template": [revision.template_id, revision.revision, asdict(revision.source)],
            "placement": [workload.workspace_id, workload.customer],
            "values": workload.values,
            "environment": [[str(ref) for ref in environment.profiles], environment.fields],
            "credentialsVersion": credentials_version,
            "renderVersion": render_version,
        }
    )
