"""The claim's one Secret: values are made once, kept in the cluster, and read back; they pass through no rendering."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.claim import SecretRef
from ocdp_operator.model.kinds import SECRET
from ocdp_operator.model.names import credentials_name
from ocdp_operator.model.objects import ObjectRef
from ocdp_operator.model.template import ResolvedWorkload
from ocdp_operator.reconcile.applying import check_owner
from ocdp_operator.reconcile.run import Run


@dataclass(frozen=True, slots=True)
class Credentials:
    """The data of the Secret, as the API carries it (base64), and the version that rolls the pods."""

    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    version: int = 0
    ref: SecretRef | None = None
    """For the status, once the Secret is applied."""


async def provide_credentials(run: Run, workload: ResolvedWorkload) -> Credentials:
    """The Secret's present values, with new ones for keys that are missing.

    The version rises when values that were handed out once are made anew: pods that run would hold the old ones.
    A Secret of another owner is neither read into ours nor written over: the apply will refuse it.
    """
    if not workload.secret_keys:
        return Credentials()
    name = credentials_name(run.claim.key.name)
    kept = await _kept(run, name)
    missing = {key: length for key, length in workload.secret_keys.items() if key not in kept}
    made = {key: b64encode(run.generate(length).encode()).decode() for key, length in sorted(missing.items())}
    lost = sorted(key for key in made if key in _handed_out(run))
    version = max(1, run.facts.credentials_version) + bool(lost)
    if lost:
        run.tell(
            Reason.CREDENTIALS_REGENERATED,
            f"Secret/{name} had lost {', '.join(lost)}: new values were made, and the pods restart with them.",
            warning=True,
        )
    data = {key: {**kept, **made}[key] for key in workload.secret_keys}
    return Credentials(data, version, SecretRef(name=name, keys=tuple(sorted(data))))


def _handed_out(run: Run) -> tuple[str, ...]:
    """Keys whose values somebody may hold: those of a Secret that was there, not of one that is merely on record."""
    entry = run.facts.inventory.get(credentials_ref(run.claim.key.name))
    known = run.facts.credentials
    return known.keys if known is not None and entry is not None and entry.uid else ()


async def _kept(run: Run, name: str) -> Mapping[str, str]:
    found = await run.ports.cluster.get_secret(run.namespace, name)
    if found is None:
        return {}
    observed, data = found
    try:
        check_owner(run, observed)
    except Stalled:
        return {}
    return data


def credentials_ref(claim: str) -> ObjectRef:
    """The credentials Secret of a claim of this name."""
    return ObjectRef(SECRET.group, SECRET.kind, credentials_name(claim))
