"""Ports and hosts that a user chooses: the environment's range, what is taken, what stays, and what gets free."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.support.apps import app_files, document, template
from tests.support.world import Claim, Team, condition

RANGE = {"from": 31800, "to": 31899}
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
HOST = "nobody.apps.example.test"
_BACKEND = {"service": {"name": "web", "port": {"name": "http"}}}
_INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "web"},
    "spec": {
        "rules": [
            {
                "host": HOST,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": _BACKEND}]},
            }
        ]
    },
}


def exposed(team: Team, name: str, schema: dict[str, Any], mapping: dict[str, Any]) -> dict[str, Any]:
    """The template with one more value, which goes to one place."""
    made = template(team.template_id, team.repository_url)
    made["schema"]["properties"][name] = {"title": name, "description": "For a test.", **schema}
    made["mappings"].append(mapping)
    return made


def with_port(team: Team) -> dict[str, Any]:
    patch = {"kind": "Service", "name": "web", "pointer": "/spec/ports/0/nodePort", "op": "add"}
    schema = {"type": "integer", "minimum": 30000, "maximum": 32767}
    return exposed(team, "nodePort", schema, {"from": "values.nodePort", "patch": patch})


def with_label(team: Team) -> dict[str, Any]:
    """The first label of the Ingress's host is a value."""
    patch = {"kind": "Ingress", "name": "web", "pointer": "/spec/rules/0/host", "op": "replace"}
    schema = {"type": "string", "minLength": 1, "maxLength": 40}
    host = "has(values.label) ? slug(values.label) + '.apps.example.test' : null"
    return exposed(team, "label", schema, {"value": host, "patch": patch})


async def publish(team: Team, made: dict[str, Any], **files: bytes) -> None:
    changes = {key: value for key, value in made.items() if key in ("schema", "mappings")}
    await team.publish(app_files(**files), **changes)
    await team.platform.bind(team.template_id, team.workspace)


async def refused(team: Team, name: str, type_: str, reason: str, path: str) -> str:
    found = await team.until(name, type_, "False", reason)
    assert found["status"]["failure"]["valuePath"] == path
    return str(condition(found, type_)["message"])


def port_of(claim: Claim) -> str:
    [url] = [each["url"] for each in claim["status"]["endpoints"] if each["name"] == "nodeport"]
    return str(url.rpartition(":")[2])


@pytest.fixture
async def team(new_team: Any) -> Team:
    """A workspace whose environment offers some node ports."""
    made: Team = await new_team(publish=False)
    profile = {
        "kind": "EnvironmentProfile",
        "id": made.workspace,
        "workspace": made.workspace,
        "nodePorts": RANGE,
    }
    await made.platform.ocdp("profile", "apply", "-f", "-", stdin=yaml.safe_dump(profile))
    return made


@pytest.mark.timeout(300)  # a claim that waits for a port may look for it again after a minute
async def test_a_node_port_is_within_the_range_stays_and_is_never_taken_from_who_has_it(team: Team):
    await publish(team, with_port(team), service=document(_SERVICE))

    await team.claim("outside", values={"nodePort": 31900})
    path = "/spec/values/nodePort"
    message = await refused(team, "outside", "TemplateResolved", "InvalidValues", path)
    assert "from 31800 to 31899" in message

    await team.claim("first", values={"nodePort": 31805}, deletionPolicy="Delete")
    assert port_of(await team.ready("first")) == "31805"
    await team.claim("second", values={"nodePort": 31805})
    message = await refused(team, "second", "Applied", "NodePortTaken", path)
    assert "31805" in message

    await team.claim("given", values={})
    given = port_of(await team.ready("given"))
    for turn in range(3):
        await team.claim("given", values={"greeting": f"turn {turn}"})
        assert port_of(await team.ready("given")) == given
    await team.claim("given", values={"nodePort": 31805})
    await refused(team, "given", "Applied", "NodePortTaken", path)
    service = (await team.objects())["Service/given-web"]
    assert str(service["spec"]["ports"][0]["nodePort"]) == given
    assert port_of(await team.get_claim("first")) == "31805"

    await team.claim("given", values={})  # while the port is taken: only one waits for it once it is free
    assert port_of(await team.ready("given")) == given
    await team.delete("first")
    await team.gone("first")
    assert port_of(await team.ready("second", seconds=90)) == "31805"
    assert port_of(await team.get_claim("given")) == given


async def test_a_host_is_the_first_claims_until_it_goes(team: Team):
    await publish(team, with_label(team), ingress=document(_INGRESS))
    host = f"{team.namespace}.apps.example.test"

    await team.claim("first", values={"label": team.namespace}, deletionPolicy="Delete")
    await team.ready("first")
    await team.reached("first", f"http://{host}")
    await team.claim("second", values={"label": team.namespace})
    found = await team.until("second", "Applied", "False", "HostTaken")
    assert f"The host {host} is taken" in condition(found, "Applied")["message"]
    assert await team.find("ingress", "second-web") is None

    await team.delete("first")
    await team.gone("first")
    await team.ready("second", seconds=90)
    await team.reached("second", f"http://{host}")


async def test_a_host_of_an_ingress_that_is_no_claims_is_not_taken(team: Team):
    await publish(team, with_label(team), ingress=document(_INGRESS))
    host = f"{team.namespace}.apps.example.test"
    theirs = yaml.safe_load(document(_INGRESS))
    theirs["metadata"] = {"name": "theirs", "namespace": team.namespace}
    theirs["spec"]["rules"][0]["host"] = host
    await team.platform.kubectl("create", "-f", "-", stdin=yaml.safe_dump(theirs))

    await team.claim("ide", values={"label": f"x-{team.namespace}"})
    await team.ready("ide")
    await team.claim("ide", values={"label": team.namespace})
    found = await team.until("ide", "Applied", "False", "HostTaken")
    assert "Ingress/theirs" in condition(found, "Applied")["message"]
    live = (await team.objects())["Ingress/ide-web"]
    assert live["spec"]["rules"][0]["host"] == f"x-{host}"
    await team.platform.kubectl("delete", "ingress", "theirs", "-n", team.namespace)
    await team.ready("ide", seconds=90)
    await team.reached("ide", f"http://{host}")
