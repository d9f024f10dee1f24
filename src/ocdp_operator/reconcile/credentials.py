"""The claim's one Secret, and the users' Secrets that it refers to: values pass from Secret to Secret, and nowhere else.

What was generated is kept in the cluster and read back. A user's Secret is looked at as metadata; only when it may be
referred to, and a copy is needed, are its values read.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from ocdp_operator.errors import Actor, Reason, Stalled
from ocdp_operator.model.kinds import SECRET
from ocdp_operator.model.names import (
    ADOPT,
    CLAIMABLE,
    CREDENTIALS_VERSION,
    GENERATED_KEYS,
    ROTATE,
    ROTATED,
    credentials_name,
)
from ocdp_operator.model.objects import ObjectRef, Observed
from ocdp_operator.model.secrets import Credentials, GenerateRule, SecretReference, SecretUse, SecretValue
from ocdp_operator.plan.secrets import MAX_ROTATION, references, to_rotate, with_own_keys
from ocdp_operator.plan.values import pointer
from ocdp_operator.reconcile.applying import check_owner
from ocdp_operator.reconcile.run import Run

_Path: TypeAlias = tuple[str | int, ...]
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_MOST_VERSIONS: Final = 2**31


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the credentials Secret holds at present; nothing where there is none, or one of another owner."""

    exists: bool = False
    uid: str = ""
    """Of whatever has its name."""
    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    generated: frozenset[str] = frozenset()
    version: int = 0
    rotation: str = ""
    frozen: bool = False
    """Somebody made it immutable."""


async def check_references(run: Run, secrets: Sequence[SecretUse]) -> None:
    """Looks at the metadata of every Secret that the claim's values refer to.

    Raises Stalled(SecretNotClaimable): it is absent, does not carry the label, or is a claim's own. Which of these is said to
    nobody, since it would tell of the namespace's Secrets.
    """
    seen: dict[str, Observed | None] = {}
    for value, reference in references(secrets):
        if reference.name not in seen and _NAME.fullmatch(reference.name):
            seen[reference.name] = await run.ports.cluster.get(run.namespace, _secret(reference.name))
        _require_claimable(seen.get(reference.name), value)


async def are_copies_outdated(run: Run, secrets: Sequence[SecretUse]) -> bool:
    """Whether the credentials Secret holds what the users' Secrets do not say any more. Raises like ``check_references``."""
    await check_references(run, secrets)
    known = run.facts.credentials.keys if run.facts.credentials is not None else ()
    held = [use for use in secrets if use.key in known]
    if not references(held):
        return False
    kept = await _kept(run)
    uses = with_own_keys(held)
    made = _generated(uses, kept, renew=frozenset(), generate=lambda _: "")
    data = _data(uses, made, await _referenced(run, held))
    return kept.exists and any(kept.data.get(key) != value for key, value in data.items())


async def provide_credentials(run: Run, held: Sequence[SecretUse], *, edited: bool = False) -> Credentials:
    """The Secret's present values, with new ones for keys that are missing, and copies as the users' Secrets say now.

    The version rises when the values differ from those that were handed out, or may (``edited``: somebody changed the Secret):
    pods that run would hold the old ones. It rises once for what an apply has yet to bring.
    A Secret of another owner is neither read into ours nor written over: the apply will refuse it.
    Raises Stalled(SecretNotClaimable), and Stalled(ImmutableFieldConflict) where somebody made the Secret immutable and it
    would have to change: before anything is recorded or written.
    """
    if not held and credentials_ref(run.claim.key.name) not in run.facts.inventory:
        return Credentials(version=run.facts.credentials_version)
    kept, uses = await _kept(run), with_own_keys(held)
    request, renew = _rotation(run, uses, kept)
    made = _generated(uses, kept, renew=renew, generate=run.generate)
    data = _data(uses, made, await _referenced(run, held))
    _require_changeable(run, kept, data)
    generated = tuple(sorted(use.key for use in uses if use.plain is not None and use.plain.path in made))
    lost = sorted(key for key in _handed_out(run) if key in generated and key not in kept.data)
    if lost:
        _tell_lost(run, kept, lost)
    rotated = (key for key in data if renew and key in kept.data and data[key] != kept.data[key])
    return Credentials(
        data=data,
        version=_version(
            run,
            kept,
            changed=bool(lost) or (kept.exists and (data != kept.data or (edited and bool(data)))),
            empty=not data,
        ),
        generated=generated,
        rotation=request,
        rotated=tuple(sorted(rotated)),
    )


def _tell_lost(run: Run, kept: _Kept, lost: Sequence[str]) -> None:
    """Says it once: of a Secret that is gone nothing is handed out any more, so another attempt has lost nothing."""
    entry = run.facts.inventory.get(credentials_ref(run.claim.key.name))
    if entry is not None and entry.uid != kept.uid:
        run.remember(run.facts.inventory.put(replace(entry, uid="", sent="", applied="")))
    if _is_to_come(run, kept):
        return
    run.tell(
        Reason.CREDENTIALS_REGENERATED,
        f"Secret/{credentials_name(run.claim.key.name)} had lost {', '.join(lost)}: "
        "new values were made, and the pods restart with them.",
        warning=True,
    )


def _require_changeable(run: Run, kept: _Kept, data: Mapping[str, str]) -> None:
    """Deleting it would lose what was generated: that is for its owner to decide, who can keep the values, too."""
    known = run.facts.credentials
    dropped = set(known.keys if known is not None else ()) - data.keys()
    changes = any(kept.data.get(key) != value for key, value in data.items()) or dropped & kept.data.keys()
    if kept.frozen and changes:
        key, name = run.claim.key, credentials_name(run.claim.key.name)
        adopt = f"kubectl annotate workloadclaim -n {key.namespace} {key.name} --overwrite {ADOPT}={run.claim.uid}"
        # Suspended: a look between the deletion and what replaces it would make new values. And no value is in a pipe alone.
        suspend, resume = (
            f"ocdp claim {what} -n {key.namespace} {key.name}" for what in ("suspend", "resume")
        )
        save = f"(umask 077; kubectl get secret -n {key.namespace} {name} -o yaml > {name}.yaml)"
        replace_it = f"sed '/^immutable:/d' {name}.yaml | kubectl replace --force -f -"
        raise Stalled(
            Reason.IMMUTABLE_FIELD_CONFLICT,
            f"Secret/{name}: /data cannot be changed: somebody made the Secret immutable.",
            actor=Actor.USER,
            remedy=f"To keep its values: {suspend} && {save} && {replace_it} && {adopt} && {resume} . "
            f"Then delete {name}.yaml. If the Secret is deleted, what was generated is made anew.",
        )


def credentials_ref(claim: str) -> ObjectRef:
    """The credentials Secret of a claim of this name."""
    return _secret(credentials_name(claim))


def asked_rotation(run: Run) -> str:
    """The request for a rotation that has not been answered yet; empty: there is none. Cut to what the status holds."""
    request = run.claim.annotations.get(ROTATE, "")[: MAX_ROTATION + 1]
    return "" if _remembered(request) == run.facts.last_handled_rotation else request


def answer_rotation(run: Run, request: str, held: Sequence[SecretUse], rotated: Sequence[str]) -> None:
    """Says what came of a request, once everything is applied; only then is it on record as handled."""
    try:
        to_rotate(request, with_own_keys(held))
    except ValueError as error:
        run.tell(Reason.INVALID_CLAIM, f"The annotation {ROTATE} {error}. Nothing was rotated.", warning=True)
    if rotated:
        message = f"New values for {', '.join(rotated)}; the pods that use them restart."
        run.tell(Reason.CREDENTIALS_ROTATED, message)
    run.found(last_handled_rotation=_remembered(request))


def _remembered(request: str) -> str:
    return request[:MAX_ROTATION]


def _secret(name: str) -> ObjectRef:
    return ObjectRef(SECRET.group, SECRET.kind, name)


def _require_claimable(found: Observed | None, value: SecretValue) -> None:
    # The label may be set by whoever may edit the Secret, on another claim's too: what we made is refused all the same.
    own = found is not None and (found.mark is not None or bool(found.applied_digest))
    if found is None or own or found.labels.get(CLAIMABLE) != "true":
        path = pointer(value.path)
        message = f"{path} refers to a Secret that is not there, or that claims may not refer to."
        raise Stalled(Reason.SECRET_NOT_CLAIMABLE, message, value_path=path)


async def _referenced(run: Run, held: Sequence[SecretUse]) -> dict[SecretReference, bytes]:
    """The values of the users' Secrets of which the credentials Secret holds copies, or texts with them."""
    await check_references(run, held)
    found: dict[str, tuple[Observed, Mapping[str, str]] | None] = {}
    values: dict[SecretReference, bytes] = {}
    for value, reference in references(held):
        if reference.name not in found:
            found[reference.name] = await run.ports.cluster.get_secret(run.namespace, reference.name)
        whole = found[reference.name]
        observed, data = whole or (None, {})
        _require_claimable(observed, value)
        if reference.key not in data:
            path = pointer(value.path)
            raise Stalled(
                Reason.SECRET_NOT_CLAIMABLE,
                f"{path} refers to a key that its Secret does not have.",
                value_path=path,
                remedy="Add the key to the Secret, or refer to another key.",
            )
        values[reference] = b64decode(data[reference.key])
    return values


async def _kept(run: Run) -> _Kept:
    found = await run.ports.cluster.get_secret(run.namespace, credentials_name(run.claim.key.name))
    if found is None:
        return _Kept()
    observed, data = found
    try:
        check_owner(run, observed)
    except Stalled:
        return _Kept(uid=observed.uid)
    said = observed.annotations.get(GENERATED_KEYS)
    version = observed.annotations.get(CREDENTIALS_VERSION, "")
    return _Kept(
        exists=True,
        uid=observed.uid,
        data=data,
        generated=frozenset(data if said is None else said.split(",")),
        version=int(version)
        if re.fullmatch("[1-9][0-9]{0,9}", version) and int(version) < _MOST_VERSIONS
        else 0,
        rotation=observed.annotations.get(ROTATED, ""),
        frozen=observed.frozen,
    )


def _rotation(run: Run, uses: Sequence[SecretUse], kept: _Kept) -> tuple[str, Collection[_Path]]:
    """The request that the Secret follows, and what it asks to be made anew.

    The Secret says which request it follows, in the write that brings the values: whoever dies after it rotates no second time.
    """
    request = asked_rotation(run)
    if not request:
        return kept.rotation, ()
    try:
        paths = to_rotate(request, uses)
    except ValueError:
        return kept.rotation, ()
    return request, () if kept.rotation == request else paths


def _generated(
    uses: Sequence[SecretUse],
    kept: _Kept,
    *,
    renew: Collection[_Path],
    generate: Callable[[GenerateRule], str],
) -> dict[_Path, bytes]:
    """The generated values by their paths: those that are kept, and new ones. Of one path there is one value."""
    values: dict[_Path, bytes] = {}
    rules: dict[_Path, GenerateRule] = {}
    for use in sorted(uses, key=lambda each: each.key):
        value = use.plain
        if value is None or not isinstance(value.origin, GenerateRule):
            continue
        rules[value.path] = value.origin
        if use.key in kept.data and use.key in kept.generated and value.path not in renew:
            values.setdefault(value.path, b64decode(kept.data[use.key]))
    for path, rule in rules.items():
        if path not in values:
            values[path] = generate(rule).encode()
    return values


def _data(
    uses: Sequence[SecretUse], made: Mapping[_Path, bytes], taken: Mapping[SecretReference, bytes]
) -> dict[str, str]:
    def content(part: str | SecretValue) -> bytes:
        if isinstance(part, str):
            return part.encode()
        return taken[part.origin] if isinstance(part.origin, SecretReference) else made[part.path]

    return {use.key: b64encode(b"".join(content(part) for part in use.text)).decode() for use in uses}


def _version(run: Run, kept: _Kept, *, changed: bool, empty: bool) -> int:
    """One more than the last one when the values change; the one that was recorded for a change that was never sent."""
    recorded = run.facts.credentials_version
    known = max(recorded, kept.version)
    if changed:
        return recorded if _is_to_come(run, kept) else known + 1
    return known if empty else max(1, known)


def _is_to_come(run: Run, kept: _Kept) -> bool:
    """Whether a change is on record that was never sent."""
    return 0 < kept.version < run.facts.credentials_version


def _handed_out(run: Run) -> tuple[str, ...]:
    """Keys whose values somebody may hold: those of a Secret that was there, not of one that is merely on record."""
    entry = run.facts.inventory.get(credentials_ref(run.claim.key.name))
    known = run.facts.credentials
    return known.keys if known is not None and entry is not None and entry.uid else ()
