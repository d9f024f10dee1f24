"""A tenant with rights in its own namespace, the objects it wants left alone, and an operator behind a faulty proxy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.cluster import Cluster, kubectl_environment
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.dev.platform import OPERATOR_ACCOUNT, OPERATOR_NAMESPACE, Platform
from ocdp_operator.dev.process import run
from ocdp_operator.model.names import OWNER
from tests.support.faulty_proxy import FaultyProxy
from tests.support.fix_operator import QUICK
from tests.support.world import Team, eventually, inventory, is_ready

_CLAIMS = {"apiGroups": ["ocdp.io"], "resources": ["workloadclaims"], "verbs": ["*"]}
_STATUS = {"apiGroups": ["*"], "resources": ["*/status"], "verbs": ["*"]}


@dataclass
class Tenant:
    """A ServiceAccount of the team's namespace with ClusterRole ``edit`` there, and all verbs on claims."""

    team: Team
    kubeconfig: Path
    has_status: bool
    """It may also write the status of everything there."""

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl printed, as the tenant. Raises LocalEnvironmentError when it was refused."""
        cluster = self.team.platform.cluster
        ended = await run(
            str(cluster.binaries.kubectl),
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.team.namespace}",
            *arguments,
            env=kubectl_environment(cluster.workdir),
            stdin=None if stdin is None else stdin.encode(),
        )
        if ended.code != 0:
            raise LocalEnvironmentError(ended.errors)
        return ended.output.decode()

    async def make(self, *bodies: dict[str, Any], manager: str = "tenant") -> None:
        """Server-side applies objects as the tenant."""
        text = yaml.safe_dump_all(bodies)
        await self.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=text)

    async def forge_status(self, claim: str, **status: Any) -> None:
        """Writes parts of a claim's status, which only a tenant with status rights can."""
        await self.patch(claim, {"status": status}, "--subresource=status")

    async def patch(self, claim: str, patch: dict[str, Any], *flags: str) -> None:
        """Merge-patches a claim, with as much as the API server takes."""
        file = "--patch-file=/dev/stdin"
        await self.kubectl("patch", "wc", claim, "--type=merge", *flags, file, stdin=json.dumps(patch))


@pytest.fixture(params=["edit", "edit+status"])
async def tenant(request: pytest.FixtureRequest, team: Team) -> Tenant:
    """The attacker; the second run adds what no role of ours gives: writing ``*/status``."""
    has_status = request.param == "edit+status"
    rules = [_CLAIMS, _STATUS] if has_status else [_CLAIMS]
    account = {"kind": "ServiceAccount", "name": "tenant", "namespace": team.namespace}
    role: dict[str, Any] = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": rules}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "subjects": [account]}
    group = "rbac.authorization.k8s.io"
    documents = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant"}},
        role | {"metadata": {"name": "tenant-claims"}},
        binding
        | {
            "metadata": {"name": "tenant-claims"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "tenant-claims"},
        },
        binding
        | {
            "metadata": {"name": "tenant-edit"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
        },
    ]
    await team.platform.kubectl("apply", "-n", team.namespace, "-f", "-", stdin=yaml.safe_dump_all(documents))
    kubeconfig = await team.platform.cluster.service_account_kubeconfig(team.namespace, "tenant")
    return Tenant(team, kubeconfig, has_status)


@dataclass
class Decoys:
    """Objects that nobody but their owner may touch, by ``kind/name``, with the versions they had."""

    team: Team
    versions: dict[str, str]

    @classmethod
    async def of(cls, team: Team, *names: str) -> Decoys:
        return cls(team, {name: await _version(team, name) for name in names})

    async def assert_untouched(self) -> None:
        """I2: each is there, as it was."""
        assert {name: await _version(self.team, name) for name in self.versions} == self.versions


async def _version(team: Team, name: str) -> str:
    found = await team.find(*name.split("/"))
    return found["metadata"]["resourceVersion"] if found else "gone"


async def assert_truthful(team: Team) -> None:
    """I3 and I5: no orphan, no entry without its object, and Ready only where the generation is what was observed."""

    async def no_orphan() -> bool:
        return not await team.orphans()

    await eventually(no_orphan, "no object is an orphan")
    live = await team.objects()
    for claim in (await team.platform.get("wc", "-n", team.namespace))["items"]:
        if not is_ready(claim):
            continue
        assert claim["status"]["observedGeneration"] == claim["metadata"]["generation"]
        missing = inventory(claim) - live.keys()
        assert not missing, f"{claim['metadata']['name']} is Ready without {missing}"


async def events(team: Team, name: str) -> list[dict[str, Any]]:
    """Everything that was told of a claim, also of one that is gone."""
    found = await team.platform.get("events", "-n", team.namespace)
    return [item for item in found["items"] if item["involvedObject"]["name"] == name]


async def told(team: Team, name: str, reason: str, part: str = "") -> dict[str, Any]:
    """The event with this reason, once it is there."""

    async def check() -> dict[str, Any] | None:
        fits = [e for e in await events(team, name) if e["reason"] == reason and part in e["message"]]
        return fits[0] if fits else None

    found: dict[str, Any] = await eventually(check, f"{reason} {part!r} is told of {name}")
    return found


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"theirs": "yes"},
    }


def service(name: str, **metadata: Any) -> dict[str, Any]:
    spec = {"ports": [{"port": 1}], "selector": {"theirs": "yes"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, **metadata}, "spec": spec}


def marked(body: dict[str, Any], claim: dict[str, Any], *, of: str = "") -> dict[str, Any]:
    """The object with our mark for this claim, copied in full: it names the object itself, or ``of`` (group/Kind/name)."""
    metadata = claim["metadata"]
    group = body["apiVersion"].rpartition("/")[0] or "core"
    itself = of or f"{group}/{body['kind']}/{body['metadata']['name']}"
    mark = f"{metadata['uid']} {metadata['namespace']}/{metadata['name']} {itself}"
    labels = {"ocdp.io/claim-uid": metadata["uid"], "ocdp.io/claim-name": metadata["name"]}
    return body | {"metadata": body["metadata"] | {"annotations": {OWNER: mark}, "labels": labels}}


@dataclass
class Proxied:
    """The one operator that runs, and the proxy through which it sees the API server."""

    proxy: FaultyProxy
    operator: OperatorProcess
    cluster: Cluster

    def meanwhile(self, team: Team, *arguments: str, stdin: str = "", tenant: Tenant | None = None) -> None:
        """What somebody does with kubectl while a request of the operator is held: past the proxy, done on return."""
        cluster = self.cluster
        kubeconfig = tenant.kubeconfig if tenant else cluster.kubeconfig
        subprocess.run(
            (str(cluster.binaries.kubectl), f"--kubeconfig={kubeconfig}", f"--namespace={team.namespace}", *arguments),
            env=kubectl_environment(cluster.workdir), input=stdin.encode(), check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture
async def proxied(
    operator: OperatorProcess, platform: Platform, control_plane: Cluster, tmp_path: Path
) -> AsyncIterator[Proxied]:
    """An operator behind a faulty proxy, in place of the session's; it looks at every claim each second or so."""
    await operator.stop()
    own = await control_plane.service_account_kubeconfig(OPERATOR_NAMESPACE, OPERATOR_ACCOUNT)
    async with FaultyProxy.started(control_plane) as proxy:
        settings = await platform.operator_settings(**QUICK)
        kubeconfig = proxy.kubeconfig(tmp_path / "proxy.kubeconfig", account=own)
        settings |= {"kubeconfig": str(kubeconfig), "resyncSeconds": 2}
        async with OperatorProcess.started(tmp_path / "operator", settings, platform.reader_dsn) as extra:
            yield Proxied(proxy, extra, control_plane)


@asynccontextmanager
async def refuse_objects(team: Team, operation: str, resource: str, name: str) -> AsyncIterator[str]:
    """A rule of the cluster's own, which refuses one operation on one object in the team's namespace; gives its name."""
    rule = f"{team.namespace}-{operation.lower()}"
    admission = "admissionregistration.k8s.io/v1"
    subject = "oldObject" if operation == "DELETE" else "object"
    matched = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": [operation], "resources": [resource]}
    documents = [
        {
            "apiVersion": admission,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": rule},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [matched]},
                "validations": [
                    {"expression": f"{subject}.metadata.name != '{name}'", "message": "the platform keeps it"}
                ],
            },
        },
        {
            "apiVersion": admission,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": rule},
            "spec": {
                "policyName": rule,
                "validationActions": ["Deny"],
                "matchResources": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}
                },
            },
        },
    ]
    kubectl = team.platform.kubectl
    # What it takes for the rule to be heard: it is asked about, and nothing is done.
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    if operation == "DELETE":
        ask = ("delete", resource, name, "-n", team.namespace, "--dry-run=server")
    else:
        ask = ("create", "-n", team.namespace, "--dry-run=server", "-f", "-")

    async def heard() -> bool:
        try:
            await kubectl(*ask, stdin=yaml.safe_dump(probe))
        except LocalEnvironmentError as error:
            return "the platform keeps it" in str(error)
        return False

    await kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    try:
        await eventually(heard, "the rule is in force")
        yield rule
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            await kubectl("delete", kind, rule, "--ignore-not-found")
