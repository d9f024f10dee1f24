"""The context guard: tests and demo touch our own control plane, or a cluster that somebody named on purpose.

Nothing here reads ``KUBECONFIG`` or ``~/.kube/config``. A kubeconfig that is named must hold exactly one context, so that
naming the file names the cluster.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.cluster import Cluster, read_login
from ocdp_operator.dev.controlplane import ControlPlane
from ocdp_operator.dev.errors import UnnamedClusterError
from ocdp_operator.dev.state import state_directory

SEALED: Final[Mapping[str, str]] = {"KUBECONFIG": os.devnull}
"""For the environment of tests: a tool that is not told its cluster finds none."""


@asynccontextmanager
async def chosen_cluster(named: Path | None) -> AsyncIterator[Cluster]:
    """The cluster that ``named`` is the kubeconfig of; without it, a control plane of our own for the block.

    Raises:
        UnnamedClusterError: ``named`` does not name exactly one cluster.
        LocalEnvironmentError: a part of our own control plane is missing or did not start.
    """
    if named is None:
        async with ControlPlane.start() as plane:
            yield plane
        return
    require_one_context(named)
    binaries = await Binaries.locate()
    with state_directory("named") as workdir:
        yield Cluster(named, await read_login(named, binaries, workdir), binaries, workdir)


def require_one_context(kubeconfig: Path) -> str:
    """The name of the only context in ``kubeconfig``.

    Raises:
        UnnamedClusterError: there is no such file, or it holds no context or several.
    """
    try:
        document: Any = yaml.safe_load(kubeconfig.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UnnamedClusterError(f"{kubeconfig.name} is not a kubeconfig that can be read.") from error
    contexts = document.get("contexts") if isinstance(document, dict) else None
    if not isinstance(contexts, list) or len(contexts) != 1:
        raise UnnamedClusterError(
            f"{kubeconfig.name} must hold exactly one context, so that it names one cluster on purpose. Write one with "
            "`kubectl config view --minify --flatten --context NAME`."
        )
    return str(contexts[0]["name"])


def require_known(kubeconfig: Path, cluster: Cluster) -> None:
    """Returns when ``kubeconfig`` leads to ``cluster`` and nowhere else.

    Raises:
        UnnamedClusterError: it names another server, or several.
    """
    require_one_context(kubeconfig)
    document: Any = yaml.safe_load(kubeconfig.read_text())
    servers = {entry["cluster"]["server"] for entry in document.get("clusters", ())}
    if servers != {cluster.server}:
        raise UnnamedClusterError(
            f"{kubeconfig.name} leads to another cluster than the one this run may use ({cluster.server})."
        )
