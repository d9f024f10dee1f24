"""A claim becomes a running workload, follows its user's changes and its template's revisions."""

from __future__ import annotations

import base64

import yaml

from tests.support.apps import app_files, deployment, document
from tests.support.world import Team, condition, eventually, inventory


async def test_a_claim_becomes_a_running_workload(team: Team):
    await team.claim("ide", values={"greeting": "good day", "guarded": "yes"})
    claim = await team.ready("ide")

    assert inventory(claim) == await team.marked(claim["metadata"]["uid"])
    objects = await team.objects()
    names = {
        name.split("-")[0] + "-" + name.split("-")[1]
        for name in inventory(claim)
        if name.startswith("ConfigMap")
    }
    assert names == {"ConfigMap/ide-web"}
    assert objects["Deployment/ide-web"]["status"]["readyReplicas"] == 1
    assert "NetworkPolicy/ide-web" in objects
    assert "Workload/ide" in objects
    config = next(item for name, item in objects.items() if name.startswith("ConfigMap/ide-web-config-"))
    assert yaml.safe_load(config["data"]["settings.yaml"]) == {
        "greeting": "good day",
        "limits": {"requests": 10},
    }
    secret = await team.platform.get("secret", "ide-credentials", "-n", team.namespace)
    assert len(base64.b64decode(secret["data"]["PASSWORD"])) == 24
    assert claim["status"]["credentialsSecretRef"] == {"name": "ide-credentials", "keys": ["PASSWORD"]}
    assert claim["status"]["url"] == f"http://ide-web.{team.namespace}.svc"
    assert not condition(claim, "Reconciling")
    assert not condition(claim, "Stalled")


async def test_a_changed_value_reaches_the_pods_and_the_old_config_goes(team: Team):
    await team.claim("ide", values={"greeting": "one"})
    before = await team.ready("ide")
    await team.claim("ide", values={"greeting": "two"})
    after = await team.ready("ide")

    async def only_the_new_config() -> bool:
        return len([name for name in await team.marked() if name.startswith("ConfigMap/")]) == 1

    await eventually(only_the_new_config, "the old ConfigMap is pruned")
    objects = await team.objects()
    config = next(item for name, item in objects.items() if name.startswith("ConfigMap/ide-web-config-"))
    assert yaml.safe_load(config["data"]["settings.yaml"])["greeting"] == "two"
    assert before["status"]["inputDigest"] != after["status"]["inputDigest"]
    assert [item["healthy"] for item in after["status"]["history"]] == [True, True]


async def test_a_field_that_the_base_drops_disappears_from_the_live_object(team: Team):
    with_annotation = deployment()
    with_annotation["spec"]["template"]["metadata"]["annotations"] = {"example.test/note": "here"}
    with_annotation["spec"]["minReadySeconds"] = 1
    await team.publish(app_files(deployment=document(with_annotation)))
    await team.claim("ide")
    await team.ready("ide")
    live = await team.platform.get("deploy", "ide-web", "-n", team.namespace)
    assert live["spec"]["minReadySeconds"] == 1

    await team.publish(tag="v2", source=_source(team, "v2"))
    await team.claim("ide", templateRevision=3)
    await team.ready("ide")
    live = await team.platform.get("deploy", "ide-web", "-n", team.namespace)
    assert "minReadySeconds" not in live["spec"]
    assert "example.test/note" not in live["spec"]["template"]["metadata"].get("annotations", {})


async def test_a_component_that_is_left_out_takes_its_object_with_it(team: Team):
    await team.claim("ide", values={"guarded": "yes"})
    await team.ready("ide")
    assert "NetworkPolicy/ide-web" in await team.objects()
    await team.claim("ide", values={"guarded": "no"})
    await team.ready("ide")

    async def pruned() -> bool:
        claim = await team.get_claim("ide")
        return (
            "NetworkPolicy/ide-web" not in await team.objects()
            and "NetworkPolicy/ide-web" not in inventory(claim)
        )

    await eventually(pruned, "the network policy is gone, and from the inventory")
    await team.assert_no_orphan()


async def test_a_new_revision_waits_for_its_pin(team: Team):
    await team.claim("ide")
    first = await team.ready("ide")
    changed = deployment()
    changed["spec"]["minReadySeconds"] = 1
    await team.publish(app_files(deployment=document(changed)), tag="v2", source=_source(team, "v2"))

    async def sees_the_newer() -> bool:
        return (await team.get_claim("ide"))["status"]["template"].get("available") == 2

    await eventually(sees_the_newer, "the claim says that a newer revision is available")
    claim = await team.get_claim("ide")
    assert claim["status"]["template"]["revision"] == 1
    assert claim["status"]["template"]["commit"] == first["status"]["template"]["commit"]
    await team.claim("ide", templateRevision=2)
    claim = await team.ready("ide")
    assert claim["status"]["template"]["revision"] == 2
    assert claim["metadata"]["annotations"]["ocdp.io/in-force"].startswith("2@")
    live = await team.platform.get("deploy", "ide-web", "-n", team.namespace)
    assert live["spec"]["minReadySeconds"] == 1


def _source(team: Team, ref: str) -> dict[str, str]:
    return {"type": "gitKustomize", "repositoryUrl": team.repository_url, "ref": ref, "path": "web/base"}
