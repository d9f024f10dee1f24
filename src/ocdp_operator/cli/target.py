"""Which cluster and namespace a command works in, as with kubectl: ``--kubeconfig``, ``--context``, ``--namespace``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from ocdp_operator.adapters.cluster.client import KubeClient
from ocdp_operator.adapters.cluster.connection import Login
from ocdp_operator.adapters.cluster.kubeconfig import SEPARATOR
from ocdp_operator.errors import SettingsError

Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig",
        envvar="KUBECONFIG",
        show_default="~/.kube/config",
        metavar="FILE",
        help="The kubeconfig; several files, with : between them, are merged.",
    ),
]
Context = Annotated[
    str | None,
    typer.Option("--context", show_default="the current one", metavar="NAME", help="A context of it."),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", show_default="the context's", metavar="NAME", help="Where to look for claims."
    ),
]

_NO_KUBECONFIG: Final = "Put the one that your cluster's operator gave you at ~/.kube/config, or name it with --kubeconfig or KUBECONFIG."
_OTHER_KUBECONFIG: Final = (
    "Name a kubeconfig with --kubeconfig or KUBECONFIG, and one of its contexts with --context."
)


@asynccontextmanager
async def target(
    kubeconfig: str | None, context: str | None, namespace: str | None
) -> AsyncIterator[tuple[KubeClient, str]]:
    """A client for the cluster, and the namespace to work in: the one given, the context's, or ``default``.

    Raises SettingsError when there is no kubeconfig and no account of a pod, or when it cannot be used.
    """
    files = _files(kubeconfig)
    login = Login(files, context)
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(KubeClient(login))
        except SettingsError as error:
            if files is None:
                raise SettingsError("There is no kubeconfig.", remedy=_NO_KUBECONFIG) from None
            raise SettingsError(str(error), remedy=_OTHER_KUBECONFIG) from None
        yield client, namespace or login.namespace or "default"


def _files(kubeconfig: str | None) -> list[Path] | None:
    """The files, in kubectl's order of places; None: the pod's own account."""
    named = [Path(each).expanduser() for each in (kubeconfig or "").split(SEPARATOR) if each]
    if named:
        return named
    usual = Path("~/.kube/config").expanduser()
    return [usual] if usual.exists() else None
