"""litellm: each model has its key, no value can name a variable, and a roll interrupts nobody."""

from __future__ import annotations

from typing import Any

import pytest

from ocdp_operator.errors import Reason, Stalled
from ocdp_operator.model.secrets import Alphabet, GenerateRule, SecretReference
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
MODEL = {"name": "chat", "model": "chat", "apiBase": "http://models.example.test/v1"}
MODELS = [MODEL]
VARIABLE = "os.environ/LITELLM_MASTER_KEY"
KEY = {"secretKeyRef": {"name": "keys", "key": "openai"}}


def model(**changes: Any) -> dict[str, Any]:
    return {"models": [MODEL | changes]}


async def test_values_reach_the_file_and_the_rest_of_it_stays(build: Build):
    values = {"models": MODELS, "numRetries": 0, "dropParams": False, "routingStrategy": "least-busy"}
    assert config(await rendered(build, APP, values)) == {
        "model_list": [
            {
                "model_name": "chat",
                "litellm_params": {"model": "hosted_vllm/chat", "api_base": "http://models.example.test/v1"},
            }
        ],
        "litellm_settings": {"request_timeout": 600, "num_retries": 0, "drop_params": False},
        "general_settings": {"master_key": VARIABLE},
        "router_settings": {"routing_strategy": "least-busy"},
    }


@pytest.mark.parametrize(
    ("provider", "prefix"),
    [
        *((name, name) for name in ("hosted_vllm", "openai", "azure", "anthropic", "gemini", "ollama_chat")),
        ("openai-compatible", "openai"),
    ],
)
async def test_a_provider_is_the_first_part_of_the_models_name(build: Build, provider: str, prefix: str):
    (listed,) = config(await rendered(build, APP, model(provider=provider, rpm=60)))["model_list"]
    assert listed["litellm_params"]["model"] == f"{prefix}/chat"
    assert (listed["litellm_params"]["rpm"], "tpm" in listed["litellm_params"]) == (60, False)


@pytest.mark.parametrize(
    ("provider", "needed"),
    [
        *((name, True) for name in ("hosted_vllm", "azure", "ollama_chat", "openai-compatible")),
        *((name, False) for name in ("openai", "anthropic", "gemini")),
    ],
)
def test_an_address_is_asked_for_where_the_provider_has_none(provider: str, needed: bool):
    values = {"models": [{"name": "chat", "model": "chat", "provider": provider}]}
    if not needed:
        assert claimed(APP, values)
        return
    with pytest.raises(Stalled) as refused:
        claimed(APP, values)
    assert refused.value.value_path == "/spec/values/models/0/apiBase"


async def test_each_model_has_a_key_of_its_own(build: Build):
    values = {
        "models": [
            MODEL,
            {"name": "GPT", "provider": "openai", "model": "gpt-5-mini", "apiKey": KEY},
            {"name": "gpt/mini", "provider": "openai", "model": "gpt-5-mini", "apiKey": KEY},
        ]
    }
    _, *keyed = config(await rendered(build, APP, values))["model_list"]
    master, *keys = claimed(APP, values).secrets
    assert master.key == "LITELLM_MASTER_KEY"
    # The base gives every key of the Secret to the gateway with this prefix.
    assert [each["litellm_params"]["api_key"] for each in keyed] == [
        f"os.environ/UPSTREAM_{use.key}" for use in keys
    ]
    assert keys[0].key == "MODEL_GPT_API_KEY"
    assert all(
        use.plain is not None and use.plain.origin == SecretReference("keys", "openai") for use in keys
    )


def test_two_models_of_one_name_are_refused():
    with pytest.raises(Stalled) as refused:
        claimed(APP, {"models": [MODEL | {"apiKey": KEY}, MODEL | {"apiKey": KEY}]})
    assert refused.value.value_path.startswith("/spec/values/models")


def test_the_master_key_is_generated_as_litellm_wants_it():
    (made,) = claimed(APP, model()).secrets
    assert made.plain is not None
    assert made.plain.origin == GenerateRule(48, Alphabet.HEX, "sk-")


@pytest.mark.parametrize(
    "values",
    [
        model(name=VARIABLE),
        model(model=VARIABLE),
        model(model=f"chat/{VARIABLE}"),
        model(apiBase=f"http://collector.example.test/{VARIABLE}"),
        model(apiBase=VARIABLE),
        model(apiKey=VARIABLE),
        model(apiKey="sk-in-the-claim"),
        model(provider=VARIABLE),
        model(custom_llm_provider="x"),
        model(apiBase="file:///etc/passwd"),
        model(apiBase="http://user:password@models.example.test/v1"),
        model(model="chat\n"),
        model(name="chat\n"),
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
