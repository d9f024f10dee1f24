"""An object that was there before the claim belongs to whoever made it, and stays as it is."""

from __future__ import annotations

from typing import Any

from tests.adversarial.conftest import Decoys, Tenant, assert_truthful, config_map, service
from tests.support.apps import app_files, document
from tests.support.world import Team, condition

HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "theirs", "meta.helm.sh/release-namespace": "theirs"},
}
IN_THE_WAY = {
    "bare": "service/bare-web",
    "chart": "service/chart-web",
    "volume": "pvc/volume-data",
    "secret": "secret/secret-credentials",
    "p-q": "service/p-q-web",
}


async def test_20_an_object_of_somebody_else_is_neither_taken_nor_changed_nor_deleted(
    team: Team, tenant: Tenant
):
    # Two claims whose objects meet in one name: p with q-web, and p-q with web.
    await team.publish(app_files(second=document(service("q-web"))))
    await team.claim("p", deletionPolicy="Delete")
    await tenant.make(
        service("bare-web"),
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "volume-data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "secret-credentials"},
            "stringData": {"PASSWORD": "theirs"},
        },
        config_map("aside"),
    )
    await tenant.make(service("chart-web", **HELM), manager="helm")
    owner = await team.ready("p")

    for name in IN_THE_WAY:
        await team.claim(name, deletionPolicy="Delete")
    refused = {name: await team.until(name, "Applied", "False", "OwnershipConflict") for name in IN_THE_WAY}
    # The volume is bound by its controller, and the owner's Service is written by its owner alone.
    decoys = await Decoys.of(team, *IN_THE_WAY.values(), "configmap/aside")
    for name, found in refused.items():
        assert found["status"]["failure"]["actor"] == "User"
        assert IN_THE_WAY[name].partition("/")[2] in condition(found, "Applied")["message"]
    assert f"{team.namespace}/p." in condition(refused["p-q"], "Applied")["message"]
    # No pod runs on data or with credentials that were not adopted.
    assert not {"Deployment/volume-web", "Deployment/secret-web"} & (await team.objects()).keys()

    if tenant.has_status:
        # A record that calls them ours makes them ours for nobody.
        for name, theirs in IN_THE_WAY.items():
            await tenant.forge_status(name, inventory=[await _entry(team, theirs)])
            await team.claim(name, values={"greeting": "again"}, deletionPolicy="Delete")
        for name in IN_THE_WAY:
            await team.until(name, "Applied", "False", "OwnershipConflict")

    for name in IN_THE_WAY:
        await team.delete(name)
    for name in IN_THE_WAY:
        await team.gone(name)
    await decoys.assert_untouched()
    await assert_truthful(team)
    left = {item["metadata"]["labels"]["ocdp.io/claim-uid"] for item in (await _marked(team)).values()}
    assert left == {owner["metadata"]["uid"]}


async def _entry(team: Team, theirs: str) -> dict[str, Any]:
    """What the record would hold of an object of ours."""
    found = await team.find(*theirs.split("/"))
    assert found is not None
    id_ = f"{found['metadata']['name']}__{found['kind']}"
    return {"id": id_, "wave": 1, "uid": found["metadata"]["uid"], "sent": "x", "applied": "x"}


async def _marked(team: Team) -> dict:
    objects, names = await team.objects(), await team.marked()
    return {name: objects[name] for name in names}
