"""The CRDs on a real API server: what it refuses, what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.dev.cluster import Cluster
from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.errors import Actor, Reason
from ocdp_operator.model.claim import (
    ClaimStatus,
    DeletionPolicy,
    Endpoint,
    HistoryItem,
    PendingPrune,
    SecretRef,
    TemplateInForce,
)
from ocdp_operator.model.conditions import Condition, Failure, Truth
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.names import MAX_INVENTORY
from ocdp_operator.model.objects import ObjectRef
from tests.support.cluster_worlds import OTHER_UID, RealWorld, marked, workload

SPEC = {"templateId": "code-server", "workspaceId": "team-a"}


@pytest.mark.parametrize(
    ("name", "spec", "says"),
    [
        pytest.param("a" * 31, SPEC, "at most 30 characters", id="long name"),
        pytest.param("1st", SPEC, "starting with a letter", id="name that begins with a digit"),
        pytest.param("a.b", SPEC, "must be a DNS label", id="name with a dot"),
        pytest.param("ide", {"templateId": "t"}, "spec.workspaceId: Required", id="no workspace"),
        pytest.param("ide", {"workspaceId": "w"}, "spec.templateId: Required", id="no template"),
        pytest.param("ide", SPEC | {"templateId": ""}, "spec.templateId", id="empty template"),
        pytest.param("ide", SPEC | {"templateRevision": 0}, "greater than or equal to 1", id="revision 0"),
        pytest.param("ide", SPEC | {"templateRevision": 2**31}, "less than or equal to", id="huge revision"),
        pytest.param("ide", SPEC | {"deletionPolicy": "Keep"}, "supported values", id="unknown policy"),
        pytest.param("ide", SPEC | {"values": [1]}, "spec.values", id="values that are a list"),
        pytest.param("ide", SPEC | {"sleepUntil": "noon"}, "unknown field", id="a field of another version"),
    ],
)
async def test_claim_is_refused(world: RealWorld, name: str, spec: dict[str, Any], says: str) -> None:
    with pytest.raises(LocalEnvironmentError, match=says):
        await world.create_claim(name, **spec)


@pytest.mark.parametrize("name", ["a", "a" * 30, "a-1"])
async def test_claim_of_this_name_is_taken(world: RealWorld, name: str) -> None:
    assert (await world.create_claim(name, **SPEC)).key.name == name


async def test_values_are_kept_as_they_are(world: RealWorld) -> None:
    values = {"a": None, "b": [1, None, {"c": 1.5}], "d": {"e": True}, "ä": "ü"}
    assert (await world.create_claim("ide", **SPEC, values=values)).spec.values == values


@pytest.mark.parametrize("field", ["templateId", "workspaceId"])
async def test_identity_cannot_be_changed(world: RealWorld, field: str) -> None:
    await world.create_claim("ide", **SPEC)
    with pytest.raises(LocalEnvironmentError, match=f"{field} cannot be changed"):
        await world.kubectl("patch", "wc", "ide", "--type=merge", "-p", f'{{"spec":{{"{field}":"other"}}}}')


async def test_rest_of_the_spec_can_be_changed(world: RealWorld) -> None:
    await world.create_claim("ide", **SPEC, templateRevision=1, deletionPolicy="Delete")
    patch = '{"spec":{"values":{"a":1},"templateRevision":2,"deletionPolicy":null}}'
    await world.kubectl("patch", "wc", "ide", "--type=merge", "-p", patch)


async def test_fullest_status_fits(world: RealWorld) -> None:
    claim = await world.create_claim("ide", **SPEC)
    full = ClaimStatus(
        observed_generation=1,
        conditions=tuple(
            Condition(
                type=f"Type{number}",
                status=Truth.UNKNOWN,
                reason=Reason.PROGRESSING,
                message="m" * 1024,
                observed_generation=1,
                last_transition_time="2026-01-01T00:00:00Z",
            )
            for number in range(7)
        ),
        template=TemplateInForce(revision=2, commit="c" * 40, pinned=2, available=3),
        deletion_policy=DeletionPolicy.RETAIN_DATA,
        inventory=tuple(
            Entry(
                ref=ObjectRef("autoscaling", "HorizontalPodAutoscaler", f"{'n' * 60}{number:03}"),
                wave=4,
                uid=OTHER_UID,
                sent="a" * 16,
                applied="b" * 16,
                desired=False,
                content_named=True,
                last_healthy=True,
            ).to_wire()
            for number in range(MAX_INVENTORY)
        ),
        input_digest=f"{'d' * 16}-RetainData",
        pending_prune=PendingPrune(
            digest="d" * 16, reason="r" * 200, objects=("ConfigMap/a",) * MAX_INVENTORY
        ),
        endpoints=tuple(Endpoint(name=f"internal-{number}", url="http://x") for number in range(100)),
        url="http://x",
        credentials_secret_ref=SecretRef(name="ide-credentials", keys=("A", "B")),
        credentials_version=2,
        failure=Failure(
            code=Reason.INVALID_VALUES,
            actor=Actor.USER,
            value_path="models[0].name",
            message="m" * 1024,
            remedy="r" * 1024,
        ),
        history=(
            HistoryItem(revision=1, commit="c" * 40, input_digest="d", first_applied="2026-01-01T00:00:00Z"),
        )
        * 5,
    )
    written = await world.cluster.patch_claim_status(claim, full)
    assert written.status == full


async def test_kubectl_shows_the_columns(world: RealWorld) -> None:
    claim = await world.create_claim("ide", **SPEC)
    ready = Condition(type="Ready", status=Truth.FALSE, reason=Reason.NO_PODS, message="No pods yet.")
    await world.cluster.patch_claim_status(claim, ClaimStatus(conditions=(ready,), url="http://ide.test"))
    await world.cluster.apply(world.namespace, marked(dict(workload().body), world.namespace), uid="")
    narrow = (await world.kubectl("get", "wc")).splitlines()
    assert narrow[0].split() == ["NAME", "TEMPLATE", "READY", "REASON", "URL", "AGE"]
    assert narrow[1].split()[:5] == ["ide", "code-server", "False", "NoPods", "http://ide.test"]
    assert "No pods yet." in await world.kubectl("get", "wc", "-o", "wide")
    assert "code-server" in await world.kubectl("get", "wl")
    both = await world.kubectl("get", "ocdp")
    assert "workloadclaim.ocdp.io/ide" in both
    assert "workload.ocdp.io/ide" in both


async def test_crds_are_sound(served: Cluster) -> None:
    conditions = await served.kubectl(
        "get",
        "crd",
        "workloadclaims.ocdp.io",
        "workloads.ocdp.io",
        "-o",
        "jsonpath={.items[*].status.conditions[*].type}",
    )
    assert "NonStructuralSchema" not in conditions


async def test_fields_are_explained(world: RealWorld) -> None:
    assert "Cannot be changed" in await world.kubectl("explain", "workloadclaims.spec.templateId")
    assert "deleted in falling ones" in await world.kubectl("explain", "workloadclaims.status.inventory.wave")
