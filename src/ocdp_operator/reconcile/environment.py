"""The claim's objects as they are, of which a rendering takes what can never change: classes, and the sizes of volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ocdp_operator.model.kinds import PVC
from ocdp_operator.model.names import ADOPT
from ocdp_operator.model.objects import Manifest, ObjectRef, Observed
from ocdp_operator.reconcile.run import Run


async def as_they_live(run: Run, manifests: Iterable[Manifest]) -> Mapping[ObjectRef, Observed]:
    """The claim's own objects, as the watches and our own writes saw them last, and those that it is to take over."""
    live: dict[ObjectRef, Observed] = {
        ref: seen
        for ref, seen in run.ports.observations.of_claim(run.namespace, run.claim.uid).items()
        if run.owns(seen)
    }
    if run.claim.annotations.get(ADOPT):
        # What is about to be taken over still carries the former claim's label, and its volumes have their class.
        for ref in (each.ref for each in manifests if each.ref.kind == PVC.kind):
            if ref not in live and (seen := await run.ports.cluster.get(run.namespace, ref)) is not None:
                live[ref] = seen
    return live
