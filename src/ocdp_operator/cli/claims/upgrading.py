"""``ocdp claim upgrade`` and ``rollback``: what to change of a claim, and what to say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ocdp_operator.model.claim import TemplateInForce, WorkloadClaim
from ocdp_operator.model.profile import ProfileRef


@dataclass(frozen=True, slots=True)
class Move:
    """A change of the claim, if there is anything to change, and a line that says what becomes of it."""

    change: Mapping[str, Any] | None
    said: str


def move(claim: WorkloadClaim, to: int | None) -> Move:
    """To the revision that was named, else to the newest revision and the newest profiles that the operator told of."""
    in_force, pin, name = claim.status.template, claim.spec.template_revision, claim.key.name
    runs_on = f"revision {in_force.revision}" if in_force else "no revision yet"
    wanted = to or (in_force.available if in_force else None)
    if wanted is None:
        return _to_profiles(claim, in_force) or _unchanged(name, f"{runs_on}, and nothing newer is known")
    if wanted == pin:
        return _unchanged(name, _pinned_already(claim, pin))
    if in_force and wanted == in_force.revision:
        said = f"claim {name} stays on {runs_on} of {claim.spec.template_id}, and is pinned to it"
    else:
        said = f"claim {name} goes from {runs_on} to revision {wanted} of {claim.spec.template_id}"
    if newer := claim.status.available_profiles:
        said += f", and from {profiles(claim.status.profiles)} to {profiles(newer)}"
    return Move(_pin(wanted), said)


def back(claim: WorkloadClaim) -> Move:
    """To the revision that was healthy last, other than the one that the claim is on: it is pinned to that.

    A pin stays until somebody changes it, whatever the upgrade policy says.
    """
    in_force, pin, name = claim.status.template, claim.spec.template_revision, claim.key.name
    now = pin or (in_force.revision if in_force else 0)
    healthy = (item.revision for item in claim.status.history if item.healthy and item.revision != now)
    found = next(healthy, None)
    if found is None:
        return _unchanged(name, f"it was healthy on no revision{' other than ' + str(now) if now else ''}")
    said = f"claim {name} goes back from revision {now} to revision {found} of {claim.spec.template_id}"
    return Move(
        _pin(found),
        f"{said}, and is pinned to it; to move it on: ocdp claim upgrade {name} -n {claim.key.namespace}",
    )


def profiles(found: Iterable[ProfileRef]) -> str:
    """``east revision 2, acme revision 1``."""
    return ", ".join(f"{each.id} revision {each.revision}" for each in found) or "no profile"


def _to_profiles(claim: WorkloadClaim, in_force: TemplateInForce | None) -> Move | None:
    """Newer profiles are taken when the pin changes: it is set to the revision in force, or taken away (docs/profiles.md)."""
    newer, pin = claim.status.available_profiles, claim.spec.template_revision
    if in_force is None or not newer:
        return None
    said = f"claim {claim.key.name} goes from {profiles(claim.status.profiles)} to {profiles(newer)}; "
    if pin is None:
        said += f"it is pinned to revision {in_force.revision} of {claim.spec.template_id} from now on"
        return Move(_pin(in_force.revision), said)
    said += f"it is no longer pinned to revision {pin} of {claim.spec.template_id}, the newest"
    return Move(_pin(None), said)


def _pinned_already(claim: WorkloadClaim, pin: int) -> str:
    in_force = claim.status.template
    if in_force is None or in_force.revision != pin:
        return f"it is asked to go to revision {pin} already"
    said = f"it is pinned to revision {pin} already"
    if claim.status.available_profiles and not in_force.available:
        said += f"; its newer profiles are taken without --to: ocdp claim upgrade {claim.key.name} -n {claim.key.namespace}"
    return said


def _pin(revision: int | None) -> Mapping[str, Any]:
    return {"spec": {"templateRevision": revision}}


def _unchanged(name: str, why: str) -> Move:
    return Move(None, f"claim {name} unchanged: {why}")
