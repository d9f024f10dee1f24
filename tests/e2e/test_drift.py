"""Whatever was done to a claim's objects by hand is undone; data and other people's fields are left alone."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files, deployment, document
from tests.support.audit import Audit
from tests.support.looks import looked_at
from tests.support.world import Team, condition, eventually

SECURITY = '{"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}'
SIDECAR = (
    f'{{"spec": {{"template": {{"spec": {{"containers": [{{"name": "spy", "image": "x.test/spy:1", '
    f'"securityContext": {SECURITY}}}]}}}}}}}}'
)
RIVAL = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "ide-web"},
    "spec": {"replicas": 5},
}
SCALED = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
AUTOSCALER: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {"scaleTargetRef": SCALED, "minReplicas": 2, "maxReplicas": 3},
}
"""Nothing measures load here: its controller sees to the least number alone."""
WITHIN = 5.0
"""Seconds from somebody's change to the first request that repairs it, by the API server's clock."""
EDITS = {
    "edited": ("patch", "service", "ide-web", "--type=merge", "-p", '{"spec": {"selector": {"mine": "now"}}}'),
    "deleted": ("delete", "service", "ide-web"),
    "mark stripped": ("annotate", "service", "ide-web", "ocdp.io/owner-"),
    "label removed": ("label", "service", "ide-web", "ocdp.io/workspace-"),
    "the claim's label removed": ("label", "deploy", "ide-web", "ocdp.io/claim-name-"),
    "the claim's UID removed": ("label", "service", "ide-web", "ocdp.io/claim-uid-"),
    "the claim's UID changed": ("label", "--overwrite", "service", "ide-web", "ocdp.io/claim-uid=another"),
    "every label changed": (
        "label", "--overwrite", "deploy", "ide-web", "ocdp.io/claim-uid=another", "ocdp.io/claim-name=another",
    ),
    "data edited": ("patch", "pvc", "ide-data", "--type=merge", "-p", '{"metadata": {"labels": {"ocdp.io/workspace": "x"}}}'),
    "managed by another": (
        "apply", "--server-side", "--force-conflicts", "--field-manager=rival", "-f", "-",
    ),
    "scaled": ("scale", "deploy", "ide-web", "--replicas=3"),
    "sidecar added": (
        "patch", "deploy", "ide-web", "-p", SIDECAR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
async def test_drift_is_corrected(team: Team, edit: tuple[str, ...], audit_log: Path):
    await team.claim("ide")
    await team.ready("ide")
    before = await team.objects()
    audit = Audit(audit_log)
    await team.platform.kubectl(
        *edit, "-n", team.namespace, stdin=json.dumps(RIVAL) if "-f" in edit else None
    )

    async def as_before() -> bool:
        after = await team.objects()
        return all(_desired(after.get(name)) == _desired(item) for name, item in before.items())

    await eventually(as_before, "the objects are as they were")
    took = audit.seconds_to_repair(team.namespace)
    print(f"repaired {took:.2f} s after the change")  # noqa: T201 - what was measured
    assert took < WITHIN
    await team.ready("ide")
    await team.assert_no_orphan()


async def test_a_change_is_told_once_with_field_old_value_and_who(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    await team.platform.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=rival", "-n", team.namespace, "-f", "-", stdin=json.dumps(RIVAL))  # fmt: skip

    async def told() -> list[str]:
        found = (await team.platform.get("events", "-n", team.namespace))["items"]
        return [each["message"] for each in found if each["reason"] == "DriftCorrected"]

    messages = await eventually(told, "the correction is told")
    assert messages == ["Corrected: Deployment/ide-web: spec.replicas was 5, set by rival; is 1 again."]


async def test_what_the_template_ignores_is_left_to_whoever_changes_it(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=1, logLevel="debug")
    rule = {"target": {"kind": "Deployment", "name": "web"}, "pointers": ["/spec/replicas"]}
    await team.publish(ignore=[rule])
    await team.claim("ide")
    await team.ready("ide")
    await team.platform.kubectl("scale", "deploy", "ide-web", "--replicas=2", "-n", team.namespace)
    await team.ready("ide")
    await looked_at(operator, [f"{team.namespace}/ide"], 3)
    audit = Audit(audit_log)
    await looked_at(operator, [f"{team.namespace}/ide"], 3)
    assert audit.changes(team.namespace) == []
    assert await replicas(team) == 2

    # Another field is put right, and this one is not sent with it.
    await team.platform.kubectl("annotate", "deploy", "ide-web", "ocdp.io/owner-", "-n", team.namespace)

    async def marked() -> bool:
        return "Deployment/ide-web" in await team.marked()

    await eventually(marked, "the mark is there again")
    assert await replicas(team) == 2


async def test_an_autoscaler_of_the_rendering_keeps_its_replicas(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=1, logLevel="debug")
    plain = deployment()
    del plain["spec"]["replicas"]
    await team.publish(app_files(deployment=document(plain), autoscaler=document(AUTOSCALER)))
    await team.claim("ide")
    await scaled_by_the_controller(team)
    await left_alone(team, operator, audit_log)


async def test_an_autoscaler_of_somebody_else_keeps_its_replicas_and_a_person_does_not(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=1, logLevel="debug")
    await team.claim("ide")
    await team.ready("ide")
    theirs = AUTOSCALER | {"metadata": {"name": "theirs"}}
    theirs = theirs | {"spec": {**AUTOSCALER["spec"], "scaleTargetRef": {**SCALED, "name": "ide-web"}}}
    await team.platform.kubectl("apply", "-n", team.namespace, "-f", "-", stdin=json.dumps(theirs))
    await scaled_by_the_controller(team)
    await left_alone(team, operator, audit_log)
    await team.platform.kubectl("delete", "hpa", "theirs", "-n", team.namespace)
    await team.platform.kubectl("scale", "deploy", "ide-web", "--replicas=5", "-n", team.namespace)

    async def put_right() -> bool:
        return await replicas(team) == 1

    await eventually(put_right, "what a person scaled is put right")
    await team.ready("ide")


async def replicas(team: Team) -> int:
    found = await team.platform.get("deploy", "ide-web", "-n", team.namespace)
    return int(found["spec"]["replicas"])


async def scaled_by_the_controller(team: Team) -> None:
    async def two() -> bool:
        return await team.find("deploy", "ide-web") is not None and await replicas(team) == 2

    await eventually(two, "the autoscaler's controller has scaled", seconds=90)
    await team.ready("ide")


async def left_alone(team: Team, operator: OperatorProcess, audit_log: Path) -> None:
    """Over some looks the operator writes nothing."""
    await looked_at(operator, [f"{team.namespace}/ide"], 3)
    audit = Audit(audit_log)
    await looked_at(operator, [f"{team.namespace}/ide"], 3)
    assert audit.changes(team.namespace) == []
    assert await replicas(team) == 2


async def test_a_label_of_somebody_else_stays(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    await team.platform.kubectl("label", "service", "ide-web", "-n", team.namespace, "theirs=yes")
    await team.claim("ide", values={"guarded": "yes"})
    await team.ready("ide")
    live = await team.platform.get("service", "ide-web", "-n", team.namespace)
    assert live["metadata"]["labels"]["theirs"] == "yes"


async def test_a_deleted_credentials_secret_is_made_anew_and_the_pods_roll(
    team: Team, operator: OperatorProcess
):
    await operator.restart(resyncSeconds=1)
    await team.claim("ide")
    await team.ready("ide")
    old = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    await team.platform.kubectl("delete", "secret", "ide-credentials", "-n", team.namespace)

    async def made_anew() -> bool:
        return await team.find("secret", "ide-credentials") is not None

    await eventually(made_anew, "the Secret is there again")
    claim = await team.ready("ide")
    new = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    assert new["data"]["PASSWORD"] != old["data"]["PASSWORD"]
    assert claim["status"]["credentialsVersion"] == 2
    live = await team.platform.get("deploy", "ide-web", "-n", team.namespace)
    assert live["spec"]["template"]["metadata"]["annotations"]["ocdp.io/credentials-version"] == "2"
    events = await team.platform.kubectl("describe", "wc", "ide", "-n", team.namespace)
    assert "CredentialsRegenerated" in events
    assert old["data"]["PASSWORD"] not in events


async def test_a_deleted_credentials_secret_is_there_again_when_a_reconcile_is_asked_for(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=600)
    await team.claim("ide")
    await team.ready("ide")
    await team.platform.kubectl("delete", "secret", "ide-credentials", "-n", team.namespace)
    audit = Audit(audit_log)
    await reconcile_is_asked_for(team)

    async def there() -> bool:
        return await team.find("secret", "ide-credentials") is not None

    await eventually(there, "the Secret is there again")
    await repaired_after_the_request(team, audit)


async def test_an_edited_copy_of_a_users_secret_is_put_right_when_a_reconcile_is_asked_for(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    await operator.restart(resyncSeconds=600)
    theirs = {
        "metadata": {"name": "mine", "labels": {"ocdp.io/claimable": "true"}},
        "stringData": {"token": "theirs"},
    }
    await team.platform.kubectl("apply", "-f", "-", "-n", team.namespace, stdin=json.dumps({"apiVersion": "v1", "kind": "Secret", **theirs}))  # fmt: skip
    # What is derived from a user's Secret is a copy; what is taken as it is, the pod refers to itself.
    await team.publish(mappings=[{"value": "'Bearer ' + values.password", "secret": {"key": "PASSWORD"}}])
    await team.claim("ide", values={"password": {"secretKeyRef": {"name": "mine", "key": "token"}}})
    await team.ready("ide")
    assert await password(team) == "Bearer theirs"
    await edit_the_password(team)
    audit = Audit(audit_log)
    await reconcile_is_asked_for(team)

    async def put_right() -> bool:
        return await password(team) == "Bearer theirs"

    await eventually(put_right, "the Secret holds what the user's Secret says")
    await repaired_after_the_request(team, audit)


async def test_an_edited_generated_password_reaches_the_pods_when_a_reconcile_is_asked_for(
    team: Team, operator: OperatorProcess, audit_log: Path
):
    """Nobody else knows the old one: pods that still use it would no longer agree with the Secret."""
    await operator.restart(resyncSeconds=600)
    await team.claim("ide")
    await team.ready("ide")
    await edit_the_password(team)
    audit = Audit(audit_log)
    await reconcile_is_asked_for(team)

    async def rolled() -> bool:
        live = await team.platform.get("deploy", "ide-web", "-n", team.namespace)
        annotations = live["spec"]["template"]["metadata"]["annotations"]
        return bool(annotations["ocdp.io/credentials-version"] == "2")

    await eventually(rolled, "the pods roll")
    assert await password(team) == "edited"
    await repaired_after_the_request(team, audit)
    live = await team.platform.get("secret", "ide-credentials", "-n", team.namespace, "--show-managed-fields")
    owners = {each["manager"] for each in live["metadata"]["managedFields"] if "f:PASSWORD" in each["fieldsV1"].get("f:data", {})}  # fmt: skip
    assert "ocdp-operator" in owners


async def password(team: Team) -> str:
    found = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    return b64decode(found["data"]["PASSWORD"]).decode()


async def edit_the_password(team: Team) -> None:
    await team.platform.kubectl(
        "patch", "secret", "ide-credentials", "--type=merge", "-p", '{"stringData": {"PASSWORD": "edited"}}',
        "-n", team.namespace,
    )  # fmt: skip


async def reconcile_is_asked_for(team: Team) -> None:
    await team.platform.kubectl("annotate", "wc", "ide", "ocdp.io/reconcile-requested-at=now", "-n", team.namespace)  # fmt: skip


async def repaired_after_the_request(team: Team, audit: Audit) -> None:
    claim = await team.ready("ide")
    assert claim["status"]["lastHandledReconcileAt"] == "now"
    took = audit.seconds_between("workloadclaims/ide", "secrets/ide-credentials", team.namespace)
    print(f"repaired {took:.2f} s after the request")  # noqa: T201 - what was measured
    assert took < WITHIN


async def test_losing_a_volume_from_the_base_stops_before_the_prune(team: Team):
    await team.claim("ide")
    await team.ready("ide")
    files = app_files(volume=b"")
    files["web/base/deployment.yaml"] = files["web/base/deployment.yaml"].replace(
        b"persistentVolumeClaim:\n          claimName: data", b"emptyDir: {}"
    )
    source = {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": "v2", "path": "web/base"}
    mappings = [{"from": "values.password", "secret": {"key": "PASSWORD"}}]
    await team.publish(files, tag="v2", source=source, mappings=mappings)
    await team.claim("ide", templateRevision=2)

    blocked = await team.until("ide", "Applied", "True", "PruneBlocked")
    pending = blocked["status"]["pendingPrune"]
    assert pending["objects"] == ["PersistentVolumeClaim/ide-data"]
    assert pending["digest"]
    assert "PersistentVolumeClaim/ide-data" in await team.objects()
    await team.assert_no_orphan()
    assert condition(blocked, "Applied")["message"]


def _desired(item: dict | None) -> object:
    """What we sent of an object, as far as a test can compare it."""
    if item is None:
        return None
    metadata = item["metadata"]
    spec = item.get("spec", {})
    template = spec.get("template", {}).get("spec", {})
    return (
        dict(metadata.get("labels", {})),
        metadata.get("annotations", {}).get("ocdp.io/owner"),
        spec.get("selector"),
        spec.get("replicas"),
        [container["name"] for container in template.get("containers", ())],
    )
