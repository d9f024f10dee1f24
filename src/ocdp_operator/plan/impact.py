"""What is sent now x what a candidate would send -> what that does to each object, and to the claim.

An object is written when its digest is another than the one on record: so decides the reconcile too. Fields are named, their
contents never: a platform's report goes further than a user's values may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ocdp_operator.errors import Actor, Reason, ReconcileError
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.model.impact import ClaimImpact, Complaint, Gravity, ObjectImpact, Turn
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.kinds import DEPLOYMENT, JOB, PVC, SECRET, STATEFUL_SET, WITH_PODS, WORKLOAD
from ocdp_operator.model.names import OWNER
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.secrets import GenerateRule, SecretUse
from ocdp_operator.model.wire import canonical_json
from ocdp_operator.plan.difference import comparable, differences
from ocdp_operator.plan.inner_files import looked_into
from ocdp_operator.plan.layers import Naming
from ocdp_operator.plan.prune import plan_prune
from ocdp_operator.plan.stamp import Desired
from ocdp_operator.plan.tracing import escaped
from ocdp_operator.plan.updating import Update, Way

_SERVING: Final = (DEPLOYMENT.kind, STATEFUL_SET.kind)
_DATA: Final = (PVC.kind, SECRET.kind)
_HINDERED: Final = {Way.RECREATE: Turn.RECREATED, Way.REFUSED: Turn.REFUSED}
_NAMED: Final = ("/metadata/name", f"/metadata/annotations/{escaped(OWNER)}")
"""What says which object it is: another one has another."""
_WAITS: Final = "waits for an approval"


@dataclass(frozen=True, slots=True)
class Before:
    """The claim's objects as they were sent last."""

    recorded: Inventory
    manifests: Mapping[ObjectRef, Manifest] = field(default_factory=dict)
    """As far as they are known; never the Secret."""
    keys: Collection[str] = ()
    """Of the credentials Secret."""


@dataclass(frozen=True, slots=True)
class After:
    """The claim's objects as the candidate would have them sent."""

    desired: Desired
    naming: Naming

    def former(self, ref: ObjectRef, recorded: Inventory) -> ObjectRef | None:
        """The object on record that this one comes in place of: the same generated ConfigMap, or Job, with other content."""
        if not self.naming.is_generated(ref) or ref in recorded:
            return None
        stem = self.naming.stem(ref)
        known = (each.ref for each in recorded.desired if each.content_named and each.uid)
        return next((each for each in known if self.naming.stem(each) == stem), None)


def written(after: Desired, recorded: Inventory) -> tuple[Manifest, ...]:
    """The objects that would be sent, in their order."""
    return tuple(
        manifest
        for manifest in after.manifests
        if (entry := recorded.get(manifest.ref)) is None
        or not entry.uid
        or entry.sent != manifest.sent_digest
    )


def object_impacts(
    before: Before, after: After, updates: Mapping[ObjectRef, Update]
) -> tuple[ObjectImpact, ...]:
    """What would become of each object that does not stay as it is, the gravest first.

    ``updates``: the ways from what lives, of objects with fields that can never change.
    """
    replaced: set[ObjectRef] = set()
    found: list[ObjectImpact] = []
    for manifest in written(after.desired, before.recorded):
        update = updates.get(manifest.ref)
        if update is not None and update.way is Way.UNCHANGED:
            continue  # it was sent otherwise, and lives like that by now
        former = after.former(manifest.ref, before.recorded)
        if former is not None:
            replaced.add(former)
        found.append(_sent(manifest, former, before, update))
    found += _pruned(before.recorded, after.desired.inventory, replaced)
    return tuple(sorted(found, key=lambda each: each.gravity.rank))


def _sent(
    manifest: Manifest, former: ObjectRef | None, before: Before, update: Update | None
) -> ObjectImpact:
    ref, entry = manifest.ref, before.recorded.get(manifest.ref)
    if former is not None:
        fields = _fields(before.manifests.get(former), manifest)
        gravity = Gravity.RESTART if ref.kind == JOB.kind else Gravity.CHANGE
        return ObjectImpact(ref, gravity, Turn.CONFIGURED, fields, f"replaces {former}")
    if entry is None or not entry.uid:
        return ObjectImpact(ref, Gravity.CHANGE, Turn.CREATED)
    if ref.kind == SECRET.kind:
        return _of_secret(manifest, before.keys)
    if update is not None and update.way in _HINDERED:
        return _hindered(update, before.manifests.get(ref), manifest)
    was = before.manifests.get(ref)
    rolls = update.restarts if update is not None else _rolls(was, manifest)
    gravity = Gravity.RESTART if rolls else Gravity.CHANGE
    return ObjectImpact(ref, gravity, Turn.CONFIGURED, _fields(was, manifest), _note(was, update))


def _hindered(update: Update, was: Manifest | None, manifest: Manifest) -> ObjectImpact:
    """Refused, or made anew around its pods and volumes."""
    risk = update.risks_data or (update.way is Way.REFUSED and update.ref.kind in _DATA)
    fields = tuple(conflict.pointer for conflict in update.conflicts) or _fields(was, manifest)
    gravity = Gravity.REFUSED if update.way is Way.REFUSED else Gravity.RECREATE
    return ObjectImpact(
        update.ref, Gravity.DATA_RISK if risk else gravity, _HINDERED[update.way], fields, update.remedy
    )


def _note(was: Manifest | None, update: Update | None) -> str:
    said = [] if was is not None else ["how it was sent last is not known"]
    if update is not None and update.growth:
        said.append("once it is bound, the volume grows" if update.way is Way.WAIT else "the volume grows")
    return "; ".join(said)


def _of_secret(manifest: Manifest, before: Collection[str]) -> ObjectImpact:
    """Keys that come and go; what they hold is never looked at."""
    wanted = manifest.body.get("data") or {}
    lost = [key for key in before if key not in wanted]
    fields = tuple(f"/data/{key}" for key in sorted({*before} ^ {*wanted}))
    note = f"loses {', '.join(sorted(lost))}" if lost else ""
    return ObjectImpact(
        manifest.ref, Gravity.DATA_RISK if lost else Gravity.CHANGE, Turn.CONFIGURED, fields, note
    )


def _rolls(was: Manifest | None, manifest: Manifest) -> bool:
    """Whether the pod template is another one; where neither what lives nor the former one is known, it may be."""
    if manifest.ref.kind not in WITH_PODS:
        return False
    return was is None or canonical_json(_template(was)) != canonical_json(_template(manifest))


def _template(manifest: Manifest) -> Any:
    return (manifest.body.get("spec") or {}).get("template")


def _fields(was: Manifest | None, manifest: Manifest) -> tuple[str, ...]:
    if was is None:
        return ()
    found = differences(_comparable(was), _comparable(manifest))
    return tuple(dict.fromkeys(each.pointer for each in found if each.pointer not in _NAMED))


def _comparable(manifest: Manifest) -> Mapping[str, Any]:
    return looked_into(Manifest.of(comparable(manifest.body)))


def _pruned(
    recorded: Inventory, desired: Inventory, replaced: Collection[ObjectRef]
) -> Iterator[ObjectImpact]:
    own = tuple(entry for entry in recorded if entry.ref.kind == WORKLOAD.kind)
    union = recorded.union(Inventory.of((*desired, *own)))
    plan = plan_prune(union, applied_ok=True, healthy=True, live_references=frozenset())
    held = set(plan.blocked.objects) if plan.blocked is not None else set()
    for entry in union.undesired:
        # What was undesired before is on its way already: no candidate is needed for that.
        known = recorded.get(entry.ref)
        if entry.uid and entry.ref not in replaced and (known is None or known.desired):
            yield _gone(entry, held=str(entry.ref) in held)


def _gone(entry: Entry, *, held: bool) -> ObjectImpact:
    note = _WAITS if held else "once no pod uses it" if entry.content_named else ""
    gravity = Gravity.CHANGE
    if entry.is_data:
        gravity = Gravity.DATA_RISK
    elif entry.ref.kind in _SERVING:
        gravity = Gravity.RECREATE
    return ObjectImpact(entry.ref, gravity, Turn.DELETED, note=note)


# -- the claim ------------------------------------------------------------------------------------------------------


def claim_impact(claim: ClaimKey, waits: str, objects: tuple[ObjectImpact, ...]) -> ClaimImpact:
    """The claim is met as gravely as the gravest of its objects."""
    gravity = objects[0].gravity if objects else Gravity.UNCHANGED
    return ClaimImpact(claim, gravity, waits, objects)


def refused_impact(claim: ClaimKey, waits: str, error: ReconcileError) -> ClaimImpact:
    """The claim whose values do not fit, or that cannot be rendered for another reason."""
    invalid = error.reason in (Reason.INVALID_VALUES, Reason.VALUES_TOO_LARGE) and error.actor is Actor.USER
    complaint = Complaint(error.reason, error.message, error.value_path, error.actor, error.remedy)
    gravity = Gravity.INVALID_VALUES if invalid else Gravity.REFUSED
    return ClaimImpact(claim, gravity, waits, complaint=complaint)


# -- credentials ----------------------------------------------------------------------------------------------------


def same_texts(before: Sequence[SecretUse], after: Sequence[SecretUse]) -> bool:
    """Whether every key that both have holds the same: what was generated is kept, and texts and references are as they were."""
    known = {use.key: _made_of(use) for use in before}
    return all(known[use.key] == _made_of(use) for use in after if use.key in known)


def is_fixed(use: SecretUse) -> bool:
    """Whether the key keeps what it holds, whatever the values say: it was generated once."""
    return use.plain is not None and isinstance(use.plain.origin, GenerateRule)


def _made_of(use: SecretUse) -> Any:
    if is_fixed(use):
        return None
    return [part if isinstance(part, str) else (part.path, _origin(part.origin)) for part in use.text]


def _origin(origin: object) -> object:
    return None if isinstance(origin, GenerateRule) else origin
