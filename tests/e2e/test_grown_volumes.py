"""A volume that a revision, or somebody, made larger stays so: a claim goes back over it, and takes edits, as if it were not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, deployment, document, stateful_set, template
from tests.support.audit import Audit
from tests.support.fix_operator import TeamFactory
from tests.support.looks import looked_at
from tests.support.world import Team, eventually, is_ready

SIZE = "/spec/resources/requests/storage"


def with_default(team: Team, size: int, *, of_set: bool = False) -> dict[str, Any]:
    """The template with another default for the size of its volume, in Gi."""
    found = template(team.template_id, team.repository_url)
    found["schema"]["properties"]["storageGi"]["default"] = size
    for each in found["mappings"]:
        if of_set and each.get("from") == "values.storageGi":
            pointer = f"/spec/volumeClaimTemplates/0{SIZE}"
            each["patch"] = {"kind": "StatefulSet", "name": "web", "pointer": pointer, "op": "replace"}
    return {"schema": found["schema"], "mappings": found["mappings"]}


def unplaceable() -> bytes:
    """The Deployment, with pods that fit no node, which is said after some seconds."""
    body = deployment()
    body["spec"]["progressDeadlineSeconds"] = 2
    body["spec"]["template"]["spec"]["nodeSelector"] = {"example.test/nowhere": "true"}
    return document(body)


def size_of(volume: dict[str, Any]) -> str:
    return str(volume["spec"]["resources"]["requests"]["storage"])


async def test_a_claim_goes_back_by_itself_over_a_volume_that_the_failed_revision_made_grow(
    new_team: TeamFactory, operator: OperatorProcess
):
    await operator.restart(rolloutPatienceSeconds=2)
    team = await new_team()
    await team.claim("ide", upgradePolicy="Auto")
    await team.ready("ide")
    before = await team.objects()
    assert size_of(before["PersistentVolumeClaim/ide-data"]) == "1Gi"

    await team.publish(app_files(deployment=unplaceable()), **with_default(team, 2))

    async def is_back() -> bool:
        found = await team.get_claim("ide")
        return is_ready(found) and found["status"]["template"].get("failed") == 2

    await eventually(is_back, "ide is Ready again, and says that revision 2 failed", seconds=60)
    after = await team.objects()
    volume = after["PersistentVolumeClaim/ide-data"]
    assert size_of(volume) == "2Gi"
    assert volume["metadata"]["uid"] == before["PersistentVolumeClaim/ide-data"]["metadata"]["uid"]
    pods = after["Deployment/ide-web"]["spec"]["template"]["spec"]
    assert pods == before["Deployment/ide-web"]["spec"]["template"]["spec"]


async def test_a_rollback_by_hand_keeps_a_set_whose_volumes_grew_with_its_pods(new_team: TeamFactory):
    team = await new_team(publish=False)
    files = app_files(deployment=b"", volume=b"", set=document(stateful_set()))
    await team.publish(files, **with_default(team, 1, of_set=True))
    await team.platform.bind(team.template_id, team.workspace)
    await team.claim("ide")
    await team.ready("ide")

    await team.publish(files, **with_default(team, 2, of_set=True))
    await team.claim("ide", templateRevision=2)
    await team.ready("ide")
    grown = await team.objects()
    assert size_of(grown["PersistentVolumeClaim/data-ide-web-0"]) == "2Gi"

    await team.claim("ide", templateRevision=1)
    found = await team.ready("ide")
    assert found["status"]["template"]["revision"] == 1
    after = await team.objects()
    assert size_of(after["PersistentVolumeClaim/data-ide-web-0"]) == "2Gi"
    for kind in ("StatefulSet/ide-web", "PersistentVolumeClaim/data-ide-web-0"):
        assert after[kind]["metadata"]["uid"] == grown[kind]["metadata"]["uid"]


async def test_a_volume_that_was_made_larger_by_hand_stays_so_and_the_claim_is_edited_on(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=1, logLevel="debug")
    await team.claim("ide")
    await team.ready("ide")
    larger = json.dumps({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    await team.platform.kubectl(
        "patch", "pvc", "ide-data", "-n", team.namespace, "--type=merge", "-p", larger
    )

    async def told() -> list[str]:
        found = (await team.platform.get("events", "-n", team.namespace))["items"]
        return [each["message"] for each in found if each["reason"] == "DriftCorrected"]

    size = "spec.resources.requests.storage is 2Gi, set by kubectl-patch, and stays so"
    said = await eventually(told, "it is told")
    assert said == [f"Corrected: PersistentVolumeClaim/ide-data: {size}."]
    await team.ready("ide")
    await looked_at(operator, [f"{team.namespace}/ide"], 3)
    audit = Audit(audit_log)
    await looked_at(operator, [f"{team.namespace}/ide"], 3)
    assert audit.changes(team.namespace) == []

    where = ("--kubeconfig", str(team.platform.cluster.kubeconfig))
    compared = await team.platform.ocdp("diff", "ide", "--namespace", team.namespace, *where)
    assert compared.strip().endswith("unchanged")
    await team.claim("ide", values={"greeting": "another"})
    await team.ready("ide")
    assert size_of((await team.objects())["PersistentVolumeClaim/ide-data"]) == "2Gi"
    assert await told() == said
