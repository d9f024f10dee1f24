"""A ``Cluster``, and what other people do to the same objects: on the fake, and on a real API server through kubectl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ocdp_operator.adapters.cluster import KubeClient, KubeCluster
from ocdp_operator.dev.cluster import Cluster as LocalCluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.events import ObjectEvent
from ocdp_operator.model.kinds import CLAIM, WORKLOAD
from ocdp_operator.model.names import CLAIM_NAME, CLAIM_UID, OWNER
from ocdp_operator.model.objects import Manifest, Mark, ObjectRef, Observed
from ocdp_operator.reconcile.ports import Cluster
from tests.support.fakes_cluster import FakeCluster

Raw = dict[str, Any]

PROJECT = Path(__file__).parents[2]
CLAIM_UID_OF_TESTS = "22222222-2222-4222-8222-222222222222"
OTHER_UID = "33333333-3333-4333-8333-333333333333"


class World(Protocol):
    """One namespace of a cluster."""

    namespace: str
    cluster: Cluster

    @property
    def writes(self) -> int: ...
    async def create_claim(self, name: str, **spec: Any) -> WorkloadClaim: ...
    async def change_claim(self, key: ClaimKey) -> None: ...
    async def delete_claim(self, key: ClaimKey) -> None: ...
    async def create(self, body: Raw) -> None: ...
    async def edit(self, ref: ObjectRef, change: Raw) -> None: ...
    async def strip_managers(self, ref: ObjectRef) -> None: ...
    async def remove(self, ref: ObjectRef) -> None: ...
    async def live(self, ref: ObjectRef) -> Raw | None: ...
    async def told(self, name: str) -> str: ...
    async def tell(
        self, about: Observed, reason: str, message: str, at: str, *, warning: bool = False
    ) -> None: ...


@dataclass
class FakeWorld:
    """The fake."""

    fake: FakeCluster
    namespace: str

    @property
    def cluster(self) -> Cluster:
        return self.fake

    @property
    def writes(self) -> int:
        return self.fake.writes

    async def create_claim(self, name: str, **spec: Any) -> WorkloadClaim:
        return self.fake.put_claim(ClaimKey(self.namespace, name), **spec)

    async def change_claim(self, key: ClaimKey) -> None:
        self.fake.annotate_claim(key, touched="yes")

    async def delete_claim(self, key: ClaimKey) -> None:
        self.fake.delete_claim(key)

    async def create(self, body: Raw) -> None:
        self.fake.put(self.namespace, body)

    async def edit(self, ref: ObjectRef, change: Raw) -> None:
        self.fake.edit(self.namespace, ref, change)

    async def strip_managers(self, ref: ObjectRef) -> None:
        self.fake.strip_managers(self.namespace, ref)

    async def remove(self, ref: ObjectRef) -> None:
        self.fake.remove(self.namespace, ref)

    async def live(self, ref: ObjectRef) -> Raw | None:
        return self.fake.objects.get((self.namespace, ref))

    async def tell(
        self, about: Observed, reason: str, message: str, at: str, *, warning: bool = False
    ) -> None:
        self.fake.told.setdefault(about.uid, []).append(ObjectEvent(reason, message, at, warning))

    async def told(self, name: str) -> str:
        return "\n".join(
            f"{'Warning' if e.warning else 'Normal'} {e.reason} {e.message}" for e in self.fake.events
        )


@dataclass
class RealWorld:
    """A namespace of a real cluster; other people are kubectl, as the administrator."""

    control_plane: LocalCluster
    client: KubeClient
    namespace: str

    def __post_init__(self) -> None:
        self.cluster: Cluster = KubeCluster(self.client)

    @property
    def writes(self) -> int:
        return self.client.writes

    async def create_claim(self, name: str, **spec: Any) -> WorkloadClaim:
        metadata = {"name": name, "namespace": self.namespace}
        await self.create(
            {"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, "metadata": metadata, "spec": spec}
        )
        claim = await self.cluster.get_claim(ClaimKey(self.namespace, name))
        assert claim is not None
        return claim

    async def change_claim(self, key: ClaimKey) -> None:
        await self.kubectl("annotate", "wc", key.name, "touched=yes")

    async def delete_claim(self, key: ClaimKey) -> None:
        await self.kubectl("delete", "wc", key.name, "--wait=false")

    async def create(self, body: Raw) -> None:
        await self.kubectl("create", "-f", "-", stdin=json.dumps(body))

    async def edit(self, ref: ObjectRef, change: Raw) -> None:
        await self.kubectl("patch", _target(ref), ref.name, "--type=strategic", "-p", json.dumps(change))

    async def strip_managers(self, ref: ObjectRef) -> None:
        patch = {"metadata": {"managedFields": [{}]}}
        await self.kubectl("patch", _target(ref), ref.name, "--type=merge", "-p", json.dumps(patch))

    async def remove(self, ref: ObjectRef) -> None:
        await self.kubectl("delete", _target(ref), ref.name)

    async def live(self, ref: ObjectRef) -> Raw | None:
        try:
            found = await self.kubectl("get", _target(ref), ref.name, "-o", "json", "--show-managed-fields")
        except LocalEnvironmentError as error:
            if "NotFound" in str(error):
                return None
            raise
        return dict(json.loads(found))

    async def bound(self, claim: str) -> None:
        """Returns when a claim for a volume is bound."""
        await self.kubectl("wait", f"pvc/{claim}", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")

    async def told(self, name: str) -> str:
        described = await self.kubectl("describe", "wc", name)
        return " ".join(described.partition("Events:")[2].split())

    async def tell(
        self, about: Observed, reason: str, message: str, at: str, *, warning: bool = False
    ) -> None:
        ref = about.ref
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{ref.name}."},
            "involvedObject": {
                "kind": ref.kind,
                "name": ref.name,
                "namespace": self.namespace,
                "uid": about.uid,
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message,
            "firstTimestamp": at,
            "lastTimestamp": at,
        }
        await self.create(body)

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return await self.control_plane.kubectl("-n", self.namespace, *arguments, stdin=stdin)


async def install_crds(control_plane: LocalCluster) -> None:
    """Installs the CRDs as an administrator would, and returns when claims can be made."""
    crds = [f"crd/{kind.plural}.{kind.group}" for kind in (CLAIM, WORKLOAD)]
    await control_plane.kubectl("apply", "--server-side", "-k", str(PROJECT / "config" / "crds"))
    await control_plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", *crds)


def _target(ref: ObjectRef) -> str:
    kind = ref.known_kind
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def marked(body: Raw, namespace: str, *, claim: str = "ide", claim_uid: str = CLAIM_UID_OF_TESTS) -> Manifest:
    """The manifest of a claim's object, with mark and labels."""
    plain = Manifest.of(body)
    metadata = {
        **body["metadata"],
        "namespace": namespace,
        "labels": {**body["metadata"].get("labels", {}), CLAIM_UID: claim_uid, CLAIM_NAME: claim},
        "annotations": {
            **body["metadata"].get("annotations", {}),
            OWNER: str(Mark(claim_uid, namespace, claim, plain.ref)),
        },
    }
    return Manifest(plain.ref, {**body, "metadata": metadata})


def config_map(name: str = "ide-config", **data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str = "ide-credentials", **data: str) -> Raw:
    """``data`` in base64."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def service(name: str = "ide", **spec: Any) -> Raw:
    ports = [{"name": "http", "port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": ports} | spec,
    }


def deployment(name: str = "ide", **pod: Any) -> Raw:
    """A Deployment that Pod Security lets through; ``pod`` changes its pod's spec."""
    labels = {"app.kubernetes.io/name": name}
    container = {
        "name": "app",
        "image": "app:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    } | pod
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": {**labels, CLAIM_NAME: "ide"}}, "spec": spec},
        },
    }


def stateful_set(name: str = "ide") -> Raw:
    """A StatefulSet of no pods, so that it goes at once."""
    body = deployment(name)
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    spec = body["spec"] | {
        "replicas": 0,
        "serviceName": name,
        "persistentVolumeClaimRetentionPolicy": retention,
    }
    return body | {"kind": "StatefulSet", "spec": spec}


def workload() -> Manifest:
    """A claim's Workload, unmarked."""
    spec = {
        "claim": "ide",
        "templateId": "code-server",
        "templateRevision": 1,
        "workspaceId": "team-a",
        "source": {"repositoryUrl": "https://git.test/a.git", "path": "a", "ref": "v1", "commit": "c" * 40},
        "inputDigest": "1" * 16,
    }
    body = {
        "apiVersion": WORKLOAD.api_version,
        "kind": WORKLOAD.kind,
        "metadata": {"name": "ide"},
        "spec": spec,
    }
    return Manifest.of(body)


async def until(check: Callable[[], Any], what: str, *, seconds: float = 60.0) -> None:
    """Returns when the check holds; fails with ``what`` when it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while not check():  # noqa: ASYNC110 - what is waited for happens elsewhere
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None
