"""Apply: one request for each object, as the object of one UID; never over somebody else's (design 4.3, 4.8)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from ocdp_operator.errors import Conflict, Reason, ReconcileError, Stalled, Waiting
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.kinds import SECRET, STATEFUL_SET
from ocdp_operator.model.names import ADOPT
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed, is_object_name
from ocdp_operator.model.telemetry import Tally
from ocdp_operator.plan.grown_volumes import as_large_as
from ocdp_operator.plan.updating import Way
from ocdp_operator.reconcile.ignoring import as_it_was, as_to_live
from ocdp_operator.reconcile.retaining import check_volumes, kept_from_former, reclaim, reclaim_volumes
from ocdp_operator.reconcile.run import Run
from ocdp_operator.reconcile.updating import Updates, prepare

_STOPS_ALL = frozenset({Reason.CLUSTER_UNAVAILABLE, Reason.NAMESPACE_TERMINATING})
"""Refusals that the next object would meet too."""


_ADOPTED = "adopted"
"""What a former claim of this name left."""
_COUNTED = {_ADOPTED: "configured"}
_LOOKS = 2
"""At an object that was there already, before the claim waits."""


async def apply_all(
    run: Run, manifests: Sequence[Manifest], drifted: Collection[ObjectRef], updates: Updates | None = None
) -> tuple[str, ...]:
    """Applies what must be sent, in order, and remembers each answer; returns one line for each object written.

    ``updates`` are those that ``plan_updates`` found, none of them refused.

    Goes on past an object that is refused, so that one bad object hides no other; then raises the first refusal. Where an
    object belongs to somebody else, or the Secret is refused, no later wave begins: pods must not run on data that was not
    adopted, nor restart for values that are not there.
    """
    changes: list[str] = []
    refused: list[ReconcileError] = []
    last_wave = float("inf")
    for manifest in manifests:
        entry = run.facts.inventory.entries[manifest.ref]
        if entry.wave > last_wave:
            break
        if entry.uid and entry.sent == manifest.sent_digest and manifest.ref not in drifted:
            run.progress.counted(Tally.APPLIED_OBJECTS, "unchanged")
            continue
        known = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(manifest.ref)
        try:
            update = (updates or {}).get(manifest.ref)
            anew = update is not None and update.way is Way.RECREATE
            sent = await as_it_was(run, manifest) if anew else _as_large(known, manifest, entry)
            await prepare(run, manifest, update)
            observed, action = await _apply_one(run, sent, entry)
        except ReconcileError as error:
            refused.append(error)
            run.progress.counted(Tally.APPLIED_OBJECTS, "failed")
            if error.reason in _STOPS_ALL:
                break
            if error.reason is Reason.OWNERSHIP_CONFLICT or manifest.ref.kind == SECRET.kind:
                last_wave = entry.wave
            continue
        run.progress.counted(Tally.APPLIED_OBJECTS, _COUNTED.get(action, action))
        before = known.resource_version if known else ""
        run.progress.wrote(str(manifest.ref), before=before, after=observed.resource_version)
        changes.append(f"{manifest.ref} {action}")
        if manifest.ref in drifted:
            grew = sent is not manifest and known is not None and not known.sends_size
            _count_repair(run, entry, manifest, stays=grew and not anew)
        _remember(run, entry, manifest, observed)
    if refused:
        raise _worst(refused)
    return tuple(changes)


def _as_large(known: Observed | None, manifest: Manifest, entry: Entry) -> Manifest:
    """What is sent where drift alone asks for it: a volume that somebody made larger stays so."""
    if known is None or known.uid != entry.uid or entry.sent != manifest.sent_digest:
        return manifest
    return as_large_as(manifest, known)


def _count_repair(run: Run, entry: Entry, manifest: Manifest, *, stays: bool) -> None:
    """At once: another object that is refused does not make a fight over this one go on for ever."""
    run.progress.counted(Tally.DRIFT_CORRECTED)
    if (
        entry.sent == manifest.sent_digest and not stays
    ):  # else it was to be written anyway, or nothing is put back
        run.circuits.repaired(run.claim, manifest.ref)


def _remember(run: Run, entry: Entry, manifest: Manifest, observed: Observed) -> None:
    run.ports.observations.record(observed)
    applied = replace(entry, uid=observed.uid, sent=manifest.sent_digest, applied=observed.applied_digest)
    run.remember(run.facts.inventory.put(applied))


def _worst(refused: list[ReconcileError]) -> ReconcileError:
    """What nobody can wait out comes first: it is what somebody must act on."""
    stalled = [error for error in refused if isinstance(error, Stalled)]
    return (stalled or refused)[0]


async def _apply_one(run: Run, manifest: Manifest, entry: Entry) -> tuple[Observed, str]:
    """The object as it is then, and what was done: ``configured``, ``created`` or ``adopted``."""
    cluster, observed, action = run.ports.cluster, None, "created"
    if entry.uid and await _is_recorded(run, entry):
        if manifest.ref.kind == STATEFUL_SET.kind:
            await check_volumes(run, manifest, beside=_pods_of(run, manifest.ref))
        with suppress(Conflict):  # gone, or another object by now: as if none were recorded
            observed = await cluster.apply(run.namespace, await as_to_live(run, manifest), uid=entry.uid)
    if observed is None:
        if entry.uid:
            await _still_asked_for(run)  # it may have gone because the claim did
        if manifest.ref.kind == STATEFUL_SET.kind:
            await check_volumes(run, manifest)
        try:
            observed = await cluster.apply(run.namespace, manifest, uid="")
        except Conflict:
            observed, action = await _apply_to_existing(run, manifest, entry)
    if observed.uid == entry.uid:
        action = "configured"
    if observed.before_first_apply or observed.foreign_parts:
        observed = await cluster.disown(run.namespace, observed)
    if manifest.ref.kind == STATEFUL_SET.kind:
        await reclaim_volumes(run, manifest)
    return await reclaim(run, observed), action


def _pods_of(run: Run, ref: ObjectRef) -> int:
    """How many the StatefulSet has already, by its spec; none where it was not seen yet."""
    seen = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(ref)
    spec = seen.body.get("spec") or {} if seen is not None else {}
    return int(spec.get("replicas") or 0)


async def _still_asked_for(run: Run) -> None:
    """Returns when the claim is as we know it. Raises Conflict when it was changed, deleted or made anew meanwhile."""
    key = run.claim.key
    live = await run.ports.cluster.get_claim(key)
    if live is None or live.uid != run.claim.uid or live.deleting or live.generation != run.claim.generation:
        raise Conflict(f"{key} changed, came or went since it was read.")


async def _is_recorded(run: Run, entry: Entry) -> bool:
    """Whether the object of the recorded UID is one that we applied before; the watch mostly knows.

    Raises Stalled(OwnershipConflict) when somebody else made it: then the record is wrong, whoever wrote it.
    """
    seen = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(entry.ref)
    if seen is not None and seen.uid == entry.uid and seen.applied_digest and not _is_of_another(run, seen):
        return True
    live = await run.ports.cluster.get(run.namespace, entry.ref)
    if live is None or live.uid != entry.uid:
        return False
    made_by_others = not live.applied_digest and not run.owns(live, recorded_uid=entry.uid)
    if made_by_others or _is_of_another(run, live):
        check_owner(run, live)
    return True


def _is_of_another(run: Run, live: Observed) -> bool:
    """Whether another claim, which exists, has the object on record as its own. A mark alone may be somebody's edit."""
    mark = live.mark
    if mark is None or mark.claim_uid == run.claim.uid:
        return False
    other = run.store.get(ClaimKey(mark.namespace, mark.claim))
    return (
        other is not None
        and other.uid == mark.claim_uid
        and any(known.uid == live.uid for known in other.status.recorded)
    )


async def _apply_to_existing(run: Run, manifest: Manifest, entry: Entry) -> tuple[Observed, str]:
    """Looks at what is there, and applies to it if it is ours; twice, since a conflict may also pass by itself."""
    what = ""
    for _ in range(_LOOKS):
        action = "created"
        live = await run.ports.cluster.get(run.namespace, manifest.ref)
        if live is None:
            what = "came and went"
            await _still_asked_for(run)  # it may have gone because the claim did
        else:
            what = "was replaced"
            check_owner(run, live)
            if run.owns(live):  # whatever comes next: another attempt need not find it out again
                run.remember(run.facts.inventory.put(replace(entry, uid=live.uid)))
            else:
                action = _ADOPTED
        sent = as_large_as(await as_to_live(run, manifest), live) if live is not None else manifest
        with suppress(Conflict):
            applied = await run.ports.cluster.apply(run.namespace, sent, uid=live.uid if live else "")
            return applied, action
    raise Waiting(Reason.APPLY_FAILED, f"{manifest.ref} {what} while it was applied.")


def check_owner(run: Run, live: Observed) -> None:
    """Returns when the object is ours, or when the claim's ``adopt`` annotation names its former owner.

    A former claim of the same namespace and name cannot exist any more, for this claim has its name. Any other object
    is refused with OwnershipConflict, and stays as it is; so is one that another claim has on record, whatever its mark says.
    """
    mark, key = live.mark, run.claim.key
    _check_record_of_others(run, live)
    if run.owns(live):
        return
    if mark is None or mark.ref != live.ref:
        raise Stalled(Reason.OWNERSHIP_CONFLICT, f"{live.ref} exists already and was not made by a claim.")
    if (mark.namespace, mark.claim) != (key.namespace, key.name):
        raise Stalled(
            Reason.OWNERSHIP_CONFLICT,
            f"{live.ref} exists already and belongs to the claim {mark.namespace}/{mark.claim}.",
        )
    if run.claim.annotations.get(ADOPT) == mark.claim_uid:
        return
    if mark.claim_uid != run.claim.uid:
        raise kept_from_former(live.ref, mark.claim_uid, key)
    raise Stalled(
        Reason.OWNERSHIP_CONFLICT,
        f"{live.ref} carries this claim's mark, but was made by others.",
        remedy=f"To take it over: kubectl annotate workloadclaim -n {key.namespace} {key.name} {ADOPT}={mark.claim_uid}",
    )


def _check_record_of_others(run: Run, live: Observed) -> None:
    """A mark can be written by whoever may edit the object; what another claim has on record is that claim's.

    A record counts for names that are its claim's alone, so that a forged one holds up nobody else.
    """
    for other in run.store:
        if (
            other.namespace != run.namespace
            or other == run.claim.key
            or not is_object_name(other.name, live.ref)
        ):
            continue
        claim = run.store.get(other)
        if claim is not None and any(known.uid == live.uid for known in claim.status.recorded):
            raise Stalled(
                Reason.OWNERSHIP_CONFLICT, f"{live.ref} exists already and belongs to the claim {other}."
            )
