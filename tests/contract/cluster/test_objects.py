"""The ``Cluster`` port, as to the objects of a claim, held against the fake and a real API server."""

from __future__ import annotations

import base64

import pytest

from ocdp_operator.errors import Conflict, Reason, Waiting
from ocdp_operator.model.hosts import hosts_of
from ocdp_operator.model.kinds import AUTOSCALER, CONFIG_MAP, DEPLOYMENT, INGRESS, SECRET, WORKLOAD
from ocdp_operator.model.objects import ObjectRef
from tests.support.cluster_worlds import (
    CLAIM_UID_OF_TESTS,
    OTHER_UID,
    World,
    config_map,
    deployment,
    marked,
    secret,
    service,
    workload,
)
from tests.support.world import eventually

CONFIG = ObjectRef("", "ConfigMap", "ide-config")
CREDENTIALS = ObjectRef("", "Secret", "ide-credentials")
APP = ObjectRef("apps", "Deployment", "ide")


class TestApply:
    async def test_creates_what_is_absent(self, world: World) -> None:
        manifest = marked(config_map(greeting="hi"), world.namespace)
        created = await world.cluster.apply(world.namespace, manifest, uid="")
        live = await world.live(CONFIG)
        assert live is not None
        assert live["data"] == {"greeting": "hi"}
        assert created.uid == live["metadata"]["uid"]
        assert created.mark is not None
        assert created.mark.claim_uid == CLAIM_UID_OF_TESTS
        assert created.applied_digest

    async def test_creation_conflicts_with_what_is_there(self, world: World) -> None:
        await world.create(config_map(mine="yes"))
        with pytest.raises(Conflict):
            await world.cluster.apply(world.namespace, marked(config_map(mine="no"), world.namespace), uid="")
        live = await world.live(CONFIG)
        assert live is not None
        assert live["data"] == {"mine": "yes"}

    async def test_apply_to_a_uid_that_is_gone_conflicts(self, world: World) -> None:
        manifest = marked(config_map(), world.namespace)
        with pytest.raises(Conflict):
            await world.cluster.apply(world.namespace, manifest, uid=OTHER_UID)
        assert await world.live(CONFIG) is None

    async def test_apply_to_an_object_that_was_replaced_conflicts(self, world: World) -> None:
        manifest = marked(config_map(a="1"), world.namespace)
        created = await world.cluster.apply(world.namespace, manifest, uid="")
        await world.remove(CONFIG)
        await world.create(config_map(theirs="yes"))
        with pytest.raises(Conflict):
            await world.cluster.apply(world.namespace, manifest, uid=created.uid)
        live = await world.live(CONFIG)
        assert live is not None
        assert live["data"] == {"theirs": "yes"}

    async def test_field_that_left_the_manifest_disappears(self, world: World) -> None:
        created = await _apply(world, config_map(a="1", b="2"))
        await _apply(world, config_map(a="1"), uid=created.uid)
        live = await world.live(CONFIG)
        assert live is not None
        assert live["data"] == {"a": "1"}

    async def test_same_manifest_changes_nothing(self, world: World) -> None:
        created = await _apply(world, config_map(a="1"))
        assert await _apply(world, config_map(a="1"), uid=created.uid) == created

    async def test_changed_manifest_gives_another_digest_and_the_same_uid(self, world: World) -> None:
        created = await _apply(world, config_map(a="1"))
        changed = await _apply(world, config_map(a="1", b="2"), uid=created.uid)
        assert changed.uid == created.uid
        assert changed.applied_digest != created.applied_digest
        assert int(changed.resource_version) > int(created.resource_version)

    async def test_field_that_somebody_else_took_changes_the_digest_until_it_is_applied(
        self, world: World
    ) -> None:
        created = await _apply(world, config_map(a="1"))
        await world.edit(CONFIG, {"data": {"a": "theirs"}})
        seen = await world.cluster.get(world.namespace, CONFIG)
        assert seen is not None
        assert seen.applied_digest != created.applied_digest
        again = await _apply(world, config_map(a="1"), uid=created.uid)
        live = await world.live(CONFIG)
        assert live is not None
        assert live["data"] == {"a": "1"}
        assert again.applied_digest != seen.applied_digest
        assert await _apply(world, config_map(a="1"), uid=created.uid) == again

    async def test_value_that_another_apply_of_ours_changed_changes_the_digest(self, world: World) -> None:
        created = await _apply(world, config_map(a="0"))

        async def told() -> bool:  # the server's clock counts seconds
            nonlocal value
            value += 1
            late = await _apply(world, config_map(a=str(value)), uid=created.uid)
            return late.applied_digest != created.applied_digest

        value = 0
        await eventually(told, "the late apply is seen")

    async def test_field_that_somebody_else_added_is_no_drift(self, world: World) -> None:
        created = await _apply(world, config_map(a="1"))
        await world.edit(CONFIG, {"data": {"b": "theirs"}})
        seen = await world.cluster.get(world.namespace, CONFIG)
        assert seen is not None
        assert seen.applied_digest == created.applied_digest

    async def test_namespace_that_does_not_exist_is_waited_for(self, world: World) -> None:
        with pytest.raises(Waiting) as error:
            await world.cluster.apply("nowhere", marked(config_map(), "nowhere"), uid="")
        assert error.value.reason is Reason.NAMESPACE_TERMINATING

    async def test_workload_and_its_status(self, world: World) -> None:
        ref = ObjectRef(WORKLOAD.group, WORKLOAD.kind, "ide")
        created = await world.cluster.apply(
            world.namespace, marked(dict(workload().body), world.namespace), uid=""
        )
        written = {"observedGeneration": 1, "conditions": [], "objects": [_health("ide", "Progressing")]}
        await world.cluster.apply_status(world.namespace, ref, written)
        await world.cluster.apply_status(
            world.namespace, ref, {**written, "objects": [_health("ide", "Healthy")]}
        )
        seen = await world.cluster.get(world.namespace, ref)
        assert seen is not None
        assert seen.body["status"] == {**written, "objects": [_health("ide", "Healthy")]}
        assert (seen.uid, seen.applied_digest) == (created.uid, created.applied_digest)

    async def test_status_of_an_absent_object_is_no_error(self, world: World) -> None:
        ref = ObjectRef(WORKLOAD.group, WORKLOAD.kind, "ide")
        await world.cluster.apply_status(world.namespace, ref, {"observedGeneration": 1})
        assert await world.live(ref) is None


class TestDisown:
    async def test_before_first_apply_is_removed_and_the_digest_stays(self, world: World) -> None:
        created = await _apply(world, deployment())
        await world.strip_managers(APP)
        taken_over = await _apply(world, deployment(), uid=created.uid)
        assert taken_over.before_first_apply
        ours = await world.cluster.disown(world.namespace, taken_over)
        assert not ours.before_first_apply
        assert ours.applied_digest == taken_over.applied_digest

    async def test_field_leaves_with_the_manifest_after_a_takeover(self, world: World) -> None:
        created = await _apply(world, config_map(a="1", b="2"))
        await world.strip_managers(CONFIG)
        taken_over = await _apply(world, config_map(a="1", b="2"), uid=created.uid)
        ours = await world.cluster.disown(world.namespace, taken_over)
        await _apply(world, config_map(a="1"), uid=ours.uid)
        live = await world.live(CONFIG)
        assert live is not None
        assert live["data"] == {"a": "1"}

    async def test_foreign_containers_and_volumes_are_removed_with_their_mounts(self, world: World) -> None:
        volumes = [{"name": "own", "emptyDir": {}}]
        mounts = [{"name": "own", "mountPath": "/own"}]
        body = deployment(volumes=volumes)
        body["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = mounts
        created = await _apply(world, body)
        await world.edit(APP, _intrusion())
        intruded = await _apply(world, body, uid=created.uid)
        assert len(intruded.foreign_parts) == 3
        ours = await world.cluster.disown(world.namespace, intruded)
        live = await world.live(APP)
        assert live is not None
        pod = live["spec"]["template"]["spec"]
        assert [container["name"] for container in pod["containers"]] == ["app"]
        assert [volume["name"] for volume in pod["volumes"]] == ["own"]
        assert pod["containers"][0]["volumeMounts"] == mounts
        assert not pod.get("initContainers")
        assert ours.foreign_parts == ()
        assert ours.applied_digest == intruded.applied_digest

    async def test_nothing_foreign_costs_no_write(self, world: World) -> None:
        created = await _apply(world, deployment())
        before = world.writes
        assert (await world.cluster.disown(world.namespace, created)).uid == created.uid
        assert world.writes == before

    async def test_another_object_of_the_name_conflicts(self, world: World) -> None:
        created = await _apply(world, config_map())
        await world.remove(CONFIG)
        await world.create(config_map())
        with pytest.raises(Conflict):
            await world.cluster.disown(world.namespace, created)


class TestReading:
    async def test_absent_object_is_none(self, world: World) -> None:
        assert await world.cluster.get(world.namespace, CONFIG) is None
        assert await world.cluster.get_secret(world.namespace, "ide-credentials") is None

    async def test_secret_is_seen_without_its_values(self, world: World) -> None:
        await _apply(world, secret(PASSWORD=_base64("hunter2")))
        seen = await world.cluster.get(world.namespace, CREDENTIALS)
        assert seen is not None
        assert seen.mark is not None
        assert seen.body == {}
        assert "hunter2" not in repr(seen)
        assert _base64("hunter2") not in str(seen)

    async def test_secret_of_a_user_is_seen_with_its_labels_and_without_a_mark(self, world: World) -> None:
        labels = {"ocdp.io/claimable": "true"}
        metadata = {"name": "upstream", "namespace": world.namespace, "labels": labels}
        data = {"token": _base64("hunter2")}
        await world.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
        seen = await world.cluster.get(world.namespace, ObjectRef("", "Secret", "upstream"))
        assert seen is not None
        assert (seen.labels["ocdp.io/claimable"], seen.mark, seen.applied_digest) == ("true", None, "")
        assert _base64("hunter2") not in str(seen)
        found = await world.cluster.get_secret(world.namespace, "upstream")
        assert found is not None
        assert (found[0].labels, found[0].mark, found[1]) == (seen.labels, None, data)

    async def test_own_secret_gives_its_values_to_who_asks_for_them(self, world: World) -> None:
        created = await _apply(world, secret(PASSWORD=_base64("hunter2")))
        found = await world.cluster.get_secret(world.namespace, "ide-credentials")
        assert found is not None
        observed, data = found
        assert data == {"PASSWORD": _base64("hunter2")}
        assert (observed.uid, observed.applied_digest) == (created.uid, created.applied_digest)

    async def test_a_secret_that_somebody_made_immutable_says_so_to_who_reads_it(self, world: World) -> None:
        created = await _apply(world, secret(PASSWORD=_base64("hunter2")))
        said = []
        for change in ({}, {"immutable": True}):
            await world.edit(created.ref, change)
            found = await world.cluster.get_secret(world.namespace, "ide-credentials")
            said.append(found is not None and found[0].frozen)
        assert said == [False, True]

    async def test_object_whose_health_is_read_comes_whole(self, world: World) -> None:
        await _apply(world, deployment())
        seen = await world.cluster.get(world.namespace, APP)
        assert seen is not None
        assert seen.body["spec"]["replicas"] == 1

    async def test_other_objects_come_as_metadata(self, world: World) -> None:
        await _apply(world, config_map(a="1"))
        seen = await world.cluster.get(world.namespace, CONFIG)
        assert seen is not None
        assert seen.body == {}

    async def test_list_holds_the_claims_objects_of_one_kind(self, world: World) -> None:
        first = await _apply(world, config_map("ide-a"))
        second = await _apply(world, config_map("ide-b"))
        await _apply(world, service())
        await world.create(config_map("unlabelled"))
        other = marked(config_map("other"), world.namespace, claim_uid=OTHER_UID)
        await world.cluster.apply(world.namespace, other, uid="")
        listed = await world.cluster.list_labelled(world.namespace, CONFIG_MAP, CLAIM_UID_OF_TESTS)
        assert {each.uid for each in listed} == {first.uid, second.uid}
        assert {each.ref.name for each in listed} == {"ide-a", "ide-b"}
        assert all(each.mark is not None for each in listed)
        assert await world.cluster.list_labelled(world.namespace, DEPLOYMENT, CLAIM_UID_OF_TESTS) == ()

    async def test_ingresses_of_others_come_whole_and_those_of_claims_do_not(self, world: World) -> None:
        host = f"{world.namespace}.example.test"
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
        rules = {"rules": [{"host": host, "http": {"paths": paths}}]}
        theirs = {"apiVersion": INGRESS.api_version, "kind": "Ingress", "metadata": {"name": "theirs"}}
        await world.create({**theirs, "spec": rules})
        ours = {**theirs, "metadata": {"name": "ide-web"}, "spec": rules}
        await _apply(world, ours)
        found = [
            each for each in await world.cluster.foreign_ingresses() if each.namespace == world.namespace
        ]
        assert [each.ref.name for each in found] == ["theirs"]
        assert hosts_of(found[0].body) == {host}

    async def test_what_any_autoscaler_of_the_namespace_scales_is_known(self, world: World) -> None:
        assert await world.cluster.autoscaled_objects(world.namespace) == frozenset()
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ide-web"}
        spec = {"scaleTargetRef": target, "maxReplicas": 3}
        theirs = {
            "apiVersion": AUTOSCALER.api_version,
            "kind": AUTOSCALER.kind,
            "metadata": {"name": "theirs"},
        }
        await world.create({**theirs, "spec": spec})
        scaled = await world.cluster.autoscaled_objects(world.namespace)
        assert scaled == {ObjectRef("apps", "Deployment", "ide-web")}

    async def test_events_about_an_object_come_newest_first_and_no_others(self, world: World) -> None:
        created = await _apply(world, service())
        await world.tell(created, "FailedCreate", "exceeded quota", "2026-01-01T00:00:02Z", warning=True)
        await world.tell(created, "Scaled", "to 1", "2026-01-01T00:00:01Z")
        await world.tell(created, "Scaled", "to 2", "2026-01-01T00:00:02Z")
        other = await _apply(world, config_map())
        await world.tell(other, "Other", "of another object", "2026-01-01T00:00:03Z")
        told = await world.cluster.events_about(world.namespace, created.uid)
        assert [(each.reason, each.message, each.warning) for each in told] == [
            ("FailedCreate", "exceeded quota", True),
            ("Scaled", "to 2", False),
            ("Scaled", "to 1", False),
        ]
        assert await world.cluster.events_about(world.namespace, OTHER_UID) == ()

    async def test_secrets_are_never_listed(self, world: World) -> None:
        with pytest.raises(ValueError, match="never listed"):
            await world.cluster.list_labelled(world.namespace, SECRET, CLAIM_UID_OF_TESTS)

    async def test_namespace_is_there_and_not_leaving(self, world: World) -> None:
        found = await world.cluster.namespace(world.namespace)
        assert found is not None
        assert not found.terminating
        assert await world.cluster.namespace("nowhere") is None


class TestDelete:
    async def test_object_with_this_uid_goes(self, world: World) -> None:
        created = await _apply(world, config_map())
        await world.cluster.delete(world.namespace, CONFIG, uid=created.uid)
        assert await world.live(CONFIG) is None

    async def test_object_with_another_uid_stays(self, world: World) -> None:
        await _apply(world, config_map())
        await world.cluster.delete(world.namespace, CONFIG, uid=OTHER_UID)
        assert await world.live(CONFIG) is not None

    async def test_absent_object_is_no_error(self, world: World) -> None:
        await world.cluster.delete(world.namespace, CONFIG, uid=OTHER_UID)

    async def test_object_with_a_finalizer_is_seen_leaving(self, world: World) -> None:
        created = await _apply(world, config_map())
        await world.edit(CONFIG, {"metadata": {"finalizers": ["example.test/hold"]}})
        await world.cluster.delete(world.namespace, CONFIG, uid=created.uid)
        seen = await world.cluster.get(world.namespace, CONFIG)
        assert seen is not None
        assert seen.deletion_timestamp
        assert seen.finalizers == ("example.test/hold",)
        await world.edit(CONFIG, {"metadata": {"finalizers": None}})
        assert await world.live(CONFIG) is None


async def _apply(world: World, body: dict[str, object], *, uid: str = ""):  # type: ignore[no-untyped-def]
    return await world.cluster.apply(world.namespace, marked(body, world.namespace), uid=uid)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _health(name: str, health: str) -> dict[str, str]:
    return {"kind": "Deployment", "name": name, "health": health}


def _intrusion() -> dict[str, object]:
    pod = {
        "containers": [
            {"name": "app", "volumeMounts": [{"name": "theirs", "mountPath": "/theirs"}]},
            {"name": "miner", "image": "miner:1"},
        ],
        "initContainers": [{"name": "prepare", "image": "miner:1"}],
        "volumes": [{"name": "theirs", "emptyDir": {}}],
    }
    return {"spec": {"template": {"spec": pod}}}


class TestRead:
    async def test_the_whole_object_with_who_said_what(self, world: World) -> None:
        await world.cluster.apply(world.namespace, marked(config_map(greeting="hi"), world.namespace), uid="")
        raw = await world.cluster.read(world.namespace, CONFIG)
        assert raw is not None
        assert raw["data"] == {"greeting": "hi"}
        assert raw["metadata"]["managedFields"][0]["manager"] == "ocdp-operator"

    async def test_nothing_where_there_is_none(self, world: World) -> None:
        assert await world.cluster.read(world.namespace, CONFIG) is None

    async def test_no_secret(self, world: World) -> None:
        with pytest.raises(ValueError, match="Secret"):
            await world.cluster.read(world.namespace, CREDENTIALS)
