"""A reconciler over fakes: one claim, a catalog answer, a rendering, and a cluster in memory that can crash us."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocdp_operator.errors import CATALOG, Dependency, Reason, Waiting
from ocdp_operator.model.claim import ClaimKey, WorkloadClaim
from ocdp_operator.model.names import CLAIM_NAME, WORKSPACE, credentials_name
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.profile import ProfileRef, ProfileRevision
from ocdp_operator.model.secrets import GenerateRule
from ocdp_operator.model.source import Artifact, Overlay, PinnedSource, Rendering
from ocdp_operator.model.template import CatalogAnswer, CatalogQuestion, TemplateRevision
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.parking import Parking
from ocdp_operator.reconcile.ports import Ports
from ocdp_operator.reconcile.queue import ClaimQueue
from ocdp_operator.reconcile.reconciler import Reconciler
from ocdp_operator.reconcile.run import Rules
from tests.support import builders
from tests.support.fakes_cluster import FakeCluster
from tests.support.fakes_expressions import InlineExpressions

KEY = ClaimKey(builders.NAMESPACE, "ide")
PASSWORD = {
    "schema": {"type": "object", "properties": {"password": {"type": "string", "x-ocdp": {"secret": True, "generate": {"length": 8}}}}},
    "mappings": [{"from": "values.password", "secret": {"key": "PASSWORD"}}],
}  # fmt: skip


_BASE = b"configMapGenerator: [{name: config, literals: [greeting=hello]}]\n"


class Killed(BaseException):
    """The process ended here; nothing of ours runs any more."""


@dataclass
class World:
    """What the pipeline sees, to be changed by the test between reconciles."""

    manifests: list[Manifest] = field(default_factory=list)
    revision: TemplateRevision = field(default_factory=lambda: builders.template(**PASSWORD))
    away: bool = False
    """The catalog."""
    git_away: bool = False
    generated: int = 0
    every_profile: list[ProfileRevision] = field(default_factory=list)
    """All that were published, in the order of their layers."""
    seconds: float = 0.0
    """What the reconciler's clock says."""

    def __post_init__(self) -> None:
        self.cluster = FakeCluster(builders.NAMESPACE)
        self.cluster.namespaces[builders.NAMESPACE]["labels"] = {WORKSPACE: builders.WORKSPACE}
        self.renders = 0
        self.published: list[TemplateRevision] = []
        self.kill_before: int | None = None
        """Die before this mutating request, counted from the last start; ``kill_after``: when it is done."""
        self.kill_after: int | None = None
        self.then: Callable[[], None] = lambda: None
        """What the user does after that."""
        self._write = self.cluster._write
        self.restart()

    # The ports, as far as they are not FakeCluster's.

    async def ask(self, question: CatalogQuestion) -> CatalogAnswer:
        if self.away:
            raise Waiting(Reason.CATALOG_UNAVAILABLE, "The catalog does not answer.", dependency=CATALOG)
        if self.revision not in self.published:
            self.published.append(self.revision)
        profiles = self.profiles if question.profiles is None else question.profiles
        answer = builders.answer(
            self.revision,
            profiles=tuple(each for each in self.every_profile if each.ref in profiles),
            newest_profiles=self.profiles,
        )
        known = [each for each in self.published if question.revision in (None, each.revision)]
        return replace(answer, revision=known[-1] if known else None)

    @property
    def profiles(self) -> tuple[ProfileRef, ...]:
        """The newest of each layer."""
        return tuple({each.layer: each.ref for each in self.every_profile}.values())

    async def counter(self) -> int:
        return 1

    async def fetch(self, source: PinnedSource, components: object) -> Artifact:
        if self.git_away:
            raise Waiting(
                Reason.GIT_OPERATION_FAILED,
                "Git is away.",
                dependency=Dependency("source", source.repository_url),
            )
        return Artifact(source.commit, Path("/nowhere"), {f"{source.path}/kustomization.yaml": _BASE})

    async def probe(self, repository_url: str) -> None:
        return None

    async def render(self, artifact: Artifact, overlay: Overlay) -> Rendering:
        self.renders += 1
        return Rendering(
            (*self.manifests, builders.manifest("Secret", credentials_name("ide"), type="Opaque"))
        )

    async def catalog_is_back(self) -> None:
        """It answers again, and the probe has noticed."""
        self.away = False
        await self.reconciler.parking._probe(CATALOG)

    # Time and processes.

    def restart(self) -> None:
        """A new process: everything but the cluster is forgotten."""
        self.cluster._write = self._counted()  # type: ignore[method-assign]
        queue = ClaimQueue(lambda: 0.0)
        self.claims = ClaimStore()
        self.claims.listed = True
        ports: Any = Ports(self, self, self, self.cluster, self.cluster.observations, InlineExpressions())  # type: ignore[arg-type]
        self.reconciler = Reconciler(
            ports=ports,
            rules=Rules("local", Limits()),
            claims=self.claims,
            queue=queue,
            parking=Parking(queue, self, self, random.Random(1)),  # type: ignore[arg-type]
            clock=lambda: self.seconds,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            generate=self._generate,
            random=random.Random(1),
        )

    async def reconcile(self, times: int = 1) -> None:
        """So many looks at the claim, each after what the watches told of it."""
        for _ in range(times):
            if KEY in self.cluster.claims:
                claim = await self.cluster.get_claim(KEY)
                assert claim is not None
                self.claims.put(claim)
            else:
                known = self.claims.get(KEY)
                if known:
                    self.claims.remove(KEY, known.uid)
            await self.reconciler.reconcile(KEY)

    async def settle(self) -> None:
        """Looks until nothing is written any more."""
        for _ in range(20):
            before = self.cluster.writes
            await self.reconcile()
            self.make_healthy()
            if self.cluster.writes == before:
                return
        raise AssertionError("it never comes to rest")

    def make_healthy(self) -> None:
        """What the controllers do."""
        for (namespace, ref), raw in list(self.cluster.objects.items()):
            if ref.kind == "Deployment":
                count = raw["spec"].get("replicas", 1)
                done = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
                self.cluster.set_status(
                    namespace, ref,
                    observedGeneration=raw["metadata"]["generation"], replicas=count, updatedReplicas=count,
                    readyReplicas=count, availableReplicas=count,
                    conditions=[done, {"type": "Available", "status": "True"}],
                )  # fmt: skip
            if ref.kind == "PersistentVolumeClaim":
                self.cluster.set_status(namespace, ref, phase="Bound")

    # What tests look at.

    async def claim(self) -> WorkloadClaim:
        found = await self.cluster.get_claim(KEY)
        assert found is not None
        return found

    def live(self) -> set[str]:
        """``Kind/name`` of everything that exists."""
        return {str(ref) for _, ref in self.cluster.objects}

    def raw(self, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.objects[builders.NAMESPACE, builders.ref(kind, name)]

    def ask_for(self, **spec: Any) -> None:
        """What the user applies."""
        self.cluster.put_claim(KEY, templateId="code-server", workspaceId=builders.WORKSPACE, **spec)

    def _generate(self, rule: GenerateRule) -> str:
        self.generated += 1
        return f"{rule.prefix}{self.generated:0{rule.length}d}"

    def _counted(self) -> Callable[[], None]:
        count = 0

        def write() -> None:
            nonlocal count
            count += 1
            if self.kill_after is not None and count > self.kill_after:
                raise Killed
            if self.kill_before is not None and count >= self.kill_before:
                raise Killed
            self._write()

        return write


def app(*extra: Manifest, greeting: str = "bbcdfghkmt") -> list[Manifest]:
    """What the base renders: a Deployment that uses a content-named ConfigMap and the credentials, and a Service."""
    config = f"ide-config-{greeting}"
    pod = builders.pod_spec(
        volumes=[{"name": "config", "configMap": {"name": config}}, {"name": "data", "persistentVolumeClaim": {"claimName": "ide-data"}}]
    )  # fmt: skip
    selector = {"app.kubernetes.io/instance": "ide"}
    template = {"metadata": {"labels": {**selector, CLAIM_NAME: "ide"}}, "spec": pod}
    return [
        builders.manifest("ConfigMap", config, data={"greeting": greeting}),
        builders.manifest("PersistentVolumeClaim", "ide-data", spec={"resources": {"requests": {"storage": "1Gi"}}}),
        builders.manifest("Service", "ide-web", spec={"selector": selector, "ports": [{"port": 80}]}),
        builders.manifest("Deployment", "ide-web", spec={"replicas": 1, "progressDeadlineSeconds": 600, "selector": {"matchLabels": selector}, "template": template}),
        *extra,
    ]  # fmt: skip


def service(name: str) -> Manifest:
    """One more object that a component brings."""
    spec = {"selector": {"app.kubernetes.io/instance": "ide"}, "ports": [{"port": 81}]}
    return builders.manifest("Service", name, spec=spec)


Scenario = Callable[[World], Awaitable[None]]


def refs(*names: str) -> set[ObjectRef]:
    return {builders.ref(*name.split("/")) for name in names}
