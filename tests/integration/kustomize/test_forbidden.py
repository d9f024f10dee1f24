"""What kustomize makes of a base that may not be, the policy refuses: nothing is lost or mended on the way."""

from __future__ import annotations

import pytest

from ocdp_operator.adapters.kustomize import KustomizeRenderer
from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.plan.overlay import build_overlay
from ocdp_operator.plan.policy import Limits, check
from tests.integration.kustomize.conftest import MakeArtifact
from tests.support.forbidden import FORBIDDEN, forbidden_files
from tests.support.overlays import workload

LIMITS = Limits(ingress_domains=("apps.example.test",))


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_forbidden_thing_reaches_the_policy_and_is_refused(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact, name: str
):
    asked = workload({}, components=(f"web/components/{name}",))
    artifact = make_artifact(forbidden_files([name]))
    rendering = await renderer.render(artifact, build_overlay(asked, artifact.files))

    with pytest.raises(Stalled) as caught:
        check(rendering, asked, LIMITS)
    assert caught.value.reason is Reason.POLICY_DENIED
    assert FORBIDDEN[name].what in caught.value.message


async def test_the_same_base_without_it_passes(renderer: KustomizeRenderer, make_artifact: MakeArtifact):
    asked = workload({})
    artifact = make_artifact(forbidden_files(()))

    check(await renderer.render(artifact, build_overlay(asked, artifact.files)), asked, LIMITS)


async def test_a_base_that_renders_nothing_is_refused(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    asked = workload({})
    account = b"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n"
    dropped = b"resources: [web.yaml]\npatches: [{path: drop.yaml}]\n"
    artifact = make_artifact(
        {
            "web/base/kustomization.yaml": dropped,
            "web/base/web.yaml": account,
            "web/base/drop.yaml": b"$patch: delete\n" + account,
        }
    )
    rendering = await renderer.render(artifact, build_overlay(asked, artifact.files))
    with pytest.raises(Stalled) as caught:
        check(rendering, asked, LIMITS)
    assert caught.value.reason is Reason.EMPTY_BUILD


async def test_a_name_that_the_claims_makes_too_long_is_refused(
    renderer: KustomizeRenderer, make_artifact: MakeArtifact
):
    asked = workload({}, claim_name="a" * 30)
    files = forbidden_files(())
    files["web/base/kustomization.yaml"] += b"nameSuffix: -of-a-name-that-is-long-enough\n"
    artifact = make_artifact(files)
    rendering = await renderer.render(artifact, build_overlay(asked, artifact.files))
    with pytest.raises(Stalled) as caught:
        check(rendering, asked, LIMITS)
    assert caught.value.reason is Reason.NAME_NOT_ALLOWED
