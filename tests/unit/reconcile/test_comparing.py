"""What the next reconcile would change, against an API server that is a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.errors import Conflict, Reason, Stalled, Waiting
from ocdp_operator.model.claim import ClaimStatus, SecretRef
from ocdp_operator.model.inventory import Entry, Inventory
from ocdp_operator.model.names import OWNER
from ocdp_operator.model.objects import Manifest, Mark, ObjectRef
from ocdp_operator.model.provenance import BaseLayer, FieldOrigin, Provenance
from ocdp_operator.model.source import Artifact, Overlay, Rendering
from ocdp_operator.plan.difference import ABSENT, Change, Means, ObjectChange
from ocdp_operator.plan.secrets import Allotment
from ocdp_operator.plan.stamp import Desired
from ocdp_operator.reconcile.comparing import compare
from ocdp_operator.reconcile.preview import Preview
from ocdp_operator.reconcile.rendering import Rendered
from tests.support.builders import CLAIM_UID, COMMIT, NAMESPACE, claim, entry, ref, resolved

BASE = BaseLayer("web/base/web.yaml", COMMIT)
KUSTOMIZATION = b"configMapGenerator:\n- name: config\n  files: [c.yaml]\n"
NEW, OLD = "ide-config-bbcdfghkmt", "ide-config-2456789bcd"


def marked(kind: str, name: str, **body: Any) -> Manifest:
    mark = str(Mark(CLAIM_UID, NAMESPACE, "ide", ref(kind, name)))
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": {OWNER: mark}, "uid": "uid-1"}
    versions = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1"}
    return Manifest.of({"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata} | body)


class ApiServer:
    """Live objects; a dry run changes what the manifest says and nothing else."""

    def __init__(self, *live: Manifest, refuses: Mapping[str, Exception] | None = None) -> None:
        self._live = {each.ref: dict(each.body) for each in live}
        self._refuses = refuses or {}
        self.sent: list[Manifest] = []
        self.growable = {"fast": True, "stiff": False}

    async def live(self, namespace: str, ref: ObjectRef) -> Mapping[str, Any] | None:
        assert namespace == NAMESPACE
        return self._live.get(ref)

    async def lets_volumes_grow(self, storage_class: str) -> bool | None:
        return self.growable.get(storage_class)

    async def applied(self, namespace: str, manifest: Manifest) -> Mapping[str, Any]:
        self.sent.append(manifest)
        if error := self._refuses.get(str(manifest.ref)):
            raise error
        metadata = {key: value for key, value in manifest.body["metadata"].items() if key != "uid"}
        return {**self._live.get(manifest.ref, {}), **manifest.body, "metadata": metadata}


def seen(*manifests: Manifest, inventory: tuple[Entry, ...] = (), **status: Any) -> Preview:
    recorded = ClaimStatus(inventory=tuple(Inventory.of(inventory).to_wire()), **status)
    files = {"apps/code-server/base/kustomization.yaml": KUSTOMIZATION}
    rendering = Rendering(manifests)
    rendered = Rendered(resolved(), Artifact(COMMIT, Path(), files), Overlay({}), rendering)
    entries = Inventory.of(Entry(each.ref, content_named=each.ref.name == NEW) for each in manifests)
    return Preview(
        claim(status=recorded), rendered, {}, Allotment(rendering, ()), Desired(manifests, entries)
    )


async def changes(server: ApiServer, preview: Preview, *origins: FieldOrigin) -> dict[str, ObjectChange]:
    known = Provenance({each.ref: origins for each in preview.desired.manifests})
    return {str(each.ref): each for each in await compare(server, preview, known)}


async def test_an_object_that_is_not_there_is_created() -> None:
    found = await changes(ApiServer(), seen(marked("Service", "ide-web")))
    assert found["Service/ide-web"] == ObjectChange(ref("Service", "ide-web"), Change.CREATED)


async def test_a_field_that_somebody_changed_is_shown_with_the_layer_that_says_otherwise() -> None:
    live = marked("Deployment", "ide-web", spec={"replicas": 3}, status={"replicas": 3})
    wanted = marked("Deployment", "ide-web", spec={"replicas": 1})
    recorded = (entry("Deployment", "ide-web", uid="uid-1"),)
    server = ApiServer(live)
    found = await changes(server, seen(wanted, inventory=recorded), FieldOrigin("/spec/replicas", 1, BASE))
    change = found["Deployment/ide-web"]
    assert change.change is Change.CONFIGURED
    assert [(each.pointer, each.old, each.new, each.layer) for each in change.fields] == [
        ("/spec/replicas", 3, 1, BASE)
    ]
    assert server.sent[0].body["metadata"]["uid"] == "uid-1"


async def test_what_is_as_it_should_be_is_unchanged() -> None:
    service = marked("Service", "ide-web", spec={"type": "ClusterIP"})
    assert (await changes(ApiServer(service), seen(service)))["Service/ide-web"].change is Change.UNCHANGED


async def test_an_object_of_somebody_else_is_refused_without_asking() -> None:
    foreign = Manifest.of({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ide-web"}})
    server = ApiServer(foreign)
    found = await changes(server, seen(marked("Service", "ide-web")))
    assert found["Service/ide-web"].change is Change.REFUSED
    assert not server.sent


def claimed(size: str, name: str = "fast") -> dict[str, Any]:
    return {"storageClassName": name, "resources": {"requests": {"storage": size}}}


BOUND = {"phase": "Bound", "capacity": {"storage": "2Gi"}}
STARTED = {"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": "a:1"}]}}}
ROLLED = {"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": "a:2"}]}}}
OTHER = {"replicas": 2, "template": STARTED["template"]}


@pytest.mark.parametrize(
    ("kind", "live", "wanted", "change", "means"),
    [
        ("Deployment", STARTED, ROLLED, Change.CONFIGURED, Means.RESTART),
        ("Deployment", STARTED, ROLLED | {"replicas": 0}, Change.CONFIGURED, Means.IN_PLACE),
        ("Deployment", STARTED, OTHER, Change.CONFIGURED, Means.IN_PLACE),
        ("PersistentVolumeClaim", claimed("2Gi"), claimed("3Gi"), Change.CONFIGURED, Means.EXPAND),
        ("PersistentVolumeClaim", claimed("2Gi"), claimed("1Gi"), Change.REFUSED, None),
        ("PersistentVolumeClaim", claimed("2Gi", "stiff"), claimed("3Gi", "stiff"), Change.REFUSED, None),
    ],
    ids=["restart", "nothing to restart", "in place", "expand", "shrink", "a class without growth"],
)
async def test_how_a_change_would_come_about_is_told(
    kind: str, live: dict[str, Any], wanted: dict[str, Any], change: Change, means: Means | None
) -> None:
    server = ApiServer(marked(kind, "ide-web", spec=live, status=BOUND))
    found = await changes(server, seen(marked(kind, "ide-web", spec=wanted)))
    told = found[f"{kind}/ide-web"]
    assert (told.change, told.means) == (change, means)
    if change is Change.REFUSED:
        assert [each.pointer for each in told.fields] == ["/spec/resources/requests/storage"]
        assert told.fields[0].old == "2Gi"
        assert told.note.startswith("immutable: ")
        assert not server.sent


async def test_a_stateful_set_that_is_made_anew_is_tried_under_another_name() -> None:
    def sized(size: str) -> Manifest:
        template = {"metadata": {"name": "data"}, "spec": claimed(size)}
        return marked("StatefulSet", "ide-db", spec={"replicas": 0, "volumeClaimTemplates": [template]})

    server = ApiServer(sized("2Gi"))
    told = (await changes(server, seen(sized("3Gi"))))["StatefulSet/ide-db"]
    assert (told.change, told.means) == (Change.CONFIGURED, Means.RECREATE)
    assert told.note == "volumes data grow to 3Gi"
    assert [each.pointer for each in told.fields] == [
        "/spec/volumeClaimTemplates/0/spec/resources/requests/storage"
    ]
    assert [str(each.ref) for each in server.sent] == ["StatefulSet/ide-db-trial"]


async def test_a_job_with_other_content_replaces_the_one_of_its_name() -> None:
    old, new = "ide-seed-bbcdfghkmt", "ide-seed-2456789bcd"
    live = marked("Job", old, spec={"backoffLimit": 1})
    recorded = (entry("Job", old, content_named=True),)
    found = await changes(
        ApiServer(live), seen(marked("Job", new, spec={"backoffLimit": 2}), inventory=recorded)
    )
    assert list(found) == [f"Job/{new}"]
    told = found[f"Job/{new}"]
    assert (told.means, told.note) == (Means.NEW_NAME, f"replaces Job/{old}")


REFUSALS = {
    "it cannot be so": Stalled(Reason.IMMUTABLE_FIELD_CONFLICT, "it cannot change"),
    "no room": Waiting(Reason.QUOTA_EXCEEDED, "exceeds the quota"),
    "another object": Conflict("gone"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_the_api_server_refuses_is_told(refusal: Exception) -> None:
    server = ApiServer(refuses={"Service/ide-web": refusal})
    change = (await changes(server, seen(marked("Service", "ide-web"))))["Service/ide-web"]
    assert change.change is Change.REFUSED
    assert change.note


async def test_an_api_server_that_is_away_is_no_refusal() -> None:
    server = ApiServer(refuses={"Service/ide-web": Waiting(Reason.CLUSTER_UNAVAILABLE, "away")})
    with pytest.raises(Waiting):
        await changes(server, seen(marked("Service", "ide-web")))


async def test_a_generated_config_map_is_compared_with_the_one_it_replaces() -> None:
    live = marked("ConfigMap", OLD, data={"c.yaml": "a: 1\nb: 1\n"})
    wanted = marked("ConfigMap", NEW, data={"c.yaml": '{"a": 1, "b": 2}'})
    recorded = (entry("ConfigMap", OLD, content_named=True),)
    found = await changes(ApiServer(live), seen(wanted, inventory=recorded))
    assert list(found) == [f"ConfigMap/{NEW}"]
    change = found[f"ConfigMap/{NEW}"]
    assert change.note == f"replaces ConfigMap/{OLD}"
    assert ("/data/c.yaml#/b", 1, 2) in [(each.pointer, each.old, each.new) for each in change.fields]
    assert not any(each.pointer == "/data/c.yaml#/a" for each in change.fields)


async def test_of_the_credentials_keys_are_compared_and_no_value_is_sent() -> None:
    wanted = marked("Secret", "ide-credentials", data={"NEW": "***", "SAME": "***"}, type="Opaque")
    live = marked("Secret", "ide-credentials")
    server = ApiServer(live)
    status = {"credentials_secret_ref": SecretRef(name="ide-credentials", keys=("OLD", "SAME"))}
    change = (await changes(server, seen(wanted, **status)))["Secret/ide-credentials"]
    keys = [(each.pointer, each.old, each.new) for each in change.fields if each.pointer.startswith("/data")]
    assert keys == [("/data/NEW", ABSENT, "***"), ("/data/OLD", "***", ABSENT)]
    assert "data" not in server.sent[0].body


async def test_what_is_no_longer_rendered_is_deleted_or_waits_for_an_approval() -> None:
    recorded = (
        entry("Service", "ide-web"),
        entry("Service", "ide-more"),
        entry("ServiceAccount", "ide-web"),
        entry("PersistentVolumeClaim", "ide-home"),
        replace(entry("ConfigMap", OLD), content_named=True, desired=False),
    )
    wanted = [marked("Service", "ide-web"), marked("ServiceAccount", "ide-web")]
    found = await changes(ApiServer(*wanted), seen(*wanted, inventory=recorded))
    deleted = {name: each.note for name, each in found.items() if each.change is Change.DELETED}
    assert deleted == {
        "Service/ide-more": "",
        "PersistentVolumeClaim/ide-home": "waits for an approval: Data or credentials would be deleted.",
        f"ConfigMap/{OLD}": "once no pod uses it",
    }
