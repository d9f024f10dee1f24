"""Stop and start: the last step on the set that is sent, never a part of the overlay (design 4.6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from ocdp_operator.model.ignoring import REPLICAS
from ocdp_operator.model.inventory import Inventory
from ocdp_operator.model.kinds import DEPLOYMENT, JOB, STATEFUL_SET
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.ignoring import minded
from ocdp_operator.plan.stamp import Desired

_AT_REST: Final[dict[str, dict[str, Any]]] = {
    DEPLOYMENT.kind: {"replicas": 0},
    STATEFUL_SET.kind: {"replicas": 0},
    JOB.kind: {"suspend": True},
}


_STOPPED: Final = "-Stopped"
"""Ends the input digest of a rendering that is applied at rest."""


def input_in_state(input_digest: str, *, running: bool) -> str:
    """The input digest of a rendering that is applied in this state; ``input_digest``: in whichever."""
    rendered = rendered_input(input_digest)
    return rendered if running or not rendered else f"{rendered}{_STOPPED}"


def rendered_input(input_digest: str) -> str:
    """The input alone, whether its rendering runs or is at rest."""
    return input_digest.removesuffix(_STOPPED)


def is_at_rest(input_digest: str) -> bool:
    """Whether the rendering of this input is applied at rest."""
    return input_digest.endswith(_STOPPED)


def at_rest(manifest: Manifest) -> Manifest:
    """The object while its claim is stopped: without pods; what has none of its own is as it was.

    Nobody else says how many pods a stopped claim has, whatever the template or an autoscaler leaves to others.
    """
    change = _AT_REST.get(manifest.ref.kind)
    if change is None:
        return manifest
    spec = {**(manifest.body.get("spec") or {}), **change}
    return minded(replace(manifest, body={**manifest.body, "spec": spec}), REPLICAS)


def in_state(manifests: Iterable[Manifest], *, running: bool) -> tuple[Manifest, ...]:
    """The objects as they are sent while the claim runs, or while it is stopped."""
    return tuple(manifest if running else at_rest(manifest) for manifest in manifests)


def desired_in_state(desired: Desired, *, running: bool) -> Desired:
    """The same for what is to be applied, with what will be on record."""
    if running:
        return desired
    manifests = in_state(desired.manifests, running=False)
    sent = {manifest.ref: manifest.sent_digest for manifest in manifests}
    return Desired(
        manifests, Inventory.of(replace(entry, sent=sent[entry.ref]) for entry in desired.inventory)
    )
