"""litellm: models reach its file as they are, no value can name a variable, and a roll interrupts nobody."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled
from tests.support.app_renderings import (
    Build,
    claimed,
    config,
    container,
    named,
    on_base,
    rendered,
    writable,
)

APP = "litellm"
UPSTREAM = {"model": "hosted_vllm/chat", "api_base": "http://models.example.test/v1"}
MODELS = [{"model_name": "chat", "litellm_params": UPSTREAM}]
VARIABLE = "os.environ/LITELLM_MASTER_KEY"


def model(name: str = "chat", **params: Any) -> dict[str, Any]:
    return {"models": [{"model_name": name, "litellm_params": UPSTREAM | params}]}


async def test_values_reach_the_file_and_the_rest_of_it_stays(build: Build):
    values = {"models": MODELS, "numRetries": 0, "dropParams": False, "routingStrategy": "least-busy"}
    assert config(await rendered(build, APP, values)) == {
        "model_list": MODELS,
        "litellm_settings": {"request_timeout": 600, "num_retries": 0, "drop_params": False},
        "general_settings": {"master_key": VARIABLE},
        "router_settings": {"routing_strategy": "least-busy"},
    }


@pytest.mark.parametrize(
    "values",
    [
        model(VARIABLE),
        model(model=f"hosted_vllm/{VARIABLE}"),
        model(model=VARIABLE),
        model(api_base=f"http://collector.example.test/{VARIABLE}"),
        model(api_base=VARIABLE),
        model(api_key=VARIABLE),
        model(custom_llm_provider="x"),
        model(api_base="file:///etc/passwd"),
        model(api_base="http://user:password@models.example.test/v1"),
        model(model="hosted_vllm/chat\n"),
        model("chat\n"),
        {"models": []},
        {},
    ],
    ids=str,
)
def test_no_value_names_a_variable_or_more_than_a_model(values: dict[str, Any]):
    with pytest.raises(Stalled) as refused:
        claimed(APP, values)
    assert refused.value.reason is Reason.INVALID_VALUES
    assert refused.value.value_path.startswith("/spec/values/models")


async def test_the_log_level_is_the_one_that_is_asked_for(build: Build):
    objects = await rendered(build, APP, {"models": MODELS, "logLevel": "DEBUG"})
    environment = {env["name"]: env.get("value") for env in container(objects)["env"]}
    assert environment == {
        "LITELLM_LOG": "DEBUG",
        "LITELLM_MASTER_KEY": None,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
    }


async def test_no_key_of_the_secret_becomes_a_setting(build: Build):
    objects = await rendered(build, APP, {"models": MODELS})
    assert container(objects)["envFrom"] == [
        {"prefix": "UPSTREAM_", "secretRef": {"name": "ide-credentials", "optional": False}}
    ]


async def test_the_port_is_said_and_not_found(build: Build):
    assert container(await build(on_base(APP)))["args"][-2:] == ["--port", "4000"]


async def test_a_new_pod_answers_before_an_old_one_goes(build: Build):
    strategy = named(await build(on_base(APP)), "Deployment/")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


@pytest.mark.parametrize("replicas", [1, 2, 5])
async def test_a_drain_takes_one_of_several_gateways(build: Build, replicas: int):
    objects = await rendered(build, APP, {"models": MODELS, "replicas": replicas})
    budgets = [body["spec"] for body in objects.values() if body["kind"] == "PodDisruptionBudget"]
    assert named(objects, "Deployment/")["spec"]["replicas"] == replicas
    assert [budget["maxUnavailable"] for budget in budgets] == ([1] if replicas > 1 else [])


async def test_a_probe_never_calls_a_model(build: Build):
    only = container(await build(on_base(APP)))
    paths = {only[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert paths == {"/health/readiness", "/health/liveliness"}


async def test_it_writes_to_tmp_alone_and_keeps_nothing(build: Build):
    objects = await build(on_base(APP))
    assert writable(objects) == {"/tmp"}
    assert not [name for name in objects if name.startswith("PersistentVolumeClaim/")]
