"""An object is deleted and made anew by somebody between our look at it and our write: the new one stays as it is."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from aiohttp import web

from ocdp_operator.model.names import OWNER
from tests.adversarial.conftest import Decoys, Proxied, Tenant, assert_truthful
from tests.support.world import Team, condition

THEIRS = {"ports": [{"port": 1}], "selector": {"theirs": "yes"}}


class Swap:
    """The tenant replaces a Service at the moment of our next write to it, before the API server sees that write."""

    def __init__(
        self, proxied: Proxied, tenant: Tenant, claim: dict[str, Any], *, method: str, marked: bool
    ) -> None:
        team = tenant.team
        self.done = False
        self.name = f"{claim['metadata']['name']}-web"
        self._method = method
        self._part = f"/namespaces/{team.namespace}/services/{self.name}"
        self._meanwhile = partial(proxied.meanwhile, team, tenant=tenant)
        metadata: dict[str, Any] = {"name": self.name}
        if marked:
            uid, name = claim["metadata"]["uid"], claim["metadata"]["name"]
            mark = f"{uid} {team.namespace}/{name} core/Service/{self.name}"
            metadata |= {"annotations": {OWNER: mark}, "labels": {"ocdp.io/claim-uid": uid}}
        self._body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": THEIRS}
        self.before = lambda request: True
        proxied.proxy.rules.append(self._rule)

    def _rule(self, request: web.Request) -> None:
        if self.done or request.method != self._method or self._part not in request.path:
            return
        if not self.before(request):
            return
        self.done = True
        self._meanwhile("delete", "service", self.name, "--ignore-not-found")
        self._meanwhile("create", "-f", "-", stdin=json.dumps(self._body))


async def test_22_an_object_made_anew_by_somebody_is_neither_changed_nor_deleted(
    team: Team, tenant: Tenant, proxied: Proxied
):
    names = ["edit", "edit-marked", "delete", "delete-marked", "prune", "unrecorded"]
    for name in names:
        await team.claim(name, deletionPolicy="Delete")
    claims = {name: await team.ready(name) for name in names}

    def swap(name: str, method: str) -> Swap:
        return Swap(proxied, tenant, claims[name], method=method, marked=name.endswith("-marked"))

    edits = [swap("edit", "PATCH"), swap("edit-marked", "PATCH")]
    deletes = [swap("delete", "DELETE"), swap("delete-marked", "DELETE")]
    # The answer to a creation was lost, and the object is looked up by its name: it goes between GET and PATCH.
    unrecorded = swap("unrecorded", "PATCH")
    tries = []
    unrecorded.before = lambda request: bool(tries) or tries.append(request) is not None
    await _forget_uid(team, claims["unrecorded"])
    for name in ("edit", "edit-marked"):
        patch = '{"spec": {"selector": {"mine": "now"}}}'
        await tenant.kubectl("patch", "service", f"{name}-web", "--type=merge", "-p", patch)
    await _released(team, "delete", "delete-marked")
    for name in ("edit", "edit-marked", "unrecorded"):
        found = await team.until(name, "Applied", "False", "OwnershipConflict")
        assert f"Service/{name}-web" in condition(found, "Applied")["message"]
    assert all(each.done for each in (*edits, *deletes, unrecorded))

    decoys = await Decoys.of(team, *(f"service/{name}-web" for name in names if name != "prune"))
    for name in decoys.versions:
        found = await team.find(*name.split("/"))
        assert found is not None
        assert found["spec"]["selector"] == {"theirs": "yes"}

    # The refused claims are released: nothing of somebody else goes with them.
    await _released(team, "edit", "edit-marked", "unrecorded")
    await decoys.assert_untouched()
    for name in decoys.versions:
        await team.platform.kubectl("delete", *name.split("/"), "-n", team.namespace)
    await team.ready("prune")
    await assert_truthful(team)


async def _released(team: Team, *names: str) -> None:
    for name in names:
        await team.delete(name)
    for name in names:
        await team.gone(name)


async def _forget_uid(team: Team, claim: dict[str, Any]) -> None:
    name = claim["metadata"]["name"]
    inventory = [
        {k: v for k, v in entry.items() if k != "uid" or entry["id"] != f"{name}-web__Service"}
        for entry in claim["status"]["inventory"]
    ]
    patch = json.dumps({"status": {"inventory": inventory, "inputDigest": None}})
    await team.platform.kubectl(
        "patch", "wc", name, "-n", team.namespace, "--subresource=status", "--type=merge", "-p", patch
    )


async def test_22_a_name_that_is_taken_while_an_object_of_ours_is_made_again_stays_taken(
    team: Team, tenant: Tenant, proxied: Proxied
):
    for name in ("hit", "beside"):
        await team.claim(name, deletionPolicy="Delete")
    hit = await team.ready("hit")
    await team.ready("beside")
    Swap(proxied, tenant, hit, method="PATCH", marked=True)
    await tenant.kubectl("delete", "service", "hit-web")
    await team.claim("beside", values={"greeting": "go on"}, deletionPolicy="Delete")
    await team.ready("beside")
    await team.until("hit", "Applied", "False", "OwnershipConflict")
    decoys = await Decoys.of(team, "service/hit-web")
    await team.claim("hit", values={"greeting": "again"}, deletionPolicy="Delete")
    await team.until("hit", "Applied", "False", "OwnershipConflict")
    await decoys.assert_untouched()
    await team.platform.kubectl("delete", "service", "hit-web", "-n", team.namespace)
    await team.ready("hit")
    await assert_truthful(team)
