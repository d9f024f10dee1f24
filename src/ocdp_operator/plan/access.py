"""Who may use a template: the workspace by its binding, else who made the claim and who changed it last, each by theirs (design 2)."""

from __future__ import annotations

from typing import Final

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.claim import Identity, WorkloadClaim
from ocdp_operator.model.identifier import is_subject
from ocdp_operator.model.template import CatalogAnswer
from ocdp_operator.plan.wording import shown

_PATH: Final = "/spec/templateId"
_UNPROVEN: Final = (
    "Choose a templateId that is offered to this workspace, or ask the platform team for access. Access for users and groups does "
    "not count here: the cluster does not prove who made the claim."
)


def asking(claim: WorkloadClaim) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Users and groups whose bindings matter, each once: of who made the claim, and who changed it last.

    A name that no binding can have is left out: PostgreSQL takes no NUL, and refuses the whole question.
    """
    people = [each for each in (claim.spec.requested_by, claim.spec.changed_by) if each is not None]
    users = dict.fromkeys(each.username for each in people if is_subject(each.username))
    groups = dict.fromkeys(group for each in people for group in each.groups if is_subject(group))
    return tuple(users), tuple(groups)


def check_access(
    claim: WorkloadClaim, answer: CatalogAnswer, *, succeeded_before: bool, stamps_count: bool
) -> None:
    """Lets a claim pass that may use its template.

    ``stamps_count``: the API server set ``requestedBy`` and ``changedBy`` of this claim. Raises Stalled:
    IdentityUnverified when bindings to who asks would do if only that were proven, else AccessRevoked when some generation of the
    claim was applied once, else TemplateNotAvailable, the same for a template that is forbidden and one that does not exist;
    TemplateDisabled.
    """
    if not answer.template_exists or not (
        answer.granted or _grants(claim, answer, stamps_count=stamps_count)
    ):
        raise _refusal(claim, answer, succeeded_before=succeeded_before, stamps_count=stamps_count)
    if answer.disabled and not succeeded_before:
        raise Stalled(
            Reason.TEMPLATE_DISABLED,
            f"Template '{shown(claim.spec.template_id)}' takes no new claims.",
            value_path=_PATH,
        )


def _grants(claim: WorkloadClaim, answer: CatalogAnswer, *, stamps_count: bool) -> bool:
    """Whether bindings to people do; raises Stalled(IdentityUnverified) when they would if it were proven who asks."""
    if not (_may(claim.spec.requested_by, answer) and _may(claim.spec.changed_by, answer)):
        return False
    if not stamps_count:
        raise Stalled(
            Reason.IDENTITY_UNVERIFIED,
            f"Template '{shown(claim.spec.template_id)}' is offered to who asks, but who that is was not proven when the "
            "claim was made, or is not any more.",
            value_path=_PATH,
        )
    return True


def _may(who: Identity | None, answer: CatalogAnswer) -> bool:
    return who is not None and (
        who.username in answer.granted_users or not answer.granted_groups.isdisjoint(who.groups)
    )


def _refusal(
    claim: WorkloadClaim, answer: CatalogAnswer, *, succeeded_before: bool, stamps_count: bool
) -> Stalled:
    template = f"template '{shown(claim.spec.template_id)}'"
    requested, changed = claim.spec.requested_by, claim.spec.changed_by
    people = stamps_count and requested is not None
    if people and _may(requested, answer):
        name = _name(changed)
        if not succeeded_before:
            message = f"The claim was changed by {name}, to whom {template} is not available."
            return Stalled(Reason.TEMPLATE_NOT_AVAILABLE, message, value_path=_PATH)
        return Stalled(
            Reason.ACCESS_REVOKED,
            f"The claim was changed by {name}, who may not use {template}. Nothing of it is applied, and what runs goes on "
            "unchanged.",
            value_path=_PATH,
            remedy=f"Bind the template to {name}, or let somebody who may use it change the claim again.",
        )
    also = f", nor to {_name(requested)}" if people else ""
    if succeeded_before:
        return Stalled(
            Reason.ACCESS_REVOKED,
            f"T{template[1:]} is no longer offered to this workspace{also}. What runs goes on unchanged.",
            value_path=_PATH,
        )
    return Stalled(
        Reason.TEMPLATE_NOT_AVAILABLE,
        f"T{template[1:]} is not available to this workspace{also}.",
        value_path=_PATH,
        remedy="" if people else _UNPROVEN,
    )


def _name(who: Identity | None) -> str:
    return shown(who.username) if who is not None and who.username else "somebody unknown"
