"""A Kubernetes cluster that tests and the demo may use."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Final

from ocdp_operator.dev.binaries import Binaries
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.kubeconfig import Login, write_kubeconfig, write_private
from ocdp_operator.dev.process import run

_VALIDITY: Final = "600s"
"""The shortest that a TokenRequest may ask for."""


class Cluster:
    """One cluster, reached by one kubeconfig and never by another."""

    def __init__(self, kubeconfig: Path, login: Login, binaries: Binaries, workdir: Path) -> None:
        self.kubeconfig = kubeconfig
        """The administrator's."""
        self.server = login.server
        """The API server's URL."""
        self.binaries = binaries
        self.workdir = workdir
        """A private directory for files of this run."""
        self._authority = login.authority

    @property
    def ca_file(self) -> Path:
        """The PEM file of the authority behind the API server's certificate.

        Raises:
            LocalEnvironmentError: it is one that the machine trusts anyway, and the kubeconfig holds none.
        """
        if not self._authority:
            raise LocalEnvironmentError("The kubeconfig holds no certificate authority: add it to the file.")
        path = self.workdir / "ca.crt"
        if not path.exists():
            path.write_text(self._authority)
        return path

    @property
    def audit_log(self) -> Path:
        """A file with one JSON event a line for every change that anybody asked for.

        Raises:
            LocalEnvironmentError: only our own control plane has one that can be read.
        """
        raise LocalEnvironmentError(
            "The audit log of a named cluster is out of reach: run this without --kubeconfig."
        )

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What ``kubectl`` printed, as the administrator of this cluster.

        Raises:
            LocalEnvironmentError: it failed, with what it wrote.
        """
        ended = await run(
            str(self.binaries.kubectl),
            f"--kubeconfig={self.kubeconfig}",
            *arguments,
            env=kubectl_environment(self.workdir),
            stdin=None if stdin is None else stdin.encode(),
        )
        if ended.code != 0:
            raise LocalEnvironmentError(f"kubectl {' '.join(arguments[:3])} failed: {ended.errors[:1000]}")
        return ended.output.decode()

    async def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig of this ServiceAccount, whose token is in a file and is renewed by ``renew_token``.

        Raises:
            LocalEnvironmentError: there is no such account.
        """
        directory = self.workdir / "accounts" / namespace
        login = Login(
            self.server,
            self._authority,
            user=f"system:serviceaccount:{namespace}:{name}",
            token="",
            namespace=namespace,
            token_file=directory / f"{name}.token",
        )
        await self.renew_token(namespace, name)
        return write_kubeconfig(directory / f"{name}.kubeconfig", login)

    async def renew_token(self, namespace: str, name: str) -> None:
        """Writes a new token of this ServiceAccount (TokenRequest) to its file, valid for as short as there is.

        Raises:
            LocalEnvironmentError: there is no such account.
        """
        token = await self.kubectl(
            "create", "token", name, f"--namespace={namespace}", f"--duration={_VALIDITY}"
        )
        file = self.workdir / "accounts" / namespace / f"{name}.token"
        fresh = file.with_suffix(".new")
        write_private(fresh, token.strip())
        fresh.replace(file)  # as the kubelet does it: a reader finds the old one or the new one, whole


def kubectl_environment(workdir: Path) -> dict[str, str]:
    """An environment in which kubectl finds no other cluster and leaves nothing in the home directory."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(workdir),
        "KUBECONFIG": os.devnull,
        "KUBECACHEDIR": str(workdir / "kubectl-cache"),
    }


async def read_login(kubeconfig: Path, binaries: Binaries, workdir: Path) -> Login:
    """Server and authority of the only context in ``kubeconfig`` (kubectl reads it, as it would for a user).

    Raises:
        LocalEnvironmentError: the file is unusable.
    """
    view = ("config", "view", "--minify", "--flatten", "--raw", "--output=json")
    ended = await run(
        str(binaries.kubectl), f"--kubeconfig={kubeconfig}", *view, env=kubectl_environment(workdir)
    )
    if ended.code != 0:
        raise LocalEnvironmentError(f"The kubeconfig cannot be used: {ended.errors[:300]}")
    cluster = json.loads(ended.output)["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster.get("certificate-authority-data", "")).decode()
    return Login(cluster["server"], authority, user="", token="")
