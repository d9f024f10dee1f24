"""What is sent to an object that lives, where some of its fields are left to others."""

from __future__ import annotations

from ocdp_operator.model.ignoring import ignored_paths
from ocdp_operator.model.objects import Manifest
from ocdp_operator.plan.ignoring import as_it_lives, as_to, without_replicas
from ocdp_operator.reconcile.run import Run


async def as_to_live(run: Run, manifest: Manifest) -> Manifest:
    """The manifest as it is sent to the object of its name; one GET where the template ignores fields of it.

    The digest by which the object is known to be sent does not depend on it. Raises like ``Cluster.read``.
    """
    if ignored_paths(manifest.body["metadata"]):
        raw = await run.ports.cluster.read(run.namespace, manifest.ref)
        return manifest if raw is None else as_to(manifest, raw)
    seen = run.ports.observations.of_claim(run.namespace, run.claim.uid).get(manifest.ref)
    return without_replicas(manifest) if seen is not None and seen.autoscaled else manifest


async def as_it_was(run: Run, manifest: Manifest) -> Manifest:
    """The manifest by which an object is made anew that lives still: with what others set in it. Raises like ``Cluster.read``."""
    raw = await run.ports.cluster.read(run.namespace, manifest.ref)
    return manifest if raw is None else as_it_lives(manifest, raw)
