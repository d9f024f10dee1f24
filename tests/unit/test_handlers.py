"""Handlers store what they saw and put a key on the queue; they decide nothing."""

from __future__ import annotations

import aiohttp
import kopf
import pytest

from ocdp_operator.handlers import event_settings, register, see_claim_event
from ocdp_operator.model.claim import ClaimKey
from ocdp_operator.reconcile.claims import ClaimStore
from ocdp_operator.reconcile.queue import ClaimQueue

KEY = ClaimKey("team-a", "ide")


def raw(version: int = 1, **spec: object) -> dict:
    metadata = {"name": "ide", "namespace": "team-a", "uid": "uid-1", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"templateId": "web", "workspaceId": "team-a"} | spec}


@pytest.fixture
def claims() -> ClaimStore:
    return ClaimStore()


@pytest.fixture
def queue() -> ClaimQueue:
    return ClaimQueue(lambda: 0.0)


def test_a_claim_that_is_seen_is_due(claims: ClaimStore, queue: ClaimQueue):
    see_claim_event(raw(), deleted=False, claims=claims, queue=queue)
    assert queue.depth == 1
    assert claims.get(KEY) is not None


async def test_a_version_that_is_known_wakes_nobody(claims: ClaimStore, queue: ClaimQueue):
    see_claim_event(raw(), deleted=False, claims=claims, queue=queue)
    queue.done(await queue.take())
    see_claim_event(raw(), deleted=False, claims=claims, queue=queue)
    assert queue.depth == 0


def test_a_claim_that_is_gone_is_forgotten(claims: ClaimStore, queue: ClaimQueue):
    see_claim_event(raw(), deleted=False, claims=claims, queue=queue)
    see_claim_event(raw(2), deleted=True, claims=claims, queue=queue)
    assert claims.get(KEY) is None
    assert queue.depth == 1  # the reconciler forgets it too


def test_a_claim_that_cannot_be_read_harms_nobody(claims: ClaimStore, queue: ClaimQueue):
    see_claim_event(raw(templateId=["poison"]), deleted=False, claims=claims, queue=queue)
    assert queue.depth == 0
    see_claim_event(raw(2), deleted=False, claims=claims, queue=queue)
    assert queue.depth == 1


def test_kopf_has_no_handler_that_would_write_to_an_object(claims: ClaimStore, queue: ClaimQueue):
    registry = kopf.OperatorRegistry()

    def unused(**_: object) -> aiohttp.ClientSession:
        raise AssertionError("nobody logs in here")

    class Nothing:
        def record(self, observed: object) -> bool:
            return True

        def remove(self, observed: object) -> None:
            return None

    register(registry, claims=claims, workloads=Nothing(), queue=queue, connection=dict, session=unused)
    assert len(registry._watching.get_all_handlers()) == 2
    assert registry._changing.get_all_handlers() == []
    assert registry._spawning.get_all_handlers() == []


def test_kopf_is_patient_quiet_and_alone():
    settings = event_settings()
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert sum(settings.networking.error_backoffs) > 300
    assert list(settings.networking.error_backoffs) != []  # it can be walked again
