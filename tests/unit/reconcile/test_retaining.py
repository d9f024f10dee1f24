"""What a deleted claim leaves says whose it was, and is taken back when its successor asks for it, and never by itself."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ocdp_operator.errors import Reason
from ocdp_operator.model.names import ADOPT, RETAINED
from tests.support import builders
from tests.support.pipeline_world import KEY, World, app
from tests.support.set_world import (
    OF_SET,
    SECRET,
    SELECTOR,
    TOMBSTONE,
    VOLUME,
    database,
    failure,
    put_volume,
    with_a_volume,
)


@pytest.fixture
async def world() -> World:
    """A claim that is Ready, with a StatefulSet whose controller made a volume."""
    made = await with_a_volume()
    made.cluster.set_status(
        builders.NAMESPACE, builders.ref("StatefulSet", "ide-db"), observedGeneration=1, replicas=1, readyReplicas=1,
        updatedReplicas=1, currentRevision="1", updateRevision="1", availableReplicas=1,
    )  # fmt: skip
    await made.settle()
    return made


def said(world: World, kind: str, name: str) -> dict[str, Any]:
    metadata = world.raw(kind, name)["metadata"]
    text = metadata.get("annotations", {}).get(RETAINED, "{}")
    assert (metadata.get("labels", {}).get(RETAINED) == "true") == (text != "{}")
    found: dict[str, Any] = json.loads(text)
    return found


async def delete(world: World) -> str:
    """Deletes the claim; returns its UID."""
    uid = (await world.claim()).uid
    world.cluster.delete_claim(KEY)
    for _ in range(10):
        if KEY not in world.cluster.claims:
            return uid
        await world.reconcile()
        settle_stateful_sets(world)
    raise AssertionError("the claim never goes")


def settle_stateful_sets(world: World) -> None:
    for (namespace, ref), raw in list(world.cluster.objects.items()):
        if ref.kind == "StatefulSet":
            world.cluster.set_status(namespace, ref, observedGeneration=raw["metadata"]["generation"])


@pytest.mark.parametrize("place", [VOLUME, SECRET, OF_SET], ids=["volume", "credentials", "volume of a set"])
async def test_what_is_kept_says_whose_it_was(world: World, place: tuple[str, str]):
    uid = await delete(world)
    assert said(world, *place) == {
        "claim": "ns-a/ide", "uid": uid, "template": "code-server", "revision": 1, "workspace": "team-a",
        "since": "2026-01-01T00:00:00Z",
    }  # fmt: skip


async def test_each_object_is_written_once(world: World):
    written: list[str] = []
    annotate = world.cluster.annotate

    async def counted(namespace: str, observed: Any, **change: Any) -> Any:
        written.append(str(observed.ref))
        return await annotate(namespace, observed, **change)

    world.cluster.annotate = counted  # type: ignore[method-assign]
    world.raw("Deployment", "ide-web")["metadata"]["finalizers"] = ["x/y"]
    world.cluster.delete_claim(KEY)
    for _ in range(4):
        await world.reconcile()
        settle_stateful_sets(world)
    world.restart()
    metadata = world.raw("Deployment", "ide-web")["metadata"]
    del metadata["finalizers"], metadata["deletionTimestamp"]
    world.cluster.remove(builders.NAMESPACE, builders.ref("Deployment", "ide-web"))
    for _ in range(4):
        await world.reconcile()
    assert KEY not in world.cluster.claims
    assert sorted(written) == sorted("/".join(place) for place in (VOLUME, SECRET, OF_SET))


async def test_a_volume_of_the_sets_name_without_its_labels_is_left_alone(world: World):
    put_volume(world, "data-ide-db-1", labels={"app": "somebody's"})
    before = copy.deepcopy(world.raw("PersistentVolumeClaim", "data-ide-db-1"))
    await delete(world)
    assert world.raw("PersistentVolumeClaim", "data-ide-db-1") == before


async def test_under_delete_nothing_is_kept_and_nothing_says_so(world: World):
    world.ask_for(deletionPolicy="Delete")
    await world.reconcile(2)
    await delete(world)
    assert {"/".join(VOLUME), "/".join(SECRET)}.isdisjoint(world.live())
    assert "/".join(OF_SET) not in world.live()  # also where its controller never came to own it


def owned(world: World) -> list[dict[str, Any]]:
    """The StatefulSet takes its volume along, as under Delete; so does somebody else."""
    set_ = world.raw("StatefulSet", "ide-db")["metadata"]
    owners = [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ide-db", "uid": set_["uid"]},
        {"apiVersion": "x.test/v1", "kind": "Thing", "name": "ide-db", "uid": "theirs"},
    ]
    world.raw(*OF_SET)["metadata"]["ownerReferences"] = owners
    return owners


async def test_a_volume_that_is_kept_does_not_go_with_its_set(world: World):
    """The controller takes itself off the volumes of pods that run, and of no others."""
    theirs = owned(world)[1]
    before = world.raw(*OF_SET)["metadata"]["uid"]
    await delete(world)
    after = world.raw(*OF_SET)["metadata"]
    assert (after["uid"], after["ownerReferences"]) == (before, [theirs])


async def test_no_volume_is_let_go_of_before_the_controller_knows_that_it_stays(world: World):
    """Else it would put itself back, by the policy that it knows."""
    world.ask_for(deletionPolicy="Delete")
    await world.settle()
    owners = owned(world)
    world.ask_for(deletionPolicy="RetainData")
    world.cluster.delete_claim(KEY)
    await world.reconcile(4)
    assert world.raw(*OF_SET)["metadata"]["ownerReferences"] == owners
    assert "StatefulSet/ide-db" in world.live()
    settle_stateful_sets(world)
    await world.reconcile()
    assert len(world.raw(*OF_SET)["metadata"]["ownerReferences"]) == 1


async def test_under_delete_a_volume_that_was_kept_from_another_claim_stays(world: World):
    put_volume(
        world,
        "data-ide-db-7",
        annotations={RETAINED: json.dumps(TOMBSTONE)},
        labels={**SELECTOR, RETAINED: "true"},
    )
    world.ask_for(deletionPolicy="Delete")
    await world.reconcile(2)
    await delete(world)
    assert "PersistentVolumeClaim/data-ide-db-7" in world.live()
    assert "/".join(OF_SET) not in world.live()


@pytest.mark.parametrize(("policy", "stays"), [("RetainData", True), ("Delete", False)])
async def test_pods_that_a_set_left_go_and_its_volumes_follow_the_policy(
    world: World, policy: str, stays: bool
):
    """A set that is made anew leaves its pods for a successor, which may never come."""
    world.ask_for(deletionPolicy=policy)
    await world.settle()
    place = builders.ref("StatefulSet", "ide-db")
    world.cluster.remove(builders.NAMESPACE, place)
    labels = {"ocdp.io/claim-name": "ide"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ide-db-0", "labels": labels}, "spec": {}}
    world.cluster.put(builders.NAMESPACE, pod)
    world.cluster.delete_claim(KEY)
    await world.reconcile(2)
    gathering = world.raw("StatefulSet", "ide-db")["spec"]
    assert (gathering["replicas"], gathering["selector"]) == (0, {"matchLabels": labels})
    assert KEY in world.cluster.claims
    world.cluster.remove(builders.NAMESPACE, builders.ref("Pod", "ide-db-0"))  # its controller sees to that
    for _ in range(4):
        settle_stateful_sets(world)
        await world.reconcile()
    assert KEY not in world.cluster.claims
    assert "StatefulSet/ide-db" not in world.live()
    assert ("/".join(OF_SET) in world.live()) is stays
    assert not stays or said(world, *OF_SET)


async def test_an_object_whose_mark_was_taken_away_gets_no_tombstone(world: World):
    world.raw(*VOLUME)["metadata"]["annotations"].pop("ocdp.io/owner")
    await delete(world)
    assert said(world, *VOLUME) == {}


async def test_data_is_taken_back_when_the_claim_asks_and_is_the_same(world: World):
    before = {place: copy.deepcopy(world.raw(*place)) for place in (VOLUME, SECRET, OF_SET)}
    uid = await delete(world)
    world.ask_for()
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert f"{ADOPT}={uid}" in refused.remedy
    assert "ocdp claim adopt ide" in refused.remedy
    assert "StatefulSet/ide-db" not in world.live()
    world.cluster.annotate_claim(KEY, **{ADOPT: uid})
    assert await failure(world) is None
    for place in (VOLUME, SECRET, OF_SET):
        assert said(world, *place) == {}
        assert world.raw(*place)["metadata"]["uid"] == before[place]["metadata"]["uid"]
    assert world.raw(*SECRET)["data"] == before[SECRET]["data"]
    assert (await world.claim()).uid in world.raw(*VOLUME)["metadata"]["annotations"]["ocdp.io/owner"]


async def test_a_set_takes_no_volume_of_a_former_claim_by_its_name_alone():
    """Nothing but the set's volume was kept: its controller would take it without asking anybody."""
    world = World([database()])
    world.revision = builders.template()
    world.ask_for()
    await world.settle()
    put_volume(world)
    uid = await delete(world)
    world.ask_for()
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "PersistentVolumeClaim/data-ide-db-0" in refused.message
    assert "StatefulSet/ide-db" not in world.live()
    world.cluster.annotate_claim(KEY, **{ADOPT: uid})
    assert await failure(world) is None
    assert "StatefulSet/ide-db" in world.live()
    assert said(world, *OF_SET) == {}


@pytest.mark.parametrize("adopt", [None, "former"], ids=["not asked for", "asked for"])
async def test_a_tombstone_alone_gives_nothing_to_anybody(adopt: str | None):
    world = World(app())
    put_volume(
        world,
        "ide-data",
        annotations={RETAINED: json.dumps(TOMBSTONE)},
        labels={**SELECTOR, RETAINED: "true"},
    )
    before = copy.deepcopy(world.raw(*VOLUME))
    world.ask_for()
    if adopt:
        world.cluster.annotate_claim(KEY, **{ADOPT: adopt})
    refused = await failure(world)
    assert refused.code is Reason.OWNERSHIP_CONFLICT
    assert "was not made by a claim" in refused.message
    assert world.raw(*VOLUME) == before


@pytest.mark.parametrize(
    "forged",
    [{"claim": "ns-a/other"}, {"claim": "ns-b/ide"}, {"uid": "another"}],
    ids=["another claim's", "another namespace's", "another UID"],
)
async def test_a_volume_of_a_set_is_taken_back_for_this_claim_and_this_uid_alone(forged: dict[str, str]):
    world = World([database()])
    world.revision = builders.template()
    text = json.dumps({**TOMBSTONE, **forged})
    put_volume(world, annotations={RETAINED: text}, labels={**SELECTOR, RETAINED: "true"})
    before = copy.deepcopy(world.raw(*OF_SET))
    world.ask_for()
    world.cluster.annotate_claim(KEY, **{ADOPT: "former"})
    assert (await failure(world)).code is Reason.OWNERSHIP_CONFLICT
    assert world.raw(*OF_SET) == before
    assert "StatefulSet/ide-db" not in world.live()


async def test_a_tombstone_that_somebody_writes_on_a_living_claims_data_changes_nothing(world: World):
    world.cluster.edit(
        builders.NAMESPACE, builders.ref(*VOLUME),
        {"metadata": {"annotations": {RETAINED: json.dumps(TOMBSTONE)}, "labels": {RETAINED: "true"}}},
    )  # fmt: skip
    before = {name for name in world.live() if not name.startswith("Workload")}
    await world.settle()
    assert before <= world.live()
    assert (await world.claim()).status.failure is None


@pytest.mark.parametrize("place", [VOLUME, SECRET, OF_SET], ids=["volume", "credentials", "volume of a set"])
async def test_a_tombstone_that_was_there_beforehand_does_not_say_whose_it_was(
    world: World, place: tuple[str, str]
):
    """Its UID is the claim's, and the rest is somebody's wish."""
    uid = (await world.claim()).uid
    forged = json.dumps({**TOMBSTONE, "claim": "ns-a/other", "uid": uid})
    world.raw(*place)["metadata"].setdefault("annotations", {})[RETAINED] = forged
    world.raw(*place)["metadata"]["labels"][RETAINED] = "true"
    await delete(world)
    assert (said(world, *place)["claim"], said(world, *place)["uid"]) == ("ns-a/ide", uid)
