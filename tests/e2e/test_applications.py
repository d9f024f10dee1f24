"""The applications that come with the project: each becomes Ready through the operator, and says where it is reached."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.support.app_renderings import APPS, DOMAIN, ROOT, app_files
from tests.support.apps import claim
from tests.support.fix_operator import TeamFactory
from tests.support.full_claims import full_claim
from tests.support.world import Team

MINIMAL: dict[str, dict[str, Any]] = {
    "code-server": {},
    "vllm-server": {},
    "litellm": {"models": [{"name": "chat", "model": "chat", "apiBase": "http://models.example.test/v1"}]},
}
"""What a user must say at least."""
SHORT = {"code-server": "ide", "vllm-server": "model", "litellm": "gateway"}
EXPOSURES = ("clusterip", "nodeport", "loadbalancer", "ingress")
KEYS = {"code-server": "PASSWORD", "vllm-server": "VLLM_API_KEY", "litellm": "LITELLM_MASTER_KEY"}
PATHS = {"vllm-server": "/v1"}
"""What of an application a host name exposes, where it isn't all."""


@pytest.fixture
async def customers(new_team: TeamFactory) -> Team:
    """A team that may use the three example templates, in an environment with a domain and ports of nodes."""
    team = await new_team("customers", publish=False)
    await team.platform.profile(
        {
            "kind": "EnvironmentProfile",
            "id": team.workspace,
            "workspace": team.workspace,
            "ingress": {"domain": DOMAIN},
            "nodePorts": {"from": 30000, "to": 32767},
        }
    )
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


def host(team: Team, name: str) -> str:
    return f"{name}-{team.workspace}.{DOMAIN}"


def values(app: str, exposure: str) -> dict[str, Any]:
    """The least that brings this exposure; inside the cluster is the default."""
    return MINIMAL[app] | ({} if exposure == "clusterip" else {"exposure": exposure})


def url(team: Team, app: str, exposure: str) -> str:
    """What the endpoint of this exposure says, as far as it can be known beforehand."""
    return {
        "clusterip": f"http://{SHORT[app]}-{exposure}-{app}.{team.namespace}.svc",
        "nodeport": "http://<any-node>:",
        "loadbalancer": "http://203.0.113.",
        "ingress": f"http://{host(team, f'{SHORT[app]}-{exposure}')}{PATHS.get(app, '')}",
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
            values=values(app, exposure),
        )
        for app, exposure, name in asked
    ]
    await customers.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(claims))
    reached: dict[str, str] = {}
    for app, exposure, name in asked:
        await customers.ready(name)
        found = await customers.reached(name, url(customers, app, exposure), whole=False)
        status = found["status"]
        endpoints = {each["name"]: each["url"] for each in status["endpoints"]}
        assert status["url"] == endpoints[ENDPOINTS[exposure]], name
        assert status["credentialsSecretRef"] == {"name": f"{name}-credentials", "keys": [KEYS[app]]}
        reached[name] = status["url"]
    listed = await customers.platform.kubectl("get", "wc", "-n", customers.namespace)
    rows = {line.split()[0]: line.split() for line in listed.splitlines()}
    assert len(reached) == len(APPS) * len(EXPOSURES)
    assert all(url in rows[name] for name, url in reached.items()), listed


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


OWN_SECRETS = {
    "my-password": {"password": "correct-horse-battery"},
    "gateway-keys": {
        "master": "sk-0123456789abcdef0123456789abcdef",
        "chat": "key-of-chat",
        "openai": "key-of-openai",
    },
    "model-keys": {"api": "key-of-sixteen-or-more", "hub": "hf_0123456789abcdefghij"},
}
"""What the claims that set every value name as ``secretKeyRef``."""


async def test_a_claim_that_sets_every_value_becomes_ready(customers: Team):
    own = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": customers.namespace,
                "labels": {"ocdp.io/claimable": "true"},
            },
            "stringData": data,
        }
        for name, data in OWN_SECRETS.items()
    ]
    claims = [
        claim(name, customers.namespace, template_id(customers, app), customers.workspace, values=values)
        for app in APPS
        for name, values in (full_claim(app),)
    ]
    await customers.platform.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([*own, *claims]))
    for asked in claims:
        await customers.ready(asked["metadata"]["name"])
    objects = await customers.objects()
    assert set(secrets_of(objects["Deployment/full-ide-code-server"])) == {"my-password"}
    assert set(secrets_of(objects["Deployment/full-model-vllm-server"])) == {"model-keys"}
    # The gateway is given every key of one Secret: copies of what is its user's are in there, too.
    gateway = objects["Deployment/full-gateway-litellm"]
    assert "full-gateway-credentials" in secrets_of(gateway)


def secrets_of(deployment: dict[str, Any]) -> list[str]:
    """The Secrets that its container names."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    keys = [env.get("valueFrom", {}).get("secretKeyRef", {}) for env in container["env"]]
    whole = [source.get("secretRef", {}) for source in container.get("envFrom", ())]
    return [each["name"] for each in (*keys, *whole) if each]
