"""The demonstration: everything on this machine, from a claim to a Ready workload."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ocdp_operator.dev.environment import LocalEnvironment
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import PROJECT, Platform
from ocdp_operator.dev.waiting import until

_READY_SECONDS: Final = 120.0
_EXAMPLES: Final = PROJECT / "examples"

Say = Callable[[str], None]


@dataclass(slots=True)
class Demo:
    """The running parts of the demonstration."""

    platform: Platform
    operator: OperatorProcess
    repository_url: str

    @classmethod
    @asynccontextmanager
    async def started(cls, say: Say) -> AsyncIterator[Demo]:
        """Control plane, PostgreSQL, Git server and operator, with the CRDs installed and an empty catalog."""
        async with AsyncExitStack() as stack:
            say(
                "Starting a Kubernetes control plane, PostgreSQL and a Git server with this repository's apps/"
            )
            environment = await stack.enter_async_context(LocalEnvironment.start(PROJECT))
            workdir = environment.cluster.workdir / "demo"
            platform = Platform(environment.cluster, environment.postgres, environment.git, workdir)
            say("Installing the CRDs and the operator's rights; migrating the catalog")
            await platform.prepare()
            say("Starting the operator as its own ServiceAccount")
            await stack.enter_async_context(platform.renewing_token())
            # No Lease: one operator runs here, and a laptop that slept would have lost it.
            settings = await platform.operator_settings(catalogPollSeconds=2, probeSeconds=2, leaseSeconds=0)
            operator = await stack.enter_async_context(
                OperatorProcess.started(workdir / "operator", settings, platform.reader_dsn)
            )
            yield cls(platform, operator, environment.repository_url)

    async def load_catalog(self, say: Say) -> None:
        """Places the example workspaces, and publishes the profiles of their environment and the example templates."""
        for document in _documents(_EXAMPLES / "catalog"):
            if document["kind"] == "Workspace":
                say(f"Placing the workspace {document['id']}")
                placement = document["placements"][0]
                await self.platform.place(
                    document["id"], placement["namespace"], customer=document["customer"]
                )
        for document in _documents(_EXAMPLES / "profiles"):
            say(f"Publishing the environment profile {document['id']}")
            await self.platform.profile(document)
            if labels := document.get("nodeSelector"):
                # The pool that the profile sends pods to is every node here.
                pairs = (f"{name}={value}" for name, value in labels.items())
                await self.platform.kubectl("label", "nodes", "--all", "--overwrite", *pairs)
        for document in _documents(_EXAMPLES / "templates"):
            say(f"Publishing the template {document['id']}")
            source = {**document["source"], "repositoryUrl": self.repository_url}
            await self.platform.publish({**document, "source": source})
        for document in _documents(_EXAMPLES / "catalog"):
            if document["kind"] == "AccessBinding":
                await self.platform.bind(document["template"], document["workspace"])

    async def apply_claims(self, say: Say) -> None:
        """Applies the example claims with kubectl and waits until all are Ready.

        Raises:
            LocalEnvironmentError: they are not Ready in time; with what each claim says.
        """
        say("kubectl apply -f examples/secrets -f examples/claims")
        await self.platform.kubectl(
            "apply", "-f", str(_EXAMPLES / "secrets"), "-f", str(_EXAMPLES / "claims")
        )
        try:
            await until(self._all_ready, what="every claim to be Ready", seconds=_READY_SECONDS, every=0.5)
        except LocalEnvironmentError as error:
            claims = await self.platform.kubectl("get", "wc", "-A", "-o", "wide")
            raise LocalEnvironmentError(
                f"{error}\n{claims}\nThe operator logged last:\n{self.operator.tail()}"
            ) from error

    async def shown(self) -> str:
        """What a user looks at: claims and Workloads, the objects of one, and where each answers and has its credentials."""
        claims = (await self.platform.get("wc", "-A"))["items"]
        namespace, name = claims[0]["metadata"]["namespace"], claims[0]["metadata"]["name"]
        mine = ("-n", namespace, "-l", f"ocdp.io/claim-name={name}")
        commands = (
            ("get", "wc", "-A"),
            ("get", "wl", "-A"),
            ("get", "deploy,svc,ingress,netpol,pdb,pvc,cm,secret,sa", *mine),
            ("get", "pods", *mine),
        )
        shown = [
            f"$ kubectl {' '.join(command)}\n{await self.platform.kubectl(*command)}" for command in commands
        ]
        return "\n".join((*shown, *(_reached(claim) for claim in claims)))

    def exports(self) -> dict[str, str]:
        """Variables under which ``ocdp`` and ``kubectl`` find everything here."""
        return {
            "KUBECONFIG": str(self.platform.cluster.kubeconfig),
            "OCDP_CATALOG_DSN": self.platform.dsn,
            "OCDP_SETTINGS": str(self.platform.settings_file),
            "APPS_REPOSITORY": self.repository_url,
        }

    async def _all_ready(self) -> bool:
        claims = (await self.platform.get("wc", "-A"))["items"]
        return bool(claims) and all(_is_ready(claim) for claim in claims)


def _reached(claim: dict[str, Any]) -> str:
    metadata, status = claim["metadata"], claim["status"]
    answers = (
        f"{metadata['name']} ({claim['spec']['templateId']}) answers at {status.get('url', 'no address yet')}"
    )
    secret = status.get("credentialsSecretRef")
    if not secret:
        return f"{answers}."
    keys = ", ".join(secret["keys"])
    return f"{answers}; credentials: Secret/{secret['name']} ({keys}) in {metadata['namespace']}."


def _is_ready(claim: dict[str, Any]) -> bool:
    conditions = claim.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _documents(folder: Path) -> list[dict[str, Any]]:
    return [
        document
        for file in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document is not None
    ]
