"""Claims that the operator applied, judged against a candidate; the cluster and the catalog are in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from ocdp_operator.errors import CATALOG, Dependency, Reason, Stalled, Waiting
from ocdp_operator.model.claim import WorkloadClaim
from ocdp_operator.model.impact import ClaimImpact, Gravity, Turn
from ocdp_operator.model.names import RENDERING
from ocdp_operator.model.objects import Manifest, ObjectRef
from ocdp_operator.model.source import Artifact, Overlay, Rendering
from ocdp_operator.model.template import TemplateRevision
from ocdp_operator.plan.candidate import ProfileCandidate, TemplateCandidate
from ocdp_operator.plan.policy import Limits
from ocdp_operator.reconcile.impact import ImpactQuestion, impacts
from tests.support import builders
from tests.support.fakes_expressions import InlineExpressions
from tests.support.pipeline_world import PASSWORD, World, app, service

OTHER_COMMIT = "beefbeef" * 5
TEXT = {
    "schema": PASSWORD["schema"],
    "mappings": [{"value": "'user:' + values.password", "secret": {"key": "PASSWORD"}}],
}


@dataclass
class Desk(World):
    """What a claim that runs would become with another commit."""

    candidate: list[Manifest] = field(default_factory=list)
    reads: list[ObjectRef] = field(default_factory=list)

    async def applied(self, **spec: Any) -> WorkloadClaim:
        self.ask_for(**spec)
        await self.settle()
        self.renders = 0
        return await self.claim()

    async def live(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        self.reads.append(ref)
        return self.cluster.objects.get((namespace, ref))

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        return storage_class == "grows"

    async def render(self, artifact: Artifact, overlay: Overlay) -> Rendering:
        rendering = await super().render(artifact, overlay)
        if artifact.commit != OTHER_COMMIT:
            return rendering
        return Rendering((*self.candidate, rendering.manifests[-1]))

    async def impact(self, claim: WorkloadClaim, revision: TemplateRevision | None = None) -> ClaimImpact:
        candidate = TemplateCandidate(revision or candidate_revision())
        (found,) = await self.judged(ImpactQuestion(candidate, "local", Limits()), claim)
        return found

    async def judged(self, asked: ImpactQuestion, *claims: WorkloadClaim) -> list[ClaimImpact]:
        ports: Any = SimpleNamespace(
            catalog=SimpleNamespace(ask=self.ask),
            sources=self,
            renderer=self,
            expressions=InlineExpressions(),
        )
        before = self.cluster.writes
        found = await impacts(ports, self, asked, claims)
        assert self.cluster.writes == before
        return found


def candidate_revision(**body: Any) -> TemplateRevision:
    return builders.template(2, commit=OTHER_COMMIT, **(PASSWORD | body))


@pytest.fixture
def desk() -> Desk:
    return Desk(manifests=app(), candidate=app())


async def test_what_renders_to_the_same_is_unchanged_and_the_present_is_not_rendered(desk: Desk):
    found = await desk.impact(await desk.applied())
    assert (found.gravity, found.objects, found.waits) == (Gravity.UNCHANGED, (), "Manual")
    assert desk.renders == 1


async def test_another_file_in_a_pod_restarts_it(desk: Desk):
    desk.candidate = app(greeting="2456789bcd")
    found = await desk.impact(await desk.applied(upgradePolicy="Auto"))
    assert (found.gravity, found.waits) == (Gravity.RESTART, "")
    assert {str(each.ref) for each in found.objects} >= {"Deployment/ide-web"}


async def test_what_the_cluster_keeps_is_not_rendered_again(desk: Desk):
    desk.candidate = app(greeting="2456789bcd")
    found = await desk.impact(await desk.applied())
    config = next(each for each in found.objects if each.ref.kind == "ConfigMap")
    assert config.fields == ("/data/greeting",)
    assert desk.renders == 1


async def test_without_a_rendering_that_is_kept_the_present_is_rendered(desk: Desk):
    desk.candidate = app(greeting="2456789bcd")
    claim = await desk.applied()
    workload = desk.raw("Workload", "ide")
    workload["metadata"]["annotations"].pop(RENDERING)
    found = await desk.impact(claim)
    config = next(each for each in found.objects if each.ref.kind == "ConfigMap")
    assert config.fields == ("/data/greeting",)
    assert desk.renders == 2


async def test_a_stopped_claim_is_compared_at_rest(desk: Desk):
    claim = await desk.applied(running=False)
    assert (await desk.impact(claim)).gravity is Gravity.UNCHANGED
    desk.candidate = app(greeting="2456789bcd")
    found = await desk.impact(claim)
    deployment = next(each for each in found.objects if each.ref.kind == "Deployment")
    assert deployment.fields == ("/spec/template/spec/volumes/0/configMap/name",)


async def test_one_more_object_is_a_change(desk: Desk):
    desk.candidate = app(service("ide-more"))
    found = await desk.impact(await desk.applied())
    assert (found.gravity, [each.turn for each in found.objects]) == (Gravity.CHANGE, [Turn.CREATED])


async def test_a_smaller_volume_is_a_risk_and_names_no_size(desk: Desk):
    smaller = {"resources": {"requests": {"storage": "512Mi"}}}
    desk.candidate = [
        builders.manifest("PersistentVolumeClaim", "ide-data", spec=smaller)
        if each.ref.kind == "PersistentVolumeClaim"
        else each
        for each in app()
    ]
    claim = await desk.applied()
    volume = builders.ref("PersistentVolumeClaim", "ide-data")
    desk.cluster.set_status(builders.NAMESPACE, volume, phase="Bound", capacity={"storage": "1Gi"})
    found = await desk.impact(claim)
    assert found.gravity is Gravity.DATA_RISK
    assert found.objects[0].fields == ("/spec/resources/requests/storage",)
    assert "512Mi" not in repr(found)


async def test_only_objects_that_would_be_written_are_looked_at(desk: Desk):
    claim = await desk.applied()
    await desk.impact(claim)
    assert {each.kind for each in desk.reads} == {"PersistentVolumeClaim"}
    desk.reads.clear()
    desk.candidate = app(service("ide-more"))
    await desk.impact(claim)
    assert {each.kind for each in desk.reads} == {"PersistentVolumeClaim", "Workload"}, (
        "a new object has no live one"
    )


async def test_values_that_the_candidate_refuses(desk: Desk):
    claim = await desk.applied(values={"password": {"secretKeyRef": {"name": "x", "key": "y"}}})
    strict = {"schema": {"type": "object", "additionalProperties": False}, "mappings": []}
    found = await desk.impact(claim, candidate_revision(**strict))
    assert found.gravity is Gravity.INVALID_VALUES
    assert found.complaint is not None
    assert found.complaint.path == "/spec/values/password"


async def test_what_the_policy_refuses(desk: Desk):
    desk.candidate = [*app(), builders.manifest("ConfigMap", "somebody-elses")]
    found = await desk.impact(await desk.applied())
    assert found.gravity is Gravity.REFUSED
    assert found.complaint is not None
    assert "somebody-elses" in found.complaint.message


async def test_another_text_around_a_secret_restarts_the_pods_that_use_it(desk: Desk):
    desk.manifests = desk.candidate = [*app()[:-1], uses_password(app()[-1])]
    claim = await desk.applied()
    same = await desk.impact(claim)
    other = await desk.impact(claim, candidate_revision(**TEXT))
    assert same.gravity is Gravity.UNCHANGED
    assert {str(each.ref): each.gravity for each in other.objects} == {
        "Deployment/ide-web": Gravity.RESTART,
        "Secret/ide-credentials": Gravity.CHANGE,
    }


def uses_password(deployment: Manifest) -> Manifest:
    reference = {"secretKeyRef": {"name": "ide-credentials", "key": "PASSWORD"}}
    return builders.changed(
        deployment,
        "/spec/template/spec/containers/0/env",
        [{"name": "PASSWORD", "valueFrom": reference}],
    )


async def test_a_claim_that_was_never_applied_gets_everything(desk: Desk):
    claim = builders.claim()
    found = await desk.impact(claim)
    assert found.gravity is Gravity.CHANGE
    assert {each.turn for each in found.objects} == {Turn.CREATED}


async def test_a_present_that_cannot_be_rendered_any_more_leaves_the_record_to_tell(desk: Desk):
    desk.candidate = app(greeting="2456789bcd")
    claim = await desk.applied()
    desk.manifests = [*app(), builders.manifest("ConfigMap", "somebody-elses")]
    found = await desk.impact(claim)
    assert {str(each.ref): each.gravity for each in found.objects}["Deployment/ide-web"] is Gravity.RESTART


async def test_a_profile_is_asked_of_its_own_claims_alone(desk: Desk):
    claim = await desk.applied()
    labels = builders.profile("cluster", "east", labels={"example.test/site": "east"})
    (found,) = await desk.judged(ImpactQuestion(ProfileCandidate(labels, "local"), "local", Limits()), claim)
    assert found.gravity is Gravity.RESTART, "labels of a profile are on pods too"
    assert not await desk.judged(ImpactQuestion(ProfileCandidate(labels, "remote"), "local", Limits()), claim)


async def test_without_the_catalog_there_is_no_report(desk: Desk):
    claim = await desk.applied()
    desk.away = True
    with pytest.raises(Waiting) as raised:
        await desk.impact(claim)
    assert raised.value.dependency == CATALOG


@pytest.mark.parametrize("reason", [Reason.GIT_OPERATION_FAILED, Reason.AUTHENTICATION_FAILED])
async def test_without_git_there_is_no_report(desk: Desk, reason: Reason):
    claim = await desk.applied()

    async def refuses(*_: object) -> Any:
        raise Waiting(reason, "no", dependency=Dependency("source", "https://git.example.test"))

    desk.fetch = refuses  # type: ignore[method-assign]
    with pytest.raises(Waiting) as raised:
        await desk.impact(claim)
    assert raised.value.reason is reason


async def test_every_claim_is_told_of_once(desk: Desk):
    claim = await desk.applied()
    told: list[int] = []
    ports: Any = SimpleNamespace(
        catalog=SimpleNamespace(ask=desk.ask), sources=desk, renderer=desk, expressions=InlineExpressions()
    )
    asked = ImpactQuestion(TemplateCandidate(candidate_revision()), "local", Limits())
    found = await impacts(ports, desk, asked, [claim] * 20, done=lambda: told.append(1))
    assert (len(found), len(told)) == (20, 20)


async def test_a_build_that_fails_is_said_of_its_claims(desk: Desk):
    claim = await desk.applied()

    async def fails(*_: object) -> Rendering:
        raise Stalled(Reason.BUILD_FAILED, "no")

    desk.render = fails  # type: ignore[method-assign]
    found = await desk.impact(claim)
    assert found.gravity is Gravity.REFUSED
