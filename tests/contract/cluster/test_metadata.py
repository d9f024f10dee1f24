"""The ``Cluster`` port, as to what is said of objects beside what was applied, held against the fake and a real API server."""

from __future__ import annotations

import base64

import pytest

from ocdp_operator.errors import Conflict
from tests.support.cluster_worlds import World, config_map, marked, secret, stateful_set
from tests.support.live_objects import volume


class TestRetention:
    async def test_volumes_follow_the_policy_from_now_on(self, world: World) -> None:
        created = await _apply(world, stateful_set())
        await world.cluster.retain_volumes(world.namespace, created, deleted="Delete")
        seen = await world.cluster.get(world.namespace, created.ref)
        assert seen is not None
        assert seen.body["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
        assert seen.generation > created.generation

    async def test_stateful_set_that_is_gone_conflicts(self, world: World) -> None:
        created = await _apply(world, stateful_set())
        await world.remove(created.ref)
        with pytest.raises(Conflict):
            await world.cluster.retain_volumes(world.namespace, created, deleted="Delete")

    async def test_another_object_of_the_name_conflicts_and_stays_as_it_is(self, world: World) -> None:
        created = await _apply(world, stateful_set())
        await world.remove(created.ref)
        again = await _apply(world, stateful_set())
        with pytest.raises(Conflict):
            await world.cluster.retain_volumes(world.namespace, created, deleted="Delete")
        assert (await _apply(world, stateful_set(), uid=again.uid)).applied_digest == again.applied_digest


class TestAnnotating:
    async def test_what_is_said_comes_and_goes_beside_what_was_applied(self, world: World) -> None:
        created = await _apply(world, config_map(greeting="hi"))
        said = await world.cluster.annotate(
            world.namespace,
            created,
            annotations={"ocdp.io/retained": "{}"},
            labels={"ocdp.io/retained": "true"},
        )
        assert said.annotations["ocdp.io/retained"] == "{}"
        assert said.labels["ocdp.io/retained"] == "true"
        assert (said.uid, said.mark, said.applied_digest) == (
            created.uid,
            created.mark,
            created.applied_digest,
        )
        again = await _apply(world, config_map(greeting="hi"), uid=created.uid)
        assert again.labels["ocdp.io/retained"] == "true"
        bare = await world.cluster.annotate(
            world.namespace, again, annotations={"ocdp.io/retained": None}, labels={"ocdp.io/retained": None}
        )
        assert "ocdp.io/retained" not in {**bare.annotations, **bare.labels}
        assert bare.labels == created.labels

    async def test_of_a_secret_no_value_is_touched(self, world: World) -> None:
        created = await _apply(world, secret(PASSWORD=_base64("s3cret")))
        await world.cluster.annotate(world.namespace, created, annotations={"a/b": "c"}, labels={})
        found = await world.cluster.get_secret(world.namespace, created.ref.name)
        assert found is not None
        assert found[1] == {"PASSWORD": _base64("s3cret")}

    async def test_one_owner_is_taken_off_and_others_stay(self, world: World) -> None:
        created = await _apply(world, config_map())
        owners = [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "uid": uid} for uid in ("u1", "u2")
        ]
        held = {"metadata": {"ownerReferences": owners, "finalizers": ["x.test/held"]}}
        await world.edit(created.ref, held)
        said = await world.cluster.annotate(
            world.namespace, created, annotations={"a/b": "c"}, labels={}, disowned=["u1"]
        )
        assert said.owners == {"u2": "StatefulSet/a"}
        assert said.annotations["a/b"] == "c"

    async def test_object_that_is_gone_conflicts(self, world: World) -> None:
        created = await _apply(world, config_map())
        await world.remove(created.ref)
        with pytest.raises(Conflict):
            await world.cluster.annotate(world.namespace, created, annotations={}, labels={"a": "b"})

    async def test_another_object_of_the_name_conflicts_and_stays_as_it_is(self, world: World) -> None:
        created = await _apply(world, config_map())
        await world.remove(created.ref)
        again = await _apply(world, config_map())
        with pytest.raises(Conflict):
            await world.cluster.annotate(world.namespace, created, annotations={}, labels={"a": "b"})
        seen = await world.cluster.get(world.namespace, created.ref)
        assert seen is not None
        assert seen.resource_version == again.resource_version


async def _apply(world: World, body: dict[str, object], *, uid: str = ""):  # type: ignore[no-untyped-def]
    return await world.cluster.apply(world.namespace, marked(body, world.namespace), uid=uid)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_volumes_are_listed_by_their_instance(world: World) -> None:
    for name, instance in (("data-ide-0", "ide"), ("data-other-0", "other")):
        body = volume(name)
        body["metadata"]["labels"] = {"app.kubernetes.io/instance": instance}
        await _apply(world, body)
    listed = await world.cluster.list_volumes(world.namespace, "ide")
    assert [each.ref.name for each in listed] == ["data-ide-0"]
