"""Node ports: none left, one that is taken, a Service that is made anew; nobody's port is taken, and a published one stays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from ocdp_operator.dev.errors import LocalEnvironmentError
from ocdp_operator.model.names import RECONCILE_REQUESTED
from tests.support.apps import app_files, document, template
from tests.support.fix_operator import TeamFactory
from tests.support.world import Claim, Team, condition, eventually

RANGE = {"from": 30000, "to": 32767}
AT_ONCE = 100
"""Ports of one Service that takes many."""
LOOKS = 100

_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {
        "type": "NodePort",
        "selector": {"app.kubernetes.io/name": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    },
}


@pytest.fixture
async def team(new_team: TeamFactory) -> Team:
    """A workspace whose template makes a Service with a node port, of the user's choice if there is one."""
    made = await new_team(publish=False)
    await made.platform.profile(
        {"kind": "EnvironmentProfile", "id": made.workspace, "workspace": made.workspace, "nodePorts": RANGE}
    )
    entry = template(made.template_id, made.repository_url)
    entry["schema"]["properties"]["nodePort"] = {
        "type": "integer",
        "title": "Port",
        "description": "For a test.",
        "minimum": RANGE["from"],
        "maximum": RANGE["to"],
    }
    patch = {"kind": "Service", "name": "web", "pointer": "/spec/ports/0/nodePort", "op": "add"}
    entry["mappings"].append({"from": "values.nodePort", "patch": patch})
    changes = {name: entry[name] for name in ("schema", "mappings")}
    await made.publish(app_files(service=document(_SERVICE)), **changes)
    await made.platform.bind(made.template_id, made.workspace)
    return made


async def live_port(team: Team, name: str) -> int | None:
    service = await team.find("service", f"{name}-web")
    return None if service is None else int(service["spec"]["ports"][0]["nodePort"])


def published_port(claim: Claim) -> int:
    [url] = [each["url"] for each in claim["status"]["endpoints"] if each["name"] == "nodeport"]
    return int(url.rpartition(":")[2])


def hoard(name: str, count: int) -> dict[str, Any]:
    """A Service of nobody's claim that takes many node ports."""
    ports = [{"name": f"p{n}", "port": n} for n in range(1, count + 1)]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "ports": ports},
    }


@pytest.fixture
async def exhausted(team: Team) -> AsyncIterator[str]:
    """Every node port of the cluster is taken; the name of a Service that has the last ones."""
    kubectl, ns = team.platform.kubectl, team.namespace
    last = ""
    try:
        for count in (AT_ONCE, 10, 1):
            for number in range(RANGE["to"] - RANGE["from"] + 2):
                name = f"hoard-{count}-{number}"
                try:
                    await kubectl("create", "-n", ns, "-f", "-", stdin=json.dumps(hoard(name, count)))
                except LocalEnvironmentError as error:
                    assert "failed to allocate a nodePort" in str(error)  # noqa: PT017 - the words that we rely on
                    break
                last = name
        yield last
    finally:
        await kubectl("delete", "service", "-n", ns, "--all", "--wait=false")


async def test_40_without_a_free_port_the_claim_says_so_and_gets_one_when_there_is_one(
    team: Team, exhausted: str
):
    await team.claim("ide", deletionPolicy="Delete")
    found = await team.until("ide", "Applied", "False", "NodePortTaken")
    message = condition(found, "Applied")["message"]
    assert "Service/ide-web: the cluster has no free node port" in message
    assert found["status"]["failure"]["actor"] == "ClusterOperator"
    assert condition(found, "Reconciling")["status"] == "True"
    assert await team.find("service", "ide-web") is None
    # Nothing else waits for it.
    assert await team.find("deployment", "ide-web") is not None

    await team.platform.kubectl("delete", "service", exhausted, "-n", team.namespace)
    ready = await team.ready("ide", seconds=90)
    assert published_port(ready) == await live_port(team, "ide")


async def test_40_a_port_of_somebody_else_is_never_taken(team: Team):
    theirs = yaml.safe_load(document(_SERVICE)) | {"metadata": {"name": "theirs"}}
    theirs["spec"]["ports"][0]["nodePort"] = 31777
    await team.platform.kubectl("create", "-n", team.namespace, "-f", "-", stdin=json.dumps(theirs))
    before = await team.platform.get("service", "theirs", "-n", team.namespace)
    await team.claim("ide", values={"nodePort": 31777})
    found = await team.until("ide", "Applied", "False", "NodePortTaken")
    assert "31777" in condition(found, "Applied")["message"]
    assert found["status"]["failure"]["valuePath"] == "/spec/values/nodePort"
    assert await team.platform.get("service", "theirs", "-n", team.namespace) == before

    await team.claim("ide", values={})
    ready = await team.ready("ide")
    assert published_port(ready) not in (31777, 0)


async def test_40_a_service_that_was_deleted_comes_back_and_its_port_is_published(team: Team):
    for name, values in (("chosen", {"nodePort": 31778}), ("given", {})):
        await team.claim(name, values=values)
        await team.ready(name)
        before = await team.platform.get("service", f"{name}-web", "-n", team.namespace)
        await team.platform.kubectl("delete", "service", f"{name}-web", "-n", team.namespace)

        async def published(name: str = name, old: str = before["metadata"]["uid"]) -> bool:
            service, claim = await team.find("service", f"{name}-web"), await team.get_claim(name)
            if service is None or service["metadata"]["uid"] == old:
                return False
            return published_port(claim) == service["spec"]["ports"][0]["nodePort"]

        await eventually(published, f"{name}'s Service is back, and its port is published")
    assert await live_port(team, "chosen") == 31778


async def test_40_a_port_stays_through_a_hundred_looks(team: Team):
    await team.claim("ide", values={})
    port = published_port(await team.ready("ide"))
    uid = (await team.platform.get("service", "ide-web", "-n", team.namespace))["metadata"]["uid"]
    for turn in range(LOOKS):
        token = f"look-{turn}"
        await team.platform.kubectl(
            "annotate", "wc", "ide", "-n", team.namespace, "--overwrite", f"{RECONCILE_REQUESTED}={token}"
        )

        async def looked(token: str = token) -> Claim | None:
            claim = await team.get_claim("ide")
            return claim if claim["status"].get("lastHandledReconcileAt") == token else None

        claim = await eventually(looked, f"{token} is handled", every=0.05)
        assert published_port(claim) == port
    # And through edits, which send the Service's neighbours anew.
    for turn in range(3):
        await team.claim("ide", values={"greeting": f"turn {turn}"})
        assert published_port(await team.ready("ide")) == port
    service = await team.platform.get("service", "ide-web", "-n", team.namespace)
    assert service["spec"]["ports"][0]["nodePort"] == port
    assert service["metadata"]["uid"] == uid
