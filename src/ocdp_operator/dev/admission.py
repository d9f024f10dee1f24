"""The admission policies on what the operator's account may write, in a cluster of tests or of the demo."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.waiting import until

AS_OPERATOR: Final = ("--as=system:serviceaccount:ocdp-system:ocdp-operator", "--as-group=system:masters")
"""Flags of kubectl: the operator's account with every right there is, so that only admission can refuse."""
_POLICIES: Final = Path(__file__).resolve().parents[3] / "config" / "admission"
_OURS: Final = "app.kubernetes.io/name=ocdp-operator"
_SECONDS: Final = 60.0


async def install_admission(cluster: Cluster, *, ingress_domains: Sequence[str]) -> None:
    """Installs the policies; returns when the API server goes by them. The namespace ``ocdp-system`` must exist.

    Raises:
        LocalEnvironmentError: they could not be installed, or are not in force after a minute.
    """
    await cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(_POLICIES))
    data = json.dumps({"data": {"ingressDomains": ",".join(ingress_domains)}})
    settings = ("configmap", "ocdp-operator-admission", "--namespace=ocdp-system")
    await cluster.kubectl("patch", *settings, "--type=merge", "-p", data)

    async def in_force() -> bool:
        return await is_fenced(cluster)

    await until(in_force, seconds=_SECONDS, what="the admission policies are in force")


async def remove_admission(cluster: Cluster) -> None:
    """Unbinds the policies; returns when the API server no longer goes by them.

    They stay, with their parameters: of a kind whose last policy was deleted, the API server (1.36) hears nothing any more,
    and a policy that is installed again finds no parameters.
    """
    await cluster.kubectl("delete", "validatingadmissionpolicybinding", "-l", _OURS, "--ignore-not-found")

    async def gone() -> bool:
        return not await is_fenced(cluster)

    await until(gone, seconds=_SECONDS, what="the admission policies are gone")


async def is_fenced(cluster: Cluster) -> bool:
    """Whether the operator's account is refused what no right of its own forbids."""
    try:
        await cluster.kubectl(
            "create", "configmap", "fence", "--namespace=ocdp-system", "--dry-run=server", *AS_OPERATOR
        )
    except LocalEnvironmentError as error:
        return "ValidatingAdmissionPolicy" in str(error)
    return False
