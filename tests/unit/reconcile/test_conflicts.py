"""A conflict costs a second look, never what was found out before it."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Conflict
from ocdp_operator.model.claim import ClaimStatus, WorkloadClaim
from ocdp_operator.model.objects import Manifest, Observed
from tests.support.pipeline_world import KEY, World, app


async def test_a_label_of_somebody_else_on_the_claim_does_not_cost_an_apply():
    world = World(app())
    world.ask_for()
    write, conflicts = world.cluster.patch_claim_status, 0

    async def meanwhile_labelled(claim: WorkloadClaim, status: ClaimStatus) -> WorkloadClaim:
        nonlocal conflicts
        labels = world.cluster.claims[KEY]["metadata"].setdefault("labels", {})
        if len(labels) < 3 and claim.has_finalizer:
            labels[f"theirs-{len(labels)}"] = "yes"
            world.cluster.claims[KEY]["metadata"]["resourceVersion"] += "0"
            conflicts += 1
        return await write(claim, status)

    world.cluster.patch_claim_status = meanwhile_labelled  # type: ignore[method-assign]
    await world.reconcile()
    claim = await world.claim()
    assert conflicts > 1
    assert all(entry.uid for entry in claim.status.recorded)
    assert world.renders == 1


@pytest.mark.parametrize("change", ["annotation", "deletion", "spec"])
async def test_a_change_that_must_be_judged_is_a_conflict(change: str):
    world = World(app())
    world.ask_for()
    await world.settle()
    write = world.cluster.patch_claim_status
    refused: list[type[Exception]] = []

    async def meanwhile(claim: WorkloadClaim, status: ClaimStatus) -> WorkloadClaim:
        if not refused:
            refused.append(Conflict)
            if change == "annotation":
                world.cluster.annotate_claim(KEY, **{"ocdp.io/adopt": "x"})
            elif change == "deletion":
                world.cluster.delete_claim(KEY)
            else:
                world.ask_for(values={"x": 2})
        return await write(claim, status)

    world.cluster.patch_claim_status = meanwhile  # type: ignore[method-assign]
    world.ask_for(values={"x": 1})
    before = world.cluster.claims[KEY].get("status")
    await world.reconcile()
    assert refused
    assert world.cluster.claims[KEY].get("status") == before


async def test_a_creation_that_meets_the_release_by_another_process_creates_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    world = World(app())
    world.ask_for()
    apply = world.cluster.apply

    async def meets_it(namespace: str, manifest: Manifest, *, uid: str) -> Observed:
        if manifest.ref.kind == "Service" and KEY in world.cluster.claims:
            del world.cluster.claims[KEY]
            raise Conflict("It was there, and goes.")
        return await apply(namespace, manifest, uid=uid)

    monkeypatch.setattr(world.cluster, "apply", meets_it)
    await world.reconcile()
    assert "Service/ide-web" not in world.live()


async def test_a_conflict_that_passes_by_itself_costs_another_look(monkeypatch: pytest.MonkeyPatch):
    world = World(app())
    world.ask_for()
    apply, refused = world.cluster.apply, []

    async def refuses_once(namespace: str, manifest: Manifest, *, uid: str) -> Observed:
        if manifest.ref.kind == "Service" and not refused:
            refused.append(manifest.ref)
            raise Conflict("Not now.")
        return await apply(namespace, manifest, uid=uid)

    monkeypatch.setattr(world.cluster, "apply", refuses_once)
    await world.reconcile()
    assert "Service/ide-web" in world.live()
