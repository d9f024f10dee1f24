"""The applications that come with the project: each becomes Ready through the operator, and says where it is reached."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.support.app_renderings import APPS, DOMAIN, ROOT, app_files
from tests.support.apps import claim
from tests.support.fix_operator import TeamFactory
from tests.support.world import Team

MINIMAL: dict[str, dict[str, Any]] = {
    "code-server": {},
    "vllm-server": {},
    "litellm": {
        "models": [
            {
                "model_name": "chat",
                "litellm_params": {"model": "hosted_vllm/chat", "api_base": "http://models.example.test/v1"},
            }
        ]
    },
}
"""What a user must say at least."""
SHORT = {"code-server": "ide", "vllm-server": "model", "litellm": "gateway"}
EXPOSURES = ("clusterip", "nodeport", "loadbalancer", "ingress")
KEYS = {"code-server": "PASSWORD", "vllm-server": "VLLM_API_KEY", "litellm": "LITELLM_MASTER_KEY"}
PATHS = {"vllm-server": "/v1"}
"""What of an application a host name exposes, where it isn't all."""


@pytest.fixture
async def customers(new_team: TeamFactory) -> Team:
    """A team that may use the three example templates."""
    team = await new_team("customers", publish=False)
    commit = await team.repository.commit(app_files(), "The example applications")
    for app in APPS:
        template = yaml.safe_load((ROOT / "examples" / "templates" / f"{app}.yaml").read_text())
        template["id"] = template_id(team, app)
        template["source"]["repositoryUrl"] = team.repository_url
        await team.repository.tag(template["source"]["ref"], commit)
        await team.platform.publish(template)
        await team.platform.bind(template["id"], team.workspace)
    return team


def template_id(team: Team, app: str) -> str:
    """Templates are of the whole catalog, which other tests share."""
    return f"{app}-{team.namespace}"


def host(team: Team, app: str) -> str:
    return f"{SHORT[app]}.{team.namespace}.{DOMAIN}"


def values(team: Team, app: str, exposure: str) -> dict[str, Any]:
    """The least that brings this exposure; inside the cluster is the default."""
    chosen = {} if exposure == "clusterip" else {"exposure": exposure}
    named = {"host": host(team, app)} if exposure == "ingress" else {}
    return MINIMAL[app] | chosen | named


def url(team: Team, app: str, exposure: str) -> str:
    """What the endpoint of this exposure says, as far as it can be known beforehand."""
    return {
        "clusterip": f"http://{SHORT[app]}-{exposure}-{app}.{team.namespace}.svc",
        "nodeport": "http://<any-node>:",
        "loadbalancer": "http://203.0.113.",
        "ingress": f"http://{host(team, app)}{PATHS.get(app, '')}",
    }[exposure]


ENDPOINTS = {
    "clusterip": "internal",
    "nodeport": "nodeport",
    "loadbalancer": "loadbalancer",
    "ingress": "ingress",
}


async def test_each_application_becomes_ready_in_each_way_to_reach_it(customers: Team):
    asked = [(app, exposure, f"{SHORT[app]}-{exposure}") for app in APPS for exposure in EXPOSURES]
    claims = [
        claim(
            name,
            customers.namespace,
            template_id(customers, app),
            customers.workspace,
            values=values(customers, app, exposure),
        )
        for app, exposure, name in asked
    ]
    await customers.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(claims))
    for app, exposure, name in asked:
        ready = await customers.ready(name)
        status = ready["status"]
        endpoints = {each["name"]: each["url"] for each in status["endpoints"]}
        assert endpoints[ENDPOINTS[exposure]].startswith(url(customers, app, exposure)), name
        assert status["url"] == endpoints[ENDPOINTS[exposure]]
        assert status["credentialsSecretRef"] == {"name": f"{name}-credentials", "keys": [KEYS[app]]}


async def test_a_model_without_a_gpu_and_several_gateways_become_ready(customers: Team):
    await customers.platform.kubectl(
        "apply",
        "-f",
        "-",
        stdin=yaml.safe_dump_all(
            [
                claim(
                    name,
                    customers.namespace,
                    template_id(customers, app),
                    customers.workspace,
                    values=MINIMAL[app] | more,
                )
                for name, app, more in (
                    ("slow", "vllm-server", {"accelerator": "cpu"}),
                    ("many", "litellm", {"replicas": 3}),
                )
            ]
        ),
    )
    await customers.ready("slow")
    await customers.ready("many")
    objects = await customers.objects()
    assert objects["Deployment/many-litellm"]["status"]["readyReplicas"] == 3
    assert objects["PodDisruptionBudget/many-litellm"]["spec"]["maxUnavailable"] == 1
    limits = objects["Deployment/slow-vllm-server"]["spec"]["template"]["spec"]["containers"][0]["resources"][
        "limits"
    ]
    assert limits.keys() == {"cpu", "memory"}
