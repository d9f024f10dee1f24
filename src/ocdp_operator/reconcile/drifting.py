"""Drift: found by what the watches saw, explained by one look at the object, told once it is put right (design 4.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ocdp_operator.errors import Reason, ReconcileError
from ocdp_operator.model.ignoring import value_at
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import PVC, SECRET
from ocdp_operator.model.names import GROWN_FROM
from ocdp_operator.model.objects import Manifest, Observed, is_autoscaled
from ocdp_operator.model.telemetry import Tally
from ocdp_operator.plan.drift import Drift, DriftKind, find_drift, fought_over, told
from ocdp_operator.plan.grown_volumes import SIZE, as_large_as
from ocdp_operator.plan.ignoring import ours, without_replicas
from ocdp_operator.plan.ownership import FieldDrift, lost_fields
from ocdp_operator.reconcile.circuit import Judgement
from ocdp_operator.reconcile.run import Run

_LEFT = frozenset({DriftKind.MARK_CHANGED, DriftKind.TAKEN_OVER, DriftKind.FIELDS_CHANGED})
"""Kinds of drift after which the same object is there, with fields of ours that somebody took."""


async def take_back(run: Run) -> None:
    """Puts objects of ours that the record lost on it again; the drift of these applies them anew, or prunes them."""
    for ref, seen in run.ports.observations.of_claim(run.namespace, run.claim.uid).items():
        if ref in run.facts.inventory or seen.deletion_timestamp or not run.owns(seen):
            continue
        live = await run.ports.cluster.get(run.namespace, ref)  # a watch may lag behind a prune
        if live is not None and not live.deletion_timestamp and run.owns(live):
            entry = Entry(ref, wave=ref.known_kind.wave, uid=live.uid)
            run.remember(run.facts.inventory.put(entry))


async def find_drifts(run: Run) -> tuple[Drift, ...]:
    """Drift that is to be repaired now; objects that somebody fights over are left out, and are in ``facts.contested``."""
    every = await all_drifts(run)
    repairable = tuple(drift for drift in every if _is_repairable(run, drift))
    run.progress.counted(Tally.DRIFT_DETECTED, amount=len(repairable))
    run.circuits.settle(run.claim, {drift.ref for drift in every})
    run.found(contested=run.circuits.contested(run.claim))
    return repairable


async def all_drifts(run: Run) -> list[Drift]:
    """Drift from what the watches saw; "gone" is confirmed by one GET, since a watch may lag behind."""
    drifts = []
    for entry in run.facts.inventory.desired:
        is_secret = entry.ref.kind == SECRET.kind
        if entry.uid and (run.thorough or not is_secret):
            drift = await _drift_of(run, entry)
            drifts += [drift] if drift is not None else []
    return drifts


async def _drift_of(run: Run, entry: Entry) -> Drift | None:
    if entry.ref.kind == SECRET.kind:
        live = await run.ports.cluster.get(run.namespace, entry.ref)
        return find_drift(entry, live, claim_uid=run.claim.uid)
    seen = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(entry.ref)
    drift = find_drift(entry, seen, claim_uid=run.claim.uid)
    if drift is None or drift.kind is not DriftKind.GONE:
        return drift
    live = await run.ports.cluster.get(run.namespace, entry.ref)
    if live is not None:
        run.ports.observations.record(live)
    return find_drift(entry, live, claim_uid=run.claim.uid)


def _is_repairable(run: Run, drift: Drift) -> bool:
    judgement = run.circuits.judge(run.claim, drift)
    if judgement in (Judgement.OPENED, Judgement.REOPENED):
        run.progress.counted(Tally.CIRCUIT_OPENED)
    if judgement is Judgement.OPENED:
        ours = [each for each in run.circuits.contested(run.claim) if each.ref == drift.ref]
        run.tell(Reason.WATCH_CIRCUIT_OPEN, fought_over(ours), warning=True)
    return judgement is Judgement.REPAIR


async def explained(run: Run, manifests: Sequence[Manifest], drifts: Sequence[Drift]) -> tuple[Drift, ...]:
    """The drifts with the fields that differ from what will be sent, and who owns them now: one GET for each object.

    Of a Secret nothing is read. What cannot be read is told without its fields.
    """
    sent = {manifest.ref: manifest for manifest in manifests}
    known = tuple([await _explained(run, sent.get(drift.ref), drift) for drift in drifts])
    for drift in known:
        if drift.fields:
            run.circuits.explained(run.claim, drift)
    return known


async def _explained(run: Run, manifest: Manifest | None, drift: Drift) -> Drift:
    if manifest is None or drift.kind not in _LEFT or drift.ref.kind == SECRET.kind:
        return drift
    with suppress(ReconcileError):
        raw = await run.ports.cluster.read(run.namespace, drift.ref)
        if raw is not None:
            autoscaled = is_autoscaled(manifest.ref.kind, raw["metadata"])
            sent = without_replicas(manifest) if autoscaled else manifest
            return replace(drift, fields=_fields(sent, raw))
    return drift


def _fields(sent: Manifest, raw: Mapping[str, Any]) -> tuple[FieldDrift, ...]:
    """What is ours no more; the size of a volume that grew stays as it is."""
    lost, size = lost_fields(ours(sent), raw), ".".join(SIZE)
    kept = as_large_as(sent, Observed.of(sent.ref.known_kind, raw))
    stays = sent.ref.kind == PVC.kind and value_at(kept.body, SIZE) == value_at(raw, SIZE)
    if not stays or all(each.path != size for each in lost):
        return lost
    told = f"metadata.annotations[{GROWN_FROM}]"  # it is new with that size, and was not removed
    return tuple(replace(each, stays=each.path == size) for each in lost if each.path != told)


def corrected(run: Run, drifts: Sequence[Drift]) -> None:
    """Tells of drift that is put right."""
    if drifts:
        run.tell(Reason.DRIFT_CORRECTED, told(drifts))
