"""No Ingress of ours takes a host that another Ingress of the cluster has (design 4.9): the first keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from ocdp_operator.errors import Reason, Waiting
from ocdp_operator.model.hosts import hosts_of
from ocdp_operator.model.kinds import INGRESS
from ocdp_operator.model.objects import Manifest, Observed
from ocdp_operator.reconcile.run import Run


@asynccontextmanager
async def hosts_taken(run: Run, manifests: Sequence[Manifest]) -> AsyncIterator[None]:
    """Lets the block apply these Ingresses; their hosts are this claim's while it runs.

    Hosts that its own Ingresses have already are not looked at: only a new one may be somebody else's. Raises
    Waiting(HostTaken) when one is, and ClusterUnavailable while it is not known.
    """
    ingresses = [manifest for manifest in manifests if manifest.ref.kind == INGRESS.kind]
    wanted = {host for manifest in ingresses for host in hosts_of(manifest.body)}
    new = sorted(wanted - _own(run))
    for host in new:
        holder = run.reservations.holder(host)
        if holder is not None and holder != run.claim.key:
            raise _taken(run, host, holder.namespace, f"the claim {holder.name}")
    with run.reservations.held(run.claim.key, new):
        if new:
            await _check_free(run, new, ingresses)
        yield


def _own(run: Run) -> set[str]:
    live = run.ports.observations.of_claim(run.namespace, run.claim.uid).values()
    inventory = run.facts.inventory
    return {
        host
        for seen in live
        if seen.ref.kind == INGRESS.kind
        and (entry := inventory.get(seen.ref)) is not None
        and run.owns(seen, recorded_uid=entry.uid)
        for host in hosts_of(seen.body)
    }


async def _check_free(run: Run, hosts: Sequence[str], ingresses: Sequence[Manifest]) -> None:
    """Looks at the Ingresses of claims, which the watches know, and then at all others, by one list."""
    observations = run.ports.observations
    if not observations.is_listed(INGRESS):
        raise Waiting(
            Reason.CLUSTER_UNAVAILABLE, "It is not known yet which hosts the Ingresses of the cluster have."
        )
    # One of the same name in this namespace takes nothing from us: whether it is ours is found out when it is applied.
    same = {manifest.ref for manifest in ingresses}

    def others(seen: Iterable[Observed]) -> Iterable[Observed]:
        return (each for each in seen if each.namespace != run.namespace or each.ref not in same)

    _refuse(run, hosts, others(observations.all_of(INGRESS)))
    _refuse(run, hosts, others(await run.ports.cluster.foreign_ingresses()))


def _refuse(run: Run, hosts: Sequence[str], others: Iterable[Observed]) -> None:
    for other in others:
        for host in hosts:
            if host in hosts_of(other.body) and not run.owns(other):
                raise _taken(run, host, other.namespace, str(other.ref))


def _taken(run: Run, host: str, namespace: str, holder: str) -> Waiting:
    """Names the holder to who may see it: to another tenant it is nobody's business."""
    who = holder if namespace == run.namespace else "an Ingress of another namespace"
    return Waiting(Reason.HOST_TAKEN, f"The host {host} is taken by {who}, which keeps it.")
