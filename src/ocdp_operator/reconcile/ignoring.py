"""What is sent to an object that lives, where some of its fields are left to others."""

from __future__ import annotations

from ocdp_operator.errors import ReconcileError
from ocdp_operator.model.ignoring import ignored_paths
from ocdp_operator.model.objects import Manifest, is_autoscaled
from ocdp_operator.plan.ignoring import as_it_lives, as_to, without_replicas
from ocdp_operator.reconcile.run import Run


async def as_to_live(run: Run, manifest: Manifest) -> Manifest:
    """The manifest as it is sent to the object of its name; one GET where the template ignores fields of it.

    Replicas that an autoscaler set are left to it while there is one, which costs a LIST.

    The digest by which the object is known to be sent does not depend on it. Raises like ``Cluster.read``.
    """
    if ignored_paths(manifest.body["metadata"]):
        raw = await run.ports.cluster.read(run.namespace, manifest.ref)
        if raw is None:
            return manifest
        manifest, scaled = as_to(manifest, raw), is_autoscaled(manifest.ref.kind, raw["metadata"])
    else:
        seen = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(manifest.ref)
        scaled = seen is not None and seen.autoscaled
    return without_replicas(manifest) if scaled and await _is_autoscaled_yet(run, manifest) else manifest


async def as_it_was(run: Run, manifest: Manifest) -> Manifest:
    """The manifest by which an object is made anew that lives still: with what others set in it. Raises like ``Cluster.read``."""
    raw = await run.ports.cluster.read(run.namespace, manifest.ref)
    if raw is None:
        return manifest
    scaled = is_autoscaled(manifest.ref.kind, raw["metadata"])
    return as_it_lives(manifest, raw, autoscaled=scaled and await _is_autoscaled_yet(run, manifest))


async def _is_autoscaled_yet(run: Run, manifest: Manifest) -> bool:
    """Whether an autoscaler is there still: what it set stays its own in ``managedFields`` when it is gone.

    Where nobody can tell, it is: replicas that are sent take pods away from one.
    """
    try:
        return manifest.ref in await run.ports.cluster.autoscaled_objects(run.namespace)
    except ReconcileError:
        return True
