"""References to users' Secrets: which Secrets claims may refer to, and what becomes of a claim that refers to another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.names import OWNER
from ocdp_operator.model.objects import Mark
from ocdp_operator.model.secrets import SecretReference, SecretValue
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app
from tests.support.secret_world import NAMESPACE, TOKEN, Uses, look_thoroughly, put_secret, reads, settled


@pytest.fixture
def world() -> World:
    return World(app())


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(None, id="absent"),
        pytest.param({"labels": {}}, id="unlabelled"),
        pytest.param({"labels": {"ocdp.io/claimable": "yes"}}, id="labelled otherwise"),
        pytest.param(
            {
                "annotations": {
                    OWNER: str(Mark("uid", NAMESPACE, "up", builders.ref("Secret", "up-credentials")))
                }
            },
            id="another claim's, labelled by its owner",
        ),
    ],
)
async def test_a_reference_to_a_secret_that_claims_may_not_refer_to_applies_nothing(
    world: World, uses: Uses, metadata: dict[str, Any] | None
):
    await settled(world)
    running = world.live()
    if metadata is not None:
        put_secret(world, **metadata)
    before = {str(ref): raw for (_, ref), raw in world.cluster.objects.items()}
    uses(TOKEN=TOKEN)
    world.ask_for(values={"token": "given"})
    await world.reconcile(3)

    claim = await world.claim()
    failure = claim.status.failure
    assert failure is not None
    assert (failure.code, failure.value_path) == (Reason.SECRET_NOT_CLAIMABLE, "/spec/values/upstream/token")
    assert failure.message == (
        "/spec/values/upstream/token refers to a Secret that is not there, or that claims may not refer to."
    )
    assert claim.status.condition_set.is_true("Stalled")
    assert running <= world.live()
    assert {str(ref): raw for (_, ref), raw in world.cluster.objects.items()} == before


async def test_no_value_is_read_of_a_secret_that_claims_may_not_refer_to(
    world: World, uses: Uses, monkeypatch: pytest.MonkeyPatch
):
    put_secret(world, labels={})
    reads(world, mounted=True)
    uses(TOKEN=TOKEN)
    read: list[str] = []
    get_secret = world.cluster.get_secret

    async def recorded(namespace: str, name: str) -> Any:
        read.append(name)
        return await get_secret(namespace, name)

    monkeypatch.setattr(world.cluster, "get_secret", recorded)
    world.ask_for()
    await world.reconcile(2)

    assert "upstream" not in read


@pytest.mark.parametrize("name", ["..", "", "a/b", "UPPER", "a" * 254])
async def test_what_is_no_name_of_a_secret_is_refused_like_one_that_is_not_there(
    world: World, uses: Uses, name: str
):
    uses(TOKEN=SecretValue(("t",), SecretReference(name, "k")))
    put_secret(world, name=name)
    world.ask_for()
    await world.reconcile(2)

    failure = (await world.claim()).status.failure
    assert failure is not None
    assert failure.code == Reason.SECRET_NOT_CLAIMABLE


async def test_a_copied_key_that_is_not_there_is_named_by_its_value(world: World, uses: Uses):
    put_secret(world)
    uses(BEARER=("Bearer ", replace(TOKEN, origin=SecretReference("upstream", "absent"))))
    world.ask_for()
    await world.reconcile(2)

    failure = (await world.claim()).status.failure
    assert failure is not None
    assert (failure.code, failure.value_path) == (Reason.SECRET_NOT_CLAIMABLE, "/spec/values/upstream/token")
    assert "a key that its Secret does not have" in failure.message


async def test_a_secret_that_is_no_longer_claimable_is_told_of_and_what_runs_stays(world: World, uses: Uses):
    put_secret(world)
    reads(world)
    uses(TOKEN=TOKEN)
    await settled(world)
    live = world.live()
    put_secret(world, labels={"ocdp.io/claimable": "false"})
    await look_thoroughly(world)

    claim = await world.claim()
    resolved, ready = (claim.status.condition_set.get(type_) for type_ in ("TemplateResolved", "Ready"))
    assert resolved is not None
    assert (resolved.status, resolved.reason) == (Truth.FALSE, Reason.SECRET_NOT_CLAIMABLE)
    assert ready is not None
    assert ready.status is Truth.TRUE
    assert world.live() == live

    put_secret(world, labels={"ocdp.io/claimable": "true"})
    await world.settle()
    assert (await world.claim()).status.failure is None


async def test_a_claim_that_waits_for_a_secret_is_looked_at_again_soon(world: World, uses: Uses):
    """Nobody watches Secrets: no event would wake it."""
    uses(TOKEN=TOKEN)
    world.ask_for()
    await world.reconcile(2)

    assert world.reconciler.queue._due[KEY] <= 60
