"""A tenant forges marks, fields and status: no object of anybody else is touched, and the claim finds its way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.dev.operator import OperatorProcess
from ocdp_operator.model.kinds import RUNTIME_KINDS
from tests.adversarial.conftest import (
    Decoys,
    Tenant,
    assert_truthful,
    config_map,
    marked,
    service,
    told,
)
from tests.support.apps import claim
from tests.support.world import Team, eventually, is_ready


async def test_21_a_copied_mark_saves_no_object_of_ours_and_costs_no_decoy(
    team: Team, tenant: Tenant, operator: OperatorProcess
):
    names = ("copy", "lost", "strip")
    for name in names:
        await team.claim(name, deletionPolicy="Delete", values={"guarded": "yes"})
    claims = {name: await team.ready(name) for name in names}
    for name in ("copy", "lost"):
        literal = marked(config_map(f"{name}-literal"), claims[name], of=f"core/Service/{name}-web")
        true = marked(config_map(f"{name}-true"), claims[name])
        also = marked(service(f"{name}-also"), claims[name])
        await tenant.make(literal, true, also)
    # One of ours is replaced by a decoy of the same name, with the mark that it must have.
    await tenant.kubectl("delete", "networkpolicy", "copy-web")
    policy = {"podSelector": {"matchLabels": {"theirs": "yes"}}, "policyTypes": ["Ingress"]}
    network = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    decoys = await Decoys.of(
        team, *(f"{kind}" for name in ("copy", "lost") for kind in _copies(name)), "service/strip-web"
    )

    # A prune, then the release, with the copies in sight.
    await team.claim("copy", deletionPolicy="Delete", values={"guarded": "no"})
    await team.ready("copy")
    await tenant.make(marked(network | {"metadata": {"name": "copy-web"}, "spec": policy}, claims["copy"]))
    decoys.versions |= (await Decoys.of(team, "networkpolicy/copy-web")).versions
    await team.delete("copy")
    await team.gone("copy")
    await decoys.assert_untouched()

    # While the operator is away: the record of one claim is lost, and an object of the other loses its mark.
    await operator.stop()
    await team.platform.kubectl(
        "patch", "wc", "lost", "-n", team.namespace, "--subresource=status", "--type=json",
        "-p", '[{"op": "remove", "path": "/status"}]',
    )  # fmt: skip
    await tenant.kubectl("annotate", "service", "strip-web", "ocdp.io/owner-")
    decoys.versions |= (await Decoys.of(team, "service/strip-web")).versions
    for name in ("lost", "strip"):
        await tenant.kubectl("delete", "wc", name, "--wait=false")
    await operator.start()
    await team.gone("lost")
    await team.gone("strip")
    await told(team, "strip", "OwnershipConflict", "Service/strip-web does not carry this claim's mark")
    await decoys.assert_untouched()
    left = {name for name in await team.objects() if name.partition("/")[2].startswith(names)}
    assert left == {
        "ConfigMap/copy-literal", "ConfigMap/copy-true", "Service/copy-also", "NetworkPolicy/copy-web",
        "ConfigMap/lost-literal", "ConfigMap/lost-true", "Service/lost-also", "Service/strip-web",
    }  # fmt: skip
    for name in ("copy", "lost"):
        await tenant.kubectl("delete", *_copies(name))
    await tenant.kubectl("delete", "networkpolicy", "copy-web")
    await assert_truthful(team)


def _copies(name: str) -> tuple[str, ...]:
    return (f"configmap/{name}-literal", f"configmap/{name}-true", f"service/{name}-also")


async def test_21_forged_fields_and_annotations_change_nothing(team: Team, tenant: Tenant):
    forged = claim("ide", team.namespace, team.template_id, team.workspace, deletionPolicy="Delete")
    forged["spec"] |= {
        "requestedBy": {"username": "system:admin"},
        "user": "root",
        "poison": {"a": [1, None]},
    }
    forged["metadata"]["annotations"] = {
        "ocdp.io/in-force": f"1@{'0' * 40}",
        "ocdp.io/adopt": "11111111-2222-3333-4444-555555555555",
        "ocdp.io/owner": "x y/z core/Service/ide-web",
    }
    await tenant.kubectl("create", "--validate=false", "-f", "-", stdin=yaml.safe_dump(forged))
    # A hint that names another commit is not believed in silence: the claim says so, until it is taken away.
    await team.until("ide", "TemplateResolved", "False")
    assert not (await team.marked())
    await tenant.kubectl("annotate", "wc", "ide", "ocdp.io/in-force-")
    before = await team.ready("ide")
    assert {"user", "poison"} & before["spec"].keys() == set()
    assert before["spec"].get("requestedBy", {}).get("username") != "system:admin"

    for field in ("workspaceId", "templateId"):
        patch = json.dumps({"spec": {field: "another"}})
        with pytest.raises(LocalEnvironmentError, match="cannot be changed"):
            await tenant.kubectl("patch", "wc", "ide", "--type=merge", "-p", patch)

    in_force = before["metadata"]["annotations"]["ocdp.io/in-force"]
    await tenant.kubectl("annotate", "--overwrite", "wc", "ide", f"ocdp.io/in-force=9@{'f' * 40}")

    async def corrected() -> bool:
        found = await team.get_claim("ide")
        return found["metadata"]["annotations"].get("ocdp.io/in-force") == in_force

    await eventually(corrected, "the annotation says again what is in force")

    # Our labels and our mark on an object of ours.
    live = await team.find("service", "ide-web")
    await tenant.kubectl("label", "--overwrite", "service", "ide-web", "ocdp.io/claim-uid=none")
    await tenant.kubectl("label", "--overwrite", "deploy", "ide-web", "ocdp.io/claim-name=other")
    await tenant.kubectl("annotate", "--overwrite", "sa", "ide-web", "ocdp.io/owner=none")

    async def as_before() -> bool:
        objects = await team.objects()
        mine = [
            objects[name]["metadata"]
            for name in ("Service/ide-web", "Deployment/ide-web", "ServiceAccount/ide-web")
        ]
        return all(
            m["labels"].get("ocdp.io/claim-uid") == before["metadata"]["uid"]
            and m["labels"].get("ocdp.io/claim-name") == "ide"
            and m["annotations"].get("ocdp.io/owner", "").startswith(before["metadata"]["uid"])
            for m in mine
        )

    await eventually(as_before, "labels and marks are as they were")
    assert live
    assert (await team.find("service", "ide-web") or {})["metadata"]["uid"] == live["metadata"]["uid"]
    after = await team.ready("ide")
    assert after["status"]["template"] == before["status"]["template"]
    await assert_truthful(team)


async def test_21_a_forged_status_deletes_only_what_the_tenant_could_delete_itself(
    team: Team, tenant: Tenant
):
    await team.claim("ide", deletionPolicy="Delete")
    before = await team.ready("ide")
    if not tenant.has_status:
        with pytest.raises(LocalEnvironmentError, match="orbidden"):
            await tenant.forge_status("ide", inventory=[])
        await assert_truthful(team)
        return
    # Objects of the platform, each with the mark and the label that an object of this claim must have.
    await team.claim("ide-next")
    await team.ready("ide-next")
    theirs = [marked(body, before) for body in _of_the_platform()]
    await team.platform.kubectl(
        "apply", "--server-side", "-n", team.namespace, "-f", "-", stdin=yaml.safe_dump_all(theirs)
    )
    await tenant.make(config_map("ide-plain"), marked(config_map("aside"), before), service("ide-taken"))
    await tenant.make(marked(config_map("ide-own"), before))
    victims = ("role/ide-role", "resourcequota/ide-quota", "secret/ide-other", "rolebinding/tenant-edit",
               "configmap/ide-plain", "configmap/aside", "service/ide-taken", "service/ide-next-web")  # fmt: skip
    decoys = await Decoys.of(team, *victims)
    forged = [await _entry(team, name) for name in victims]
    garbage = [
        {"id": id_, "wave": 1} for id_ in ("garbage", "a_b_c_d", "__", "ide-next_ocdp.io_WorkloadClaim")
    ]
    real = before["status"]["inventory"]
    swapped = [entry | {"uid": "00000000-0000-0000-0000-000000000000"} for entry in real]
    fewer = [entry for entry in real if not entry["id"].startswith("ide-web_")]
    own = await _entry(team, "configmap/ide-own")
    template = before["status"]["template"]
    for status in (
        {"inventory": [*real, *forged, *garbage]},
        {"inventory": [*swapped, *forged]},
        {"inventory": fewer},
        {"inventory": [], "inputDigest": before["status"]["inputDigest"]},
        {"template": template | {"revision": 2**62}},
        {"observedGeneration": 2**60, "credentialsVersion": 7, "conditions": [], "history": []},
        {"conditions": [_condition("Ready", "True", "Available"), _condition("Odd", "True", "NoSuchReason")]},
        {"deletionPolicy": "RetainData", "pendingPrune": {"digest": "x", "objects": ["Role/ide-role"]}},
    ):  # fmt: skip
        await tenant.forge_status("ide", **status)
        await _as_it_was(team, before)
        await decoys.assert_untouched()

    # An object in a claim's way is not taken over because the record says that it was the claim's all along.
    await tenant.make(service("clash-web"))
    await team.claim("clash")
    conflict = await team.until("clash", "Applied", "False", "OwnershipConflict")
    decoys.versions |= (await Decoys.of(team, "service/clash-web")).versions
    stolen = (await _entry(team, "service/clash-web")) | {
        "desired": True,
        "wave": 2,
        "sent": "x",
        "applied": "x",
    }
    others = [e for e in conflict["status"]["inventory"] if e["id"] != stolen["id"]]
    await tenant.forge_status("clash", inventory=[*others, stolen], failure=None)

    async def refused_again() -> bool:
        return "failure" in (await team.get_claim("clash"))["status"]

    await eventually(refused_again, "the conflict is said again")
    await decoys.assert_untouched()

    # The bound: with mark and record both forged, the operator deletes what the tenant put in its own namespace.
    await tenant.forge_status("ide", inventory=[*(await team.ready("ide"))["status"]["inventory"], own])
    await team.gone("ide-own", kind="configmap")
    for kind in RUNTIME_KINDS:
        assert (
            await tenant.kubectl("auth", "can-i", "delete", f"{kind.plural}.{kind.group}")
        ).strip() == "yes"

    # Deleted with all of it on record, nothing of the platform goes along.
    now = (await team.ready("ide"))["status"]["inventory"]
    await tenant.forge_status("ide", inventory=[*forged, *garbage, *now])
    await team.delete("ide")
    await team.gone("ide")
    await decoys.assert_untouched()
    await team.ready("ide-next")
    await tenant.kubectl("delete", "configmap", "aside")
    await team.platform.kubectl("delete", "secret", "ide-other", "-n", team.namespace)
    await assert_truthful(team)


def _condition(type_: str, status: str, reason: str) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2020-01-01T00:00:00Z"}  # fmt: skip


def _of_the_platform() -> list[dict[str, Any]]:
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
    return [
        rbac | {"metadata": {"name": "ide-role"}, "rules": []},
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "ide-quota"}, "spec": {}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ide-other"}},
    ]


async def _entry(team: Team, name: str) -> dict[str, Any]:
    """An entry that names the object rightly, and wants it gone."""
    found = await team.find(*name.split("/"))
    assert found is not None
    group = found["apiVersion"].rpartition("/")[0]
    metadata = found["metadata"]
    return {
        "id": f"{metadata['name']}_{group}_{found['kind']}",
        "wave": 1,
        "uid": metadata["uid"],
        "desired": False,
    }


async def _as_it_was(team: Team, before: dict[str, Any]) -> None:
    """The claim's own objects are on record with their UIDs, and it is Ready; what was forged beside them is not asked."""
    wanted = {entry["id"]: entry["uid"] for entry in before["status"]["inventory"]}

    async def healed() -> Any:
        found = await team.get_claim("ide")
        recorded = {e["id"]: e.get("uid") for e in found["status"].get("inventory", ())}
        same = {id_: recorded.get(id_) for id_ in wanted} == wanted
        known = {c["type"] for c in found["status"].get("conditions", ())}
        return same and is_ready(found) and {"Ready", "TemplateResolved", "Applied", "Healthy"} <= known

    try:
        await eventually(healed, "the record is true again")
    except AssertionError as error:
        raise AssertionError(
            f"{error}\n{json.dumps((await team.get_claim('ide'))['status'], indent=1)}"
        ) from None
