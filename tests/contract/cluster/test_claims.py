"""The ``Cluster`` port, as to claims and events, held against the fake and a real API server."""

from __future__ import annotations

import pytest

from ocdp_operator.errors import Conflict, Reason
from ocdp_operator.model.claim import ClaimKey, ClaimStatus, SecretRef, TemplateInForce
from ocdp_operator.model.conditions import Condition, Truth
from ocdp_operator.model.events import ClaimEvent
from ocdp_operator.model.inventory import Entry
from ocdp_operator.model.names import FINALIZER, IN_FORCE
from ocdp_operator.model.objects import ObjectRef
from tests.support.cluster_worlds import (
    OTHER_UID,
    World,
)

SPEC = {"templateId": "code-server", "workspaceId": "team-a", "values": {"storageGi": 20}}
CONFIG = ObjectRef("", "ConfigMap", "ide-config")


def status(**fields: object) -> ClaimStatus:
    condition = Condition(
        type="Ready",
        status=Truth.TRUE,
        reason=Reason.AVAILABLE,
        observed_generation=1,
        last_transition_time="2026-01-01T00:00:00Z",
    )
    return ClaimStatus(observed_generation=1, conditions=(condition,), **fields)


class TestClaims:
    async def test_claim_reads_as_it_was_written(self, world: World) -> None:
        created = await world.create_claim("ide", **SPEC)
        found = await world.cluster.get_claim(created.key)
        assert found is not None
        assert (found.spec.template_id, found.spec.values) == ("code-server", {"storageGi": 20})
        assert (found.generation, found.deleting, found.has_finalizer) == (1, False, False)

    async def test_absent_claim_is_none(self, world: World) -> None:
        assert await world.cluster.get_claim(ClaimKey(world.namespace, "nobody")) is None

    async def test_finalizer_and_annotations_are_set_and_removed(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        held = await world.cluster.patch_claim(claim, finalizers=[FINALIZER], annotations={IN_FORCE: "1@abc"})
        assert held.has_finalizer
        assert held.in_force_hint == (1, "abc")
        let_go = await world.cluster.patch_claim(held, finalizers=[], annotations={IN_FORCE: None})
        assert not let_go.finalizers
        assert IN_FORCE not in let_go.annotations

    async def test_deleted_claim_stays_until_its_finalizer_is_gone(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        await world.cluster.patch_claim(claim, finalizers=[FINALIZER], annotations={})
        await world.delete_claim(claim.key)
        leaving = await world.cluster.get_claim(claim.key)
        assert leaving is not None
        assert leaving.deleting
        await world.cluster.patch_claim(leaving, finalizers=[], annotations={})
        assert await world.cluster.get_claim(claim.key) is None

    async def test_patch_of_a_claim_that_changed_conflicts(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        await world.change_claim(claim.key)
        with pytest.raises(Conflict):
            await world.cluster.patch_claim(claim, finalizers=[FINALIZER], annotations={})
        with pytest.raises(Conflict):
            await world.cluster.patch_claim_status(claim, status())

    async def test_patch_of_a_claim_that_is_gone_conflicts(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        await world.delete_claim(claim.key)
        with pytest.raises(Conflict):
            await world.cluster.patch_claim_status(claim, status())

    async def test_status_becomes_equal_to_the_given_one(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        inventory = [Entry(CONFIG, wave=1, uid=OTHER_UID, sent="a" * 16, desired=False).to_wire()]
        first = status(
            template=TemplateInForce(revision=3, commit="abc", pinned=3),
            inventory=tuple(inventory),
            credentials_secret_ref=SecretRef(name="ide-credentials", keys=("A", "B")),
            input_digest="1",
            url="http://ide.test",
        )
        second = status(template=TemplateInForce(revision=4, commit="def"), input_digest="2")
        for wanted in (first, second, ClaimStatus()):
            claim = await world.cluster.patch_claim_status(claim, wanted)
            found = await world.cluster.get_claim(claim.key)
            assert found is not None
            assert claim.status == found.status == wanted

    async def test_equal_status_costs_no_request(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        written = await world.cluster.patch_claim_status(claim, status())
        before = world.writes
        assert await world.cluster.patch_claim_status(written, status()) is written
        assert world.writes == before

    async def test_status_does_not_move_the_generation(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        written = await world.cluster.patch_claim_status(claim, status())
        assert written.generation == claim.generation
        assert written.resource_version != claim.resource_version

    async def test_every_claim_is_listed(self, world: World) -> None:
        created = [await world.create_claim(name, **SPEC) for name in ("ide", "llm")]
        listed = {claim.key: claim for claim in await world.cluster.list_claims()}
        assert {key for key in listed if key.namespace == world.namespace} == {claim.key for claim in created}
        assert all(listed[claim.key] == claim for claim in created)


class TestEvents:
    async def test_event_is_seen_where_the_claim_is_described(self, world: World) -> None:
        claim = await world.create_claim("ide", **SPEC)
        await world.cluster.emit(
            ClaimEvent(claim.key, claim.uid, Reason.QUOTA_EXCEEDED, "Too much.", warning=True)
        )
        await world.cluster.emit(ClaimEvent(claim.key, claim.uid, Reason.PRUNED, "Pruned ConfigMap/old."))
        told = await world.told("ide")
        assert "Warning" in told
        assert "QuotaExceeded" in told
        assert "Too much." in told
        assert "Pruned ConfigMap/old." in told

    async def test_event_that_cannot_be_posted_is_dropped(self, world: World) -> None:
        await world.cluster.emit(ClaimEvent(ClaimKey("nowhere", "ide"), OTHER_UID, Reason.PRUNED, "Pruned."))
