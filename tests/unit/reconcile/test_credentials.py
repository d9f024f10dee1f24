"""Values pass from Secret to Secret and nowhere else: users' Secrets, copies, derived texts, rotation."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest

from ocdp_operator.errors import Reason, Stalled, Waiting
from ocdp_operator.model.conditions import Truth
from ocdp_operator.model.names import CREDENTIALS_VERSION, ROTATE, ROTATED
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app
from tests.support.secret_world import (
    CANARY,
    NAMESPACE,
    OURS,
    PASSWORD,
    PIN,
    TOKEN,
    Uses,
    data,
    look_thoroughly,
    pod,
    put_secret,
    reads,
    settled,
    told,
    version,
)


@pytest.fixture
def world() -> World:
    return World(app())


async def test_a_value_that_variables_alone_read_is_copied_nowhere(world: World, uses: Uses):
    put_secret(world)
    reads(world)
    uses(TOKEN=TOKEN)
    await settled(world)

    assert pod(world)["spec"]["containers"][0]["env"] == [
        {"name": "UP_TOKEN", "valueFrom": {"secretKeyRef": {"name": "upstream", "key": "api-key"}}}
    ]
    assert data(world) == {}
    assert (await world.claim()).status.credentials_secret_ref is None


async def test_a_value_that_is_mounted_and_one_that_is_derived_are_held(world: World, uses: Uses):
    put_secret(world)
    reads(world, mounted=True)
    uses(TOKEN=TOKEN, HEADER=("Bearer ", TOKEN, " for ", PASSWORD))
    await settled(world)

    made = data(world)[".HEADER"]
    assert data(world) == {"TOKEN": CANARY, "HEADER": f"Bearer {CANARY} for {made}", ".HEADER": made}
    known = (await world.claim()).status.credentials_secret_ref
    assert known is not None
    assert known.keys == (".HEADER", "HEADER", "TOKEN")


async def test_values_of_one_path_are_one_value(world: World, uses: Uses):
    uses(A=PASSWORD, B=PASSWORD, C=("x-", PASSWORD))
    await settled(world)

    assert data(world) == {"A": "00000001", "B": "00000001", "C": "x-00000001"}


async def test_a_key_that_appears_or_goes_leaves_the_others_alone(world: World, uses: Uses):
    uses(A=PASSWORD)
    await settled(world)
    uses(A=PASSWORD, PIN=PIN)
    await settled(world, values={"pin": True})
    assert data(world) == {"A": "00000001", "PIN": "pin-0002"}
    uses(PIN=PIN)
    await settled(world, values={"pin": "alone"})
    assert data(world) == {"PIN": "pin-0002"}


async def test_what_was_copied_is_not_taken_for_a_generated_value_later(world: World, uses: Uses):
    put_secret(world)
    reads(world, mounted=True)
    uses(A=TOKEN, B=PASSWORD)
    await settled(world)
    uses(A=PASSWORD, B=PASSWORD)
    await settled(world, values={"own": False})

    assert data(world) == {"A": "00000001", "B": "00000001"}


async def test_a_copy_follows_the_users_secret_at_a_thorough_look(world: World, uses: Uses):
    put_secret(world)
    reads(world, mounted=True)
    uses(TOKEN=TOKEN, BEARER=("Bearer ", TOKEN), PASSWORD=PASSWORD)
    await settled(world)
    put_secret(world, "another")
    await world.settle()
    assert data(world)["TOKEN"] == CANARY  # nobody watches Secrets
    await look_thoroughly(world)

    assert data(world) == {"TOKEN": "another", "BEARER": "Bearer another", "PASSWORD": "00000001"}
    assert await version(world) == 2
    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "2"}
    writes = world.cluster.writes
    await look_thoroughly(world)
    assert world.cluster.writes == writes


async def test_a_restart_with_references_writes_nothing(world: World, uses: Uses):
    put_secret(world)
    reads(world)
    uses(TOKEN=TOKEN, BEARER=("Bearer ", TOKEN, PASSWORD))
    await settled(world)
    writes, renders = world.cluster.writes, world.renders
    await look_thoroughly(world)

    assert (world.cluster.writes, world.renders) == (writes, renders)


async def test_a_rotation_makes_every_generated_value_anew_once(world: World, uses: Uses):
    put_secret(world)
    reads(world, mounted=True)
    uses(A=PASSWORD, PIN=PIN, BOTH=(PASSWORD, TOKEN), TOKEN=TOKEN)
    await settled(world)
    world.cluster.annotate_claim(KEY, **{ROTATE: "first"})
    await world.settle()

    assert data(world) == {"A": "00000003", "PIN": "pin-0004", "BOTH": f"00000003{CANARY}", "TOKEN": CANARY}
    assert await version(world) == 2
    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "2"}
    assert told(world, Reason.CREDENTIALS_ROTATED) == [
        "New values for A, BOTH, PIN; the pods that use them restart."
    ]
    assert (await world.claim()).status.last_handled_rotation == "first"
    assert world.raw("Secret", OURS)["metadata"]["annotations"][ROTATED] == "first"
    writes, renders = world.cluster.writes, world.renders
    await look_thoroughly(world)
    assert (world.cluster.writes, world.renders) == (writes, renders)


async def test_a_rotation_of_one_key_leaves_the_others_alone(world: World, uses: Uses):
    uses(A=PASSWORD, PIN=PIN)
    await settled(world)
    world.cluster.annotate_claim(KEY, **{ROTATE: "second/PIN"})
    await world.settle()

    assert data(world) == {"A": "00000001", "PIN": "pin-0003"}
    assert told(world, Reason.CREDENTIALS_ROTATED) == ["New values for PIN; the pods that use them restart."]


@pytest.mark.parametrize("request_", ["not a token", "x/NONE", "x" * 5000])
async def test_a_malformed_rotation_is_told_of_once_and_not_followed(world: World, uses: Uses, request_: str):
    uses(A=PASSWORD)
    await settled(world)
    world.cluster.annotate_claim(KEY, **{ROTATE: request_})
    await world.settle()
    await look_thoroughly(world)

    assert data(world) == {"A": "00000001"}
    assert len(told(world, Reason.INVALID_CLAIM)) == 1
    assert told(world, Reason.CREDENTIALS_ROTATED) == []
    assert (await world.claim()).status.last_handled_rotation == request_[:256]
    ready = (await world.claim()).status.condition_set.get("Ready")
    assert ready is not None
    assert ready.status is Truth.TRUE


async def test_a_claim_that_is_made_with_the_annotation_has_nothing_to_rotate(world: World, uses: Uses):
    uses(A=PASSWORD)
    world.ask_for()
    world.cluster.annotate_claim(KEY, **{ROTATE: "first"})
    await world.settle()

    assert data(world) == {"A": "00000001"}
    assert (await world.claim()).status.last_handled_rotation == "first"
    assert told(world, Reason.CREDENTIALS_ROTATED) == []


async def test_a_claim_that_lost_its_status_is_not_rotated_again(world: World, uses: Uses):
    uses(A=PASSWORD)
    await settled(world)
    world.cluster.annotate_claim(KEY, **{ROTATE: "first"})
    await world.settle()
    world.cluster.claims[KEY].pop("status")
    await look_thoroughly(world)

    assert data(world) == {"A": "00000002"}
    assert await version(world) == 2


async def test_a_rotation_that_cannot_be_applied_waits_and_rotates_once(world: World, uses: Uses):
    uses(A=PASSWORD)
    reads(world)
    await settled(world)
    deployment = builders.ref("Deployment", "ide-web")
    world.cluster.refuse[deployment] = Stalled(Reason.APPLY_FAILED, "refused")
    world.cluster.annotate_claim(KEY, **{ROTATE: "first"})
    await world.reconcile(3)
    assert (await world.claim()).status.last_handled_rotation == ""
    assert told(world, Reason.CREDENTIALS_ROTATED) == []
    world.cluster.refuse.clear()
    await world.settle()

    assert data(world) == {"A": "00000002"}
    assert await version(world) == 2
    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "2"}


SECRET = builders.ref("Secret", OURS)


def lose(world: World) -> None:
    """Somebody deletes the claim's Secret."""
    world.cluster.remove(NAMESPACE, SECRET)


def ask_for_rotation(world: World) -> None:
    world.cluster.annotate_claim(KEY, **{ROTATE: "first"})


@pytest.mark.parametrize("change", [lose, ask_for_rotation])
async def test_pods_restart_only_when_the_secret_is_there(
    world: World, uses: Uses, change: Callable[[World], None]
):
    uses(A=PASSWORD)
    reads(world)
    await settled(world)
    change(world)
    world.cluster.refuse[SECRET] = Waiting(Reason.APPLY_FAILED, "quota")
    world.restart()
    await world.reconcile(4)
    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "1"}
    assert await version(world) == 2
    world.cluster.refuse.clear()
    await world.settle()

    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "2"}
    assert world.raw("Secret", OURS)["metadata"]["annotations"][CREDENTIALS_VERSION] == "2"
    assert data(world)["A"] != "00000001"
    assert await version(world) == 2
    assert len(told(world, Reason.CREDENTIALS_REGENERATED)) == (change is lose)


async def test_a_lost_key_that_cannot_be_written_is_told_of_once(world: World, uses: Uses):
    uses(A=PASSWORD, PIN=PIN)
    await settled(world)
    del world.raw("Secret", OURS)["data"]["PIN"]
    world.cluster.edit(NAMESPACE, SECRET, {"metadata": {"labels": {"ocdp.io/claim-uid": "x"}}})
    world.cluster.refuse[SECRET] = Waiting(Reason.APPLY_FAILED, "quota")
    world.restart()
    await world.reconcile(4)
    assert await version(world) == 2
    assert len(told(world, Reason.CREDENTIALS_REGENERATED)) == 1
    world.cluster.refuse.clear()
    await world.settle()
    assert data(world)["A"] == "00000001"
    assert await version(world) == 2


async def test_a_foreign_secret_in_its_place_raises_the_version_once(world: World, uses: Uses):
    uses(A=PASSWORD)
    reads(world)
    await settled(world)
    lose(world)
    world.cluster.put(
        NAMESPACE, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": OURS}, "data": {}}
    )
    for _ in range(4):
        world.restart()
        await world.reconcile()
    failure = (await world.claim()).status.failure
    assert failure is not None
    assert failure.code == Reason.OWNERSHIP_CONFLICT
    assert await version(world) == 2
    assert len(told(world, Reason.CREDENTIALS_REGENERATED)) == 1
    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "1"}
    assert data(world) == {}


async def test_a_value_that_somebody_edited_reaches_the_pods(world: World, uses: Uses):
    uses(A=PASSWORD)
    reads(world)
    await settled(world)
    mine = {"data": {"A": b64encode(b"edited").decode()}}
    world.cluster.edit(NAMESPACE, SECRET, mine)
    await look_thoroughly(world)

    assert data(world) == {"A": "edited"}
    assert await version(world) == 2
    assert pod(world)["metadata"]["annotations"] == {CREDENTIALS_VERSION: "2"}
    writes = world.cluster.writes
    await look_thoroughly(world)
    assert world.cluster.writes == writes


async def test_no_value_is_in_any_record(world: World, uses: Uses):
    put_secret(world)
    reads(world, mounted=True)
    uses(A=PASSWORD, TOKEN=TOKEN, BEARER=("Bearer ", TOKEN))
    await settled(world)
    world.cluster.annotate_claim(KEY, **{ROTATE: "first"})
    await world.settle()

    others = [raw for (_, ref), raw in world.cluster.objects.items() if ref.kind != "Secret"]
    everything = str([world.cluster.claims, world.cluster.events, others])
    assert CANARY not in everything
    assert b64encode(CANARY.encode()).decode() not in everything
    assert "00000001" not in everything


@pytest.mark.parametrize("wish", ["a rotation", "another copy", "a key less"])
async def test_a_secret_that_somebody_made_immutable_holds_the_set(world: World, uses: Uses, wish: str):
    """Known before anything is recorded; a value that stays as it is asks for nothing."""
    put_secret(world)
    uses(PASSWORD=PASSWORD, TOKEN=("x-", TOKEN))
    await settled(world)
    world.raw("Secret", OURS)["immutable"] = True
    before, counted = data(world), await version(world)
    await settled(world, values={"greeting": "other"})
    assert (await world.claim()).status.failure is None

    if wish == "a rotation":
        ask_for_rotation(world)
    elif wish == "another copy":
        put_secret(world, "another-canary")
    else:
        uses(PASSWORD=PASSWORD)
        world.ask_for(values={"greeting": "third"})
    world.cluster.remove(NAMESPACE, builders.ref("Service", "ide-web"))
    await look_thoroughly(world)
    refused = (await world.claim()).status.failure
    assert refused is not None
    assert refused.code is Reason.IMMUTABLE_FIELD_CONFLICT
    assert refused.message.startswith("Secret/ide-credentials: /data cannot be changed")
    steps = ("claim suspend", "> ide-credentials.yaml", "kubectl replace --force", "annotate", "claim resume")
    assert sorted(steps, key=refused.remedy.index) == list(steps)
    assert not [value for value in (*before.values(), CANARY, "another-canary") if value in str(refused)]
    assert data(world) == before
    assert await version(world) == counted
    assert "Service/ide-web" in world.live(), "and what was applied before is upheld"

    del world.raw("Secret", OURS)["immutable"]
    await look_thoroughly(world)
    assert (await world.claim()).status.failure is None
    assert data(world) != before
