"""Whatever was done to a claim's objects by hand is undone; data and other people's fields are left alone."""

from __future__ import annotations

import pytest

from ocdp_operator.dev.operator import OperatorProcess
from tests.support.apps import app_files
from tests.support.world import Team, condition, eventually

SECURITY = '{"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}'
SIDECAR = (
    f'{{"spec": {{"template": {{"spec": {{"containers": [{{"name": "spy", "image": "x.test/spy:1", '
    f'"securityContext": {SECURITY}}}]}}}}}}}}'
)
EDITS = {
    "edited": ("patch", "service", "ide-web", "--type=merge", "-p", '{"spec": {"selector": {"mine": "now"}}}'),
    "deleted": ("delete", "service", "ide-web"),
    "mark stripped": ("annotate", "service", "ide-web", "ocdp.io/owner-"),
    "label removed": ("label", "service", "ide-web", "ocdp.io/workspace-"),
    "scaled": ("scale", "deploy", "ide-web", "--replicas=3"),
    "sidecar added": (
        "patch", "deploy", "ide-web", "-p", SIDECAR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
async def test_drift_is_corrected(team: Team, edit: tuple[str, ...]):
    await team.claim("ide")
    await team.ready("ide")
    before = await team.objects()
    await team.platform.kubectl(*edit, "-n", team.namespace)

    async def as_before() -> bool:
        after = await team.objects()
        return all(_desired(after.get(name)) == _desired(item) for name, item in before.items())

    await eventually(as_before, "the objects are as they were")
    await team.ready("ide")
    await team.assert_no_orphan()


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
