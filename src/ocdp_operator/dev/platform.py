"""What a platform team does with a cluster and a catalog, through the commands it would use: kubectl and ocdp."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
import yaml

from ocdp_operator.dev.admission import install_admission
from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.gitserver import GitServer
from ocdp_operator.dev.postgres import EmbeddedPostgres

PROJECT: Final = Path(__file__).resolve().parents[3]
"""The checkout: ``config/``, ``crds/``, ``apps/`` and ``examples/`` are files of it, not of the package."""
CLUSTER_ID: Final = "local"
OPERATOR_NAMESPACE: Final = "ocdp-system"
OPERATOR_ACCOUNT: Final = "ocdp-operator"
INGRESS_DOMAINS: Final = ("apps.example.test",)
"""What the operator's settings and the admission policy on Ingresses allow."""
_CRDS: Final = ("workloadclaims.ocdp.io", "workloads.ocdp.io")
_READER: Final = "ocdp_reader"
_READER_PASSWORD: Final = "reader"  # noqa: S105 - of a database on loopback that lives for one run
_COMMAND_SECONDS: Final = 120.0
_RENEWAL_SECONDS: Final = 150.0
"""Between two tokens, each of which is valid for 600 s."""
_RETRY_SECONDS: Final = 5.0


@dataclass(slots=True)
class Platform:
    """A cluster with the operator's CRDs and rights, a migrated catalog, and allowed sources."""

    cluster: Cluster
    postgres: EmbeddedPostgres
    git: GitServer
    workdir: Path
    database: str = "catalog"

    @property
    def dsn(self) -> str:
        """The platform team's own: it may write."""
        return self.postgres.dsn(self.database)

    @property
    def reader_dsn(self) -> str:
        """The operator's: it may only read."""
        url = urlsplit(self.dsn)
        return urlunsplit(url._replace(netloc=f"{_READER}:{_READER_PASSWORD}@{url.hostname}:{url.port}"))

    @property
    def settings_file(self) -> Path:
        """Settings for publishing: the same origins as the operator's."""
        return self.workdir / "publishing.yaml"

    async def prepare(self) -> None:
        """Installs CRDs, RBAC and admission policies into the cluster, and makes the catalog."""
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.settings_file.write_text(yaml.safe_dump(self._common_settings()))
        await self.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "crds"))
        await self.kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{crd}" for crd in _CRDS)
        )
        await self.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "rbac"))
        await install_admission(self.cluster, ingress_domains=INGRESS_DOMAINS)
        await self._create_database()
        await self.ocdp("catalog", "migrate")
        await self.ocdp("catalog", "grant", "--role", _READER)
        await self.ocdp(
            "cluster", "apply", "-f", "-", stdin=yaml.safe_dump({"kind": "Cluster", "id": CLUSTER_ID})
        )

    @asynccontextmanager
    async def renewing_token(self) -> AsyncIterator[None]:
        """Renews the operator's token every few minutes, as a kubelet does, for as long as the block runs."""
        task = asyncio.create_task(self._renew_token(), name="token of the operator")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _renew_token(self) -> None:
        pause = _RENEWAL_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                await self.cluster.renew_token(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
                pause = _RENEWAL_SECONDS
            except (LocalEnvironmentError, TimeoutError):
                pause = _RETRY_SECONDS  # the account or the API server is away for a while

    async def operator_settings(self, **changes: Any) -> dict[str, Any]:
        """The operator's settings file: its own account, the allowed origin, the kustomize of the control plane."""
        kubeconfig = await self.cluster.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
        return {
            **self._common_settings(),
            "clusterId": CLUSTER_ID,
            "kubeconfig": str(kubeconfig),
            "allowedIngressDomains": list(INGRESS_DOMAINS),
            **changes,
        }

    async def place(self, workspace: str, namespace: str, *, customer: str = "acme") -> None:
        """Registers a workspace, and makes its namespace as ``ocdp workspace manifest`` says."""
        document = {
            "kind": "Workspace",
            "id": workspace,
            "customer": customer,
            "placements": [{"cluster": CLUSTER_ID, "namespace": namespace}],
        }
        await self.ocdp("workspace", "apply", "-f", "-", stdin=yaml.safe_dump(document))
        manifest = await self.ocdp("workspace", "manifest", workspace, "--cluster", CLUSTER_ID)
        await self.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)

    async def publish(self, template: Mapping[str, Any]) -> None:
        """Publishes a revision of a template."""
        await self.ocdp("template", "apply", "-f", "-", stdin=yaml.safe_dump(dict(template)))

    async def bind(self, template: str, workspace: str) -> None:
        """Offers a template to a workspace."""
        document = {"kind": "AccessBinding", "template": template, "workspace": workspace}
        await self.ocdp("binding", "apply", "-f", "-", stdin=yaml.safe_dump(document))

    async def profile(self, profile: Mapping[str, Any]) -> None:
        """Publishes a revision of an environment profile."""
        await self.ocdp("profile", "apply", "-f", "-", stdin=yaml.safe_dump(dict(profile)))

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl printed, as the cluster's administrator."""
        return await self.cluster.kubectl(*arguments, stdin=stdin)

    async def get(self, *arguments: str) -> dict[str, Any]:
        """What ``kubectl get -o json`` returned."""
        found: dict[str, Any] = json.loads(await self.kubectl("get", *arguments, "-o", "json"))
        return found

    async def ocdp(self, *arguments: str, stdin: str | None = None) -> str:
        """What the ``ocdp`` command printed.

        Raises:
            LocalEnvironmentError: it failed, with what it said.
        """
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ocdp_operator",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.workdir),
                "COLUMNS": "160",
                "OCDP_CATALOG_DSN": self.dsn,
                "OCDP_SETTINGS": str(self.settings_file),
            },
        )
        async with asyncio.timeout(_COMMAND_SECONDS):
            output, errors = await child.communicate((stdin or "").encode())
        if child.returncode != 0:
            raise LocalEnvironmentError(f"ocdp {' '.join(arguments[:2])}: {errors.decode().strip()}")
        return output.decode()

    def _common_settings(self) -> dict[str, Any]:
        return {
            "origins": [{"origin": self.git.origin, "insecure": True}],
            "kustomize": str(self.cluster.binaries.kustomize),
        }

    async def _create_database(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.postgres.dsn(), autocommit=True) as connection:
            await connection.execute(f'CREATE DATABASE "{self.database}"')
            await connection.execute(f"CREATE ROLE {_READER} LOGIN PASSWORD '{_READER_PASSWORD}'")
